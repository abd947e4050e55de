#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/chrystoki.h"
#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/check.h"

static const char zero_slots[] = "the library shows zero slots, without an error";

static const struct {
	unsigned flaw;
	enum okv_severity severity;
	const char *word, *effect;
} flaw_table[] = {
	{ CHRYSTOKI_FLAW_BOM, OKV_FAIL, "chrystoki-bom", "the first line is not what it seems to the library" },
	{ CHRYSTOKI_FLAW_TAB, OKV_FAIL, "chrystoki-tab", "the library may not find the entry" },
	{ CHRYSTOKI_FLAW_CARRIAGE_RETURN, OKV_FAIL, "chrystoki-carriage-return",
	  "the library may take the CR for a part of a value, so that files are not found" },
	{ CHRYSTOKI_FLAW_CONTROL, OKV_FAIL, "chrystoki-control", "what the library makes of it is not known" },
	{ CHRYSTOKI_FLAW_UNREADABLE, OKV_FAIL, "chrystoki-unreadable", "what the library makes of it is not known" },
	{ CHRYSTOKI_FLAW_BRACE, OKV_FAIL, "chrystoki-brace",
	  "where sections begin and end is not known to the library" },
	{ CHRYSTOKI_FLAW_NOT_CLOSED, OKV_FAIL, "chrystoki-not-closed",
	  "the library may take the next section for a part of this one" },
	{ CHRYSTOKI_FLAW_STRAY_CLOSE, OKV_WARN, "chrystoki-stray-close", "the library may stop reading here" },
	{ CHRYSTOKI_FLAW_OUTSIDE, OKV_FAIL, "chrystoki-outside",
	  "the library does not find it in the section where it looks" },
	{ CHRYSTOKI_FLAW_NAME, OKV_FAIL, "chrystoki-name",
	  "the library looks for another name, and does not find this one" },
	{ CHRYSTOKI_FLAW_TRAILING, OKV_WARN, "chrystoki-trailing",
	  "whether the library takes it for a comment is not known" },
	{ CHRYSTOKI_FLAW_NO_SEMICOLON, OKV_WARN, "chrystoki-no-semicolon",
	  "the library reads the value to the end of the line, with whatever stands there" },
	{ CHRYSTOKI_FLAW_QUOTES, OKV_WARN, "chrystoki-quotes",
	  "whether the library takes the quotes off is not known" },
	{ CHRYSTOKI_FLAW_NOT_ASCII, OKV_WARN, "chrystoki-not-ascii", "what the library makes of it is not known" },
};

/* Whether fixing leaves a line without that flaw; lines come before the one that may be added at the end. */
static bool fixed_away(const struct chrystoki *fixed, size_t index, unsigned flaw)
{
	return index >= fixed->count || (fixed->lines[index].flaws & flaw) == 0;
}

static int syntax_check(struct okv_checking *c, const struct text *bytes, const struct chrystoki *conf, struct fault *f)
{
	CHRYSTOKI_AUTO fixed = { 0 };
	bool changed;

	if (chrystoki_parse(&fixed, text_string(bytes), bytes->length, f) < 0 || chrystoki_fix(&fixed, &changed, f) < 0)
		return -1;
	for (size_t i = 0; i < conf->count; i++) {
		for (size_t j = 0; j < sizeof(flaw_table) / sizeof(flaw_table[0]); j++) {
			if ((conf->lines[i].flaws & flaw_table[j].flaw) == 0)
				continue;
			okv_finding_add(c->found,
					OKV_RULE(flaw_table[j].severity, flaw_table[j].word, flaw_table[j].effect,
						 fixed_away(&fixed, i, flaw_table[j].flaw) ? OKV_FIX_IT
											   : "fix the line by hand"),
					i + 1, "%s", chrystoki_flaw_text(flaw_table[j].flaw));
		}
	}
	return 0;
}

