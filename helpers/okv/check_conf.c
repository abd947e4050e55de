#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/fix.h"
#include "fs/root.h"
#include "okv/checking.h"

static const char wire_it[] = "okv-luna config wire";
static const char fix_it[] = "okv-luna config check --fix";

static const char *flaw_rule(enum assign_flaw flaw)
{
	switch (flaw) {
	case ASSIGN_FLAW_NONE:
		break;
	case ASSIGN_FLAW_NO_EQUALS:
		return "line-no-equals";
	case ASSIGN_FLAW_NAME:
		return "line-name";
	case ASSIGN_FLAW_CURLY_QUOTE:
		return "line-curly-quote";
	case ASSIGN_FLAW_UNQUOTED:
		return "line-unquoted";
	case ASSIGN_FLAW_UNCLOSED:
		return "line-unclosed";
	case ASSIGN_FLAW_INNER_QUOTE:
		return "line-inner-quote";
	case ASSIGN_FLAW_TRAILING:
		return "line-trailing";
	case ASSIGN_FLAW_CARRIAGE_RETURN:
		return "line-carriage-return";
	case ASSIGN_FLAW_LONG:
		return "line-long";
	case ASSIGN_FLAW_CONTROL:
		return "line-control";
	case ASSIGN_FLAW_BOM:
		return "line-bom";
	}
	return "line";
}

/* Lines that are not NAME="VALUE", and bytes in them that no reader promises to take. */
static void lines_check(struct checking *c, const char *file, const struct assign *a, const char *effect)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct assign_line *line = &a->lines[i];
		size_t covered;

		switch (line->kind) {
		case ASSIGN_BLANK:
		case ASSIGN_COMMENT:
			break;
		case ASSIGN_VALUE:
			for (size_t j = 0; j < line->length; j++) {
				if ((unsigned char)line->bytes[j] < 0x80 && line->bytes[j] != '\t')
					continue;
				okv_found(c, OKV_WARN, line->bytes[j] == '\t' ? "value-tab" : "value-not-ascii", file,
					  i + 1, NEEDS_A_PERSON,
					  line->bytes[j] == '\t' ? "there is a TAB in the value"
								 : "there are characters that are no ASCII",
					  "whether OKV takes them as they are is not known",
					  okv_words(c, "write the value of %s anew: okv-luna config set",
						    SHOWN_BYTES(line->bytes, line->name_length)));
				break;
			}
			break;
		case ASSIGN_FLAWED:
			covered = fix_line(a, i, NULL);
			if (covered > 1)
				okv_found(c, OKV_FAIL, "line-wrapped", file, i + 1, SAFE_TO_FIX,
					  okv_words(c, "the list is wrapped over lines %zu to %zu", i + 1, i + covered),
					  effect, fix_it);
			else
				okv_found(c, OKV_FAIL, flaw_rule(line->flaw), file, i + 1,
					  covered > 0 ? SAFE_TO_FIX : NEEDS_A_PERSON, assign_flaw_text(line->flaw),
					  effect,
					  covered > 0 ? fix_it : "write the line anew as NAME=\"VALUE\", or remove it");
			i += covered > 1 ? covered - 1 : 0;
			break;
		}
	}
}

static size_t line_number(const struct assign *a, const char *name)
{
	const struct assign_line *line = assign_find(a, name);
	return line != NULL ? (size_t)(line - a->lines) + 1 : 0;
}

static bool mentioned(const struct assign *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->lines[i].kind == ASSIGN_FLAWED && assign_mentions(&a->lines[i], name))
			return true;
	return false;
}

/* The value of a key that must be there once; NULL (and a finding) where it is not. */
static char *key_read(struct checking *c, const char *file, const struct assign *a, const char *key, const char *effect)
{
	struct fault ignored = { 0 };
	char *value = NULL;

	if (assign_count(a, key) > 1)
		okv_found(c, OKV_FAIL, "key-twice", file, line_number(a, key), NEEDS_A_PERSON,
			  okv_words(c, "%s is set %zu times", key, assign_count(a, key)),
			  "which one OKV reads is not known", "leave one of the lines");
	if (assign_get(a, key, &value, &ignored) < 0)
		c->failed = true;
	/* A malformed line of that name is a finding already. */
	else if (value == NULL && !mentioned(a, key))
		okv_found(c, OKV_FAIL, "key-missing", file, 0, NEEDS_A_PERSON, okv_words(c, "%s is not set", key),
			  effect, wire_it);
	return value;
}

