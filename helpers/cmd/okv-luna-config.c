/*
 * config: OKV's generic HSM files and Chrystoki.conf, looked at and edited.
 *
 * What is done stands in wire/ and conf/; here words are told apart and results are shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/config.h"
#include "conf/assign.h"
#include "fs/read.h"
#include "okv/check.h"
#include "okv/edit.h"
#include "okv/tell.h"
#include "okv/wiring.h"

/* Collects the lines of a run for --json, and passes them on for people. */
struct hearing {
	struct report report;
	struct report *next;
	struct json *json;
};

static void hear(struct report *self, enum report_level level, const char *line)
{
	struct hearing *h = self->context;

	if (level != REPORT_DETAIL)
		json_string(h->json, NULL, line);
	report_say(h->next, level, "%s", line);
}

static int wire_or_unwire(struct cmd_context *context, const char *word,
			  int (*act)(const struct okv_job *, struct okv_outcome *, struct fault *), struct fault *f)
{
	TEXT_AUTO text = { 0 };
	struct json j;
	struct hearing hearing = { .report = { .hear = hear, .context = &hearing },
				   .next = context->report,
				   .json = &j };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;

	if (cmd_lock(context, f) < 0)
		return -1;
	json_init(&j, &text);
	json_object_begin(&j, NULL);
	json_string(&j, "command", cmd_tool.name);
	json_string(&j, "action", word);
	json_bool(&j, "dry_run", context->dry_run);
	json_array_begin(&j, "lines");
	const struct okv_job job = cmd_config_job(context, &hearing.report);
	const int r = act(&job, &outcome, f);
	json_array_end(&j);
	json_string(&j, "scope", okv_scope_word(outcome.scope));
	json_string(&j, "scope_text", okv_scope_text(outcome.scope));
	json_unsigned(&j, "files", outcome.files);
	json_unsigned(&j, "links", outcome.links);
	json_unsigned(&j, "left", outcome.left);
	json_number(&j, "exit", r < 0 ? fault_exit_status(f) : 0);
	if (r < 0) {
		json_object_begin(&j, "error");
		json_string(&j, "kind", fault_kind_name(f->kind));
		json_string(&j, "text", f->text);
		json_object_end(&j);
	}
	json_object_end(&j);
	if (context->json)
		text_add(context->result, text_string(&text), text.length);

	if (outcome.scope != OKV_SCOPE_GENERIC)
		cmd_print(context, "%s\n", okv_scope_text(outcome.scope));
	if (r == 0 && outcome.files + outcome.links == 0)
		cmd_print(context, "%s\n",
			  act == okv_wiring_apply ? "wired already: nothing to do" : "not wired: nothing to do");
	return r;
}

static int act_wire(struct cmd_context *context, struct fault *f)
{
	/* For a package's trigger: who never asked to be wired is not. */
	bool applied = true;
	if (cmd_config_options.again && okv_wiring_is_applied(context->root, &applied, f) < 0)
		return -1;
	if (!applied) {
		cmd_print(context, "not wired before: nothing to do\n");
		return 0;
	}
	return wire_or_unwire(context, "wire", okv_wiring_apply, f);
}

static int act_unwire(struct cmd_context *context, struct fault *f)
{
	return wire_or_unwire(context, "unwire", okv_wiring_remove, f);
}

/* The file that FILE names: OKV's own names, with or without the directory. */
static int assign_path(const char *word, const char **ret_path, struct fault *f)
{
	static const struct {
		const char *word, *path;
	} known[] = {
		{ "okv_hsm.conf", OKV_CONF },
		{ "okv_hsm_env", OKV_ENV },
		{ OKV_CONF, OKV_CONF },
		{ OKV_ENV, OKV_ENV },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(word, known[i].word) == 0) {
			*ret_path = known[i].path;
			return 0;
		}
	}
	return fault_usage(
		f,
		"FILE is okv_hsm.conf or okv_hsm_env, not '%s'; Chrystoki.conf has 'chrystoki get' and 'chrystoki set'",
		SHOWN(word));
}

static int act_get(struct cmd_context *context, struct fault *f)
{
	const char *path, *name = context->operands[2];
	TEXT_AUTO file = { 0 };
	ASSIGN_AUTO a = { 0 };
	char *value = NULL;

	if (assign_path(context->operands[1], &path, f) < 0 ||
	    fs_read_file(context->root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &file, NULL, f) < 0 ||
	    assign_parse(&a, text_string(&file), file.length, f) < 0 || assign_get(&a, name, &value, f) < 0)
		return -1;
	if (value == NULL)
		return fault_negative(f, "'%s' is not set in %s", SHOWN(name), path);
	cmd_config_value(context, value);
	free(value);
	return 0;
}

struct setting {
	const char *name, *value;
};

static int set_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct setting *s = context;
	ASSIGN_AUTO a = { 0 };
	bool changed;

	if (assign_parse(&a, text_string(now), now->length, f) < 0)
		return -1;
	if (assign_count(&a, s->name) > 1)
		return fault_refused(f, "'%s' is set more than once; leave one of them", SHOWN(s->name));
	if (assign_set(&a, s->name, s->value, &changed, f) < 0)
		return -1;
	assign_print(&a, ret_text);
	return 0;
}

