#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/chrystoki.h"
#include "conf/chrystoki_groups.h"
#include "conf/pem.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/check.h"

static const char zero_slots[] = "the library then shows no slots and reports no error";

static const struct {
	unsigned flaw;
	enum finding_severity severity;
	const char *word, *effect;
} flaw_table[] = {
	{ CHRYSTOKI_FLAW_BOM, FINDING_FAIL, "chrystoki-bom", "the library may not recognise the first line" },
	{ CHRYSTOKI_FLAW_TAB, FINDING_FAIL, "chrystoki-tab", "the library may not find the entry" },
	{ CHRYSTOKI_FLAW_CARRIAGE_RETURN, FINDING_FAIL, "chrystoki-carriage-return",
	  "the library may read the CR as part of a value, and not find the file" },
	{ CHRYSTOKI_FLAW_CONTROL, FINDING_FAIL, "chrystoki-control", "it is not known how the library reads it" },
	{ CHRYSTOKI_FLAW_UNREADABLE, FINDING_FAIL, "chrystoki-unreadable", "it is not known how the library reads it" },
	{ CHRYSTOKI_FLAW_BRACE, FINDING_FAIL, "chrystoki-brace",
	  "the library cannot tell where sections begin and end" },
	{ CHRYSTOKI_FLAW_NOT_CLOSED, FINDING_FAIL, "chrystoki-not-closed",
	  "the library may read the next section as part of this one" },
	{ CHRYSTOKI_FLAW_STRAY_CLOSE, FINDING_WARN, "chrystoki-stray-close", "the library may stop reading here" },
	{ CHRYSTOKI_FLAW_OUTSIDE, FINDING_FAIL, "chrystoki-outside",
	  "the library does not find it in the section where it looks" },
	{ CHRYSTOKI_FLAW_NAME, FINDING_FAIL, "chrystoki-name",
	  "the library looks for another name, and does not find this one" },
	{ CHRYSTOKI_FLAW_TRAILING, FINDING_WARN, "chrystoki-trailing",
	  "it is not known whether the library reads it as a comment" },
	{ CHRYSTOKI_FLAW_NO_SEMICOLON, FINDING_WARN, "chrystoki-no-semicolon",
	  "the library reads the value to the end of the line, with whatever is there" },
	{ CHRYSTOKI_FLAW_QUOTES, FINDING_WARN, "chrystoki-quotes",
	  "it is not known whether the library removes the quotes" },
	{ CHRYSTOKI_FLAW_SPACE, FINDING_FAIL, "chrystoki-space", "the library reads it as part of a name or value" },
	{ CHRYSTOKI_FLAW_HEADER, FINDING_FAIL, "chrystoki-header", "the library does not find the section" },
	{ CHRYSTOKI_FLAW_CASE, FINDING_FAIL, "chrystoki-spelling",
	  "it is not known whether the library finds a name that is spelt like this" },
	{ CHRYSTOKI_FLAW_NOT_ASCII, FINDING_WARN, "chrystoki-not-ascii", "it is not known how the library reads it" },
};

enum { FLAW_COUNT = sizeof(flaw_table) / sizeof(flaw_table[0]) };

/* Adds one finding per flaw and remedy, at its first line. */
static void flaw_check(struct okv_checking *c, const struct chrystoki *conf, size_t first, size_t flaw, bool fixable)
{
	const unsigned bit = flaw_table[flaw].flaw;
	FINDING_LINES_AUTO lines = { 0 };

	for (size_t i = first; i < conf->count; i++)
		if ((conf->lines[i].flaws & bit) != 0 && chrystoki_is_fixable(conf, i, bit) == fixable)
			finding_lines_add(&lines, i + 1);
	c->found->failed = c->found->failed || lines.more.failed;
	finding_add(c->found,
		    FINDING_RULE(flaw_table[flaw].severity, flaw_table[flaw].word, flaw_table[flaw].effect,
				 fixable ? FINDING_FIX_IT
					 : "correct it by hand: a section is 'Misc = {', an entry 'Key = Value;', "
					   "its end '}'",
				 .hides = flaw_table[flaw].severity == FINDING_FAIL),
		    first + 1, "%s%s", chrystoki_flaw_text(bit), text_string(&lines.more));
}

