#include "okv/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "fs/each.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/check_parts.h"
#include "okv/links.h"

/* --- findings ----------------------------------------------------------------------------------------------------- */

void okv_findings_done(struct okv_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->items[i].file);
		free(findings->items[i].what);
		free(findings->items[i].effect);
		free(findings->items[i].remedy);
	}
	free(findings->items);
	*findings = (struct okv_findings){ 0 };
}

size_t okv_findings_count(const struct okv_findings *findings, enum okv_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].severity == severity;
	return count;
}

void okv_finding_add(struct okv_checking *c, const struct okv_rule *rule, size_t line, const char *what, ...)
{
	struct okv_finding finding = {
		.severity = rule->severity,
		.rule = rule->word,
		.line = line,
		.safe = strcmp(rule->remedy, OKV_FIX_IT) == 0,
	};
	va_list arguments;

	if (!ARRAY_GROW(c->findings->items, c->findings->count)) {
		c->failed = true;
		return;
	}
	va_start(arguments, what);
	if (vasprintf(&finding.what, what, arguments) < 0)
		finding.what = NULL;
	va_end(arguments);
	finding.file = strdup(c->file);
	finding.effect = strdup(rule->effect);
	finding.remedy = strdup(rule->remedy);
	c->failed = c->failed || finding.what == NULL || finding.file == NULL || finding.effect == NULL ||
		    finding.remedy == NULL;
	c->findings->items[c->findings->count++] = finding;
}

static const char *severity_name(enum okv_severity severity)
{
	static const char *const names[] = { [OKV_NOTE] = "NOTE", [OKV_WARN] = "WARN", [OKV_FAIL] = "FAIL" };

	return names[severity];
}

static void finding_format(const struct okv_finding *finding, enum okv_colour wish, struct text *out)
{
	const char *colour = wish != OKV_COLOURED            ? ""
			     : finding->severity == OKV_FAIL ? "\033[31m"
			     : finding->severity == OKV_WARN ? "\033[33m"
							     : "";
	char line[24] = "";

	if (finding->line > 0)
		(void)snprintf(line, sizeof(line), ":%zu", finding->line);
	text_add_format(out, "%s%s%s  %s%s: %s [%s]\n      %s\n      fix: %s\n", colour,
			severity_name(finding->severity), colour[0] != '\0' ? "\033[0m" : "", SHOWN(finding->file),
			line, finding->what, finding->rule, finding->effect, finding->remedy);
}

void okv_findings_format(const struct okv_findings *findings, enum okv_colour colour, struct text *out)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_format(&findings->items[i], colour, out);
	text_add_format(out, "%s%zu to fix, %zu to look at\n", findings->count > 0 ? "\n" : "",
			okv_findings_count(findings, OKV_FAIL), okv_findings_count(findings, OKV_WARN));
}

static void finding_json(struct json *j, const struct okv_finding *finding)
{
	json_object_begin(j, NULL);
	json_string(j, "grade", severity_name(finding->severity));
	json_string(j, "rule", finding->rule);
	json_string(j, "file", finding->file);
	json_unsigned(j, "line", finding->line);
	json_string(j, "what", finding->what);
	json_string(j, "effect", finding->effect);
	json_string(j, "remedy", finding->remedy);
	json_bool(j, "safe", finding->safe);
	json_object_end(j);
}

void okv_findings_json(const struct okv_findings *findings, struct json *j)
{
	json_unsigned(j, "fail", okv_findings_count(findings, OKV_FAIL));
	json_unsigned(j, "warn", okv_findings_count(findings, OKV_WARN));
	json_array_begin(j, "findings");
	for (size_t i = 0; i < findings->count; i++)
		finding_json(j, &findings->items[i]);
	json_array_end(j);
}

int okv_check_read(struct okv_checking *c, const struct okv_rule *missing, struct text *ret_text,
		   struct stat *ret_status, struct fault *f)
{
	struct fault cause = { 0 };

	if (fs_read_file(c->job->root, c->file, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, ret_text, ret_status, &cause) ==
	    0)
		return 1;
	if (cause.kind == FAULT_ABSENT) {
		okv_finding_add(c, missing, 0, "the file is not there");
	} else if (cause.kind == FAULT_REFUSED) {
		okv_finding_add(c,
				OKV_RULE(OKV_FAIL, "file-kind",
					 "nothing here edits it, and what the readers make of it is not known",
					 "put a plain file in its place"),
				0, "%s", cause.text);
	} else {
		*f = cause;
		return -1;
	}
	return 0;
}

/* --- what stands around the files --------------------------------------------------------------------------------- */

static void scope_note(struct okv_checking *c, enum okv_scope scope)
{
	switch (scope) {
	case OKV_SCOPE_GENERIC:
		return;
	case OKV_SCOPE_NO_INTERFACE:
		c->file = SETTINGS_GENERIC;
		okv_finding_add(c,
				OKV_RULE(OKV_NOTE, "scope", "there is nothing to wire, and nothing is created",
					 "after an upgrade to OKV 21.3 or later: " OKV_WIRE_IT),
				0, "%s", okv_scope_text(scope));
		return;
	case OKV_SCOPE_CLIENT_V6:
		c->file = c->job->settings->client_dir;
		okv_finding_add(c,
				OKV_RULE(OKV_NOTE, "scope", "the generic files are left as they are",
					 "after an upgrade to Luna client 7 or later: " OKV_WIRE_IT),
				0, "%s", okv_scope_text(scope));
		return;
	}
}

