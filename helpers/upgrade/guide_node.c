/*
 * What kind of server this is (from the options, else okv-luna.conf, else detected), and which signs of steps it has
 * (from the checks of status, its files and the HSM).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "conf/chrystoki_groups.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "hsm/library.h"
#include "hsm/verdict.h"
#include "okv/chrystoki.h"
#include "okv/group.h"
#include "okv/release.h"
#include "upgrade/guide.h"
#include "upgrade/hook.h"

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

bool guide_is_v6(const struct guide_node *node)
{
	return node->client.least >= 500 && node->client.most < 700;
}

static int version_read(const char *version, const char *option, struct guide_range *ret_range, struct fault *f)
{
	const unsigned number = okv_version_parse(version);

	if (number == 0 || version[strspn(version, "0123456789.-")] != '\0')
		return fault_usage(f, "%s must be a version like 21.5, not '%s'", option, SHOWN(version));
	*ret_range = (struct guide_range){ number, number };
	return 0;
}

/* "21.9" of "Oracle Key Vault Server 21.9", or "". */
static const char *release_in(struct text *line)
{
	const char *at = text_string(line) + strcspn(text_string(line), "0123456789");

	if (okv_version_parse(at) == 0)
		return "";
	text_cut(line, (size_t)(at - line->bytes) + strspn(at, "0123456789."));
	return at;
}

static int okv_detect(int root, const struct settings *s, const char *given, struct guide_node *node, struct fault *f)
{
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	const char *from = given != NULL ? "--okv" : "okv-luna.conf";
	const char *release = given != NULL ? given : s->okv_release;
	bool generic;

	okv_release_find(root, &os, &okv);
	if (release[0] == '\0') {
		release = release_in(&okv);
		from = "detected";
	}
	if (fs_existence(root, SETTINGS_GENERIC, &generic, f) < 0)
		return -1;
	if (release[0] == '\0') {
		node->okv = (struct guide_range){ generic ? OKV_FIRST_GENERIC : 0,
						  generic ? GUIDE_ANY : OKV_FIRST_GENERIC - 1 };
		text_add_format(&node->described, "OKV %s (" SETTINGS_GENERIC " %s)",
				generic ? "21.3 or later" : "21.2 or earlier", generic ? "exists" : "does not exist");
		text_add_string(&node->notes,
				"OKV's release is not known: give --okv, or set OKV_RELEASE in okv-luna.conf\n");
		return 0;
	}
	if (version_read(release, "OKV_RELEASE or --okv", &node->okv, f) < 0)
		return -1;
	text_add_format(&node->described, "OKV %s (%s)", SHOWN(release), from);
	if (generic != (node->okv.least >= OKV_FIRST_GENERIC))
		text_add_format(&node->notes,
				"this is said to be OKV %s, but " SETTINGS_GENERIC " %s; "
				"if the release is wrong, give --okv, or set OKV_RELEASE in okv-luna.conf\n",
				SHOWN(release),
				generic ? "exists, as from OKV 21.3 on" : "does not exist, as before OKV 21.3");
	return 0;
}

static int client_detect(int root, const struct settings *s, const char *given, struct guide_node *node,
			 struct fault *f)
{
	unsigned version = 0;

	if (given == NULL && okv_client_version(root, s, &version, f) < 0)
		return -1;
	if (given != NULL && version_read(given, "--client", &node->client, f) < 0)
		return -1;
	if (given != NULL) {
		text_add_format(&node->described, ", Luna client %s (--client)", SHOWN(given));
	} else if (version != 0) {
		node->client = (struct guide_range){ version, version };
		text_add_format(&node->described, ", Luna client %u.%u (detected)", version / 100, version % 100);
	} else {
		node->client = (struct guide_range){ 700, GUIDE_ANY };
		text_add_string(&node->described, ", Luna client 7 or later (assumed)");
	}
	return 0;
}

