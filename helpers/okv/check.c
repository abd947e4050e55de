#include "okv/check.h"

#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/midupgrade.h"
#include "conf/preserved.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/edit.h"
#include "okv/links.h"
#include "okv/shell.h"
#include "okv/library.h"
#include "okv/wiring.h"

int okv_check_read(struct okv_checking *c, const struct finding_rule *missing, struct text *ret_text,
		   struct stat *ret_status, struct fault *f)
{
	struct fault cause = { 0 };

	if (fs_read_file(c->job->root, c->found->file, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, ret_text, ret_status,
			 &cause) == 0)
		return 1;
	if (cause.kind == FAULT_ABSENT) {
		finding_add(c->found, missing, 0, "the file is not there");
	} else if (cause.kind == FAULT_REFUSED) {
		finding_add(
			c->found,
			FINDING_RULE(FINDING_FAIL, "file-kind",
				     "okv-luna does not edit it, and it is not known how OKV or the library reads it",
				     "put a plain file in its place"),
			0, "%s", cause.text);
	} else {
		*f = cause;
		return -1;
	}
	return 0;
}

/* --- around the files --------------------------------------------------------------------------------------------- */

static void scope_note(struct okv_checking *c, enum okv_scope scope)
{
	switch (scope) {
	case OKV_SCOPE_GENERIC:
		return;
	case OKV_SCOPE_NO_INTERFACE:
		c->found->file = SETTINGS_GENERIC;
		finding_add(
			c->found,
			FINDING_RULE(FINDING_WARN, "scope",
				     "client, group and links have to be made again after an OS major upgrade",
				     "keep the client's archive and identity at hand; after an upgrade to OKV 21.3 or "
				     "later: " FINDING_WIRE_IT),
			0, "%s", okv_scope_text(scope));
		return;
	case OKV_SCOPE_CLIENT_V6:
		c->found->file = c->job->settings->client_dir;
		finding_add(c->found,
			    FINDING_RULE(FINDING_NOTE, "scope", "the generic files are left as they are",
					 "after an upgrade to Luna client 7 or later: " FINDING_WIRE_IT),
			    0, "%s", okv_scope_text(scope));
		return;
	}
}

/* A file in OKV's generic directory whose name begins like one of the three, but which nobody reads. */
static void stray_check(struct okv_checking *c, const char *name)
{
	static const char *const known[] = { "okv_hsm.conf",        "okv_hsm_env",          "okv_hsm_mid_upgrade",
					     "okv_hsm_pre_upgrade", "okv_hsm_post_upgrade", NULL };
	static const char *const wrong[] = { "okv_hsm_conf",     "okv_hsm.env",         "okv_hsm.mid_upgrade",
					     "okv_hsm_env.conf", "okv_hsm_mid-upgrade", NULL };
	TEXT_AUTO path = { 0 };

	if (!text_starts(name, "okv_hsm") || text_is_one_of(name, strlen(name), known))
		return;
	text_add_format(&path, SETTINGS_GENERIC "/%s", name);
	c->found->failed = c->found->failed || path.failed;
	c->found->file = text_string(&path);
	if (text_is_one_of(name, strlen(name), wrong))
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "wrong-name",
					 "OKV never reads it; settings made in it have no effect",
					 "bring its settings into the right file, then remove it"),
			    0,
			    "OKV's files are okv_hsm.conf, okv_hsm_env and okv_hsm_mid_upgrade; this one has a "
			    "wrong name");
	else
		finding_add(c->found,
			    FINDING_RULE(FINDING_NOTE, "stray-file", "OKV does not read it",
					 "remove it when it is not needed any more"),
			    0, "a file beside OKV's three, perhaps a copy");
}