static int act_set(struct cmd_context *context, struct fault *f)
{
	struct setting setting = { .name = context->operands[2], .value = context->operands[3] };
	struct okv_edit edit = { .change = set_change, .context = &setting };
	bool changed;

	if (assign_path(context->operands[1], &edit.path, f) < 0 || cmd_lock(context, f) < 0)
		return -1;
	const struct okv_job job = cmd_config_job(context, context->report);
	if (okv_edit(&job, &edit, &changed, f) < 0)
		return -1;
	cmd_print(context, "%s: %s %s\n", edit.path, setting.name, changed ? "set" : "is so already");
	return 0;
}

static int act_check(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = cmd_config_job(context, context->report);
	OKV_FINDINGS_AUTO findings = OKV_FINDINGS_INIT;
	TEXT_AUTO words_out = { 0 };
	unsigned mended = 0;

	if (cmd_config_options.drop_handmade && !cmd_config_options.fix)
		return fault_usage(f, "--drop-handmade goes with --fix");
	if (cmd_config_options.fix &&
	    (cmd_lock(context, f) < 0 ||
	     okv_fix(&job, cmd_config_options.drop_handmade ? OKV_DROP_HANDMADE : OKV_KEEP_HANDMADE, &mended, f) < 0))
		return -1;
	if (okv_check(&job, &findings, f) < 0)
		return -1;

	const size_t fails = okv_findings_count(&findings, OKV_FAIL);
	okv_findings_tell(&findings, context->colour ? OKV_COLOURED : OKV_PLAIN, &words_out);
	cmd_print(context, "%s", text_string(&words_out));
	if (context->json) {
		enum okv_scope scope;
		struct json j;
		if (okv_scope_find(context->root, &context->settings, &scope, f) < 0)
			return -1;
		cmd_config_result(context, "check", &j);
		json_string(&j, "scope", okv_scope_word(scope));
		json_unsigned(&j, "mended", mended);
		okv_findings_json(&findings, &j);
		json_number(&j, "exit", fails > 0 ? 1 : 0);
		json_object_end(&j);
	}
	if (fails > 0)
		return fault_negative(f, "%zu fault%s in OKV's HSM configuration", fails, fails == 1 ? "" : "s");
	return 0;
}

static int act_show(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = cmd_config_job(context, context->report);
	TEXT_AUTO shown = { 0 };
	TEXT_AUTO object = { 0 };
	struct json j;

	json_init(&j, &object);
	json_object_begin(&j, NULL);
	json_string(&j, "command", cmd_tool.name);
	json_string(&j, "action", "show");
	if (okv_state_tell(&job, &shown, &j, f) < 0)
		return -1;
	json_object_end(&j);
	cmd_print(context, "%s", text_string(&shown));
	if (context->json)
		text_add(context->result, text_string(&object), object.length);
	return text_check(&object, f);
}

static int run(struct cmd_context *context, struct fault *f)
{
	static const struct cmd_config_action table[] = {
		{ "check", 1, 1, "check [--fix [--drop-handmade]]", act_check },
		{ "show", 1, 1, "show", act_show },
		{ "wire", 1, 1, "wire [--again]", act_wire },
		{ "unwire", 1, 1, "unwire", act_unwire },
		{ "get", 3, 3, "get FILE NAME", act_get },
		{ "set", 4, 4, "set FILE NAME VALUE", act_set },
		{ "chrystoki", 2, 6, "chrystoki get|set|unset|remove|merge|ha|ha-only|server-add|server-remove ...",
		  cmd_config_chrystoki },
		{ .word = NULL },
	};
	const int r = cmd_config_dispatch(context, 0, table, f);
	option_list_done(&cmd_config_options.sections);
	return r;
}

static const char *const words[] = { "check", "show", "wire", "unwire", "get", "set", "chrystoki", NULL };

static const struct option option_table[] = {
	{ .name = "fix",
	  .help = "with check: fix what can be fixed without a guess",
	  .target = &cmd_config_options.fix },
	{ .name = "again",
	  .help = "with wire: only where it was wired before and not unwired since",
	  .target = &cmd_config_options.again },
	{ .name = "drop-handmade",
	  .help = "with check --fix: take out a groupadd that was put in by hand",
	  .target = &cmd_config_options.drop_handmade },
	{ .name = "section",
	  .kind = OPTION_LIST,
	  .argument = "NAME",
	  .help = "with chrystoki merge: a section to bring over; repeatable",
	  .target = &cmd_config_options.sections },
	{ .name = "plugin-dir",
	  .kind = OPTION_TEXT,
	  .argument = "DIR",
	  .help = "with chrystoki merge: set Misc.PluginModuleDir to it",
	  .target = &cmd_config_options.plugin_directory },
	OPTION_END,
};

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-config",
	.summary = "Check, show, wire and edit OKV's generic HSM files and Chrystoki.conf",
	.operands = "check|show|wire|unwire|get|set|chrystoki [ARGUMENT]...",
	.operands_least = 1,
	.operands_most = 8,
	.words = words,
	.options = option_table,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