struct chain {
	struct checking *c;
	size_t line;
	bool told;
};

static void chain_step(void *context, const char *step)
{
	struct chain *chain = context;

	if (chain->told || !chain->c->preserves || preserved_holder(&chain->c->preserved, step) != NULL)
		return;
	chain->told = true;
	okv_found(chain->c, OKV_FAIL, "library-not-preserved", OKV_CONF, chain->line, NEEDS_A_PERSON,
		  okv_words(chain->c, "PRESERVED_FILES does not cover '%s', which the library is or leads through",
			    SHOWN(step)),
		  "after an OS major upgrade the library is gone, and OKV cannot open its wallet", wire_it);
}

static void library_check(struct checking *c, const struct assign *a)
{
	char *library = key_read(c, OKV_CONF, a, "PKCS11_LIB_LOC", "OKV has no library to load");
	struct chain chain = { .c = c, .line = line_number(a, "PKCS11_LIB_LOC") };

	if (library == NULL)
		return;
	const char *wanted = c->job->settings->pkcs11_lib;
	if (library[0] != '/')
		okv_found(c, OKV_FAIL, "library-relative", OKV_CONF, chain.line, NEEDS_A_PERSON,
			  library[0] == '\0' ? "PKCS11_LIB_LOC is empty" : "PKCS11_LIB_LOC is no full path",
			  "OKV cannot load the library", wire_it);
	else if (!okv_check_follow(c, library, chain_step, &chain))
		okv_found(c, OKV_FAIL, "library-missing", OKV_CONF, chain.line, NEEDS_A_PERSON,
			  okv_words(c, "the library '%s' is not there, or is a link to nothing", SHOWN(library)),
			  "OKV answers 'Could Not Load PKCS#11 Library'", "okv-luna extract ARCHIVE");
	if (library[0] == '/' && strcmp(library, wanted) != 0)
		okv_found(c, OKV_WARN, "library-other", OKV_CONF, chain.line, NEEDS_A_PERSON,
			  okv_words(c, "PKCS11_LIB_LOC is not the library of okv-luna.conf, '%s'", SHOWN(wanted)),
			  "OKV loads one library and these tools look at another", wire_it);
	free(library);
}

static const char *judge_rule(enum preserved_flaw flaw)
{
	switch (flaw) {
	case PRESERVED_FLAW_WILDCARD:
		return "preserved-wildcard";
	case PRESERVED_FLAW_RELATIVE:
		return "preserved-relative";
	case PRESERVED_FLAW_DOTS:
		return "preserved-dots";
	case PRESERVED_FLAW_ROOT:
		return "preserved-root";
	case PRESERVED_FLAW_BYTES:
		return "preserved-bytes";
	case PRESERVED_FLAW_NONE:
		break;
	}
	return "preserved";
}

