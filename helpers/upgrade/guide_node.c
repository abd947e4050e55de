/* Which server this is: what is said about it, else what okv-luna.conf says, else what can be seen. */
#include <stdio.h>
#include <string.h>

#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/chrystoki.h"
#include "okv/release.h"
#include "upgrade/guide.h"

static const struct {
	const char *name;
	unsigned kind;
} kinds[] = {
	{ "network", GUIDE_NETWORK },
	{ "cloud-min", GUIDE_CLOUD_MIN },
	{ "cloud-full", GUIDE_CLOUD_FULL },
	{ "hybrid", GUIDE_HYBRID },
};

enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

void guide_node_done(struct guide_node *node)
{
	text_done(&node->options);
	text_done(&node->described);
	text_done(&node->notes);
}

static int version_take(const char *version, const char *option, struct guide_range *ret_range, struct fault *f)
{
	const unsigned number = okv_version_parse(version);

	if (number == 0 || version[strspn(version, "0123456789.-")] != '\0')
		return fault_usage(f, "%s must be a version like 21.5, not '%s'", option, SHOWN(version));
	*ret_range = (struct guide_range){ number, number };
	return 0;
}

/* The release in "Oracle Key Vault Server 21.9", or "". */
static const char *release_in(struct text *line)
{
	const char *at = text_string(line) + strcspn(text_string(line), "0123456789");

	if (okv_version_parse(at) == 0)
		return "";
	text_cut(line, (size_t)(at - line->bytes) + strspn(at, "0123456789."));
	return at;
}

static int okv_take(int root, const struct settings *s, const char *said, struct guide_node *node, struct fault *f)
{
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	const char *from = said != NULL ? "--okv" : "okv-luna.conf";
	const char *release = said != NULL ? said : s->okv_release;
	bool generic;

	okv_release_find(root, &os, &okv);
	if (release[0] == '\0') {
		release = release_in(&okv);
		from = "detected";
	}
	if (fs_existence(root, SETTINGS_GENERIC, &generic, f) < 0)
		return -1;
	if (release[0] == '\0') {
		node->okv = (struct guide_range){ generic ? 2103 : 0, generic ? GUIDE_ANY : 2102 };
		text_add_format(&node->described, "OKV %s (by " SETTINGS_GENERIC ", which is %s)",
				generic ? "21.3 or later" : "21.2 or earlier", generic ? "there" : "not there");
		text_add_string(&node->notes,
				"OKV's release is not known: give --okv, or set OKV_RELEASE in okv-luna.conf\n");
		return 0;
	}
	if (version_take(release, "OKV_RELEASE or --okv", &node->okv, f) < 0)
		return -1;
	text_add_format(&node->described, "OKV %s (%s)", SHOWN(release), from);
	if (generic != (node->okv.least >= 2103))
		text_add_format(&node->notes, "this is said to be OKV %s, but " SETTINGS_GENERIC " is %s\n",
				SHOWN(release),
				generic ? "there, as from OKV 21.3 on" : "not there, as before OKV 21.3");
	return 0;
}

static int client_take(int root, const struct settings *s, const char *said, struct guide_node *node, struct fault *f)
{
	unsigned version = 0;

	if (said == NULL && okv_client_version(root, s, &version, f) < 0)
		return -1;
	if (said != NULL && version_take(said, "--client", &node->client, f) < 0)
		return -1;
	if (said != NULL) {
		text_add_format(&node->described, ", Luna client %s (--client)", SHOWN(said));
	} else if (version != 0) {
		node->client = (struct guide_range){ version, version };
		text_add_format(&node->described, ", Luna client %u.%u (detected)", version / 100, version % 100);
	} else {
		node->client = (struct guide_range){ 700, GUIDE_ANY };
		text_add_string(&node->described, ", Luna client 7 or later (assumed)");
	}
	return 0;
}

