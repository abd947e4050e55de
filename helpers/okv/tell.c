#include "okv/tell.h"

#include <stdio.h>

#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/midupgrade.h"
#include "fs/read.h"
#include "okv/luna.h"

static void finding_tell(const struct okv_finding *finding, enum okv_colour wish, struct text *out)
{
	const char *colour = wish != OKV_COLOURED            ? ""
			     : finding->severity == OKV_FAIL ? "\033[31m"
			     : finding->severity == OKV_WARN ? "\033[33m"
							     : "";
	char line[24] = "";

	if (finding->line > 0)
		(void)snprintf(line, sizeof(line), ":%zu", finding->line);
	text_add_format(out, "%s%s%s  %s%s: %s [%s]\n      %s\n      fix: %s\n", colour,
			okv_severity_name(finding->severity), colour[0] != '\0' ? "\033[0m" : "", SHOWN(finding->file),
			line, finding->what, finding->rule, finding->effect, finding->remedy);
}

static void finding_json(struct json *j, const struct okv_finding *finding)
{
	json_object_begin(j, NULL);
	json_string(j, "grade", okv_severity_name(finding->severity));
	json_string(j, "rule", finding->rule);
	json_string(j, "file", finding->file);
	json_unsigned(j, "line", finding->line);
	json_string(j, "what", finding->what);
	json_string(j, "effect", finding->effect);
	json_string(j, "remedy", finding->remedy);
	json_bool(j, "safe", finding->safe);
	json_object_end(j);
}

void okv_findings_tell(const struct okv_findings *findings, enum okv_colour colour, struct text *out)
{
	for (size_t i = 0; i < findings->count; i++)
		finding_tell(&findings->items[i], colour, out);
	text_add_format(out, "%s%zu to fix, %zu to look at\n", findings->count > 0 ? "\n" : "",
			okv_findings_count(findings, OKV_FAIL), okv_findings_count(findings, OKV_WARN));
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

static void assign_tell(struct text *out, const char *path, const struct assign *a)
{
	text_add_format(out, "%s\n", path);
	for (size_t i = 0; i < a->count; i++) {
		const struct assign_line *line = &a->lines[i];
		if (line->kind != ASSIGN_VALUE)
			continue;
		text_add_format(out, "   %s = %s\n", SHOWN_BYTES(line->bytes, line->name_length),
				SHOWN_BYTES(line->bytes + line->value_start, line->value_length));
	}
}

static int assign_read(const struct okv_job *job, const char *path, struct assign *ret_assign, struct fault *f)
{
	TEXT_AUTO file = { 0 };

	if (fs_read_file(job->root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &file, NULL, f) < 0)
		return -1;
	return assign_parse(ret_assign, text_string(&file), file.length, f);
}

static const char *block_word(enum midupgrade_state state)
{
	switch (state) {
	case MIDUPGRADE_NONE:
		return "the okv-luna block is not in it";
	case MIDUPGRADE_CURRENT:
		return "the okv-luna block is in it";
	case MIDUPGRADE_STALE:
		return "an okv-luna block is in it, but not this version's or not at its place";
	case MIDUPGRADE_TORN:
		return "the marks of the okv-luna block do not pair up";
	}
	return "unknown";
}

static int generic_tell(const struct okv_job *job, struct text *out, struct json *j, struct fault *f)
{
	static const char *const paths[] = { OKV_CONF, OKV_ENV };
	TEXT_AUTO script = { 0 };
	enum midupgrade_state state;
	size_t line;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ASSIGN_AUTO a = { 0 };

		if (assign_read(job, paths[i], &a, f) < 0)
			return -1;
		assign_tell(out, paths[i], &a);
		json_object_begin(j, paths[i]);
		for (size_t k = 0; k < a.count; k++) {
			const struct assign_line *at = &a.lines[k];
			TEXT_AUTO name = { 0 };
			if (at->kind != ASSIGN_VALUE)
				continue;
			text_add(&name, at->bytes, at->name_length);
			json_string_bytes(j, text_string(&name), at->bytes + at->value_start, at->value_length);
		}
		json_object_end(j);
	}
	if (fs_read_file(job->root, OKV_MID, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &script, NULL, f) < 0 ||
	    midupgrade_look(text_string(&script), script.length, job->settings->hsm_group, &state, &line, f) < 0)
		return -1;
	text_add_format(out, "%s\n   %s\n", OKV_MID, block_word(state));
	json_string(j, OKV_MID, block_word(state));
	return 0;
}

static int chrystoki_tell(const struct okv_job *job, struct text *out, struct json *j, struct fault *f)
{
	CHRYSTOKI_AUTO conf = CHRYSTOKI_INIT;

	if (okv_luna_read(job, &conf, f) < 0)
		return -1;
	text_add_format(out, "%s\n", job->settings->chrystoki_conf);
	json_array_begin(j, "chrystoki");
	for (size_t i = 0; i < conf.count; i++) {
		const struct chrystoki_line *line = &conf.lines[i];
		TEXT_AUTO section = { 0 };
		TEXT_AUTO key = { 0 };
		TEXT_AUTO value = { 0 };

		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE)
			continue;
		const struct chrystoki_line *open = &conf.lines[line->section];
		text_add(&section, open->bytes + open->name_start, open->name_length);
		text_add(&key, line->bytes + line->name_start, line->name_length);
		if (chrystoki_is_secret(text_string(&key)))
			text_add_string(&value, "(a secret, not shown)");
		else
			text_add(&value, line->bytes + line->value_start, line->value_length);
		text_add_format(out, "   %s: %s = %s\n", SHOWN(text_string(&section)), SHOWN(text_string(&key)),
				SHOWN(text_string(&value)));
		json_object_begin(j, NULL);
		json_string(j, "section", text_string(&section));
		json_string(j, "key", text_string(&key));
		json_string(j, "value", text_string(&value));
		json_object_end(j);
	}
	json_array_end(j);
	return 0;
}

int okv_state_tell(const struct okv_job *job, struct text *out, struct json *j, struct fault *f)
{
	enum okv_scope scope;

	if (okv_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	text_add_format(out, "%s\n", okv_scope_text(scope));
	json_string(j, "scope", okv_scope_word(scope));
	if (scope == OKV_SCOPE_GENERIC && generic_tell(job, out, j, f) < 0)
		return -1;
	if (chrystoki_tell(job, out, j, f) < 0)
		return -1;
	return text_check(out, f);
}