static int stray_files_check(struct okv_checking *c, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault absent = { 0 };

	/* Without the directory, each of the three files was reported missing. */
	if (fs_dir_open(c->job->root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &dir, &absent) < 0)
		return fs_absence(&absent, f);
	int more = fs_each_open(dir, SETTINGS_GENERIC, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		stray_check(c, entry.name);
	return more;
}

static void helper_check(struct okv_checking *c)
{
	static const char *const programs[] = { SETTINGS_PREFIX "/hooks/mid-upgrade",
						SETTINGS_PREFIX "/libexec/okv-luna-mid-upgrade" };
	struct fault absent = { 0 };
	struct stat status;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		c->found->file = programs[i];
		if (fs_status(c->job->root, c->found->file, FS_FOLLOW_TRUSTED, &status, &absent) < 0 ||
		    !S_ISREG(status.st_mode) || (status.st_mode & 0100) == 0)
			finding_add(c->found,
				    FINDING_RULE(FINDING_FAIL, "helper-missing",
						 "the block in okv_hsm_mid_upgrade continues without it, and the HSM "
						 "group is not restored",
						 "reinstall the package okv-luna-hooks"),
				    0, "it is not there, or not executable");
	}
}

/* Collects what okv_links_make would do: missing links become one finding. */
struct links_report {
	struct okv_checking *c;
	struct text missing;
};

static void on_link_line(struct report *self, enum report_level level, const char *line)
{
	struct links_report *links = self->context;

	if (level == REPORT_RESULT) {
		line += text_starts(line, "would: ") ? strlen("would: ") : 0;
		text_add_format(&links->missing, "%s%.*s", links->missing.length > 0 ? ", " : "",
				(int)strcspn(line, " "), line);
	} else if (level == REPORT_WARNING) {
		links->c->found->file = SETTINGS_PREFIX;
		finding_add(links->c->found,
			    FINDING_RULE(FINDING_WARN, "link-blocked",
					 "OKV's hooks do not find this product by that name",
					 "move it away, then: " FINDING_WIRE_IT),
			    0, "%.*s", (int)strcspn(line, ";"), line);
	}
}

static int links_check(struct okv_checking *c, struct fault *f)
{
	struct links_report links = { .c = c, .missing = { 0 } };
	struct report report = { .on_line = on_link_line, .context = &links };
	const struct okv_job plan = {
		.root = c->job->root, .settings = c->job->settings, .mode = OKV_PLAN, .report = &report
	};
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	const int r = okv_links_make(&plan, &outcome, f);

	c->found->file = SETTINGS_PREFIX;
	if (r == 0 && links.missing.length > 0)
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "link-missing",
					 "people and systemd do not find this product by that name", FINDING_WIRE_IT),
			    0, "missing: %s", text_string(&links.missing));
	c->found->failed = c->found->failed || links.missing.failed;
	text_done(&links.missing);
	return r;
}

static void command_check(struct okv_checking *c)
{
	const char *at = c->job->settings->upgrade_command;

	while (*at != '\0' && (unsigned char)*at < 0x80)
		at++;
	c->found->file = SETTINGS_FILE;
	if (*at != '\0')
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "upgrade-command",
					 "OKV's upgrade rejects the option and does not start, or stops to ask",
					 "write UPGRADE_COMMAND again with plain '-' characters: --confirm"),
			    0,
			    "UPGRADE_COMMAND holds characters that are not ASCII, as '\xe2\x80\x93"
			    "confirm' in the guide's text: '%s'",
			    SHOWN(c->job->settings->upgrade_command));
}

static int surroundings_check(struct okv_checking *c, struct fault *f)
{
	if (stray_files_check(c, f) < 0)
		return -1;
	helper_check(c);
	if (links_check(c, f) < 0)
		return -1;
	command_check(c);
	return 0;
}

bool okv_check_is_of_wiring(const struct finding *finding)
{
	return finding->remedy != NULL &&
	       (strcmp(finding->remedy, FINDING_WIRE_IT) == 0 || strcmp(finding->remedy, OKV_REPLACE_IT) == 0);
}