/* By Chrystoki.conf, and by how the client lies there; 0 without a client. */
static unsigned kind_detect(int root, const struct settings *s, const struct chrystoki *conf)
{
	struct chrystoki_family servers, cluster;
	ptrdiff_t first;
	TEXT_AUTO path = { 0 };

	if (!fs_exists(root, s->pkcs11_lib))
		return 0;
	chrystoki_family_read(conf, CHRYSTOKI_SERVERS, &servers);
	chrystoki_family_read(conf, CHRYSTOKI_CLUSTER, &cluster);
	if (chrystoki_sections(conf, "REST", &first) == 0)
		return GUIDE_NETWORK;
	if (servers.count + cluster.count > 0)
		return GUIDE_HYBRID;
	/* The minimum client's own layout. */
	text_add_format(&path, "%s/libs/64", s->client_dir);
	return fs_exists(root, text_string(&path)) ? GUIDE_CLOUD_MIN : GUIDE_CLOUD_FULL;
}

static int kind_take(const struct settings *s, const char *said, unsigned detected, struct guide_node *node,
		     struct fault *f)
{
	const char *name = said != NULL ? said : s->client_kind;
	const char *from = said != NULL ? "--kind" : name[0] != '\0' ? "okv-luna.conf" : "detected";

	node->kind = detected;
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (strcmp(name, kinds[i].name) == 0)
			node->kind = kinds[i].kind;
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (node->kind == kinds[i].kind)
			text_add_format(&node->described, ", %s (%s)", kinds[i].name, from);
	if (node->kind == 0)
		text_add_string(&node->notes,
				"the kind of system is not known: give --kind, or set CLIENT_KIND in okv-luna.conf\n");
	if (node->kind == GUIDE_HYBRID && node->client.most < 1000)
		return fault_refused(f, "a Luna HSM beside a Luna Cloud HSM needs a client 10.x or later");
	return 0;
}

static void host_find(int root, char ret_host[65])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };
	bool there = false;

	const char *name =
		fs_read_optional(root, "/etc/hostname", &file, &there, &ignored) == 0 ? text_string(&file) : "";
	const size_t length = strspn(name, plain);
	const bool good = length > 0 && length < 65 && name[0] != '-' && (name[length] == '\n' || name[length] == '\0');
	(void)snprintf(ret_host, 65, "%.*s", good ? (int)length : 6, good ? name : "CLIENT");
}

static void options_add(const struct guide_said *said, struct text *out)
{
	const struct {
		const char *name, *value;
		bool given;
	} options[] = {
		{ "--okv ", said->okv, said->okv != NULL },
		{ "--client ", said->client, said->client != NULL },
		{ "--kind ", said->kind, said->kind != NULL },
		{ "--ha", "", said->ha },
		{ "--cluster", "", said->cluster },
		{ "--bundle", "", said->bundle },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].given)
			text_add_format(out, " %s%s", options[i].name, options[i].value);
}

int guide_node_find(int root, const struct settings *settings, const struct guide_said *said,
		    struct guide_node *ret_node, struct fault *f)
{
	GUIDE_NODE_AUTO node = {
		.settings = settings, .ha = said->ha, .cluster = said->cluster, .bundle = said->bundle
	};
	const struct okv_job job = { .root = root, .settings = settings };
	CHRYSTOKI_AUTO conf = { 0 };
	struct chrystoki_family groups;
	struct fault ignored = { 0 };

	(void)okv_chrystoki_read(&job, &conf, &ignored);
	chrystoki_family_read(&conf, CHRYSTOKI_GROUPS, &groups);
	node.ha = node.ha || groups.count > 0;
	if (okv_take(root, settings, said->okv, &node, f) < 0 ||
	    client_take(root, settings, said->client, &node, f) < 0)
		return -1;
	/* It knows no other kind. */
	const unsigned detected = guide_is_v6(&node) ? GUIDE_NETWORK : kind_detect(root, settings, &conf);
	if (kind_take(settings, said->kind, detected, &node, f) < 0)
		return -1;
	if (node.ha)
		text_add_string(&node.described, ", HA");
	host_find(root, node.host);
	options_add(said, &node.options);
	if (text_check(&node.options, f) < 0 || text_check(&node.described, f) < 0 || text_check(&node.notes, f) < 0)
		return -1;
	*ret_node = node;
	node = (struct guide_node){ .settings = NULL };
	return 0;
}