/* By Chrystoki.conf and the client's layout; 0: there is no client, or they do not tell. */
static unsigned kind_detect(int root, const struct settings *s, const struct chrystoki *conf)
{
	struct chrystoki_family servers, cluster;
	ptrdiff_t first;
	TEXT_AUTO layout = { 0 };
	TEXT_AUTO service = { 0 };

	if (!fs_exists(root, s->pkcs11_lib))
		return 0;
	/* Only minimum clients have this directory, and only a cloud service's archive puts this file beside it. */
	text_add_format(&layout, "%s/libs/64", s->client_dir);
	text_add_format(&service, "%s/partition-certificate.pem", s->client_dir);
	const bool minimum = fs_exists(root, text_string(&layout));
	if (minimum && fs_exists(root, text_string(&service)))
		return GUIDE_CLOUD_MIN;
	if (!fs_exists(root, s->chrystoki_conf))
		return 0;
	chrystoki_family_read(conf, CHRYSTOKI_SERVERS, &servers);
	chrystoki_family_read(conf, CHRYSTOKI_CLUSTER, &cluster);
	if (chrystoki_sections(conf, "REST", &first) == 0)
		return GUIDE_NETWORK;
	if (servers.count + cluster.count > 0)
		return GUIDE_HYBRID;
	return minimum ? GUIDE_CLOUD_MIN : GUIDE_CLOUD_FULL;
}

static const char *kind_name(unsigned kind)
{
	size_t i = 0;

	while (i + 1 < KIND_COUNT && kinds[i].kind != kind)
		i++;
	return kinds[i].name;
}

/* True if a server of the first kind can look like one of the second, because its service or HSM is still to come. */
static bool kind_can_become(unsigned kind, unsigned detected)
{
	return detected == 0 || detected == kind ||
	       (detected == GUIDE_NETWORK && (kind == GUIDE_CLOUD_FULL || kind == GUIDE_HYBRID)) ||
	       (detected == GUIDE_CLOUD_FULL && kind == GUIDE_HYBRID);
}

static int kind_choose(const struct settings *s, const char *given, unsigned detected, struct guide_node *node,
		       struct fault *f)
{
	const char *name = given != NULL ? given : s->client_kind;
	const char *from = given != NULL ? "--kind" : name[0] != '\0' ? "okv-luna.conf" : "detected";

	node->kind = detected;
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (strcmp(name, kinds[i].name) == 0)
			node->kind = kinds[i].kind;
	if (node->kind != 0)
		text_add_format(&node->described, ", %s (%s)", kind_name(node->kind), from);
	if (!kind_can_become(node->kind, detected))
		text_add_format(&node->notes,
				"this is said to be %s, but its client looks like %s; if the kind is wrong, give "
				"--kind, or set CLIENT_KIND in okv-luna.conf\n",
				kind_name(node->kind), kind_name(detected));
	if (node->kind == 0)
		text_add_string(
			&node->notes,
			"the kind of system is not known: give --kind network, cloud-min, cloud-full or hybrid, "
			"or set CLIENT_KIND in okv-luna.conf\n");
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

static void options_add(const struct guide_overrides *overrides, struct text *out)
{
	const struct {
		const char *name, *value;
		bool given;
	} options[] = {
		{ "--okv ", overrides->okv, overrides->okv != NULL },
		{ "--client ", overrides->client, overrides->client != NULL },
		{ "--kind ", overrides->kind, overrides->kind != NULL },
		{ "--ha", "", overrides->ha },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].given)
			text_add_format(out, " %s%s", options[i].name, options[i].value);
}

int guide_node_find(int root, const struct settings *settings, const struct guide_overrides *overrides,
		    struct guide_node *ret_node, struct fault *f)
{
	GUIDE_NODE_AUTO node = {
		.settings = settings, .ha = overrides->ha, .cluster = overrides->cluster, .bundle = overrides->bundle
	};
	const struct okv_job job = { .root = root, .settings = settings };
	CHRYSTOKI_AUTO conf = { 0 };
	struct chrystoki_family groups;
	struct fault ignored = { 0 };

