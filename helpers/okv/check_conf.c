#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/assign.h"
#include "fs/root.h"
#include "okv/check.h"
#include "okv/links.h"
#include "okv/library.h"
#include "proc/identity.h"

static const char *const flaw_words[] = {
	[ASSIGN_FLAW_NONE] = "line",
	[ASSIGN_FLAW_NO_EQUALS] = "line-no-equals",
	[ASSIGN_FLAW_NAME] = "line-name",
	[ASSIGN_FLAW_CURLY_QUOTE] = "line-curly-quote",
	[ASSIGN_FLAW_UNQUOTED] = "line-unquoted",
	[ASSIGN_FLAW_UNCLOSED] = "line-unclosed",
	[ASSIGN_FLAW_INNER_QUOTE] = "line-inner-quote",
	[ASSIGN_FLAW_TRAILING] = "line-trailing",
	[ASSIGN_FLAW_CARRIAGE_RETURN] = "line-carriage-return",
	[ASSIGN_FLAW_LONG] = "line-long",
	[ASSIGN_FLAW_CONTROL] = "line-control",
	[ASSIGN_FLAW_BOM] = "line-bom",
	[ASSIGN_FLAW_SPACE] = "line-space",
};

/* Warns of bytes in a value that OKV may not accept. */
static void value_check(struct okv_checking *c, const struct assign_line *line, size_t number)
{
	size_t at = 0;

	while (at < line->length && (unsigned char)line->bytes[at] < 0x80 && line->bytes[at] != '\t')
		at++;
	if (at == line->length)
		return;
	const bool tab = line->bytes[at] == '\t';
	finding_add(c->found,
		    FINDING_RULE(FINDING_WARN, tab ? "value-tab" : "value-not-ascii",
				 "it is not known whether OKV accepts that"),
		    number, "the value contains %s", tab ? "a TAB" : "characters that are not ASCII");
	finding_set_remedy(c->found, "type the value of %s again, in ASCII and without TABs", SHOWN(line->name));
}

/* Adds one finding per flaw and remedy, at its first line: a file from Windows has a CR on every line. */
static void flaw_check(struct okv_checking *c, const struct assign *a, size_t first, const char *effect)
{
	const enum assign_flaw flaw = a->lines[first].flaw;
	const bool fixable = assign_fix_line(a, first, NULL) > 0;
	FINDING_LINES_AUTO lines = { 0 };

	for (size_t i = 0; i < a->count; i++) {
		if (a->lines[i].kind != ASSIGN_FLAWED || a->lines[i].flaw != flaw)
			continue;
		const size_t covered = assign_fix_line(a, i, NULL);
		if (covered > 1)
			i += covered - 1;
		else if ((covered > 0) == fixable && i < first)
			return; /* reported there */
		else if ((covered > 0) == fixable)
			finding_lines_add(&lines, i + 1);
	}
	c->found->failed = c->found->failed || lines.more.failed;
	finding_add(c->found,
		    FINDING_RULE(FINDING_FAIL, flaw_words[flaw], effect,
				 fixable ? FINDING_FIX_IT : "write the line again as NAME=\"VALUE\", or remove it"),
		    first + 1, "%s%s", assign_flaw_text(flaw), text_string(&lines.more));
}

/* Checks each line: is it NAME="VALUE", and is the value plain? */
static void lines_check(struct okv_checking *c, const struct assign *a, const char *effect)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct assign_line *line = &a->lines[i];

		if (line->kind == ASSIGN_VALUE)
			value_check(c, line, i + 1);
		if (line->kind != ASSIGN_FLAWED)
			continue;
		const size_t covered = assign_fix_line(a, i, NULL);
		if (covered > 1) {
			finding_add(c->found, FINDING_RULE(FINDING_FAIL, "line-wrapped", effect, FINDING_FIX_IT), i + 1,
				    "the list is wrapped over lines %zu to %zu", i + 1, i + covered);
			i += covered - 1;
		} else {
			flaw_check(c, a, i, effect);
		}
	}
}