static void syntax_check(struct okv_checking *c, const struct chrystoki *conf)
{
	bool reported[2][FLAW_COUNT] = { { false } };

	for (size_t i = 0; i < conf->count; i++) {
		for (size_t j = 0; j < FLAW_COUNT; j++) {
			if ((conf->lines[i].flaws & flaw_table[j].flaw) == 0)
				continue;
			const bool fixable = chrystoki_is_fixable(conf, i, flaw_table[j].flaw);
			if (!reported[fixable][j])
				flaw_check(c, conf, i, j, fixable);
			reported[fixable][j] = true;
		}
	}
}

/* Finds duplicate sections and duplicate keys of a section, also those that differ only in case. */
static void twice_check(struct okv_checking *c, const struct chrystoki *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct chrystoki_line *line = &conf->lines[i];
		const bool section = line->kind == CHRYSTOKI_OPEN;

		if (!section && line->kind != CHRYSTOKI_ENTRY)
			continue;
		for (size_t j = 0; j < i; j++) {
			const struct chrystoki_line *earlier = &conf->lines[j];

			if (earlier->kind != line->kind || (!section && earlier->section != line->section) ||
			    strcasecmp(line->name, earlier->name) != 0)
				continue;
			const bool exact = strcmp(line->name, earlier->name) == 0;
			finding_add(c->found,
				    FINDING_RULE(exact ? FINDING_FAIL : FINDING_WARN,
						 !exact    ? "chrystoki-case"
						 : section ? "chrystoki-section-twice"
							   : "chrystoki-key-twice",
						 "it is not known which one the library reads", "keep one of them",
						 .hides = exact),
				    i + 1, "%s '%s' is already on line %zu%s", section ? "section" : "key",
				    SHOWN(line->name), j + 1, exact ? "" : ", in different letter case");
			break;
		}
	}
}

/* What must exist at a path of the configuration; TARGET_MADE: nothing, the program creates it. */
enum target { TARGET_MADE, TARGET_ANY, TARGET_FILE, TARGET_CERTIFICATE, TARGET_KEY };

static const struct known_path {
	const char *section, *key; /* two digits may follow the key */
	enum finding_severity missing;
	enum target target;
	bool cloud; /* must be inside the client's directory */
	const char *effect;
} known_paths[] = {
	{ "Chrystoki2", "LibUNIX64", FINDING_FAIL, TARGET_FILE, false,
	  "the client's tools and the library find no library to load" },
	{ "CkLog2", "LibUNIX64", FINDING_FAIL, TARGET_FILE, false, "the logging library finds no library behind it" },
	{ "CkLog2", "File", FINDING_WARN, TARGET_MADE, false, "nothing is logged" },
	{ "CkLog2", "Error", FINDING_WARN, TARGET_MADE, false, "nothing is logged" },
	{ "Chrystoki2", "LibUNIX", FINDING_NOTE, TARGET_ANY, false,
	  "32-bit programs find no library; OKV has no such programs" },
	{ CHRYSTOKI_CLIENT_SECTION, "ClientPrivKeyFile", FINDING_FAIL, TARGET_KEY, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "ClientCertFile", FINDING_FAIL, TARGET_CERTIFICATE, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "ServerCAFile", FINDING_FAIL, TARGET_CERTIFICATE, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "LNHServerClientKey", FINDING_FAIL, TARGET_KEY, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "LNHServerClientCert", FINDING_FAIL, TARGET_CERTIFICATE, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "LNHServerCAFile", FINDING_FAIL, TARGET_CERTIFICATE, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "SSLConfigFile", FINDING_WARN, TARGET_FILE, false,
	  "the client's TLS settings are the built-in ones" },
	{ "XTC", "PartitionCAPath", FINDING_FAIL, TARGET_CERTIFICATE, true, "the Cloud HSM service does not show" },
	{ "XTC", "PartitionCertPath", FINDING_FAIL, TARGET_CERTIFICATE, true, "the Cloud HSM service does not show" },
	{ "REST", "SSLClientSideVerifyFile", FINDING_FAIL, TARGET_CERTIFICATE, true,
	  "the Cloud HSM service does not show" },
	{ "Misc", "PluginModuleDir", FINDING_FAIL, TARGET_ANY, true, "the Cloud HSM service does not show" },
	{ "Misc", "ToolsDir", FINDING_WARN, TARGET_ANY, false, "the client's tools are not found" },
	{ "Secure Trusted Channel", "ClientTokenLib", FINDING_WARN, TARGET_FILE, false, "STC connections fail" },
	{ "Secure Trusted Channel", "SoftTokenDir", FINDING_WARN, TARGET_ANY, false, "STC connections fail" },
};