static bool same_name(const struct chrystoki_line *a, const struct chrystoki_line *b, bool *ret_exact)
{
	if (a->name_length != b->name_length ||
	    strncasecmp(a->bytes + a->name_start, b->bytes + b->name_start, a->name_length) != 0)
		return false;
	*ret_exact = memcmp(a->bytes + a->name_start, b->bytes + b->name_start, a->name_length) == 0;
	return true;
}

/* Sections, and keys of one section, that stand more than once or differ in letter case only. */
static void twice_check(struct okv_checking *c, const struct chrystoki *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct chrystoki_line *line = &conf->lines[i];
		const bool section = line->kind == CHRYSTOKI_OPEN;

		if (!section && line->kind != CHRYSTOKI_ENTRY)
			continue;
		for (size_t j = 0; j < i; j++) {
			const struct chrystoki_line *earlier = &conf->lines[j];
			bool exact;

			if (earlier->kind != line->kind || (!section && earlier->section != line->section) ||
			    !same_name(line, earlier, &exact))
				continue;
			okv_finding_add(c->found,
					OKV_RULE(exact ? OKV_FAIL : OKV_WARN,
						 !exact    ? "chrystoki-case"
						 : section ? "chrystoki-section-twice"
							   : "chrystoki-key-twice",
						 "which one the library reads is not known", "leave one of them"),
					i + 1, "%s '%s' stands on line %zu already%s", section ? "section" : "key",
					SHOWN_BYTES(line->bytes + line->name_start, line->name_length), j + 1,
					exact ? "" : ", in other letter case");
			break;
		}
	}
}

/* What a path in the configuration is for, and what comes of it when nothing is there. */
static const struct known_path {
	const char *section, *key;
	enum okv_severity missing;
	bool cloud; /* must lie inside the client */
	const char *effect;
} known_paths[] = {
	{ "Chrystoki2", "LibUNIX64", OKV_FAIL, false, "the client's tools and the library find no library to load" },
	{ "CkLog2", "LibUNIX64", OKV_FAIL, false, "the logging library finds no library behind it" },
	{ "Chrystoki2", "LibUNIX", OKV_NOTE, false, "32-bit programs find no library; OKV has none" },
	{ CHRYSTOKI_CLIENT_SECTION, "ClientPrivKeyFile", OKV_FAIL, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "ClientCertFile", OKV_FAIL, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "ServerCAFile", OKV_FAIL, false, zero_slots },
	{ CHRYSTOKI_CLIENT_SECTION, "SSLConfigFile", OKV_WARN, false,
	  "the client's TLS settings are the built-in ones" },
	{ "XTC", "PartitionCAPath", OKV_FAIL, true, "the Cloud HSM service does not show" },
	{ "XTC", "PartitionCertPath00", OKV_FAIL, true, "the Cloud HSM service does not show" },
	{ "REST", "SSLClientSideVerifyFile", OKV_FAIL, true, "the Cloud HSM service does not show" },
	{ "Misc", "PluginModuleDir", OKV_FAIL, true, "the Cloud HSM service does not show" },
	{ "Misc", "ToolsDir", OKV_WARN, false, "the client's tools are not found" },
	{ "Secure Trusted Channel", "ClientTokenLib", OKV_WARN, false, "STC connections fail" },
	{ "Secure Trusted Channel", "SoftTokenDir", OKV_WARN, false, "STC connections fail" },
};

static const struct known_path *path_known(const struct chrystoki *conf, const struct chrystoki_line *line)
{
	const struct chrystoki_line *open = &conf->lines[line->section];

	for (size_t i = 0; i < sizeof(known_paths) / sizeof(known_paths[0]); i++)
		if (text_equal(open->bytes + open->name_start, open->name_length, known_paths[i].section) &&
		    text_equal(line->bytes + line->name_start, line->name_length, known_paths[i].key))
			return &known_paths[i];
	return NULL;
}