static bool mentioned(const struct assign *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->lines[i].kind == ASSIGN_FLAWED && assign_mentions(&a->lines[i], name))
			return true;
	return false;
}

/* The value of a key that must be set exactly once; NULL if it is not set. */
static const char *key_read(struct okv_checking *c, const struct assign *a, const char *key, const char *effect)
{
	const char *value = assign_value(a, key);

	if (assign_count(a, key) > 1)
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "key-twice", "it is not known which one OKV reads",
					 "keep one of the lines"),
			    assign_line_number(a, key), "%s is set %zu times", key, assign_count(a, key));
	/* A malformed line with that name was reported. */
	if (value == NULL && !mentioned(a, key))
		finding_add(c->found, FINDING_RULE(FINDING_FAIL, "key-missing", effect, FINDING_WIRE_IT), 0,
			    "%s is not set", key);
	return value;
}

/* --- the library -------------------------------------------------------------------------------------------------- */

static void library_check(struct okv_checking *c, const struct assign *a)
{
	const char *library = key_read(c, a, "PKCS11_LIB_LOC", "OKV has no library to load");
	const char *wanted = c->job->settings->pkcs11_lib;
	const size_t line = assign_line_number(a, "PKCS11_LIB_LOC");

	TEXT_AUTO flaw = { 0 };

	if (library == NULL)
		return;
	okv_library_flaw_add(c->job->root, library, &flaw);
	if (library[0] != '/')
		finding_add(
			c->found,
			FINDING_RULE(FINDING_FAIL, "library-relative", "OKV cannot load the library", FINDING_WIRE_IT),
			line, "PKCS11_LIB_LOC is %s", library[0] == '\0' ? "empty" : "not a full path");
	else if (flaw.length > 0)
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "library-missing",
					 "OKV answers 'Could Not Load PKCS#11 Library'",
					 preserved_same(library, wanted) ? FINDING_INSTALL_IT : FINDING_WIRE_IT),
			    line, "the library '%s' %s", SHOWN(library), text_string(&flaw));
	else if (!preserved_same(library, wanted))
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "library-other",
					 "OKV loads one library and these tools look at another", FINDING_WIRE_IT),
			    line, "PKCS11_LIB_LOC differs from PKCS11_LIB of okv-luna.conf, '%s'", SHOWN(wanted));
}

/* --- PRESERVED_FILES ---------------------------------------------------------------------------------------------- */

static const char *const preserved_words[] = {
	[PRESERVED_FLAW_WILDCARD] = "preserved-wildcard", [PRESERVED_FLAW_RELATIVE] = "preserved-relative",
	[PRESERVED_FLAW_DOTS] = "preserved-dots",         [PRESERVED_FLAW_SYSTEM] = "preserved-system",
	[PRESERVED_FLAW_BYTES] = "preserved-bytes",
};

/* Does the list cover the link's target, too?  *place: the target, if it is known. */
static bool leads_inside(const struct okv_checking *c, const char *path, struct fs_place *place)
{
	struct fault ignored = { 0 };

	return fs_place_find(c->job->root, path, place, &ignored) == 0 &&
	       preserved_holder(&c->preserved, place->path) != NULL;
}

/* A flaw that a remedy of our own removes: what is left without the blanks is a path. */
static bool is_only_blank(const struct okv_checking *c, size_t index)
{
	return preserved_judge(c->preserved.paths[index]) == PRESERVED_FLAW_NONE;
}