static const struct known_path unknown_path = { NULL, NULL, FINDING_WARN, TARGET_ANY, false, "whatever uses it fails" };

static bool is_key(const struct chrystoki_line *line, const char *key)
{
	const size_t n = strlen(key);

	return chrystoki_is_named(line, key) || (strncasecmp(line->name, key, n) == 0 && strlen(line->name) == n + 2 &&
						 strspn(line->name + n, "0123456789") == 2);
}

static const struct known_path *path_known(const struct chrystoki *conf, const struct chrystoki_line *line)
{
	for (size_t i = 0; i < sizeof(known_paths) / sizeof(known_paths[0]); i++)
		if (chrystoki_is_in(conf, line, known_paths[i].section) && is_key(line, known_paths[i].key))
			return &known_paths[i];
	return &unknown_path;
}

/* Looks at the path's target, through links; false: it does not exist, or *why it was not looked at. */
static int target_look(struct okv_checking *c, const char *path, struct stat *ret_status, struct fs_place *place,
		       struct fault *why)
{
	return fs_place_find(c->job->root, path, place, why) == 0 &&
	       fstatat(place->dir, place->leaf, ret_status, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_library(const struct known_path *known)
{
	return known->key != NULL && strcmp(known->key, "LibUNIX64") == 0;
}

/* A missing library, or anything of a missing client, comes with the client's installation. */
static const char *supply_of(const struct okv_checking *c, const struct known_path *known, const char *value)
{
	const char *client = c->job->settings->client_dir;

	return is_library(known) || (preserved_within(value, client) && !fs_exists(c->job->root, client))
		       ? FINDING_INSTALL_IT
		       : FINDING_SUPPLY_IT;
}

/* The target does not exist, or is behind a link that others may change: the library follows it, we do not. */
static void target_miss(struct okv_checking *c, size_t number, const struct known_path *known,
			const struct chrystoki_line *line, const struct fault *why)
{
	if (why->kind == FAULT_REFUSED)
		finding_add(c->found,
			    FINDING_RULE(known->missing, "chrystoki-path-link",
					 "others can write where the link is, so it may lead elsewhere at any time",
					 "write the path of the file itself there, or put the file in the link's place",
					 .moot = true, .hides = true),
			    number, "%s leads to '%s', which was not looked at: %s", SHOWN(line->name),
			    SHOWN(line->value), why->text);
	else if (known->target != TARGET_MADE)
		finding_add(c->found,
			    FINDING_RULE(known->missing, "chrystoki-path-missing", known->effect,
					 supply_of(c, known, line->value)),
			    number, "%s leads to '%s', which is not there", SHOWN(line->name), SHOWN(line->value));
}

/* What is wrong with the contents of a key or certificate, or NULL. */
static const char *pem_fault(const struct text *bytes, const struct pem *pem, enum target target)
{
	static const char no_key[] = "is not a PEM file, and holds no private key",
			  no_certificate[] = "is not a PEM file, and holds no certificate";
	bool blank = true;

	if (pem->cut)
		return "is cut off: a block has no END line";
	if (pem->held[target == TARGET_KEY ? PEM_KEY : PEM_CERTIFICATE])
		return NULL;
	if (!pem->held[PEM_NONE])
		return target == TARGET_KEY ? "holds no private key" : "holds no certificate";
	for (size_t i = 0; i < bytes->length; i++)
		blank = blank && strchr(" \t\r\n", bytes->bytes[i]) != NULL && bytes->bytes[i] != '\0';
	return blank ? "is empty" : target == TARGET_KEY ? no_key : no_certificate;
}

/* Does the file contain what the entry needs, a key or a certificate? */
static void content_check(struct okv_checking *c, size_t number, const struct known_path *known,
			  const struct chrystoki_line *line, const struct fs_place *place)
{
	TEXT_SECRET_AUTO bytes = { 0 };
	struct fault cause = { 0 };
	PEM_AUTO pem = { .cut = false };
	const char *what = NULL;

	if (fs_read_file(c->job->root, place->path, FS_NOFOLLOW, FS_READ_CONFIG_MAX, &bytes, NULL, &cause) < 0)
		what = "cannot be read";
	else if (pem_read(&pem, text_string(&bytes), bytes.length, PEM_KEY, &cause) < 0)
		c->found->failed = true;
	else
		what = pem_fault(&bytes, &pem, known->target);
	if (what == NULL)
		return;
	finding_add(c->found,
		    FINDING_RULE(FINDING_FAIL, "chrystoki-file-kind", known->effect,
				 "put the right file there, or correct the path", .moot = true, .hides = true),
		    number, "%s leads to '%s', which %s%s%s", SHOWN(line->name), SHOWN(line->value), what,
		    pem.other[0] != '\0' ? ", but: " : "", pem.other);
}

static void path_check(struct okv_checking *c, const struct chrystoki *conf, size_t number,
		       const struct known_path *known)
{
	const struct chrystoki_line *line = &conf->lines[number - 1];
	const char *client = c->job->settings->client_dir;
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault why = { 0 };
	struct stat status;

	if (line->value[0] != '/') {
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-path-relative",
					 "a program looks for it in the directory where it was started",
					 chrystoki_is_fixable(conf, number - 1, CHRYSTOKI_FLAW_QUOTES)
						 ? FINDING_FIX_IT
						 : "write the full path"),
			    number, "%s is not a full path: '%s'", SHOWN(line->name), SHOWN(line->value));
		return;
	}
	if (known->cloud && !preserved_within(line->value, client)) {
		finding_add(
			c->found,
			FINDING_RULE(
				FINDING_FAIL, "cloud-path",
				"the directory is not preserved, and the guide tells you to delete it: then the Cloud "
				"HSM service is gone",
				"merge it from the service's own Chrystoki.conf: okv-luna config chrystoki merge FILE "
				"--section XTC --section REST"),
			number, "%s leads to '%s', outside the client '%s'", SHOWN(line->name), SHOWN(line->value),
			SHOWN(client));
		/* A merge copies certificates, not PluginModuleDir. */
		if (known->target == TARGET_ANY)
			finding_set_remedy(c->found, "okv-luna config chrystoki set Misc PluginModuleDir %s/plugins/",
					   client);
		return;
	}
	if (!target_look(c, line->value, &status, &place, &why)) {
		target_miss(c, number, known, line, &why);
		return;
	}
	if (known->target <= TARGET_ANY)
		return;
	if (!S_ISREG(status.st_mode) || status.st_size == 0)
		finding_add(c->found,
			    FINDING_RULE(known->missing, "chrystoki-file-kind", known->effect,
					 is_library(known) ? FINDING_INSTALL_IT
							   : "put the right file there, or correct the path",
					 .hides = known->missing == FINDING_FAIL),
			    number, "%s leads to '%s', which is %s", SHOWN(line->name), SHOWN(line->value),
			    S_ISDIR(status.st_mode)   ? "a directory"
			    : S_ISREG(status.st_mode) ? "empty"
						      : "not a file");
	else if (known->target != TARGET_FILE)
		content_check(c, number, known, line, &place);
}

