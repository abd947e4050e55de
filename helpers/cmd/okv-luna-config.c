/*
 * config: OKV's generic HSM files and Chrystoki.conf, looked at and edited.
 *
 * What is done stands in wire/ and conf/; here words are told apart and results are shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "cmd/tool.h"
#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/luna.h"
#include "fs/read.h"
#include "wire/check.h"
#include "wire/edit.h"
#include "wire/hybrid.h"
#include "wire/luna.h"
#include "wire/tell.h"
#include "wire/wire.h"

static struct {
	bool fix, drop_handmade, again;
	struct option_list sections;
	const char *plugin_directory;
} options;

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

static void result_begin(const struct cmd_context *context, const char *action, struct json *j)
{
	json_init(j, context->result);
	json_object_begin(j, NULL);
	json_string(j, "command", cmd_tool.name);
	json_string(j, "action", action);
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

static int wire_or_unwire(struct cmd_context *context, const char *word,
			  int (*act)(const struct wire_job *, struct wire_outcome *, struct fault *), struct fault *f)
{
	TEXT_AUTO text = TEXT_INIT;
	struct json j;
	struct hearing hearing = { .report = { .hear = hear, .context = &hearing },
				   .next = context->report,
				   .json = &j };
	struct wire_outcome outcome = WIRE_OUTCOME_INIT;

	if (cmd_lock(context, f) < 0)
		return -1;
	json_init(&j, &text);
	json_object_begin(&j, NULL);
	json_string(&j, "command", cmd_tool.name);
	json_string(&j, "action", word);
	json_bool(&j, "dry_run", context->dry_run);
	json_array_begin(&j, "lines");
	const struct wire_job job = job_of(context, &hearing.report);
	const int r = act(&job, &outcome, f);
	json_array_end(&j);
	json_string(&j, "scope", wire_scope_word(outcome.scope));
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
		cmd_print(context, "%s\n",
			  act == wire_apply ? "wired already: nothing to do" : "not wired: nothing to do");
	return r;
}

static int act_wire(struct cmd_context *context, struct fault *f)
{
	/* For a package's trigger: who never asked to be wired is not. */
	bool applied = true;
	if (options.again && wire_was_applied(context->root, &applied, f) < 0)
		return -1;
	if (!applied) {
		cmd_print(context, "not wired before: nothing to do\n");
		return 0;
	}
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
	return fault_usage(
		f,
		"FILE is okv_hsm.conf or okv_hsm_env, not '%s'; Chrystoki.conf has 'chrystoki get' and 'chrystoki set'",
		SHOWN(word));
}