/* `path` is the entry as it is spelt, of which c->preserved has the trimmed form. */
static void entry_check(struct okv_checking *c, const char *path, size_t index, size_t line)
{
	const enum preserved_flaw flaw = preserved_judge(path);
	const char *holder = preserved_holder_of(&c->preserved, index);
	const bool joined = strstr(path, ",/") != NULL || strstr(path, ";/") != NULL || strstr(path, " /") != NULL;
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault absent = { 0 };
	struct stat status;

	if (flaw == PRESERVED_FLAW_SYSTEM) {
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, preserved_words[flaw],
					 "an OS major upgrade could put old files over those of the new system",
					 "remove it from the list, which is for files of the HSM client"),
			    line, "PRESERVED_FILES lists '%s': %s", SHOWN(path), preserved_flaw_text(flaw));
		return;
	}
	if (flaw != PRESERVED_FLAW_NONE) {
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, preserved_words[flaw],
					 "what it should list is not carried over in an OS major upgrade",
					 is_only_blank(c, index) ? FINDING_FIX_IT
								 : "list a full path, and directories as a whole"),
			    line, "PRESERVED_FILES lists '%s': %s", SHOWN(path), preserved_flaw_text(flaw));
		return;
	}
	if (holder != NULL) {
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "preserved-inside",
					 "it is carried over twice, and takes room on a line that must stay below "
					 "4096 characters",
					 FINDING_FIX_IT),
			    line, "PRESERVED_FILES lists '%s', which is inside '%s'", SHOWN(path), SHOWN(holder));
		return;
	}
	if (preserved_within(path, "/usr/local/okv") || preserved_within(path, "/usr/local/dbfw"))
		finding_add(
			c->found,
			FINDING_RULE(
				FINDING_WARN, "preserved-okv",
				"OKV expects only files of the HSM client; an old file could replace a new release's",
				"remove it from the list"),
			line, "PRESERVED_FILES lists '%s', which is OKV's own", SHOWN(path));
	/* The link that starts post-upgrade exists only while an upgrade is prepared. */
	if (strcmp(path, OKV_POST_WANTED) == 0)
		return;
	if (fs_status(c->job->root, path, FS_FOLLOW_TRUSTED, &status, &absent) < 0)
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "preserved-missing",
					 "it is not known what OKV's upgrade does with a missing path",
					 strcmp(path, c->job->settings->client_dir) == 0 ||
							 strcmp(path, c->job->settings->chrystoki_conf) == 0
						 ? FINDING_INSTALL_IT
					 : joined ? "put a ':' between the paths, and nothing else"
						  : "install what is missing, or remove it from the list"),
			    line, "PRESERVED_FILES lists '%s', which is not there%s", SHOWN(path),
			    joined ? ": it is more than one path" : "");
	else if (S_ISLNK(status.st_mode) && strstr(path, "okv-luna") == NULL && !leads_inside(c, path, &place))
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "preserved-link",
					 "it is not known whether its target is carried over",
					 "list its target as well"),
			    line, "PRESERVED_FILES lists '%s', which is a symbolic link%s%s", SHOWN(path),
			    place.path[0] != '\0' ? " to " : "", SHOWN(place.path));
}

static void preserved_check(struct okv_checking *c, const struct assign *a)
{
	struct fault ignored = { 0 };
	const char *value =
		key_read(c, a, "PRESERVED_FILES", "an OS major upgrade carries nothing of the HSM client over");
	const size_t line = assign_line_number(a, "PRESERVED_FILES");
	PRESERVED_AUTO spelt = { 0 };

	if (value == NULL)
		return;
	if (preserved_parse(&c->preserved, value, &ignored) < 0 || preserved_parse(&spelt, value, &ignored) < 0)
		c->found->failed = true;
	c->preserves = !c->found->failed;
	(void)preserved_trim(&c->preserved);
	for (size_t i = 0; c->preserves && i < spelt.count; i++)
		entry_check(c, spelt.paths[i], i, line);
}

static const struct {
	const char *word, *file;
} need_rules[] = {
	[OKV_NEED_CLIENT] = { "preserved-lacks", OKV_CONF },
	[OKV_NEED_LIBRARY] = { "library-not-preserved", OKV_CONF },
	[OKV_NEED_SETTING] = { "env-not-preserved", OKV_ENV },
	[OKV_NEED_ENTRY] = { "chrystoki-path-not-preserved", NULL },
	[OKV_NEED_LINK] = { "preserved-lacks", OKV_CONF },
};