/* --- keys and certificates ---------------------------------------------------------------------------------------- */

/* Reads the key or certificate that the entry names; false if there is none.  The public part may be empty: unknown. */
static bool public_read(struct okv_checking *c, const struct chrystoki *conf, const char *key, enum pem_kind kind,
			size_t *ret_line, struct pem *ret_pem)
{
	TEXT_SECRET_AUTO bytes = { 0 };
	struct fault ignored = { 0 };
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct stat status;
	const char *path = chrystoki_value(conf, CHRYSTOKI_CLIENT_SECTION, key, ret_line);

	return path != NULL && path[0] == '/' && target_look(c, path, &status, &place, &ignored) &&
	       fs_read_file(c->job->root, place.path, FS_NOFOLLOW, FS_READ_CONFIG_MAX, &bytes, NULL, &ignored) == 0 &&
	       pem_read(ret_pem, text_string(&bytes), bytes.length, kind, &ignored) == 0 && ret_pem->held[kind] &&
	       !ret_pem->cut;
}

static void pair_check(struct okv_checking *c, const struct chrystoki *conf, const char *key_name, const char *name,
		       struct text *unchecked)
{
	PEM_AUTO key = { .cut = false };
	PEM_AUTO certificate = { .cut = false };
	size_t key_line, line;