static void entry_check(struct checking *c, size_t index, size_t line)
{
	const char *path = c->preserved.paths[index];
	const enum preserved_flaw flaw = preserved_judge(path);
	struct fault absent = { 0 };
	struct stat status;

	if (flaw != PRESERVED_FLAW_NONE) {
		okv_found(c, OKV_FAIL, judge_rule(flaw), OKV_CONF, line, NEEDS_A_PERSON,
			  okv_words(c, "PRESERVED_FILES lists '%s': %s", SHOWN(path), preserved_flaw_text(flaw)),
			  "what is meant is not carried over an OS major upgrade",
			  "list a full path, and directories as a whole");
		return;
	}
	for (size_t i = 0; i < c->preserved.count; i++) {
		if (i == index || !preserved_within(path, c->preserved.paths[i]) ||
		    (i > index && preserved_within(c->preserved.paths[i], path)))
			continue;
		okv_found(c, OKV_WARN, "preserved-inside", OKV_CONF, line, SAFE_TO_FIX,
			  okv_words(c, "PRESERVED_FILES lists '%s', which lies inside '%s'", SHOWN(path),
				    SHOWN(c->preserved.paths[i])),
			  "it is carried over twice, and takes room on a line that must stay below 4096 characters",
			  fix_it);
		return;
	}
	if (preserved_within(path, "/usr/local/okv") || preserved_within(path, "/usr/local/dbfw"))
		okv_found(c, OKV_WARN, "preserved-okv", OKV_CONF, line, NEEDS_A_PERSON,
			  okv_words(c, "PRESERVED_FILES lists '%s', which is OKV's own", SHOWN(path)),
			  "OKV wants files of the HSM client only; an old file could take the place of a new release's",
			  "take it out of the list");
	if (fs_status(c->job->root, path, FS_FOLLOW_TRUSTED, &status, &absent) < 0)
		okv_found(c, OKV_WARN, "preserved-missing", OKV_CONF, line, NEEDS_A_PERSON,
			  okv_words(c, "PRESERVED_FILES lists '%s', which is not there", SHOWN(path)),
			  "what OKV's upgrade does with a missing path is not known",
			  "install what is missing, or take it out of the list");
	else if (S_ISLNK(status.st_mode) && strstr(path, "okv-luna") == NULL)
		okv_found(c, OKV_WARN, "preserved-link", OKV_CONF, line, NEEDS_A_PERSON,
			  okv_words(c, "PRESERVED_FILES lists '%s', which is a symbolic link", SHOWN(path)),
			  "whether what it leads to is carried over is not known", "list what it leads to as well");
}

static void preserved_check(struct checking *c, const struct assign *a)
{
	static const char lost[] = "after an OS major upgrade it is gone, and the HSM cannot be reached";
	struct fault ignored = { 0 };
	char *value = key_read(c, OKV_CONF, a, "PRESERVED_FILES",
			       "an OS major upgrade carries nothing of the HSM client over");
	const size_t line = line_number(a, "PRESERVED_FILES");

	if (value == NULL)
		return;
	if (preserved_parse(&c->preserved, value, strlen(value), &ignored) < 0)
		c->failed = true;
	free(value);
	c->preserves = !c->failed;
	for (size_t i = 0; i < c->preserved.count; i++)
		entry_check(c, i, line);

	const char *const needed[] = { c->job->settings->client_dir, c->job->settings->chrystoki_conf,
				       SETTINGS_PREFIX };
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (preserved_holder(&c->preserved, needed[i]) == NULL)
			okv_found(c, OKV_FAIL, "preserved-lacks", OKV_CONF, line, NEEDS_A_PERSON,
				  okv_words(c, "PRESERVED_FILES does not list '%s'", SHOWN(needed[i])), lost, wire_it);
}

int okv_check_conf(struct checking *c, struct fault *f)
{
	static const char *const known[] = { "VENDOR_NAME", "PKCS11_LIB_LOC", "PRESERVED_FILES" };
	TEXT_AUTO file = { 0 };
	ASSIGN_AUTO a = { 0 };

	if (!okv_check_read(c, OKV_CONF, OKV_FAIL, "OKV does not know of the HSM vendor",
			    "put OKV's own file back, as another node of this release has it", &file, NULL, f))
		return f->kind == FAULT_NONE ? 0 : -1;
	if (assign_parse(&a, text_string(&file), file.length, f) < 0)
		return -1;
	lines_check(c, OKV_CONF, &a, "OKV does not read this line as it is meant");

	for (size_t i = 0; i < a.count; i++) {
		bool is_known = a.lines[i].kind != ASSIGN_VALUE;
		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			is_known = is_known || text_equal(a.lines[i].bytes, a.lines[i].name_length, known[j]);
		if (!is_known)
			okv_found(c, OKV_WARN, "key-unknown", OKV_CONF, i + 1, NEEDS_A_PERSON,
				  okv_words(c, "'%s' is none of OKV's three keys",
					    SHOWN_BYTES(a.lines[i].bytes, a.lines[i].name_length)),
				  "OKV passes it over, or complains",
				  "compare the spelling with VENDOR_NAME, PKCS11_LIB_LOC, PRESERVED_FILES");
	}
	char *vendor = key_read(c, OKV_CONF, &a, "VENDOR_NAME", "the console's vendor menu has no entry for this HSM");
	if (vendor != NULL && strcmp(vendor, c->job->settings->vendor_name) != 0)
		okv_found(c, OKV_WARN, "vendor-other", OKV_CONF, line_number(&a, "VENDOR_NAME"), NEEDS_A_PERSON,
			  okv_words(c, "VENDOR_NAME is '%s', and okv-luna.conf says '%s'", SHOWN(vendor),
				    SHOWN(c->job->settings->vendor_name)),
			  "the console's vendor menu shows another name than expected", wire_it);
	free(vendor);
	/* The list first: the library's check asks it. */
	preserved_check(c, &a);
	library_check(c, &a);
	return 0;
}