int okv_is_unwired(int root, struct fault *f)
{
	TEXT_AUTO script = { 0 };
	ASSIGN_AUTO lines = { 0 };
	struct fault absent = { 0 };
	enum okv_wiring wiring;

	if (okv_wiring_find(root, &wiring, f) < 0)
		return -1;
	if (fs_read_config(root, OKV_MID, &script, &absent) < 0 ||
	    strstr(text_string(&script), MIDUPGRADE_BEGIN) != NULL)
		return 0;
	if (wiring == OKV_WIRING_NONE)
		return 1;
	/* Wired before: if okv_hsm.conf sets nothing now, OKV's stock files are back. */
	if (okv_lines_read(root, OKV_CONF, &lines, &absent) < 0)
		return 0;
	for (size_t i = 0; i < lines.count; i++)
		if (lines.lines[i].kind == ASSIGN_FLAWED ||
		    (lines.lines[i].kind == ASSIGN_VALUE && lines.lines[i].value[0] != '\0'))
			return 0;
	return 1;
}

/*
 * On a node that was never wired, or has OKV's stock files again, all that wiring does is missing for one reason:
 * report that one instead.
 */
static int unwired_check(struct okv_checking *c, const char *remedy, struct fault *f)
{
	const int unwired = okv_is_unwired(c->job->root, f);

	if (unwired <= 0)
		return unwired;
	finding_list_drop(c->found, okv_check_is_of_wiring);
	c->found->file = OKV_CONF;
	finding_add(c->found,
		    FINDING_RULE(FINDING_FAIL, "unwired",
				 "OKV does not use this client, and an OS major upgrade does not carry it "
				 "over",
				 remedy),
		    0, "this node is not wired");
	return 0;
}

/* Plain wiring refuses to replace another vendor's library: there the remedy needs the option. */
static int wiring_check(struct okv_checking *c, struct fault *f)
{
	bool other;

	if (okv_vendor_find(c->job, &other, f) < 0)
		return -1;
	for (size_t i = 0; other && i < c->found->count; i++) {
		char **remedy = &c->found->items[i].remedy;
		if (*remedy == NULL || strcmp(*remedy, FINDING_WIRE_IT) != 0)
			continue;
		free(*remedy);
		*remedy = strdup(OKV_REPLACE_IT);
		c->found->failed = c->found->failed || *remedy == NULL;
	}
	return unwired_check(c, other ? OKV_REPLACE_IT : FINDING_WIRE_IT, f);
}

/* --- all checks --------------------------------------------------------------------------------------------------- */

