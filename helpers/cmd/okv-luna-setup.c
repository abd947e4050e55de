/*
 * okv-luna setup: runs those steps of `okv-luna guide install` that are okv-luna's, by the commands that guide prints.
 *
 * It checks the server again after each step and keeps no state, so a second run continues where the first stopped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/hook.h"
#include "proc/child.h"
#include "upgrade/guide.h"

static struct guide_overrides overrides;
static const char *label;
static bool accept_licence;

static const struct option options[] = {
	OPTION_ROW(0, "accept-licence", OPTION_FLAG, &accept_licence, NULL,
		   "accept the vendor's licence of the full client"),
	OPTION_ROW(0, "label", OPTION_TEXT, &label, "LABEL", "label of the partition to expect (TOKEN_LABEL)"),
	OPTION_ROW(0, "kind", OPTION_CHOICE, &overrides.kind, SETTINGS_KINDS, "the kind of system (CLIENT_KIND)"),
	OPTION_ROW(0, "ha", OPTION_FLAG, &overrides.ha, NULL, "an HA group of several HSMs"),
	OPTION_END,
};

enum { WORDS_MAX = 40, ROUNDS_MAX = 40 };

struct setup {
	struct cmd_context *context;
	struct guide_node node;
	struct guide_list list;
	bool ran[ROUNDS_MAX]; /* indexed like list.lines */
	size_t count;         /* steps that ran */
	bool taken;           /* a step took an archive */
};

static void setup_done(struct setup *s)
{
	guide_list_done(&s->list);
	guide_node_done(&s->node);
}

static int list_update(struct setup *s, struct fault *f)
{
	UPGRADE_RUN_AUTO checks = { .results = NULL };
	struct cmd_context *context = s->context;

	guide_list_done(&s->list);
	guide_node_done(&s->node);
	cmd_hook_start_checks(context, &checks);
	return guide_node_find(context->root, &context->settings, &overrides, &s->node, f) < 0
		       ? -1
		       : guide_list_find(&checks, &s->node, GUIDE_INSTALL, &s->list, f);
}

/* --- one command -------------------------------------------------------------------------------------------------- */

static bool is_service(const struct setup *s, const char *operand)
{
	return (s->node.kind & (GUIDE_CLOUD_FULL | GUIDE_HYBRID)) != 0 && text_ends(operand, ".zip");
}

/* Replaces ARCHIVE or SERVICE by our operands of that kind; false if there is none. */
static bool operands_add(struct setup *s, bool service, const char **words, size_t *count)
{
	const size_t before = *count;

	for (size_t i = 0; i < s->context->operand_count && *count + 1 < WORDS_MAX; i++)
		if (is_service(s, s->context->operands[i]) == service)
			words[(*count)++] = s->context->operands[i];
	s->taken = s->taken || *count > before;
	return *count > before;
}

/* Fills in the placeholders of the step's command; false if one remains that only the administrator knows. */
static bool words_make(struct setup *s, const struct guide_step *step, struct text *storage, const char **words)
{
	size_t count = 0;
	bool known = true;

	guide_words(&s->node, step, storage);
	for (size_t at = 0; at < storage->length && count + 1 < WORDS_MAX; at += strlen(storage->bytes + at) + 1) {
		const char *word = storage->bytes + at;
		if (strcmp(word, "ARCHIVE") == 0 || strcmp(word, "SERVICE") == 0)
			known = operands_add(s, word[0] == 'S', words, &count) && known;
		else if (strcmp(word, "--accept-licence") != 0 || accept_licence)
			words[count++] = word;
		known = known && strcmp(word, "LABEL") != 0;
	}
	if (label != NULL && count > 1 && strcmp(words[1], "slots") == 0) {
		words[count++] = "--label";
		words[count++] = label;
	}
	words[count] = NULL;
	return known;
}

/* Runs words[1], the command of okv-luna, from our own directory and on our tree. */
static int command_run(const struct cmd_context *context, const char *const *words, int *ret_status, struct fault *f)
{
	char tool[64], path[PATH_MAX];
	const char *argv[WORDS_MAX + 4] = { path, "--root", context->root_path };
	TEXT_AUTO merged = { 0 };
	size_t count = 3;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	(void)snprintf(tool, sizeof(tool), "okv-luna-%s", words[1]);
	proc_child_program(tool, path);
	if (context->json || context->quiet)
		argv[count++] = "--quiet";
	for (size_t i = 2; words[i] != NULL; i++) {
		argv[count++] = words[i];
		/* `chrystoki merge` opens its FILE from "/", not below --root. */
		if (strcmp(words[1], "config") == 0 && text_starts(words[i], GUIDE_SERVICE_DIR "/")) {
			text_add_format(&merged, "%s%s", strcmp(context->root_path, "/") != 0 ? context->root_path : "",
					words[i]);
			argv[count - 1] = text_string(&merged);
		}
	}
	argv[count] = NULL;
	const char *const environment[] = { CMD_CALLED "=1", NULL };
	const struct proc_child_options how = {
		.argv = argv,
		.environment = environment,
		.root = PROC_CHILD_STAY,
		.input = -1,
		.output = context->json ? PROC_CHILD_CAPTURED : PROC_CHILD_INHERITED,
		.group = PROC_CHILD_OUR_GROUP,
	};
	(void)fflush(stdout);
	if (text_check(&merged, f) < 0 || proc_child_run(&how, &outcome, f) < 0)
		return -1;
	*ret_status = outcome.status;
	/* The complaint of the failed command tells how to fix it. */
	if (context->json && outcome.status != 0)
		cmd_print_stderr("%s", text_string(&outcome.output));
	proc_outcome_done(&outcome);
	return 0;
}