	/* Content checks have reported what is wrong with one of them alone. */
	if (!public_read(c, conf, key_name, PEM_KEY, &key_line, &key) ||
	    !public_read(c, conf, name, PEM_CERTIFICATE, &line, &certificate))
		return;
	if (key.public_part.length == 0 || certificate.public_part.length == 0)
		text_add_format(unchecked, "%swhether %s and %s belong together (%s)",
				unchecked->length > 0 ? ", " : "", key_name, name,
				key.public_part.length == 0 ? "the key is encrypted, or of another kind"
							    : "the certificate is of another kind");
	if (key.public_part.length == 0 || certificate.public_part.length == 0 ||
	    text_same(&key.public_part, &certificate.public_part))
		return;
	finding_add(
		c->found,
		FINDING_RULE(FINDING_FAIL, "chrystoki-pair", zero_slots,
			     "put back the certificate that was made with this key, or make a new pair and register it",
			     .moot = true, .hides = true),
		key_line, "%s and %s do not belong together", key_name, name);
}

static void pairs_check(struct okv_checking *c, const struct chrystoki *conf, struct text *unchecked)
{
	struct chrystoki_family cluster;

	pair_check(c, conf, "ClientPrivKeyFile", "ClientCertFile", unchecked);
	chrystoki_family_read(conf, CHRYSTOKI_CLUSTER, &cluster);
	for (size_t i = 0; i < cluster.count; i++) {
		char key[32], certificate[32];
		(void)snprintf(key, sizeof(key), "LNHServerClientKey%02u", cluster.items[i].number);
		(void)snprintf(certificate, sizeof(certificate), "LNHServerClientCert%02u", cluster.items[i].number);
		pair_check(c, conf, key, certificate, unchecked);
	}
}

/* Adds the keys of section LunaSA Client that are missing or empty; `number` >= 0 is appended to each key. */
static void lacking_add(const struct chrystoki *conf, const char *const keys[], int number, struct text *out)
{
	for (; *keys != NULL; keys++) {
		char key[40];
		size_t line;

		(void)snprintf(key, sizeof(key), number < 0 ? "%s" : "%s%02d", *keys, number);
		if (!chrystoki_is_given(chrystoki_value(conf, CHRYSTOKI_CLIENT_SECTION, key, &line)))
			text_add_format(out, "%s%s", out->length > 0 ? ", " : "", key);
	}
}