int okv_check(const struct okv_job *job, struct finding_list *ret_findings, struct fault *f)
{
	FINDING_LIST_AUTO findings = { 0 };
	struct okv_checking c = { .job = job, .found = &findings };
	enum okv_scope scope;

	if (okv_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	scope_note(&c, scope);
	int r = 0;
	if (scope == OKV_SCOPE_GENERIC &&
	    (okv_check_conf(&c, f) < 0 || okv_check_mid(&c, f) < 0 || surroundings_check(&c, f) < 0))
		r = -1;
	if (r == 0)
		r = okv_check_chrystoki(&c, f);
	if (r == 0 && scope == OKV_SCOPE_GENERIC)
		r = wiring_check(&c, f);
	preserved_done(&c.preserved);
	preserved_done(&c.reported);
	okv_needs_done(&c.needs);
	if (r == 0 && findings.failed)
		r = fault_memory(f);
	if (r < 0)
		return -1;
	findings.file = NULL;
	*ret_findings = findings;
	findings = (struct finding_list){ 0 };
	return 0;
}

/* --- fixes -------------------------------------------------------------------------------------------------------- */

static int assign_fix(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	ASSIGN_AUTO flawed = { 0 };
	ASSIGN_AUTO a = { 0 };
	TEXT_AUTO fixed = { 0 };
	TEXT_AUTO value = { 0 };
	PRESERVED_AUTO p = { 0 };
	bool changed;

	(void)context;
	if (assign_parse(&flawed, text_string(now), now->length, f) < 0 || assign_fix_file(&flawed, &fixed, f) < 0 ||
	    assign_parse(&a, text_string(&fixed), fixed.length, f) < 0)
		return -1;
	const char *listed = assign_value(&a, "PRESERVED_FILES");
	if (listed != NULL && assign_count(&a, "PRESERVED_FILES") == 1) {
		if (preserved_parse(&p, listed, f) < 0)
			return -1;
		const size_t count = p.count;
		const bool trimmed = preserved_trim(&p);
		preserved_reduce(&p);
		preserved_print(&p, &value);
		if (text_check(&value, f) < 0 ||
		    ((trimmed || p.count != count) &&
		     assign_set(&a, "PRESERVED_FILES", text_string(&value), &changed, f) < 0))
			return -1;
	}
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

struct script_fix {
	const struct okv_job *job;
	enum okv_handmade handmade;
};

/* Puts "# " before the continuation of each wrapped comment. */
static int comments_fix(const struct okv_job *job, const struct text *script, struct text *ret_text, struct fault *f)
{
	TEXT_AUTO marks = { 0 };
	struct text_line line;

	if (okv_prose_find(job, script, &marks, f) < 0)
		return -1;
	for (size_t at = 0, i = 0; text_line_next(script->bytes, script->length, &at, &line); i++) {
		text_add_string(ret_text, i < marks.length && marks.bytes[i] == '#' ? "# " : "");
		text_add(ret_text, line.bytes, line.length + line.ended);
	}
	return text_check(ret_text, f);
}

static int script_fix(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct script_fix *fix = context;
	TEXT_AUTO plain = { 0 };
	TEXT_AUTO fixed = { 0 };
	TEXT_AUTO next = { 0 };
	struct okv_shell before, after;

	if (assign_fix_script(text_string(now), now->length, &plain, f) < 0 ||
	    comments_fix(fix->job, &plain, &fixed, f) < 0)
		return -1;
	if (fix->handmade == OKV_DROP_HANDMADE) {
		if (midupgrade_clear(text_string(&fixed), fixed.length, fix->job->settings->hsm_group, &next, f) < 0)
			return -1;
	} else {
		text_add(&next, text_string(&fixed), fixed.length);
	}
	if (text_check(&next, f) < 0)
		return -1;
	if (!text_same(&next, now)) {
		if (okv_shell_ask(now, OKV_SHELL_ALL, &before, f) < 0 ||
		    okv_shell_ask(&next, OKV_SHELL_ALL, &after, f) < 0)
			return -1;
		if (after.asked != 0 && (after.agreed == 0 || (before.agreed & ~after.agreed) != 0)) {
			text_add(ret_text, text_string(now), now->length);
			return text_check(ret_text, f);
		}
	}
	text_add(ret_text, text_string(&next), next.length);
	return text_check(ret_text, f);
}

static int chrystoki_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	CHRYSTOKI_AUTO conf = { 0 };

	(void)context;
	if (chrystoki_parse(&conf, text_string(now), now->length, f) < 0 || chrystoki_fix(&conf, f) < 0)
		return -1;
	chrystoki_print(&conf, ret_text);
	return text_check(ret_text, f);
}

int okv_fix(const struct okv_job *job, enum okv_handmade handmade, unsigned *ret_fixed, struct fault *f)
{
	struct script_fix script = { .job = job, .handmade = handmade };
	const struct okv_edit edits[] = {
		{ .path = OKV_CONF, .change = assign_fix },
		{ .path = OKV_ENV, .change = assign_fix },
		{ .path = OKV_MID, .change = script_fix, .context = &script },
		{ .path = job->settings->chrystoki_conf, .change = chrystoki_change },
	};
	unsigned fixed = 0;

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct fault now = { 0 };
		bool changed = false;

		if (okv_edit(job, &edits[i], &changed, &now) < 0 && now.kind != FAULT_ABSENT) {
			*f = now;
			return -1;
		}
		fixed += changed;
		if (changed)
			okv_job_report(job, "%s: fixed", edits[i].path);
	}
	*ret_fixed = fixed;
	return 0;
}