	(void)okv_chrystoki_read(&job, &conf, &ignored);
	chrystoki_family_read(&conf, CHRYSTOKI_GROUPS, &groups);
	node.ha = node.ha || groups.count > 0;
	if (okv_detect(root, settings, overrides->okv, &node, f) < 0 ||
	    client_detect(root, settings, overrides->client, &node, f) < 0)
		return -1;
	/* A v6.x client works with Network HSMs only. */
	const unsigned detected = guide_is_v6(&node) ? GUIDE_NETWORK : kind_detect(root, settings, &conf);
	if (kind_choose(settings, overrides->kind, detected, &node, f) < 0)
		return -1;
	if (node.ha)
		text_add_string(&node.described, ", HA");
	host_find(root, node.host);
	options_add(overrides, &node.options);
	if (text_check(&node.options, f) < 0 || text_check(&node.described, f) < 0 || text_check(&node.notes, f) < 0)
		return -1;
	*ret_node = node;
	node = (struct guide_node){ .settings = NULL };
	return 0;
}

/* --- signs from status -------------------------------------------------------------------------------------------- */

/* True if the check was made and does not fail. */
static bool check_is_well(const struct upgrade_run *run, const char *name)
{
	for (size_t i = 0; i < run->result_count; i++)
		if (strcmp(run->results[i].row->name, name) == 0)
			return run->results[i].outcome != STEP_SKIPPED && !step_result_is_bad(&run->results[i]);
	return false;
}

/* The settings' library: OKV's files may not name it yet. */
static bool library_is_there(const struct upgrade_run *run)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault ignored = { 0 };

	return hsm_library_find(run->root, run->settings->pkcs11_lib, &place, &ignored) == 0;
}

static unsigned checks_signs(const struct upgrade_run *run)
{
	bool well = true, clean = true;

	for (size_t i = 0; i < run->result_count; i++) {
		const struct step_result *result = &run->results[i];
		well = well && !step_result_is_bad(result);
		for (size_t k = 0; k < result->finding_count; k++)
			clean = clean &&
				(strcmp(result->row->name, "bundle") != 0 || result->findings[k].severity == STEP_INFO);
	}
	return (check_is_well(run, "client") && library_is_there(run) ? GUIDE_CLIENT_THERE : 0) |
	       (check_is_well(run, "wiring") && fs_exists(run->root, SETTINGS_GENERIC) ? GUIDE_WIRED : 0) |
	       (check_is_well(run, "group") && check_is_well(run, "policy") ? GUIDE_MODES : 0) |
	       (check_is_well(run, "slots") ? GUIDE_SLOTS | GUIDE_REACHED | GUIDE_SEEN : 0) | (well ? GUIDE_WELL : 0) |
	       (clean && check_is_well(run, "bundle") ? GUIDE_CLEAN : 0);
}

/* --- signs from the client's files -------------------------------------------------------------------------------- */

static bool is_inside(const struct chrystoki *conf, const char *section, const char *key, const char *directory)
{
	size_t line;
	const char *value = chrystoki_value(conf, section, key, &line);

	return value != NULL && text_starts(value, directory) && value[strlen(directory)] == '/';
}

static unsigned chrystoki_signs(int root, const struct guide_node *node)
{
	const struct okv_job job = { .root = root, .settings = node->settings };
	const char *client = node->settings->client_dir;
	CHRYSTOKI_AUTO conf = { 0 };
	struct fault ignored = { 0 };
	struct chrystoki_family servers, cluster, groups;
	ptrdiff_t at;
	size_t line;
	unsigned signs = 0;

	if (okv_chrystoki_read(&job, &conf, &ignored) < 0)
		return 0;
	chrystoki_family_read(&conf, CHRYSTOKI_SERVERS, &servers);
	chrystoki_family_read(&conf, CHRYSTOKI_CLUSTER, &cluster);
	chrystoki_family_read(&conf, CHRYSTOKI_GROUPS, &groups);
	if (servers.count + cluster.count >= (node->ha ? 2 : 1))
		signs |= GUIDE_SERVERS;
	if (groups.count > 0)
		signs |= GUIDE_HA_GROUP;
	const char *only = chrystoki_value(&conf, "HAConfiguration", "HAOnly", &line);
	if (only != NULL && !chrystoki_value_is_off(only))
		signs |= GUIDE_HA_ONLY;
	const bool sections = chrystoki_sections(&conf, "XTC", &at) > 0 && chrystoki_sections(&conf, "REST", &at) > 0;
	if (sections)
		signs |= GUIDE_SECTIONS | GUIDE_SERVICE;
	if (sections && is_inside(&conf, "XTC", "PartitionCAPath", client) &&
	    is_inside(&conf, "XTC", "PartitionCertPath00", client) &&
	    is_inside(&conf, "REST", "SSLClientSideVerifyFile", client))
		signs |= GUIDE_INSIDE;
	return signs;
}