static void path_check(struct okv_checking *c, size_t number, const struct known_path *known, const char *value)
{
	const char *client = c->job->settings->client_dir;
	const char *what = known != NULL ? known->key : "this path";
	const bool cloud = known != NULL && known->cloud;

	if (value[0] != '/') {
		okv_finding_add(c->found,
				OKV_RULE(OKV_FAIL, "chrystoki-path-relative",
					 "it is looked for in whatever directory a program happens to run",
					 "write the full path: okv-luna config chrystoki set"),
				number, "%s is no full path: '%s'", what, SHOWN(value));
		return;
	}
	if (cloud && !preserved_within(value, client))
		okv_finding_add(c->found,
				OKV_RULE(OKV_FAIL, "cloud-path",
					 "the directory is not preserved, and the guide has it deleted: then the Cloud "
					 "HSM service is gone",
					 "okv-luna config chrystoki merge FILE --section XTC --section REST"),
				number, "%s leads to '%s', outside the client '%s'", what, SHOWN(value), SHOWN(client));
	if (!fs_exists(c->job->root, value))
		okv_finding_add(c->found,
				OKV_RULE(known != NULL ? known->missing : OKV_WARN, "chrystoki-path-missing",
					 known != NULL ? known->effect : "what needs it fails",
					 "install what is missing, or correct the path"),
				number, "%s leads to '%s', which is not there", what, SHOWN(value));
	else if (!cloud && c->preserves && preserved_holder(&c->preserved, value) == NULL)
		okv_finding_add(c->found,
				OKV_RULE(OKV_WARN, "chrystoki-path-not-preserved",
					 "after an OS major upgrade it is gone",
					 "move it into the client's directory, or list it in PRESERVED_FILES"),
				number, "%s leads to '%s', which PRESERVED_FILES does not cover", what, SHOWN(value));
}

static void paths_check(struct okv_checking *c, const struct chrystoki *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct chrystoki_line *line = &conf->lines[i];

		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0)
			continue;
		const struct known_path *known = path_known(conf, line);
		char *value = strndup(line->bytes + line->value_start, line->value_length);
		if (value == NULL) {
			c->found->failed = true;
			return;
		}
		if (known != NULL || value[0] == '/')
			path_check(c, i + 1, known, value);
		text_wipe(value, strlen(value));
		free(value);
	}
}

static void library_check(struct okv_checking *c, const struct chrystoki *conf)
{
	const struct settings *s = c->job->settings;
	TEXT_AUTO library = { 0 };
	TEXT_AUTO plugins = { 0 };
	ptrdiff_t at;

	text_add_format(&library, "okv-luna config chrystoki set Chrystoki2 LibUNIX64 %s", s->pkcs11_lib);
	text_add_format(&plugins, "okv-luna config chrystoki set Misc PluginModuleDir %s/plugins/", s->client_dir);
	c->found->failed = c->found->failed || library.failed || plugins.failed;
	if (chrystoki_entries(conf, "Chrystoki2", "LibUNIX64", &at) == 0)
		okv_finding_add(c->found,
				OKV_RULE(OKV_FAIL, "chrystoki-no-library", "the client's tools find no library",
					 text_string(&library)),
				0, "section Chrystoki2 names no LibUNIX64");
	if (chrystoki_sections(conf, "REST", &at) > 0 && chrystoki_entries(conf, "Misc", "PluginModuleDir", &at) == 0)
		okv_finding_add(c->found,
				OKV_RULE(OKV_FAIL, "chrystoki-no-plugins",
					 "the Cloud HSM service of section REST does not show", text_string(&plugins)),
				0, "section Misc names no PluginModuleDir");
}