void okv_check_needs(struct okv_checking *c, enum okv_need_kind first, enum okv_need_kind last)
{
	struct fault ignored = { 0 };

	for (size_t i = 0; c->preserves && i < c->needs.count; i++) {
		const struct okv_need *need = &c->needs.items[i];
		const bool direct = strcmp(need->path, need->reason) == 0;
		if (need->kind < first || need->kind > last || preserved_holder(&c->preserved, need->path) != NULL ||
		    preserved_holder(&c->reported, need->path) != NULL)
			continue;
		c->found->file = need_rules[need->kind].file != NULL ? need_rules[need->kind].file
								     : c->job->settings->chrystoki_conf;
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, need_rules[need->kind].word,
					 "after an OS major upgrade it is gone, and the HSM cannot be reached",
					 need->listable ? FINDING_WIRE_IT
							: "move its line into a file of /etc/ld.so.conf.d, which can "
							  "be carried over"),
			    need->line > 0 ? need->line : c->preserved_line, "PRESERVED_FILES does not cover '%s'%s%s",
			    SHOWN(need->path), direct ? "" : ", needed for ", direct ? "" : SHOWN(need->reason));
		/* Copy: the file may be one that the system needs in its place. */
		if (!need->listable && strcmp(need->path, "/etc/ld.so.conf") != 0)
			finding_set_remedy(c->found, "copy it into '%s', and point to the copy instead",
					   SHOWN(c->job->settings->client_dir));
		if (preserved_add(&c->reported, need->path, &ignored) < 0)
			c->found->failed = true;
	}
}

/* --- the two files ------------------------------------------------------------------------------------------------ */

static bool is_readable(const struct proc_identity *user, const struct stat *status)
{
	if (status->st_uid == user->uid)
		return (status->st_mode & S_IRUSR) != 0;
	for (size_t i = 0; i < user->group_count; i++)
		if (user->groups[i] == status->st_gid)
			return (status->st_mode & S_IRGRP) != 0;
	return (status->st_mode & S_IROTH) != 0;
}

/* OKV reads both files as its own user. */
static void reader_check(struct okv_checking *c, const struct stat *status)
{
	const char *user = c->job->settings->okv_user;
	struct proc_identity identity;
	struct fault ignored = { 0 };

	if (proc_identity_read(c->job->root, user, &identity, &ignored) < 0 || is_readable(&identity, status))
		return;
	finding_add(c->found, FINDING_RULE(FINDING_FAIL, "file-unreadable", "OKV finds nothing in it", NULL), 0,
		    "user '%s' cannot read it (mode %04o)", SHOWN(user), (unsigned)(status->st_mode & 07777));
	/* It holds no secret, so letting everybody read it is enough. */
	finding_set_remedy(c->found, "chmod o+r %s", TYPED(c->found->file));
}

/* Returns as okv_check_read does; also checks and returns the lines. */
static int assign_check(struct okv_checking *c, const char *missing, const char *skipped, struct assign *ret_assign,
			struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct stat status;
	const int r = okv_check_read(c, FINDING_RULE(FINDING_FAIL, "file-missing", missing, FINDING_RESTORE_IT), &file,
				     &status, f);

	if (r <= 0)
		return r;
	reader_check(c, &status);
	if (assign_parse(ret_assign, text_string(&file), file.length, f) < 0)
		return -1;
	lines_check(c, ret_assign, skipped);
	return 1;
}

static void keys_check(struct okv_checking *c, const struct assign *a)
{
	static const char *const known[] = { "VENDOR_NAME", "PKCS11_LIB_LOC", "PRESERVED_FILES", NULL };

	for (size_t i = 0; i < a->count; i++) {
		const char *name = a->lines[i].name;
		if (a->lines[i].kind == ASSIGN_VALUE && !text_is_one_of(name, strlen(name), known))
			finding_add(
				c->found,
				FINDING_RULE(FINDING_WARN, "key-unknown", "OKV ignores it, or complains",
					     "compare the spelling with VENDOR_NAME, PKCS11_LIB_LOC, PRESERVED_FILES"),
				i + 1, "'%s' is not one of OKV's three keys", SHOWN(name));
	}
}

