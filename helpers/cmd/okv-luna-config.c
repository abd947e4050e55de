/*
 * okv-luna config: checks and edits OKV's generic HSM files and Chrystoki.conf.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "cmd/tool.h"
#include "conf/assign.h"
#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/check.h"
#include "okv/chrystoki.h"
#include "okv/values.h"
#include "okv/library.h"
#include "okv/wiring.h"
#include "proc/child.h"

static struct {
	bool fix, drop_handmade, again, all, even_in_use, keep, replace_vendor;
	struct option_list sections;
	const char *plugin_directory;
} wanted;

/* An edit of Chrystoki.conf, and the operands of its verb. */
struct edit {
	int (*change)(struct chrystoki *conf, struct edit *edit, struct fault *f);
	const char *section, *key, *value;
	const char *removes; /* what its name is one of; NULL: it sets something */
	unsigned port;
	char *old; /* owned; the value before; NULL: there was none */
};

struct verb {
	const char *word, *second; /* `second` may be NULL */
	size_t least, most;        /* operands, these words included */
	const char *usage;
	int (*act)(struct cmd_context *context, struct fault *f);
	/* Used when act is NULL. */
	int (*change)(struct chrystoki *conf, struct edit *edit, struct fault *f);
	const char *removes; /* as in an edit */
};

static struct okv_job job_of(const struct cmd_context *context)
{
	return (struct okv_job){ .root = context->root,
				 .settings = &context->settings,
				 .mode = context->dry_run ? OKV_PLAN : OKV_APPLY,
				 .vendor = wanted.replace_vendor ? OKV_REPLACE_VENDOR : OKV_KEEP_VENDOR,
				 .report = context->report };
}

/* Not cmd_print(): the value is printed even with -q. */
static int value_print(const struct cmd_context *context, const char *value)
{
	if (context->json) {
		json_string(context->result, "action", "get");
		json_string(context->result, "value", value);
	} else {
		cmd_value(value);
	}
	return 0;
}

/* --- OKV's three files -------------------------------------------------------------------------------------------- */

/* Adds each line to the JSON array that is open, and passes it on. */
static void line_collect(struct report *self, enum report_level level, const char *line)
{
	const struct cmd_context *context = self->context;

	if (level != REPORT_DETAIL)
		json_string(context->result, NULL, line);
	report_say(context->report, level, "%s", line);
}

static int wire_or_unwire(struct cmd_context *context, const char *word, const char *nothing_to_do,
			  int (*act)(const struct okv_job *, struct okv_outcome *, struct fault *), struct fault *f)
{
	struct json *j = context->result;
	struct report report = { .on_line = line_collect, .context = context };
	struct okv_outcome outcome = OKV_OUTCOME_INIT;
	struct okv_job job = job_of(context);

	if (cmd_lock(context, f) < 0)
		return -1;
	json_string(j, "action", word);
	json_bool(j, "dry_run", context->dry_run);
	json_array_begin(j, "lines");
	job.report = &report;
	const int r = act(&job, &outcome, f);
	json_array_end(j);
	okv_outcome_json(&outcome, j);
	if (outcome.scope != OKV_SCOPE_GENERIC)
		cmd_print(context, "%s\n", okv_scope_text(outcome.scope));
	if (r == 0 && outcome.files + outcome.links == 0)
		cmd_print(context, "%s\n", nothing_to_do);
	return r;
}

static int act_wire(struct cmd_context *context, struct fault *f)
{
	/* Package triggers pass --again, so that they never wire a server whose administrator did not. */
	enum okv_wiring wiring = OKV_WIRING_APPLIED;
	if (wanted.again && okv_wiring_find(context->root, &wiring, f) < 0)
		return -1;
	if (wiring != OKV_WIRING_APPLIED) {
		cmd_print(context, "not wired before: nothing to do\n");
		return 0;
	}
	return wire_or_unwire(context, "wire", "wired already: nothing to do", okv_wiring_apply, f);
}