/* Where a server is named, the client's key and certificate and the server's must be named, too. */
static void identity_check(struct okv_checking *c, const struct chrystoki *conf)
{
	static const char *const of_all[] = { "ClientPrivKeyFile", "ClientCertFile", "ServerCAFile", NULL };
	static const char *const of_each[] = { "LNHServerClientKey", "LNHServerClientCert", "LNHServerCAFile", NULL };
	struct chrystoki_family servers;
	TEXT_AUTO lacking = { 0 };
	size_t line = 0;

	chrystoki_family_read(conf, CHRYSTOKI_SERVERS, &servers);
	for (size_t i = 0; i < servers.count && line == 0; i++)
		if (chrystoki_is_given(servers.items[i].parts[CHRYSTOKI_NAME]))
			line = servers.items[i].line;
	if (line > 0)
		lacking_add(conf, of_all, -1, &lacking);
	chrystoki_family_read(conf, CHRYSTOKI_CLUSTER, &servers);
	for (size_t i = 0; i < servers.count; i++)
		if (chrystoki_is_given(servers.items[i].parts[CHRYSTOKI_NAME])) {
			line = line > 0 ? line : servers.items[i].line;
			lacking_add(conf, of_each, (int)servers.items[i].number, &lacking);
		}
	c->found->failed = c->found->failed || lacking.failed;
	if (lacking.length > 0)
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-entry-missing", zero_slots,
					 "name the files with which the client was registered", .moot = true,
					 .hides = true),
			    line, "section " CHRYSTOKI_CLIENT_SECTION " names a server, but has no %s",
			    text_string(&lacking));
}

/* The credentials of a cloud client.  Only empty ones are reported: a set may have other names. */
static void token_check(struct okv_checking *c, const struct chrystoki *conf)
{
	static const char *const keys[] = { "AuthTokenClientId", "AuthTokenClientSecret" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t line;
		const char *value = chrystoki_value(conf, "REST", keys[i], &line);
		if (value != NULL && !chrystoki_is_given(value))
			finding_add(
				c->found,
				FINDING_RULE(FINDING_FAIL, "chrystoki-entry-missing", zero_slots,
					     "take the value from Chrystoki.conf of the cloud service's client archive",
					     .moot = true, .hides = true),
				line, "%s of section REST is empty", keys[i]);
	}
}

static void paths_check(struct okv_checking *c, const struct chrystoki *conf)
{
	const bool networked = chrystoki_is_networked(conf);
	const struct chrystoki_line *line;
	TEXT_AUTO unchecked = { 0 };

	for (size_t at = 0; (line = chrystoki_entry_next(conf, &at)) != NULL;) {
		const struct known_path *known = path_known(conf, line);
		const size_t before = c->found->count;

		if (line->value[0] == '/' ||
		    (known != &unknown_path && known->target != TARGET_MADE && line->value[0] != '\0'))
			path_check(c, conf, at, known);
		/* Without a network server nobody uses the files for one. */
		if (c->found->count > before && known->target >= TARGET_CERTIFICATE && !known->cloud && !networked)
			c->found->items[before].moot = true;
	}
	identity_check(c, conf);
	token_check(c, conf);
	pairs_check(c, conf, &unchecked);
	c->found->failed = c->found->failed || unchecked.failed;
	if (unchecked.length > 0)
		finding_add(c->found,
			    FINDING_RULE(FINDING_NOTE, "chrystoki-unchecked", "only a connection to the HSM shows it",
					 "ask the HSM itself: okv-luna slots"),
			    0, "not checked: %s", text_string(&unchecked));
}

