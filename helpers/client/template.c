#include "client/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/chrystoki.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

/* Where a value leads in a client that lies as client/layout has it.  NULL: below the client under its own last name.
 */
static const struct known {
	const char *section, *key;
	const char *place; /* ends in '/': the value's last name goes behind it */
	enum { ONLY_IF_THERE, ALWAYS } when;
} known[] = {
	/* The guide's step 9 of the cloud client's installation. */
	{ "Chrystoki2", "LibUNIX", "lib/libCryptoki2.so", ALWAYS },
	{ "Chrystoki2", "LibUNIX64", "lib/libCryptoki2_64.so", ALWAYS },
	{ "LunaSA Client", "ClientPrivKeyFile", "cert/client/", ONLY_IF_THERE },
	{ "LunaSA Client", "ClientCertFile", "cert/client/", ONLY_IF_THERE },
	{ "LunaSA Client", "ServerCAFile", "cert/server/", ONLY_IF_THERE },
	{ "Secure Trusted Channel", "ClientTokenLib", "lib/", ONLY_IF_THERE },
	{ "Secure Trusted Channel", "SoftTokenDir", "configData/token", ONLY_IF_THERE },
	{ "CkLog2", "LibUNIX64", "lib/libCryptoki2_64.so", ONLY_IF_THERE },
	{ "Misc", "ToolsDir", "bin", ONLY_IF_THERE },
	/* What setenv does; the certificates lie at the top of the service's zip. */
	{ "XTC", "PartitionCAPath", "", ONLY_IF_THERE },
	{ "XTC", "PartitionCertPath00", "", ONLY_IF_THERE },
	{ "REST", "SSLClientSideVerifyFile", "", ONLY_IF_THERE },
};

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int value_set(struct chrystoki *c, const char *section, const char *key, const char *client_dir,
		     const char *place, const char *leaf, struct fault *f)
{
	TEXT_AUTO value = { 0 };

	text_add_format(&value, "%s/%s%s", client_dir, place, leaf);
	if (text_check(&value, f) < 0)
		return -1;
	return chrystoki_set(c, section, key, text_string(&value), f);
}

/*
 * The longest end of a path that is there in the new tree, a bare name not counted: a client that was configured
 * elsewhere names its files by where they lay.  NULL for none.
 */
static int tail_find(int client, const char *value, const char **ret_tail, struct fault *f)
{
	*ret_tail = NULL;
	if (strstr(value, "..") != NULL || strstr(value, "://") != NULL)
		return 0;
	for (const char *at = text_starts(value, "./") ? value + 2 : value + strspn(value, "/");
	     strchr(at, '/') != NULL; at = strchr(at, '/') + 1) {
		bool there;
		if (fs_existence(client, at, &there, f) < 0)
			return -1;
		if (there) {
			*ret_tail = at;
			return 0;
		}
	}
	return 0;
}

static int known_set(struct chrystoki *c, int client, const char *client_dir, struct fault *f)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct known *k = &known[i];
		const bool named = k->place[0] == '\0' || text_ends(k->place, "/");
		const char *tail = NULL;
		char *now = NULL;

		if (chrystoki_get(c, k->section, k->key, &now, f) < 0)
			return -1;
		int r = named && now != NULL ? tail_find(client, now, &tail, f) : 0;
		if (r == 0 && tail != NULL)
			r = value_set(c, k->section, k->key, client_dir, "", tail, f);
		else if (r == 0 && (k->when == ALWAYS || (now != NULL && now[0] != '\0')))
			r = value_set(c, k->section, k->key, client_dir, k->place,
				      named && now != NULL ? last_name(now) : "", f);
		free(now);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* openssl.cnf lies at the top of the minimal client, in etc of the cloud one and in bin of the full one. */
static int openssl_set(struct chrystoki *c, int client, const char *client_dir, struct fault *f)
{
	static const char *const places[] = { "openssl.cnf", "etc/openssl.cnf", "bin/openssl.cnf",
					      "bin/64/openssl.cnf" };
	const char *place;
	ptrdiff_t line;

	if (chrystoki_entries(c, "LunaSA Client", "SSLConfigFile", &line) == 0)
		return 0;
	if (fs_first(client, places, sizeof(places) / sizeof(places[0]), &place, f) < 0)
		return -1;
	return place != NULL ? value_set(c, "LunaSA Client", "SSLConfigFile", client_dir, place, "", f) : 0;
}