static void value_print(struct cmd_context *context, const char *value)
{
	if (context->json) {
		struct json j;
		result_begin(context, "get", &j);
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

static int act_check(struct cmd_context *context, struct fault *f)
{
	const struct wire_job job = job_of(context, context->report);
	WIRE_FINDINGS_AUTO findings = WIRE_FINDINGS_INIT;
	TEXT_AUTO words_out = TEXT_INIT;
	unsigned mended = 0;

	if (options.drop_handmade && !options.fix)
		return fault_usage(f, "--drop-handmade goes with --fix");
	if (options.fix &&
	    (cmd_lock(context, f) < 0 ||
	     wire_fix(&job, options.drop_handmade ? WIRE_DROP_HANDMADE : WIRE_KEEP_HANDMADE, &mended, f) < 0))
		return -1;
	if (wire_check(&job, &findings, f) < 0)
		return -1;

	const size_t fails = wire_findings_count(&findings, WIRE_FAIL);
	wire_findings_tell(&findings, context->colour ? WIRE_COLOURED : WIRE_PLAIN, &words_out);
	cmd_print(context, "%s", text_string(&words_out));
	if (context->json) {
		enum wire_scope scope;
		struct json j;
		if (wire_scope_find(context->root, &context->settings, &scope, f) < 0)
			return -1;
		result_begin(context, "check", &j);
		json_string(&j, "scope", wire_scope_word(scope));
		json_unsigned(&j, "mended", mended);
		wire_findings_json(&findings, &j);
		json_number(&j, "exit", fails > 0 ? 1 : 0);
		json_object_end(&j);
	}
	if (fails > 0)
		return fault_negative(f, "%zu fault%s in OKV's HSM configuration", fails, fails == 1 ? "" : "s");
	return 0;
}

static int act_show(struct cmd_context *context, struct fault *f)
{
	const struct wire_job job = job_of(context, context->report);
	TEXT_AUTO shown = TEXT_INIT;
	TEXT_AUTO object = TEXT_INIT;
	struct json j;

	json_init(&j, &object);
	json_object_begin(&j, NULL);
	json_string(&j, "command", cmd_tool.name);
	json_string(&j, "action", "show");
	if (wire_state_tell(&job, &shown, &j, f) < 0)
		return -1;
	json_object_end(&j);
	cmd_print(context, "%s", text_string(&shown));
	if (context->json)
		text_add(context->result, text_string(&object), object.length);
	return text_check(&object, f);
}

/* A value that must not stand among the arguments is read from standard input: its first line. */
static int value_read(struct text *ret_value, struct fault *f)
{
	if (fs_read(STDIN_FILENO, "standard input", ASSIGN_LINE_MAX, ret_value, f) < 0)
		return -1;
	if (ret_value->length > 0 && ret_value->bytes[ret_value->length - 1] == '\n')
		ret_value->bytes[--ret_value->length] = '\0';
	if (strlen(text_string(ret_value)) != ret_value->length)
		return fault_refused(f, "the value holds a NUL byte");
	return 0;
}

static int luna_edit(struct cmd_context *context, const struct wire_luna *act, struct fault *f)
{
	bool changed;

	if (cmd_lock(context, f) < 0)
		return -1;
	const struct wire_job job = job_of(context, context->report);
	if (wire_luna_edit(&job, act, &changed, f) < 0)
		return -1;
	cmd_print(context, "%s: %s\n", context->settings.chrystoki_conf, changed ? "changed" : "is so already");
	return 0;
}

static int chrystoki_get_print(struct cmd_context *context, struct fault *f)
{
	const char *section = context->operands[2], *key = context->operands[3];
	const struct wire_job job = job_of(context, context->report);
	CHRYSTOKI_AUTO conf = CHRYSTOKI_INIT;
	char *value = NULL;
	ptrdiff_t first;

	if (wire_luna_read(&job, &conf, f) < 0)
		return -1;
	const size_t count = chrystoki_entries(&conf, section, key, &first);
	if (count == 0)
		return fault_negative(f, "'%s' is not set in section '%s'", SHOWN(key), SHOWN(section));
	if (count > 1)
		return fault_refused(
			f, "'%s' stands %zu times in section '%s', and which one the library reads is not known",
			SHOWN(key), count, SHOWN(section));
	if (chrystoki_get(&conf, section, key, &value, f) < 0)
		return -1;
	value_print(context, value);
	text_wipe(value, strlen(value));
	free(value);
	return 0;
}

static int chrystoki_set_value(struct cmd_context *context, struct fault *f)
{
	__attribute__((cleanup(text_done_secret))) struct text input = TEXT_INIT;
	struct wire_luna act = { .kind = WIRE_LUNA_SET,
				 .section = context->operands[2],
				 .key = context->operands[3],
				 .value = context->operands[4] };

	if (strcmp(act.value, "-") == 0) {
		if (value_read(&input, f) < 0)
			return -1;
		act.value = text_string(&input);
	} else if (chrystoki_is_secret(act.key)) {
		return fault_usage(f,
				   "%s is a secret, and arguments can be seen by everybody: give '-' and the value on "
				   "standard input",
				   act.key);
	}
	return luna_edit(context, &act, f);
}

static int chrystoki_unset_key(struct cmd_context *context, struct fault *f)
{
	const struct wire_luna act = { .kind = WIRE_LUNA_UNSET,
				       .section = context->operands[2],
				       .key = context->operands[3] };
	return luna_edit(context, &act, f);
}

static int chrystoki_remove_section(struct cmd_context *context, struct fault *f)
{
	const struct wire_luna act = { .kind = WIRE_LUNA_REMOVE, .section = context->operands[2] };
	return luna_edit(context, &act, f);
}

static int chrystoki_merge_file(struct cmd_context *context, struct fault *f)
{
	const struct wire_hybrid hybrid = {
		.file = context->operands[2],
		.sections = options.sections.items,
		.section_count = options.sections.count,
		.plugin_directory = options.plugin_directory,
	};
	bool changed;

	if (hybrid.section_count == 0)
		return fault_usage(f, "merge which? give --section, as --section XTC --section REST");
	if (cmd_lock(context, f) < 0)
		return -1;
	const struct wire_job job = job_of(context, context->report);
	if (wire_hybrid(&job, &hybrid, &changed, f) < 0)
		return -1;
	if (!changed)
		cmd_print(context, "%s: merged already\n", context->settings.chrystoki_conf);
	return 0;
}

static int chrystoki_ha(struct cmd_context *context, struct fault *f)
{
	const struct wire_luna act = { .kind = WIRE_LUNA_GROUP,
				       .key = context->operands[2],
				       .value = context->operands[3] };
	return luna_edit(context, &act, f);
}

static int chrystoki_ha_only(struct cmd_context *context, struct fault *f)
{
	const bool on = strcmp(context->operands[2], "on") == 0;
	const struct wire_luna act = {
		.kind = WIRE_LUNA_SET, .section = "HAConfiguration", .key = "HAOnly", .value = on ? "1" : "0"
	};

	if (!on && strcmp(context->operands[2], "off") != 0)
		return fault_usage(f, "ha-only takes on or off");
	return luna_edit(context, &act, f);
}

static int chrystoki_server_add(struct cmd_context *context, struct fault *f)
{
	uint64_t port = LUNA_PORT_DEFAULT;

	if (context->operand_count > 3 && number_parse(context->operands[3], "the port", 1, 65535, &port, f) < 0)
		return -1;
	const struct wire_luna act = { .kind = WIRE_LUNA_SERVER_ADD,
				       .value = context->operands[2],
				       .port = (unsigned)port };
	return luna_edit(context, &act, f);
}

static int chrystoki_server_remove(struct cmd_context *context, struct fault *f)
{
	const struct wire_luna act = { .kind = WIRE_LUNA_SERVER_REMOVE, .value = context->operands[2] };
	return luna_edit(context, &act, f);
}

struct action {
	const char *word;
	size_t least, most; /* operands, the words up to this one included */
	const char *usage;
	int (*act)(struct cmd_context *context, struct fault *f);
};

static int dispatch(struct cmd_context *context, size_t at, const struct action *table, struct fault *f)
{
	for (; table->word != NULL; table++) {
		if (strcmp(context->operands[at], table->word) != 0)
			continue;
		if (context->operand_count < table->least || context->operand_count > table->most)
			return fault_usage(f, "usage: okv-luna config %s", table->usage);
		return table->act(context, f);
	}
	return fault_usage(f, "config has no '%s'; see --help", SHOWN(context->operands[at]));
}

static int act_chrystoki(struct cmd_context *context, struct fault *f)
{
	static const struct action table[] = {
		{ "get", 4, 4, "chrystoki get SECTION KEY", chrystoki_get_print },
		{ "set", 5, 5, "chrystoki set SECTION KEY VALUE|-", chrystoki_set_value },
		{ "unset", 4, 4, "chrystoki unset SECTION KEY", chrystoki_unset_key },
		{ "remove", 3, 3, "chrystoki remove SECTION", chrystoki_remove_section },
		{ "merge", 3, 3, "chrystoki merge FILE --section NAME...", chrystoki_merge_file },
		{ "ha", 4, 4, "chrystoki ha LABEL SERIAL,SERIAL...", chrystoki_ha },
		{ "ha-only", 3, 3, "chrystoki ha-only on|off", chrystoki_ha_only },
		{ "server-add", 3, 4, "chrystoki server-add HOST [PORT]", chrystoki_server_add },
		{ "server-remove", 3, 3, "chrystoki server-remove HOST", chrystoki_server_remove },
		{ .word = NULL },
	};
	return dispatch(context, 1, table, f);
}

static int run(struct cmd_context *context, struct fault *f)
{
	static const struct action table[] = {
		{ "check", 1, 1, "check [--fix [--drop-handmade]]", act_check },
		{ "show", 1, 1, "show", act_show },
		{ "wire", 1, 1, "wire [--again]", act_wire },
		{ "unwire", 1, 1, "unwire", act_unwire },
		{ "get", 3, 3, "get FILE NAME", act_get },
		{ "set", 4, 4, "set FILE NAME VALUE", act_set },
		{ "chrystoki", 2, 6, "chrystoki get|set|unset|remove|merge|ha|ha-only|server-add|server-remove ...",
		  act_chrystoki },
		{ .word = NULL },
	};
	const int r = dispatch(context, 0, table, f);
	option_list_done(&options.sections);
	return r;
}

static const char *const words[] = { "check", "show", "wire", "unwire", "get", "set", "chrystoki", NULL };

static const struct option option_table[] = {
	{ .name = "fix", .help = "with check: mend what can be mended without a guess", .target = &options.fix },
	{ .name = "again",
	  .help = "with wire: only where it was wired before and not unwired since",
	  .target = &options.again },
	{ .name = "drop-handmade",
	  .help = "with check --fix: take out a groupadd that was put in by hand",
	  .target = &options.drop_handmade },
	{ .name = "section",
	  .kind = OPTION_LIST,
	  .argument = "NAME",
	  .help = "with chrystoki merge: a section to bring over; repeatable",
	  .target = &options.sections },
	{ .name = "plugin-dir",
	  .kind = OPTION_TEXT,
	  .argument = "DIR",
	  .help = "with chrystoki merge: set Misc.PluginModuleDir to it",
	  .target = &options.plugin_directory },
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
