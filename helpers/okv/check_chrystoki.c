#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/chrystoki.h"
#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/checking.h"

static const char fix_it[] = "okv-luna config check --fix";
static const char zero_slots[] = "the library shows zero slots, without an error";

static const struct {
	unsigned flaw;
	enum okv_severity severity;
	const char *rule, *effect;
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

/* Whether mending leaves a line without that flaw; lines come before the one that may be added at the end. */
static bool mended_away(const struct chrystoki *mended, size_t index, unsigned flaw)
{
	return index >= mended->count || (mended->lines[index].flaws & flaw) == 0;
}

static int syntax_check(struct checking *c, const char *file, const struct text *bytes, const struct chrystoki *conf,
			struct fault *f)
{
	CHRYSTOKI_AUTO mended = { 0 };
	bool changed;

	if (chrystoki_parse(&mended, text_string(bytes), bytes->length, f) < 0 ||
	    chrystoki_fix(&mended, &changed, f) < 0)
		return -1;
	for (size_t i = 0; i < conf->count; i++) {
		for (size_t j = 0; j < sizeof(flaw_table) / sizeof(flaw_table[0]); j++) {
			if ((conf->lines[i].flaws & flaw_table[j].flaw) == 0)
				continue;
			const bool safe = mended_away(&mended, i, flaw_table[j].flaw);
			okv_found(c, flaw_table[j].severity, flaw_table[j].rule, file, i + 1,
				  safe ? SAFE_TO_FIX : NEEDS_A_PERSON, chrystoki_flaw_text(flaw_table[j].flaw),
				  flaw_table[j].effect, safe ? fix_it : "fix the line by hand");
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
static void twice_check(struct checking *c, const char *file, const struct chrystoki *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct chrystoki_line *line = &conf->lines[i];

		if (line->kind != CHRYSTOKI_OPEN && line->kind != CHRYSTOKI_ENTRY)
			continue;
		for (size_t j = 0; j < i; j++) {
			const struct chrystoki_line *earlier = &conf->lines[j];
			const bool section = line->kind == CHRYSTOKI_OPEN;
			bool exact;

			if (earlier->kind != line->kind || (!section && earlier->section != line->section) ||
			    !same_name(line, earlier, &exact))
				continue;
			okv_found(c, exact ? OKV_FAIL : OKV_WARN,
				  !exact    ? "chrystoki-case"
				  : section ? "chrystoki-section-twice"
					    : "chrystoki-key-twice",
				  file, i + 1, NEEDS_A_PERSON,
				  okv_words(c, "%s '%s' stands on line %zu already%s", section ? "section" : "key",
					    SHOWN_BYTES(line->bytes + line->name_start, line->name_length), j + 1,
					    exact ? "" : ", in other letter case"),
				  "which one the library reads is not known", "leave one of them");
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

static void path_check(struct checking *c, const char *file, size_t number, const struct known_path *known,
		       const char *value)
{
	const char *client = c->job->settings->client_dir;
	const char *what = known != NULL ? known->key : "this path";
	const bool cloud = known != NULL && known->cloud;

	if (value[0] != '/') {
		okv_found(c, OKV_FAIL, "chrystoki-path-relative", file, number, NEEDS_A_PERSON,
			  okv_words(c, "%s is no full path: '%s'", what, SHOWN(value)),
			  "it is looked for in whatever directory a program happens to run",
			  "write the full path: okv-luna config chrystoki set");
		return;
	}
	if (cloud && !preserved_within(value, client))
		okv_found(c, OKV_FAIL, "cloud-path", file, number, NEEDS_A_PERSON,
			  okv_words(c, "%s leads to '%s', outside the client '%s'", what, SHOWN(value), SHOWN(client)),
			  "the directory is not preserved, and the guide has it deleted: then the Cloud HSM service is "
			  "gone",
			  "okv-luna config chrystoki merge FILE --section XTC --section REST");
	if (!fs_exists(c->job->root, value))
		okv_found(c, known != NULL ? known->missing : OKV_WARN, "chrystoki-path-missing", file, number,
			  NEEDS_A_PERSON, okv_words(c, "%s leads to '%s', which is not there", what, SHOWN(value)),
			  known != NULL ? known->effect : "what needs it fails",
			  "install what is missing, or correct the path");
	else if (!cloud && c->preserves && preserved_holder(&c->preserved, value) == NULL)
		okv_found(c, OKV_WARN, "chrystoki-path-not-preserved", file, number, NEEDS_A_PERSON,
			  okv_words(c, "%s leads to '%s', which PRESERVED_FILES does not cover", what, SHOWN(value)),
			  "after an OS major upgrade it is gone",
			  "move it into the client's directory, or list it in PRESERVED_FILES");
}

static void paths_check(struct checking *c, const char *file, const struct chrystoki *conf)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct chrystoki_line *line = &conf->lines[i];

		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0)
			continue;
		const struct known_path *known = path_known(conf, line);
		char *value = strndup(line->bytes + line->value_start, line->value_length);
		if (value == NULL) {
			c->failed = true;
			return;
		}
		if (known != NULL || value[0] == '/')
			path_check(c, file, i + 1, known, value);
		text_wipe(value, strlen(value));
		free(value);
	}
}

static void library_check(struct checking *c, const char *file, const struct chrystoki *conf)
{
	ptrdiff_t at;

	if (chrystoki_entries(conf, "Chrystoki2", "LibUNIX64", &at) == 0)
		okv_found(c, OKV_FAIL, "chrystoki-no-library", file, 0, NEEDS_A_PERSON,
			  "section Chrystoki2 names no LibUNIX64", "the client's tools find no library",
			  okv_words(c, "okv-luna config chrystoki set Chrystoki2 LibUNIX64 %s",
				    c->job->settings->pkcs11_lib));
	if (chrystoki_sections(conf, "REST", &at) > 0 && chrystoki_entries(conf, "Misc", "PluginModuleDir", &at) == 0)
		okv_found(c, OKV_FAIL, "chrystoki-no-plugins", file, 0, NEEDS_A_PERSON,
			  "section Misc names no PluginModuleDir",
			  "the Cloud HSM service of section REST does not show",
			  okv_words(c, "okv-luna config chrystoki set Misc PluginModuleDir %s/plugins/",
				    c->job->settings->client_dir));
}

static void stdout_check(struct checking *c, const char *file, const struct chrystoki *conf)
{
	static const char *const switches[][2] = { { "HAConfiguration", "haLogToStdout" },
						   { "CkLog2", "LogToStreams" } };

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		ptrdiff_t at;

		(void)chrystoki_entries(conf, switches[i][0], switches[i][1], &at);
		const struct chrystoki_value value = chrystoki_value_at(conf, at);
		if (value.length == 0 || chrystoki_value_is(&value, "0"))
			continue;
		okv_found(
			c, OKV_FAIL, "stdout-logging", file, (size_t)at + 1, NEEDS_A_PERSON,
			okv_words(c, "%s is switched on: %s", switches[i][1], SHOWN_BYTES(value.bytes, value.length)),
			"OKV captures the library's standard output: log lines show in its trace and in the console's "
			"Type field",
			okv_words(c, "okv-luna config chrystoki set %s %s 0", switches[i][0], switches[i][1]));
	}
}

static void mode_check(struct checking *c, const char *file, const struct stat *status, const struct chrystoki *conf)
{
	ptrdiff_t at;

	if ((status->st_mode & 0022) != 0)
		okv_found(c, (status->st_mode & 0002) != 0 ? OKV_FAIL : OKV_WARN, "chrystoki-writable", file, 0,
			  NEEDS_A_PERSON,
			  (status->st_mode & 0002) != 0 ? "everybody may write it" : "the group may write it",
			  "it names code (LibUNIX64, PluginModuleDir, SSLConfigFile): who writes it runs code as "
			  "every HSM user, root too",
			  "okv-luna repair --profile strict");
	if ((status->st_mode & 0004) != 0 && chrystoki_entries(conf, "REST", "AuthTokenClientSecret", &at) > 0)
		okv_found(c, OKV_WARN, "chrystoki-readable", file, (size_t)at + 1, NEEDS_A_PERSON,
			  "everybody may read it, and it holds the secret of the Cloud HSM service",
			  "any local user can use the service as this appliance", "okv-luna repair");
}

/* Servers and high-availability groups. */
static int groups_check(struct checking *c, const char *file, const struct chrystoki *conf, struct fault *f)
{
	CHRYSTOKI_FINDINGS_AUTO found = { .items = NULL };

	if (chrystoki_groups_evaluate(conf, &found, f) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		const struct chrystoki_finding *finding = &found.items[i];
		okv_found(c, finding->wrong ? OKV_FAIL : OKV_WARN, finding->word, file, (size_t)(finding->line + 1),
			  NEEDS_A_PERSON, text_string(&finding->what), finding->effect, text_string(&finding->remedy));
	}
	return 0;
}

/* The minimal client's own copy, which drifts from the one that is used. */
static int copy_check(struct checking *c, const char *file, const struct text *bytes)
{
	const char *path = okv_words(c, "%s/Chrystoki.conf", c->job->settings->client_dir);
	struct fault ignored = { 0 };
	TEXT_AUTO copy = { 0 };

	if (strcmp(path, file) == 0 ||
	    fs_read_file(c->job->root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &copy, NULL, &ignored) < 0)
		return 0;
	if (!text_same(&copy, bytes))
		okv_found(c, OKV_WARN, "chrystoki-copy", path, 0, NEEDS_A_PERSON,
			  okv_words(c, "it differs from '%s'", SHOWN(file)),
			  "a shell in which setenv was sourced uses this one, OKV the other: what one shows the other "
			  "may not",
			  "make them equal, or remove this one");
	return 0;
}

int okv_check_chrystoki(struct checking *c, struct fault *f)
{
	const char *file = c->job->settings->chrystoki_conf;
	TEXT_AUTO bytes = { 0 };
	CHRYSTOKI_AUTO conf = { 0 };
	struct stat status;

	if (!okv_check_read(c, file, OKV_FAIL, zero_slots, "okv-luna extract ARCHIVE, or the client's own installation",
			    &bytes, &status, f))
		return f->kind == FAULT_NONE ? 0 : -1;
	int r = chrystoki_parse(&conf, text_string(&bytes), bytes.length, f);
	if (r == 0)
		r = syntax_check(c, file, &bytes, &conf, f);
	if (r == 0) {
		twice_check(c, file, &conf);
		library_check(c, file, &conf);
		paths_check(c, file, &conf);
		stdout_check(c, file, &conf);
		mode_check(c, file, &status, &conf);
		r = groups_check(c, file, &conf, f);
	}
	if (r == 0)
		r = copy_check(c, file, &bytes);
	if (bytes.bytes != NULL)
		text_wipe(bytes.bytes, bytes.length);
	return r;
}
