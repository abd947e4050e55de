/*
 * config: OKV's generic HSM files and Chrystoki.conf, looked at and edited.
 *
 * What is done stands in wire/ and conf/; here words are told apart and results are shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/tool.h"
#include "conf/assign.h"
#include "fs/read.h"
#include "wire/edit.h"
#include "wire/wire.h"

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

static struct wire_job job_of(const struct cmd_context *context, struct report *report)
{
	return (struct wire_job){
		.root = context->root,
		.settings = &context->settings,
		.mode = context->dry_run ? WIRE_SHOW : WIRE_DO,
		.report = report,
	};
}

static const char *scope_word(enum wire_scope scope)
{
	switch (scope) {
	case WIRE_SCOPE_GENERIC:
		return "generic";
	case WIRE_SCOPE_NO_INTERFACE:
		return "no-interface";
	case WIRE_SCOPE_CLIENT_V6:
		return "client-v6";
	}
	return "unknown";
}

static int wire_or_unwire(struct cmd_context *context, const char *word,
			  int (*act)(const struct wire_job *, struct wire_outcome *, struct fault *), struct fault *f)
{
	TEXT_AUTO text = TEXT_INIT;
	struct json j;
	struct hearing hearing = { .report = { .hear = hear, .context = &hearing }, .next = context->report, .json = &j };
	struct wire_outcome outcome = WIRE_OUTCOME_INIT;

	if (cmd_lock(context, f) < 0)
		return -1;
	json_init(&j, &text);
	json_object_begin(&j, NULL);
	json_string(&j, "command", "okv-luna-config");
	json_string(&j, "action", word);
	json_bool(&j, "dry_run", context->dry_run);
	json_array_begin(&j, "lines");
	const struct wire_job job = job_of(context, &hearing.report);
	const int r = act(&job, &outcome, f);
	json_array_end(&j);
	json_string(&j, "scope", scope_word(outcome.scope));
	json_string(&j, "scope_text", wire_scope_text(outcome.scope));
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

	if (outcome.scope != WIRE_SCOPE_GENERIC)
		cmd_print(context, "%s\n", wire_scope_text(outcome.scope));
	if (r == 0 && outcome.files + outcome.links == 0)
		cmd_print(context, "%s\n", act == wire_apply ? "wired already: nothing to do" : "not wired: nothing to do");
	return r;
}

static int act_wire(struct cmd_context *context, struct fault *f)
{
	return wire_or_unwire(context, "wire", wire_apply, f);
}

static int act_unwire(struct cmd_context *context, struct fault *f)
{
	return wire_or_unwire(context, "unwire", wire_remove, f);
}

/* The file that FILE names: OKV's own names, with or without the directory. */
static int assign_path(const char *word, const char **ret_path, struct fault *f)
{
	static const struct {
		const char *word, *path;
	} known[] = {
		{ "okv_hsm.conf", WIRE_CONF },
		{ "okv_hsm_env", WIRE_ENV },
		{ WIRE_CONF, WIRE_CONF },
		{ WIRE_ENV, WIRE_ENV },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(word, known[i].word) == 0) {
			*ret_path = known[i].path;
			return 0;
		}
	}
	return fault_usage(f, "FILE is okv_hsm.conf or okv_hsm_env, not '%s'; Chrystoki.conf has 'chrystoki get' and 'chrystoki set'",
			   SHOWN(word));
}

static void value_print(struct cmd_context *context, const char *value)
{
	if (context->json) {
		struct json j;
		json_init(&j, context->result);
		json_object_begin(&j, NULL);
		json_string(&j, "command", "okv-luna-config");
		json_string(&j, "value", value);
		json_object_end(&j);
	}
	/* -q hides talk, and a value that was asked for is none. */
	if (!context->json)
		(void)printf("%s\n", value);
}

static int act_get(struct cmd_context *context, struct fault *f)
{
	const char *path, *name = context->operands[2];
	TEXT_AUTO file = TEXT_INIT;
	ASSIGN_AUTO a = ASSIGN_INIT;
	char *value = NULL;

	if (assign_path(context->operands[1], &path, f) < 0 ||
	    fs_read_file(context->root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &file, NULL, f) < 0 ||
	    assign_parse(&a, text_string(&file), file.length, f) < 0 || assign_get(&a, name, &value, f) < 0)
		return -1;
	if (value == NULL)
		return fault_negative(f, "'%s' is not set in %s", SHOWN(name), path);
	value_print(context, value);
	free(value);
	return 0;
}

struct setting {
	const char *name, *value;
};

static int set_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct setting *s = context;
	ASSIGN_AUTO a = ASSIGN_INIT;
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
	struct wire_edit edit = { .change = set_change, .context = &setting };
	bool changed;

	if (assign_path(context->operands[1], &edit.path, f) < 0 || cmd_lock(context, f) < 0)
		return -1;
	const struct wire_job job = job_of(context, context->report);
	if (wire_edit(&job, &edit, &changed, f) < 0)
		return -1;
	cmd_print(context, "%s: %s %s\n", edit.path, setting.name, changed ? "set" : "is so already");
	return 0;
}

static const struct action {
	const char *word;
	size_t least, most; /* operands, the word included */
	const char *usage;
	int (*act)(struct cmd_context *context, struct fault *f);
} actions[] = {
	{ "wire", 1, 1, "wire", act_wire },
	{ "unwire", 1, 1, "unwire", act_unwire },
	{ "get", 3, 3, "get FILE NAME", act_get },
	{ "set", 4, 4, "set FILE NAME VALUE", act_set },
};

static int run(struct cmd_context *context, struct fault *f)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(context->operands[0], actions[i].word) != 0)
			continue;
		if (context->operand_count < actions[i].least || context->operand_count > actions[i].most)
			return fault_usage(f, "usage: okv-luna config %s", actions[i].usage);
		return actions[i].act(context, f);
	}
	return fault_usage(f, "config has no '%s'; see --help", SHOWN(context->operands[0]));
}

static const char *const words[] = { "wire", "unwire", "get", "set", NULL };

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-config",
	.summary = "Check, show, wire and edit OKV's generic HSM files and Chrystoki.conf",
	.operands = "wire|unwire|get FILE NAME|set FILE NAME VALUE",
	.operands_least = 1,
	.operands_most = 8,
	.words = words,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