enum { NAMES_MOST = 500, TRACE_SIZE_MAX = 1024 * 1024 };

/* True if `wanted` accepts one of the first NAMES_MOST entries. */
static bool directory_has(int root, const char *path, bool (*wanted)(int root, const char *name))
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault ignored = { 0 };
	bool found = false;

	if (fs_dir_open(root, path, FS_FOLLOW_TRUSTED, &dir, &ignored) < 0 ||
	    fs_each_open(dir, path, &each, &ignored) < 0)
		return false;
	for (unsigned i = 0; !found && i < NAMES_MOST && fs_each_next(&each, &entry, &ignored) > 0; i++)
		found = wanted(root, entry.name);
	return found;
}

static bool is_key(int root, const char *name)
{
	(void)root;
	return text_ends(name, "Key.pem");
}

static unsigned files_signs(int root, const struct guide_node *node)
{
	static const char service_conf[] = GUIDE_SERVICE_DIR "/Chrystoki.conf";
	unsigned signs = chrystoki_signs(root, node);
	TEXT_AUTO keys = { 0 };

	text_add_format(&keys, "%s/cert/client", node->settings->client_dir);
	if (directory_has(root, text_string(&keys), is_key))
		signs |= GUIDE_KEY;
	if (fs_exists(root, service_conf))
		signs |= GUIDE_SERVICE;
	else if (!fs_exists(root, GUIDE_SERVICE_DIR) && (signs & GUIDE_SECTIONS) != 0)
		signs |= GUIDE_SERVICE_GONE;
	return signs;
}

/* --- signs from the HSM ------------------------------------------------------------------------------------------- */

/* Does "root" see any partition, or OKV's user (NULL) the partitions that the settings require? */
static bool hsm_answers_to(const struct upgrade_run *run, const char *root)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	struct hsm_question question = hsm_question_of(run->root, run->settings, NULL);
	struct fault ignored = { 0 };

	question.source = HSM_LIBRARY_SETTINGS;
	question.user = root;
	if (root != NULL)
		question.required = (struct hsm_requirements){ .label = NULL };
	const int r = hsm_check(&question, &answer, &ignored);
	return root != NULL ? hsm_answer_usable(&answer) > 0 : r == 0;
}

static unsigned hsm_signs(const struct upgrade_run *run, unsigned signs)
{
	if ((signs & GUIDE_REACHED) != 0 || (signs & GUIDE_CLIENT_THERE) == 0)
		return 0;
	if (!hsm_answers_to(run, "root"))
		return 0;
	return GUIDE_SEEN | (hsm_answers_to(run, NULL) ? GUIDE_REACHED : 0);
}

/* --- signs from OKV ----------------------------------------------------------------------------------------------- */

#define TRACES "/var/okv/log/hsm"

/* True if the trace says that OKV found its root key. */
static bool trace_is_good(int root, const char *name)
{
	TEXT_AUTO path = { 0 };
	TEXT_AUTO trace = { 0 };
	struct fault ignored = { 0 };

	text_add_format(&path, TRACES "/%s", name);
	return fs_read_file(root, text_string(&path), FS_NOFOLLOW, TRACE_SIZE_MAX, &trace, NULL, &ignored) == 0 &&
	       strstr(text_string(&trace), "Retrieved 1 keys") != NULL &&
	       strstr(text_string(&trace), "Finished successfully") != NULL;
}