static void library_check(struct okv_checking *c, const struct chrystoki *conf)
{
	const struct settings *s = c->job->settings;
	ptrdiff_t at;

	if (chrystoki_entries(conf, "Chrystoki2", "LibUNIX64", &at) == 0) {
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-no-library", "the client's tools find no library"), 0,
			    "section Chrystoki2 has no LibUNIX64");
		finding_set_remedy(c->found, "okv-luna config chrystoki set Chrystoki2 LibUNIX64 %s", s->pkcs11_lib);
	}
	if (chrystoki_sections(conf, "REST", &at) > 0 && chrystoki_entries(conf, "Misc", "PluginModuleDir", &at) == 0) {
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-no-plugins",
					 "the Cloud HSM service of section REST does not show"),
			    0, "section Misc has no PluginModuleDir");
		finding_set_remedy(c->found, "okv-luna config chrystoki set Misc PluginModuleDir %s/plugins/",
				   s->client_dir);
	}
}

static void stdout_check(struct okv_checking *c, const struct chrystoki *conf)
{
	static const char *const switches[][3] = {
		{ "HAConfiguration", "haLogToStdout", "okv-luna config chrystoki set HAConfiguration haLogToStdout 0" },
		{ "CkLog2", "LogToStreams", "okv-luna config chrystoki set CkLog2 LogToStreams 0" },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		size_t line, enabled;
		const char *value = chrystoki_value(conf, switches[i][0], switches[i][1], &line);
		const char *whole = chrystoki_value(conf, switches[i][0], "Enabled", &enabled);

		/* All of CkLog2 may be switched off. */
		if (value == NULL || chrystoki_value_is_off(value) || (whole != NULL && chrystoki_value_is_off(whole)))
			continue;
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "stdout-logging",
					 "OKV captures the library's standard output: log lines show in its trace and "
					 "in the console's Type field",
					 switches[i][2]),
			    line, "%s is switched on: %s", switches[i][1], SHOWN(value));
	}
}

static void mode_check(struct okv_checking *c, const struct stat *status, const struct chrystoki *conf)
{
	const bool everybody = (status->st_mode & 0002) != 0;
	const bool guide = strcmp(c->job->settings->profile, SETTINGS_PROFILE_STRICT) != 0;
	/* During a prepared upgrade the pre-upgrade policy applies. */
	const bool prepared = fs_exists(c->job->root, SETTINGS_BEFORE);
	ptrdiff_t at;

	/* Profile guide lets the group write. */
	if ((status->st_mode & (guide ? 0002 : 0022)) != 0)
		finding_add(c->found,
			    FINDING_RULE(everybody ? FINDING_FAIL : FINDING_WARN, "chrystoki-writable",
					 "it names code (LibUNIX64, PluginModuleDir, SSLConfigFile): whoever can write "
					 "it can run code as any HSM user, even as root",
					 prepared ? "okv-luna repair --phase pre-upgrade"
						  : "okv-luna repair --phase post-upgrade"),
			    0, "%s may write it", everybody ? "everybody" : "the group");
	if ((status->st_mode & 0004) != 0 && chrystoki_entries(conf, "REST", "AuthTokenClientSecret", &at) > 0)
		finding_add(
			c->found,
			FINDING_RULE(
				FINDING_WARN, "chrystoki-readable",
				"any local user can use the service as this appliance",
				prepared ? "it stays open while an upgrade is prepared; to close it: okv-luna "
					   "post-upgrade after the upgrade, or okv-luna pre-upgrade --abort without one"
					 : "okv-luna repair --phase post-upgrade"),
			(size_t)at + 1, "everybody can read it, and it holds the secret of the Cloud HSM service");
}

/* The minimal client's own copy may differ from the file in use. */
static void copy_check(struct okv_checking *c, const struct text *bytes)
{
	const char *used = c->found->file;
	struct fault ignored = { 0 };
	TEXT_AUTO path = { 0 };
	TEXT_AUTO copy = { 0 };

	text_add_format(&path, "%s/Chrystoki.conf", c->job->settings->client_dir);
	c->found->failed = c->found->failed || path.failed;
	if (strcmp(text_string(&path), used) == 0 ||
	    fs_read_config(c->job->root, text_string(&path), &copy, &ignored) < 0 || text_same(&copy, bytes))
		return;
	c->found->file = text_string(&path);
	finding_add(c->found,
		    FINDING_RULE(FINDING_WARN, "chrystoki-copy",
				 "a shell in which setenv was sourced uses this one, OKV the other: they may show "
				 "different slots",
				 "make them equal, or remove this one"),
		    0, "it differs from '%s'", SHOWN(used));
	c->found->file = used;
}

