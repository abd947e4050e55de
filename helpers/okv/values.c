#include "okv/values.h"

#include <string.h>

#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/midupgrade.h"
#include "fs/read.h"
#include "okv/chrystoki.h"
#include "okv/edit.h"

static const char *const paths[] = { OKV_CONF, OKV_ENV };

/* Finds the file by its name; FAULT_ABSENT, with the reason, on an OKV or with a client that has no such files. */
static int path_find(const struct okv_job *job, const char *word, const char **ret_path, struct fault *f)
{
	enum okv_scope scope;

	if (okv_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	if (scope != OKV_SCOPE_GENERIC && !fs_exists(job->root, SETTINGS_GENERIC))
		return fault_absent(f, "there is no " SETTINGS_GENERIC ": %s", okv_scope_text(scope));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(word, paths[i]) == 0 || strcmp(word, paths[i] + strlen(SETTINGS_GENERIC "/")) == 0) {
			*ret_path = paths[i];
			return 0;
		}
	}
	return fault_usage(
		f,
		"FILE is okv_hsm.conf or okv_hsm_env, not '%s'; Chrystoki.conf has 'chrystoki get' and 'chrystoki set'",
		SHOWN(word));
}

int okv_value_get(const struct okv_job *job, const char *file, const char *name, struct text *ret_value,
		  struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	const char *path;

	if (path_find(job, file, &path, f) < 0 || okv_lines_read(job->root, path, &a, f) < 0)
		return -1;
	const char *value = assign_value(&a, name);
	if (value == NULL)
		return fault_negative(f, "'%s' is not set in %s", SHOWN(name), path);
	text_add_string(ret_value, value);
	return text_check(ret_value, f);
}

struct setting {
	const char *name, *value;
	struct text change; /* NAME: "old" -> "new" of the last edit */
};

static int setting_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	struct setting *s = context;
	ASSIGN_AUTO before = { 0 };
	ASSIGN_AUTO a = { 0 };
	bool changed;

	if (assign_parse(&before, text_string(now), now->length, f) < 0 ||
	    assign_parse(&a, text_string(now), now->length, f) < 0 || assign_check_only(&a, s->name, f) < 0 ||
	    assign_set(&a, s->name, s->value, &changed, f) < 0)
		return -1;
	text_cut(&s->change, 0);
	assign_change_format(s->name, assign_value(&before, s->name), assign_value(&a, s->name), &s->change);
	assign_print(&a, ret_text);
	return text_check(ret_text, f);
}

int okv_value_set(const struct okv_job *job, const char *file, const char *name, const char *value, struct fault *f)
{
	struct setting setting = { .name = name, .value = value };
	struct okv_edit edit = { .change = setting_change, .context = &setting };
	bool changed;

	int r = path_find(job, file, &edit.path, f) < 0 || okv_edit(job, &edit, &changed, f) < 0 ? -1 : 0;
	if (r == 0 && changed)
		okv_job_report(job, "%s: %s", edit.path, text_string(&setting.change));
	else if (r == 0)
		report_say(job->report, REPORT_RESULT, "%s: %s already has this value", edit.path, name);
	text_done(&setting.change);
	return r;
}

static void assign_show(struct text *out, const char *path, const struct assign *a)
{
	text_add_format(out, "%s\n", path);
	for (size_t i = 0; i < a->count; i++) {
		const struct assign_line *line = &a->lines[i];
		if (line->kind == ASSIGN_VALUE)
			text_add_format(out, "   %s = %s\n", SHOWN(line->name), SHOWN(line->value));
	}
}

static const char *const block_words[] = {
	[MIDUPGRADE_NONE] = "the okv-luna block is not in it",
	[MIDUPGRADE_CURRENT] = "the okv-luna block is in it",
	[MIDUPGRADE_STALE] = "an okv-luna block is in it, but not this version's or not in its place",
	[MIDUPGRADE_INSIDE] = "the okv-luna block is inside another command, and may never run",
	[MIDUPGRADE_UNREACHED] = "the script ends before the place of the okv-luna block",
	[MIDUPGRADE_UNPAIRED] = "the marks of the okv-luna block do not pair up",
};

static int generic_show(const struct okv_job *job, struct text *out, struct json *j, struct fault *f)
{
	TEXT_AUTO script = { 0 };
	enum midupgrade_state state;
	size_t line;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ASSIGN_AUTO a = { 0 };

		if (okv_lines_read(job->root, paths[i], &a, f) < 0)
			return -1;
		assign_show(out, paths[i], &a);
		json_object_begin(j, paths[i]);
		for (size_t k = 0; k < a.count; k++)
			if (a.lines[k].kind == ASSIGN_VALUE)
				json_string(j, a.lines[k].name, a.lines[k].value);
		json_object_end(j);
	}
	if (fs_read_config(job->root, OKV_MID, &script, f) < 0 ||
	    midupgrade_look(text_string(&script), script.length, job->settings->hsm_group, &state, &line, f) < 0)
		return -1;
	text_add_format(out, "%s\n   %s\n", OKV_MID, block_words[state]);
	json_string(j, OKV_MID, block_words[state]);
	return 0;
}

static int chrystoki_show(const struct okv_job *job, struct text *out, struct json *j, struct fault *f)
{
	CHRYSTOKI_AUTO conf = { 0 };
	const struct chrystoki_line *line;

	if (okv_chrystoki_read(job, &conf, f) < 0)
		return -1;
	text_add_format(out, "%s\n", job->settings->chrystoki_conf);
	json_array_begin(j, "chrystoki");
	for (size_t at = 0; (line = chrystoki_entry_next(&conf, &at)) != NULL;) {
		const char *value = chrystoki_is_secret(line->name) ? "(a secret, not shown)" : line->value;

		text_add_format(out, "   %s: %s = %s\n", SHOWN(line->within), SHOWN(line->name), SHOWN(value));
		json_object_begin(j, NULL);
		json_string(j, "section", line->within);
		json_string(j, "key", line->name);
		json_string(j, "value", value);
		json_object_end(j);
	}
	json_array_end(j);
	return 0;
}

int okv_values_show(const struct okv_job *job, struct text *out, struct json *j, struct fault *f)
{
	enum okv_scope scope;

	if (okv_scope_find(job->root, job->settings, &scope, f) < 0)
		return -1;
	text_add_format(out, "%s\n", okv_scope_text(scope));
	json_string(j, "scope", okv_scope_word(scope));
	if (scope == OKV_SCOPE_GENERIC && generic_show(job, out, j, f) < 0)
		return -1;
	if (chrystoki_show(job, out, j, f) < 0)
		return -1;
	return text_check(out, f);
}