/* The number that follows `words` and `field` more words in a file of /proc; 0: there is none. */
static uint64_t proc_number(int root, const char *path, const char *words, unsigned field)
{
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };
	uint64_t number = 0;

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, TRACE_SIZE_MAX, &file, NULL, &ignored) < 0)
		return 0;
	const char *at = strstr(text_string(&file), words);
	at = at != NULL ? at + strlen(words) : "";
	for (; field > 0 && *at != '\0'; field--)
		at += strcspn(at, " ") + 1;
	return number_digits(at, strspn(at, "0123456789"), 10, UINT32_MAX, &number) ? number : 0;
}

/* When PID 1 started (starttime in proc(5)), because the boot time is wrong in a container. */
static int64_t system_start(int root)
{
	const uint64_t boot = proc_number(root, "/proc/stat", "btime ", 0);
	const uint64_t ticks = proc_number(root, "/proc/1/stat", ") ", 19);
	const long second = sysconf(_SC_CLK_TCK);

	return boot == 0 || second <= 0 ? 0 : (int64_t)(boot + ticks / (uint64_t)second);
}

static bool is_booted(int root)
{
	static const char *const files[] = { SETTINGS_GENERIC "/okv_hsm.conf", SETTINGS_GENERIC "/okv_hsm_env" };
	const int64_t start = system_start(root);
	struct fault ignored = { 0 };
	struct stat status;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (fs_status(root, files[i], FS_FOLLOW_TRUSTED, &status, &ignored) < 0 || status.st_mtime > start)
			return false;
	return start > 0;
}

static unsigned okv_signs(const struct upgrade_run *run, unsigned signs)
{
	const struct okv_job job = { .root = run->root, .settings = run->settings };
	struct fault ignored = { 0 };
	size_t lacking = 0;

	if ((signs & GUIDE_MODES) != 0 &&
	    okv_processes_without_group(&job, run->settings->okv_user, &lacking, &ignored) == 0)
		signs |= lacking == 0 ? GUIDE_RUNNING : GUIDE_LACKING;
	if ((signs & GUIDE_WIRED) != 0 && is_booted(run->root))
		signs |= GUIDE_BOOTED;
	if (directory_has(run->root, TRACES, trace_is_good))
		signs |= GUIDE_INITIALIZED;
	/* In "/usr/bin/ruby /images/upgrade.rb --confirm", the last path is OKV's program. */
	const char *image = strchr(run->settings->upgrade_command, '/');
	for (const char *at = image; at != NULL && (at = strstr(at, " /")) != NULL; image = ++at)
		continue;
	TEXT_AUTO path = { 0 };
	text_add(&path, image, strcspn(image, " "));
	if (fs_exists(run->root, text_string(&path)))
		signs |= GUIDE_IMAGE;
	return signs;
}

static int journal_signs(const struct upgrade_run *run, int64_t since, unsigned *signs, struct fault *f)
{
	struct journal_history history;
	TEXT_AUTO how = { 0 };

	if (journal_read(run->root, &history, f) < 0)
		return -1;
	const struct journal_event *pre = &history.hooks[UPGRADE_PRE], *post = &history.hooks[UPGRADE_POST];
	const bool open = journal_is_open(&history);
	if (pre->good && pre->began > since && open)
		*signs |= GUIDE_PREPARED;
	if (pre->good && pre->began > since && open && upgrade_has_begun(run->root, &history, &how))
		*signs |= GUIDE_BEGUN;
	if (pre->good && pre->began > since && post->good && post->ended >= pre->ended)
		*signs |= GUIDE_PROVEN;
	return 0;
}

int guide_look(struct upgrade_run *run, const struct guide_node *node, int64_t since, unsigned *ret_signs,
	       struct fault *f)
{
	unsigned signs;

	if (upgrade_status(run, f) < 0)
		return -1;
	signs = checks_signs(run) | files_signs(run->root, node);
	signs |= hsm_signs(run, signs);
	signs = okv_signs(run, signs);
	if (journal_signs(run, since, &signs, f) < 0)
		return -1;
	*ret_signs = signs;
	return 0;
}