static void stdout_check(struct okv_checking *c, const struct chrystoki *conf)
{
	static const char *const switches[][3] = {
		{ "HAConfiguration", "haLogToStdout", "okv-luna config chrystoki set HAConfiguration haLogToStdout 0" },
		{ "CkLog2", "LogToStreams", "okv-luna config chrystoki set CkLog2 LogToStreams 0" },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		ptrdiff_t at;

		(void)chrystoki_entries(conf, switches[i][0], switches[i][1], &at);
		const struct chrystoki_value value = chrystoki_value_at(conf, at);
		if (value.length == 0 || chrystoki_value_is(&value, "0"))
			continue;
		okv_finding_add(c->found,
				OKV_RULE(OKV_FAIL, "stdout-logging",
					 "OKV captures the library's standard output: log lines show in its trace and "
					 "in the console's Type field",
					 switches[i][2]),
				(size_t)at + 1, "%s is switched on: %s", switches[i][1],
				SHOWN_BYTES(value.bytes, value.length));
	}
}

static void mode_check(struct okv_checking *c, const struct stat *status, const struct chrystoki *conf)
{
	const bool everybody = (status->st_mode & 0002) != 0;
	ptrdiff_t at;

	if ((status->st_mode & 0022) != 0)
		okv_finding_add(
			c->found,
			OKV_RULE(everybody ? OKV_FAIL : OKV_WARN, "chrystoki-writable",
				 "it names code (LibUNIX64, PluginModuleDir, SSLConfigFile): who writes it runs "
				 "code as every HSM user, root too",
				 "okv-luna repair --profile strict"),
			0, "%s may write it", everybody ? "everybody" : "the group");
	if ((status->st_mode & 0004) != 0 && chrystoki_entries(conf, "REST", "AuthTokenClientSecret", &at) > 0)
		okv_finding_add(c->found,
				OKV_RULE(OKV_WARN, "chrystoki-readable",
					 "any local user can use the service as this appliance", "okv-luna repair"),
				(size_t)at + 1,
				"everybody may read it, and it holds the secret of the Cloud HSM service");
}

/* Servers and high-availability groups. */
static int groups_check(struct okv_checking *c, const struct chrystoki *conf, struct fault *f)
{
	CHRYSTOKI_FINDINGS_AUTO found = { .items = NULL };

	if (chrystoki_groups_evaluate(conf, &found, f) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		const struct chrystoki_finding *finding = &found.items[i];
		okv_finding_add(c->found,
				OKV_RULE(finding->wrong ? OKV_FAIL : OKV_WARN, finding->word, finding->effect,
					 text_string(&finding->remedy)),
				(size_t)(finding->line + 1), "%s", text_string(&finding->what));
	}
	return 0;
}

/* The minimal client's own copy, which drifts from the one that is used. */
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
	okv_finding_add(c->found,
			OKV_RULE(OKV_WARN, "chrystoki-copy",
				 "a shell in which setenv was sourced uses this one, OKV the other: what one shows the "
				 "other may not",
				 "make them equal, or remove this one"),
			0, "it differs from '%s'", SHOWN(used));
	c->found->file = used;
}

int okv_check_chrystoki(struct okv_checking *c, struct fault *f)
{
	__attribute__((cleanup(text_done_secret))) struct text bytes = { 0 };
	CHRYSTOKI_AUTO conf = { 0 };
	struct stat status;

	c->found->file = c->job->settings->chrystoki_conf;
	const int r = okv_check_read(c,
				     OKV_RULE(OKV_FAIL, "file-missing", zero_slots,
					      "okv-luna extract ARCHIVE, or the client's own installation"),
				     &bytes, &status, f);
	if (r <= 0)
		return r;
	if (chrystoki_parse(&conf, text_string(&bytes), bytes.length, f) < 0 || syntax_check(c, &bytes, &conf, f) < 0)
		return -1;
	twice_check(c, &conf);
	library_check(c, &conf);
	paths_check(c, &conf);
	stdout_check(c, &conf);
	mode_check(c, &status, &conf);
	if (groups_check(c, &conf, f) < 0)
		return -1;
	copy_check(c, &bytes);
	return 0;
}