/* Names in OKV's generic directory that look like one of the three files and are read by nobody. */
static void stray_check(struct okv_checking *c, const char *name)
{
	static const char *const known[] = { "okv_hsm.conf", "okv_hsm_env", "okv_hsm_mid_upgrade",
					     "okv_hsm_pre_upgrade", "okv_hsm_post_upgrade" };
	static const char *const wrong[] = { "okv_hsm_conf", "okv_hsm.env", "okv_hsm.mid_upgrade", "okv_hsm_env.conf",
					     "okv_hsm_mid-upgrade" };
	TEXT_AUTO path = { 0 };

	if (!text_starts(name, "okv_hsm"))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i]) == 0)
			return;
	text_add_format(&path, SETTINGS_GENERIC "/%s", name);
	c->failed = c->failed || path.failed;
	c->file = text_string(&path);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (strcmp(name, wrong[i]) != 0)
			continue;
		okv_finding_add(c,
				OKV_RULE(OKV_FAIL, "wrong-name",
					 "OKV never reads it; settings made in it have no effect",
					 "bring its settings into the right file, then remove it"),
				0,
				"OKV's files are okv_hsm.conf, okv_hsm_env and okv_hsm_mid_upgrade; this one has a "
				"wrong name");
		return;
	}
	okv_finding_add(
		c, OKV_RULE(OKV_NOTE, "stray-file", "OKV does not read it", "remove it when it is not needed any more"),
		0, "a file beside OKV's three, perhaps a copy");
}

static int strays_check(struct okv_checking *c, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;

	if (fs_dir_open(c->job->root, SETTINGS_GENERIC, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
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
		c->file = programs[i];
		if (fs_status(c->job->root, c->file, FS_FOLLOW_TRUSTED, &status, &absent) < 0 ||
		    !S_ISREG(status.st_mode) || (status.st_mode & 0100) == 0)
			okv_finding_add(c,
					OKV_RULE(OKV_FAIL, "helper-missing",
						 "the block in okv_hsm_mid_upgrade goes on without it, and the HSM "
						 "group does not come back",
						 "reinstall the package okv-luna-hooks"),
					0, "it is not there, or not executable");
	}
}

/* What wiring would say about the links, as findings. */
static void link_hear(struct report *self, enum report_level level, const char *line)
{
	static const char effect[] = "people and systemd do not find this product by that name";
	struct okv_checking *c = self->context;

	c->file = SETTINGS_PREFIX;
	if (level == REPORT_WARNING)
		okv_finding_add(c, OKV_RULE(OKV_WARN, "link-blocked", effect, OKV_WIRE_IT), 0, "%s", line);
	else if (level == REPORT_RESULT)
		okv_finding_add(c, OKV_RULE(OKV_WARN, "link-missing", effect, OKV_WIRE_IT), 0, "a link is missing: %s",
				line);
}

static void command_check(struct okv_checking *c)
{
	const char *at = c->job->settings->upgrade_command;

	while (*at != '\0' && (unsigned char)*at < 0x80)
		at++;
	c->file = SETTINGS_FILE;
	if (*at != '\0')
		okv_finding_add(c,
				OKV_RULE(OKV_FAIL, "upgrade-command",
					 "OKV's upgrade does not know the option and does not start, or asks",
					 "write --confirm with plain '-' characters"),
				0,
				"UPGRADE_COMMAND holds characters that are no ASCII, as '\xe2\x80\x93"
				"confirm' in the guide's text: '%s'",
				SHOWN(c->job->settings->upgrade_command));
}

static int surroundings_check(struct okv_checking *c, struct fault *f)
{
	struct report report = { .hear = link_hear, .context = c };
	const struct okv_job plan = {
		.root = c->job->root, .settings = c->job->settings, .mode = OKV_PLAN, .report = &report
	};
	struct okv_outcome outcome = OKV_OUTCOME_INIT;

	if (strays_check(c, f) < 0)
		return -1;
	helper_check(c);
	if (okv_links_make(&plan, &outcome, f) < 0)
		return -1;
	command_check(c);
	return 0;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

int okv_check(const struct okv_job *job, struct okv_findings *ret_findings, struct fault *f)
{
	OKV_FINDINGS_AUTO findings = { 0 };
	struct okv_checking c = { .job = job, .findings = &findings };
	enum okv_scope scope;

	if (okv_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	scope_note(&c, scope);
	int r = 0;
	if (scope == OKV_SCOPE_GENERIC && (okv_check_conf(&c, f) < 0 || okv_check_env(&c, f) < 0 ||
					   okv_check_mid(&c, f) < 0 || surroundings_check(&c, f) < 0))
		r = -1;
	if (r == 0)
		r = okv_check_chrystoki(&c, f);
	preserved_done(&c.preserved);
	if (r == 0 && c.failed)
		r = fault_memory(f);
	if (r < 0)
		return -1;
	*ret_findings = findings;
	findings = (struct okv_findings){ 0 };
	return 0;
}