/*
 * Any other value that is plainly a relative path ("./x"), or whose end is one of what the new tree holds.  Addresses
 * have "://", and a bare word is no path.
 */
static int others_set(struct chrystoki *c, int client, const char *client_dir, struct fault *f)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0)
			continue;
		const struct chrystoki_line *open = &c->lines[line->section];
		char *value = strndup(line->bytes + line->value_start, line->value_length);
		char *key = strndup(line->bytes + line->name_start, line->name_length);
		char *section = strndup(open->bytes + open->name_start, open->name_length);
		int r = value != NULL && key != NULL && section != NULL ? 0 : fault_memory(f);
		const char *path = NULL;
		if (r == 0)
			r = tail_find(client, value, &path, f);
		if (r == 0 && path == NULL && text_starts(value, "./") && strstr(value, "..") == NULL)
			path = value + 2;
		if (r == 0 && path != NULL)
			r = value_set(c, section, key, client_dir, path, "", f);
		free(value);
		free(key);
		free(section);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* What setenv of the cloud client builds from holds its credentials; a template beside it would not. */
static const char *const names[] = { "Chrystoki-template.conf", "Chrystoki-base.conf", "Chrystoki.conf" };
static const char *const cloud_names[] = { "Chrystoki-base.conf", "Chrystoki.conf", "Chrystoki-template.conf" };

const char *client_template_name(const struct client_content *content)
{
	const char *const *const order = content->kind == CLIENT_CLOUD ? cloud_names : names;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (client_content_entry(content, order[i]) != NULL)
			return order[i];
	return NULL;
}

int client_template_make(int client, const char *name, const struct client_content *content, const char *client_dir,
			 struct text *ret_conf, struct fault *f)
{
	CHRYSTOKI_AUTO c = { 0 };
	struct text bytes = { 0 };
	int r = fs_read_file(client, name, FS_NOFOLLOW, FS_READ_CONFIG_MAX, &bytes, NULL, f);

	/* Sections, keys and values are strings from here on: one that is cut at such a byte is another one. */
	if (r == 0 && bytes.length > 0 && memchr(bytes.bytes, '\0', bytes.length) != NULL)
		r = fault_refused(f, "member '%s': a NUL byte, which no Chrystoki.conf has", SHOWN(name));
	if (r == 0)
		r = chrystoki_parse(&c, text_string(&bytes), bytes.length, f);
	text_done_secret(&bytes);
	if (r < 0)
		return -1;
	if (chrystoki_fix(&c, f) < 0 || known_set(&c, client, client_dir, f) < 0 ||
	    openssl_set(&c, client, client_dir, f) < 0 || others_set(&c, client, client_dir, f) < 0)
		return -1;
	bool plugins;
	if (fs_existence(client, "libs/64/plugins", &plugins, f) < 0)
		return -1;
	if (plugins && value_set(&c, "Misc", "PluginModuleDir", client_dir, "plugins", "", f) < 0)
		return -1;
	if (content->kind == CLIENT_CLOUD &&
	    (chrystoki_set(&c, "CardReader", "LunaG5Slots", "0", f) < 0 || chrystoki_split_partition(&c, f) < 0))
		return -1;
	chrystoki_print(&c, ret_conf);
	return text_check(ret_conf, f);
}

int client_template_settle(int client, const struct client_content *content, const char *client_dir,
			   struct client_rights rights, struct fault *f)
{
	const char *name = content->kind == CLIENT_CLOUD ? client_template_name(content) : NULL;
	const struct fs_publish how = { .mode = rights.mode, .uid = 0, .gid = rights.gid };
	struct text conf = { 0 };

	if (name == NULL)
		return 0;
	int r = client_template_make(client, name, content, client_dir, &conf, f);
	if (r == 0)
		r = fs_publish_at(client, "Chrystoki.conf", text_string(&conf), conf.length, &how, f);
	text_done_secret(&conf);
	return r;
}