/* --- all steps ---------------------------------------------------------------------------------------------------- */

/* True for a step that is okv-luna's, not done, and useful now. */
static bool is_to_run(const struct setup *s, const struct guide_line *line)
{
	const bool open = line->state == GUIDE_NEXT || line->state == GUIDE_LATER;

	/* Whether this step is needed is unknown until the client is installed. */
	if (line->why.length > 0 && s->count > 0)
		return false;
	return open && line->step->who == GUIDE_OURS && !line->step->markable &&
	       (!line->step->in_turn || line->state == GUIDE_NEXT);
}

static void ran_record(struct setup *s, const struct guide_step *step, const char *command, int status)
{
	struct json *j = s->context->result;

	json_object_begin(j, NULL);
	json_string(j, "id", step->id);
	json_string(j, "command", command);
	json_number(j, "status", status);
	json_object_end(j);
	s->count++;
}

static int step_run(struct setup *s, size_t which, const char *const *words, struct fault *f)
{
	const struct guide_step *step = s->list.lines[which].step;
	TEXT_AUTO command = { 0 };
	int status = 0;

	cmd_words_format(words, &command);
	cmd_print(s->context, "%s%s: %s\n", s->context->dry_run ? "would: " : "", step->id, text_string(&command));
	if (!s->context->dry_run && command_run(s->context, words, &status, f) < 0)
		return -1;
	ran_record(s, step, text_string(&command), status);
	s->ran[which] = true;
	if (status == 0)
		return 0;
	(void)fault_negative(f, "stopped at step %s: %s ended with status %d; fix what it names, then run setup again",
			     step->id, text_string(&command), status);
	f->kind = status <= FAULT_LATE ? (enum fault_kind)status : FAULT_SYSTEM;
	return -1;
}

/* Runs the next step; 1: it ran, 0: no step is left. */
static int step_next(struct setup *s, struct fault *f)
{
	for (size_t i = 0; i < s->list.count && i < ROUNDS_MAX; i++) {
		const struct guide_line *line = &s->list.lines[i];
		TEXT_AUTO storage = { 0 };
		const char *words[WORDS_MAX];
		if (!is_to_run(s, line) || (s->ran[i] && s->context->dry_run))
			continue;
		if (s->ran[i])
			return fault_negative(f, "step %s ran but is still not done; see okv-luna status",
					      line->step->id);
		if (words_make(s, line->step, &storage, words))
			return step_run(s, i, words, f) < 0 ? -1 : 1;
		if (strcmp(words[1], "extract") == 0)
			return fault_usage(f, "step %s needs an archive: okv-luna setup ARCHIVE", line->step->id);
	}
	return 0;
}

static int work(struct setup *s, struct fault *f)
{
	TEXT_AUTO next = { 0 };
	int r = list_update(s, f) < 0 ? -1 : 1;

	while (r > 0 && (r = step_next(s, f)) > 0)
		if (!s->context->dry_run && list_update(s, f) < 0)
			return -1;
	if (r < 0)
		return -1;
	if (s->count == 0)
		cmd_print(s->context, "nothing to do: every step that okv-luna can run now is done\n");
	if (s->context->operand_count > 0 && !s->taken)
		cmd_print(s->context, "no archive was needed: a client is installed already; to install another one: "
				      "okv-luna extract ARCHIVE\n");
	guide_format_next(&s->list, &next);
	cmd_print(s->context, "%s", text_string(&next));
	return 0;
}

/* So that our own checks look for it, too. */
static int setting_replace(char **setting, const char *value, struct fault *f)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return fault_memory(f);
	free(*setting);
	*setting = copy;
	return 0;
}

static int run(struct cmd_context *context, struct fault *f)
{
	__attribute__((cleanup(setup_done))) struct setup s = { .context = context };
	struct json *j = context->result;

	if (label != NULL && setting_replace(&context->settings.token_label, label, f) < 0)
		return -1;
	json_bool(j, "dry_run", context->dry_run);
	json_array_begin(j, "ran");
	const int r = work(&s, f);
	/* The array stays open, so main() prints the error only (cmd/tool.h). */
	if (f->kind == FAULT_USAGE)
		return r;
	json_array_end(j);
	json_string(j, "next", s.list.next != NULL ? s.list.next->step->id : NULL);
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-setup",
	.summary = "Run the steps of 'okv-luna guide install' that okv-luna can run, in order",
	.operands = "[ARCHIVE...]",
	.operands_most = 16,
	.options = options,
	.run = run,
};