static int conf_check(struct okv_checking *c, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };

	c->found->file = OKV_CONF;
	const int r = assign_check(c, "OKV does not know of the HSM vendor", "OKV does not read this line as intended",
				   &a, f);
	if (r <= 0)
		return r;
	keys_check(c, &a);
	const char *vendor = key_read(c, &a, "VENDOR_NAME", "the console's vendor menu has no entry for this HSM");
	if (vendor != NULL && strcmp(vendor, c->job->settings->vendor_name) != 0)
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "vendor-other",
					 "the console's vendor menu shows another name than expected", FINDING_WIRE_IT),
			    assign_line_number(&a, "VENDOR_NAME"), "VENDOR_NAME is '%s', and okv-luna.conf says '%s'",
			    SHOWN(vendor), SHOWN(c->job->settings->vendor_name));
	/* The list first: the needs are compared with it. */
	preserved_check(c, &a);
	library_check(c, &a);
	c->preserved_line = assign_line_number(&a, "PRESERVED_FILES");
	if (c->preserves && okv_needs_find(c->job, &c->needs, f) < 0)
		return -1;
	okv_check_needs(c, OKV_NEED_CLIENT, OKV_NEED_LIBRARY);
	okv_check_needs(c, OKV_NEED_LINK, OKV_NEED_LINK);
	return 0;
}

static bool sounds_secret(const char *name)
{
	static const char *const words[] = { "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL", "_PIN", "TOKEN" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(name, words[i]) != NULL)
			return true;
	return false;
}

static void directory_check(struct okv_checking *c, const struct assign *a)
{
	static const char effect[] =
		"the library looks for Chrystoki.conf elsewhere, shows no slots and reports no error";
	static const char key[] = "ChrystokiConfigurationPath";
	const char *value = key_read(c, a, key, "the library falls back to /etc, if that is where Chrystoki.conf is");
	const char *conf = c->job->settings->chrystoki_conf;
	const size_t line = assign_line_number(a, key);
	TEXT_AUTO path = { 0 };

	if (value == NULL)
		return;
	text_add_format(&path, "%s/Chrystoki.conf", value);
	if (value[0] != '/')
		finding_add(c->found, FINDING_RULE(FINDING_FAIL, "config-relative", effect, FINDING_WIRE_IT), line,
			    "%s is not a full path", key);
	else if (text_ends(value, "Chrystoki.conf"))
		finding_add(c->found, FINDING_RULE(FINDING_FAIL, "config-file", effect, FINDING_WIRE_IT), line,
			    "%s names the file, and must name its directory", key);
	/* okv_check_chrystoki reports the configured file itself as missing. */
	else if (!fs_exists(c->job->root, text_string(&path)) && strcmp(text_string(&path), conf) != 0)
		finding_add(c->found, FINDING_RULE(FINDING_FAIL, "config-missing", effect, FINDING_WIRE_IT), line,
			    "there is no '%s'", SHOWN(text_string(&path)));
	else if (!preserved_same(text_string(&path), conf))
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "config-other",
					 "OKV uses one configuration and these tools look at another", FINDING_WIRE_IT),
			    line, "OKV uses '%s', and okv-luna.conf says '%s'", SHOWN(text_string(&path)), SHOWN(conf));
}

static int env_check(struct okv_checking *c, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };

	c->found->file = OKV_ENV;
	const int r = assign_check(c, "the HSM library gets no environment from OKV",
				   "hsmclient skips the line with a warning in its trace", &a, f);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < a.count; i++) {
		const struct assign_line *line = &a.lines[i];
		if (line->kind == ASSIGN_VALUE && sounds_secret(line->name))
			finding_add(c->found,
				    FINDING_RULE(FINDING_WARN, "env-secret",
						 "hsmclient writes every value to its trace in clear",
						 "remove it from this file"),
				    i + 1, "'%s' sounds like a secret", SHOWN(line->name));
	}
	directory_check(c, &a);
	okv_check_needs(c, OKV_NEED_SETTING, OKV_NEED_SETTING);
	return 0;
}

int okv_check_conf(struct okv_checking *c, struct fault *f)
{
	return conf_check(c, f) < 0 || env_check(c, f) < 0 ? -1 : 0;
}