/* Runs another of our tools on the same tree.  If `ret_status` is NULL, any status but 0 is a fault with its output. */
static int tool_run(const struct cmd_context *context, const char *tool, const char *option, int *ret_status,
		    struct fault *f)
{
	char path[PATH_MAX];
	const char *const argv[] = { path, "--quiet", "--root", context->root_path, option, NULL };
	const struct proc_child_options how = { .argv = argv, .root = PROC_CHILD_STAY, .input = -1 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	proc_child_program(tool, path);
	if (ret_status == NULL)
		return proc_child_expect(&how, f);
	if (proc_child_run(&how, &outcome, f) < 0)
		return -1;
	*ret_status = outcome.status;
	proc_outcome_done(&outcome);
	return 0;
}

/* Must precede unwiring: only --abort can undo the modes that pre-upgrade opened. */
static int upgrade_abort(const struct cmd_context *context, struct fault *f)
{
	if (!fs_exists(context->root, SETTINGS_BEFORE))
		return 0;
	if (context->dry_run) {
		report_say(context->report, REPORT_RESULT, "would call off the upgrade that is prepared");
		return 0;
	}
	if (tool_run(context, "okv-luna-pre-upgrade", "--abort", NULL, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "an upgrade is prepared or not proven yet, and nothing is unwired until it is over: ");
}

static int act_unwire(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO flaw = { 0 };
	int status = 1;

	if (wanted.even_in_use && !wanted.all)
		return fault_usage(f, "--even-in-use requires --all");
	if (wanted.keep && wanted.all)
		return fault_usage(f, "--keep and --all cannot be used together");
	/* If OKV cannot load the client's library, it reaches no HSM through our settings: remove them too. */
	okv_library_flaw_add(context->root, context->settings.pkcs11_lib, &flaw);
	const bool all = wanted.all || (!wanted.keep && flaw.length > 0);
	/* Refuse only if the slots answer now; otherwise OKV has no working HSM to lose. */
	if (wanted.all && !wanted.even_in_use && tool_run(context, "okv-luna-slots", NULL, &status, f) < 0)
		return -1;
	if (status == 0)
		return fault_refused(f, "the HSM answers, and OKV would no longer find it; without --all only our own "
					"part is removed; --even-in-use removes this too");
	return upgrade_abort(context, f) < 0 ? -1
					     : wire_or_unwire(context, "unwire", "not wired: nothing to do",
							      all ? okv_wiring_remove : okv_wiring_withdraw, f);
}

static int act_get(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = job_of(context);
	TEXT_AUTO value = { 0 };

	return okv_value_get(&job, context->operands[1], context->operands[2], &value, f) < 0
		       ? -1
		       : value_print(context, text_string(&value));
}

static int act_set(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = job_of(context);

	if (cmd_lock(context, f) < 0)
		return -1;
	return okv_value_set(&job, context->operands[1], context->operands[2], context->operands[3], f);
}

static int act_check(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = job_of(context);
	FINDING_LIST_AUTO findings = { 0 };
	TEXT_AUTO shown = { 0 };
	unsigned fixed = 0;

	if (wanted.drop_handmade && !wanted.fix)
		return fault_usage(f, "--drop-handmade requires --fix");
	if (wanted.fix && (cmd_lock(context, f) < 0 ||
			   okv_fix(&job, wanted.drop_handmade ? OKV_DROP_HANDMADE : OKV_KEEP_HANDMADE, &fixed, f) < 0))
		return -1;
	if (okv_check(&job, &findings, f) < 0)
		return -1;

	const size_t fails = finding_list_count(&findings, FINDING_FAIL);
	finding_list_format(&findings, context->colour ? FINDING_COLOURED : FINDING_PLAIN, &shown);
	cmd_print(context, "%s", text_string(&shown));
	enum okv_scope scope;
	if (okv_scope_find(context->root, &context->settings, &scope, f) < 0)
		return -1;
	json_string(context->result, "action", "check");
	json_string(context->result, "scope", okv_scope_word(scope));
	json_unsigned(context->result, "mended", fixed);
	finding_list_json(&findings, context->result);
	if (fails > 0)
		return fault_negative(f, "%zu fault%s in OKV's HSM configuration", fails, fails == 1 ? "" : "s");
	return 0;
}

static int act_show(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = job_of(context);
	TEXT_AUTO shown = { 0 };

	json_string(context->result, "action", "show");
	if (okv_values_show(&job, &shown, context->result, f) < 0)
		return -1;
	cmd_print(context, "%s", text_string(&shown));
	return 0;
}

/* --- Chrystoki.conf ----------------------------------------------------------------------------------------------- */

static int edit_change(void *context, struct chrystoki *conf, struct fault *f)
{
	struct edit *edit = context;

	return edit->change(conf, edit, f);
}

static int edit_make(struct cmd_context *context, struct edit *edit, struct fault *f)
{
	const struct okv_job job = job_of(context);
	bool changed;

	const int r = cmd_lock(context, f) < 0 || okv_chrystoki_edit(&job, edit_change, edit, &changed, f) < 0 ? -1 : 0;
	if (r == 0 && !changed && edit->removes != NULL)
		cmd_print(context, "%s: there is no %s '%s'; nothing to do\n", context->settings.chrystoki_conf,
			  edit->removes, SHOWN(edit->key != NULL ? edit->key : edit->section));
	else if (r == 0 && !changed)
		cmd_print(context, "%s: already has this value\n", context->settings.chrystoki_conf);
	else if (r == 0 && edit->value != NULL && !chrystoki_is_secret(edit->key))
		okv_job_report(&job, "%s: %s: \"%s\" -> \"%s\"", context->settings.chrystoki_conf, SHOWN(edit->key),
			       SHOWN(edit->old != NULL ? edit->old : ""), SHOWN(edit->value));
	else if (r == 0)
		okv_job_report(&job, "%s: changed", context->settings.chrystoki_conf);
	if (edit->old != NULL)
		text_wipe(edit->old, strlen(edit->old));
	free(edit->old);
	return r;
}

static int chrystoki_get_act(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = job_of(context);
	TEXT_SECRET_AUTO value = { 0 };

	return okv_chrystoki_get(&job, context->operands[2], context->operands[3], &value, f) < 0
		       ? -1
		       : value_print(context, text_string(&value));
}

static int set_change(struct chrystoki *conf, struct edit *edit, struct fault *f)
{
	free(edit->old);
	edit->old = NULL;
	return chrystoki_get(conf, edit->section, edit->key, &edit->old, f) < 0
		       ? -1
		       : chrystoki_set(conf, edit->section, edit->key, edit->value, f);
}

/* Reads a value from standard input, for secrets: every user can see the arguments.  Drops a final line feed. */
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

static int chrystoki_set_act(struct cmd_context *context, struct fault *f)
{
	TEXT_SECRET_AUTO input = { 0 };
	struct edit edit = { .change = set_change,
			     .section = context->operands[2],
			     .key = context->operands[3],
			     .value = context->operands[4] };

	if (strcmp(edit.value, "-") == 0) {
		if (value_read(&input, f) < 0)
			return -1;
		edit.value = text_string(&input);
	} else if (chrystoki_is_secret(edit.key)) {
		return fault_usage(f,
				   "%s is a secret, and arguments can be seen by everybody: give '-' and the value on "
				   "standard input",
				   edit.key);
	}
	return edit_make(context, &edit, f);
}

static int unset_change(struct chrystoki *conf, struct edit *edit, struct fault *f)
{
	return chrystoki_unset(conf, edit->section, edit->key, f);
}

static int remove_change(struct chrystoki *conf, struct edit *edit, struct fault *f)
{
	return chrystoki_remove(conf, edit->section, f);
}

static int merge_act(struct cmd_context *context, struct fault *f)
{
	const struct okv_job job = job_of(context);
	const struct okv_chrystoki_merge merge = { .file = context->operands[2],
						   .sections = wanted.sections.items,
						   .section_count = wanted.sections.count,
						   .plugin_directory = wanted.plugin_directory };
	bool changed;

	if (merge.section_count == 0)
		return fault_usage(f, "which sections? give --section, for example --section XTC --section REST");
	if (cmd_lock(context, f) < 0 || okv_chrystoki_merge(&job, &merge, &changed, f) < 0)
		return -1;
	if (!changed)
		cmd_print(context, "%s: merged already\n", context->settings.chrystoki_conf);
	return 0;
}

static int ha_change(struct chrystoki *conf, struct edit *edit, struct fault *f)
{
	return chrystoki_group_set(conf, edit->section, edit->key, f);
}

static int ha_only_act(struct cmd_context *context, struct fault *f)
{
	const bool on = strcmp(context->operands[2], "on") == 0;
	struct edit edit = {
		.change = set_change, .section = "HAConfiguration", .key = "HAOnly", .value = on ? "1" : "0"
	};

	if (!on && strcmp(context->operands[2], "off") != 0)
		return fault_usage(f, "ha-only takes on or off");
	return edit_make(context, &edit, f);
}

static int server_add_change(struct chrystoki *conf, struct edit *edit, struct fault *f)
{
	return chrystoki_server_add(conf, edit->section, edit->port, f);
}

static int server_add_act(struct cmd_context *context, struct fault *f)
{
	struct edit edit = { .change = server_add_change, .section = context->operands[2] };
	uint64_t port = CHRYSTOKI_PORT_DEFAULT;

	if (context->operand_count > 3 && number_parse(context->operands[3], "the port", 1, 65535, &port, f) < 0)
		return -1;
	edit.port = (unsigned)port;
	return edit_make(context, &edit, f);
}

static int server_remove_change(struct chrystoki *conf, struct edit *edit, struct fault *f)
{
	return chrystoki_server_remove(conf, edit->section, f);
}

static const struct verb verbs[] = {
	{ "check", NULL, 1, 1, "[--fix [--drop-handmade]]", act_check, NULL, NULL },
	{ "show", NULL, 1, 1, "", act_show, NULL, NULL },
	{ "wire", NULL, 1, 1, "[--again] [--replace-vendor]", act_wire, NULL, NULL },
	{ "unwire", NULL, 1, 1, "[--all [--even-in-use] | --keep]", act_unwire, NULL, NULL },
	{ "get", NULL, 3, 3, "FILE NAME", act_get, NULL, NULL },
	{ "set", NULL, 4, 4, "FILE NAME VALUE", act_set, NULL, NULL },
	{ "chrystoki", "get", 4, 4, "SECTION KEY", chrystoki_get_act, NULL, NULL },
	{ "chrystoki", "set", 5, 5, "SECTION KEY VALUE|-", chrystoki_set_act, NULL, NULL },
	{ "chrystoki", "unset", 4, 4, "SECTION KEY", NULL, unset_change, "key" },
	{ "chrystoki", "remove", 3, 3, "SECTION", NULL, remove_change, "section" },
	{ "chrystoki", "merge", 3, 3, "FILE --section NAME...", merge_act, NULL, NULL },
	{ "chrystoki", "ha", 4, 4, "LABEL SERIAL,SERIAL...", NULL, ha_change, NULL },
	{ "chrystoki", "ha-only", 3, 3, "on|off", ha_only_act, NULL, NULL },
	{ "chrystoki", "server-add", 3, 4, "HOST [PORT]", server_add_act, NULL, NULL },
	{ "chrystoki", "server-remove", 3, 3, "HOST", NULL, server_remove_change, "server" },
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

static void help(struct text *out)
{
	text_add_string(out, "\nSub-commands:\n");
	for (const struct verb *verb = verbs; verb < verbs + VERB_COUNT; verb++)
		text_add_format(out, "  %s%s%s%s%s\n", verb->word, verb->second != NULL ? " " : "",
				verb->second != NULL ? verb->second : "", verb->usage[0] != '\0' ? " " : "",
				verb->usage);
}

static int verb_run(struct cmd_context *context, const struct verb *verb, struct fault *f)
{
	if (context->operand_count < verb->least || context->operand_count > verb->most)
		return fault_usage(f, "usage: okv-luna config %s%s%s %s", verb->word, verb->second != NULL ? " " : "",
				   verb->second != NULL ? verb->second : "", verb->usage);
	if (verb->act != NULL)
		return verb->act(context, f);
	struct edit edit = { .change = verb->change, .section = context->operands[2], .removes = verb->removes };
	if (context->operand_count > 3)
		edit.key = context->operands[3];
	return edit_make(context, &edit, f);
}

static const char *const words[] = { "check", "show", "wire", "unwire", "get", "set", "chrystoki", NULL };
static int run(struct cmd_context *context, struct fault *f)
{
	const char *word = context->operands[0], *second = context->operand_count > 1 ? context->operands[1] : "";
	const char *seconds[VERB_COUNT + 1] = { NULL };
	size_t count = 0, ignored;
	int r = 1;

	for (size_t i = 0; r > 0 && i < VERB_COUNT; i++) {
		if (strcmp(word, verbs[i].word) != 0)
			continue;
		if (verbs[i].second == NULL || strcmp(second, verbs[i].second) == 0)
			r = verb_run(context, &verbs[i], f);
		else
			seconds[count++] = verbs[i].second;
	}
	option_list_done(&wanted.sections);
	if (r <= 0)
		return r;
	return count > 0 ? cmd_word_find("config chrystoki", second, seconds, &ignored, f)
			 : cmd_word_find("config", word, words, &ignored, f);
}

static const struct option option_table[] = {
	OPTION_ROW(0, "fix", OPTION_FLAG, &wanted.fix, NULL, "with check: fix what can be fixed without guessing"),
	OPTION_ROW(0, "again", OPTION_FLAG, &wanted.again, NULL,
		   "with wire: only where it was wired before and not unwired since"),
	OPTION_ROW(0, "replace-vendor", OPTION_FLAG, &wanted.replace_vendor, NULL,
		   "with wire: also where another vendor's library is in use"),
	OPTION_ROW(0, "all", OPTION_FLAG, &wanted.all, NULL,
		   "with unwire: also put back the settings by which OKV reaches its HSM"),
	OPTION_ROW(0, "even-in-use", OPTION_FLAG, &wanted.even_in_use, NULL,
		   "with unwire --all: also while the HSM answers"),
	OPTION_ROW(0, "keep", OPTION_FLAG, &wanted.keep, NULL,
		   "with unwire: keep those settings even if the client is gone"),
	OPTION_ROW(0, "drop-handmade", OPTION_FLAG, &wanted.drop_handmade, NULL,
		   "with check --fix: remove a groupadd that was added by hand"),
	OPTION_ROW(0, "section", OPTION_LIST, &wanted.sections, "NAME",
		   "with chrystoki merge: a section to merge; repeatable"),
	OPTION_ROW(0, "plugin-dir", OPTION_TEXT, &wanted.plugin_directory, "DIR",
		   "with chrystoki merge: set Misc.PluginModuleDir to it"),
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
	.help = help,
	.run = run,
};