static bool sounds_secret(const char *name, size_t length)
{
	static const char *const words[] = { "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL", "_PIN", "TOKEN" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (size_t at = 0; at + strlen(words[i]) <= length; at++)
			if (strncasecmp(name + at, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

static void directory_check(struct checking *c, const struct assign *a)
{
	static const char effect[] =
		"the library looks for Chrystoki.conf elsewhere and shows zero slots without an error";
	static const char key[] = "ChrystokiConfigurationPath";
	char *value =
		key_read(c, OKV_ENV, a, key, "the library falls back to /etc, if that is where Chrystoki.conf lies");
	const char *conf = c->job->settings->chrystoki_conf;
	const size_t line = line_number(a, key);

	if (value == NULL)
		return;
	if (value[0] != '/')
		okv_found(c, OKV_FAIL, "config-relative", OKV_ENV, line, NEEDS_A_PERSON,
			  okv_words(c, "%s is no full path", key), effect, wire_it);
	else if (text_ends(value, "Chrystoki.conf"))
		okv_found(c, OKV_FAIL, "config-file", OKV_ENV, line, NEEDS_A_PERSON,
			  okv_words(c, "%s names the file, and must name its directory", key), effect, wire_it);
	else {
		const char *path = okv_words(c, "%s/Chrystoki.conf", value);
		if (!fs_exists(c->job->root, path))
			okv_found(c, OKV_FAIL, "config-missing", OKV_ENV, line, NEEDS_A_PERSON,
				  okv_words(c, "there is no '%s'", SHOWN(path)), effect, wire_it);
		else if (!preserved_within(path, conf) || !preserved_within(conf, path))
			okv_found(c, OKV_WARN, "config-other", OKV_ENV, line, NEEDS_A_PERSON,
				  okv_words(c, "OKV uses '%s', and okv-luna.conf says '%s'", SHOWN(path), SHOWN(conf)),
				  "OKV uses one configuration and these tools look at another", wire_it);
	}
	free(value);
}

int okv_check_env(struct checking *c, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	ASSIGN_AUTO a = { 0 };

	if (!okv_check_read(c, OKV_ENV, OKV_FAIL, "the HSM library gets no environment from OKV",
			    "put OKV's own file back, as another node of this release has it", &file, NULL, f))
		return f->kind == FAULT_NONE ? 0 : -1;
	if (assign_parse(&a, text_string(&file), file.length, f) < 0)
		return -1;
	lines_check(c, OKV_ENV, &a, "hsmclient skips the line with a warning in its trace");
	for (size_t i = 0; i < a.count; i++) {
		const struct assign_line *line = &a.lines[i];
		if (line->kind == ASSIGN_VALUE && sounds_secret(line->bytes, line->name_length))
			okv_found(
				c, OKV_WARN, "env-secret", OKV_ENV, i + 1, NEEDS_A_PERSON,
				okv_words(c, "'%s' sounds like a secret", SHOWN_BYTES(line->bytes, line->name_length)),
				"hsmclient writes every value to its trace in clear", "take it out of this file");
	}
	directory_check(c, &a);
	return 0;
}