/* Finds readable copies, left by an update or an editor, that hold the cloud service's secret. */
static int secrets_check(struct okv_checking *c, const char *directory, struct fault *f)
{
	struct fault absent = { 0 };
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	const char *used = c->found->file;

	if (fs_dir_open(c->job->root, directory, FS_FOLLOW_TRUSTED, &dir, &absent) < 0)
		return fs_absence(&absent, f);
	int more = fs_each_open(dir, directory, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		TEXT_SECRET_AUTO bytes = { 0 };
		TEXT_AUTO path = { 0 };
		struct fault ignored = { 0 };
		struct stat status;
		FS_AUTO int fd = -1;

		text_add_format(&path, "%s/%s", directory, entry.name);
		if (strcasestr(entry.name, "chrystoki") == NULL || strcmp(text_string(&path), used) == 0 ||
		    fs_name_open(FS_NAME(dir, entry.name, text_string(&path)), O_RDONLY, &fd, &status, &ignored) < 0 ||
		    (status.st_mode & 0004) == 0 || fs_read(fd, entry.name, FS_READ_CONFIG_MAX, &bytes, &ignored) < 0 ||
		    memmem(text_string(&bytes), bytes.length, "AuthTokenClientSecret", 21) == NULL)
			continue;
		c->found->failed = c->found->failed || path.failed;
		c->found->file = text_string(&path);
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "chrystoki-readable",
					 "any local user can use the service as this appliance", NULL),
			    0, "everybody can read it, and it holds the secret of the Cloud HSM service");
		finding_set_remedy(c->found, "chmod o-r %s", TYPED(c->found->file));
		c->found->file = used;
	}
	return more;
}

static void entries_check(struct okv_checking *c, const struct chrystoki *conf, const struct stat *status)
{
	syntax_check(c, conf);
	twice_check(c, conf);
	library_check(c, conf);
	paths_check(c, conf);
	okv_check_needs(c, OKV_NEED_ENTRY, OKV_NEED_ENTRY);
	c->found->file = c->job->settings->chrystoki_conf;
	stdout_check(c, conf);
	mode_check(c, status, conf);
	chrystoki_groups_evaluate(conf, c->found);
}

int okv_check_chrystoki(struct okv_checking *c, struct fault *f)
{
	TEXT_SECRET_AUTO bytes = { 0 };
	CHRYSTOKI_AUTO conf = { 0 };
	struct stat status;

	c->found->file = c->job->settings->chrystoki_conf;
	const int r = okv_check_read(c, FINDING_RULE(FINDING_FAIL, "file-missing", zero_slots, FINDING_INSTALL_IT),
				     &bytes, &status, f);
	if (r <= 0)
		return r;
	if (chrystoki_parse(&conf, text_string(&bytes), bytes.length, f) < 0)
		return -1;
	const char *form = chrystoki_form_fault(&conf);
	if (form == NULL)
		entries_check(c, &conf, &status);
	else
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "chrystoki-outside", zero_slots,
					 "put the Linux client's Chrystoki.conf in its place, with sections 'Misc = {'",
					 .hides = true),
			    1, "%s", form);
	copy_check(c, &bytes);
	TEXT_AUTO directory = { 0 };
	text_add(&directory, c->found->file, (size_t)(strrchr(c->found->file, '/') - c->found->file));
	if (text_check(&directory, f) < 0 || secrets_check(c, text_string(&directory), f) < 0)
		return -1;
	return secrets_check(c, c->job->settings->client_dir, f);
}
