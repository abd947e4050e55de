#include "cmd/hook.h"

#include <unistd.h>

#include "upgrade/output.h"
#include "upgrade/hook.h"

enum { CHECKS_BOUND_S = 60 };

static void progress_show(struct upgrade_run *run, const struct step_row *row, size_t index, size_t count)
{
	(void)run;
	cmd_progress("[%zu/%zu] %s", index + 1, count, row->title);
}

void cmd_hook_start(struct cmd_context *context, struct upgrade_run *run)
{
	run->root = context->root;
	run->root_path = context->root_path;
	run->settings = &context->settings;
	run->dry_run = context->dry_run;
	run->report = context->report;
	if (!context->quiet && !context->json && isatty(STDERR_FILENO) == 1)
		run->progress = progress_show;
}

void cmd_hook_start_checks(struct cmd_context *context, struct upgrade_run *run)
{
	cmd_hook_start(context, run);
	run->kind = UPGRADE_POST;
	run->dry_run = true;
	run->progress = NULL;
	run->bound_ms = (unsigned)(CHECKS_BOUND_S + context->settings.slot_timeout) * 1000;
}

struct cmd_key cmd_hook_asked;

int cmd_hook_key(struct cmd_context *context, struct hsm_key_question *ret_key, struct fault *f)
{
	static char pin[CMD_PIN_SIZE];

	*ret_key = (struct hsm_key_question){ .label = cmd_hook_asked.label, .pin = pin };
	return cmd_pin_read(context, &cmd_hook_asked, pin, &ret_key->pin_length, f);
}

void cmd_hook_key_done(struct hsm_key_question *key)
{
	if (key->pin != NULL)
		text_wipe(key->pin, key->pin_length);
}

static int lock_take(struct cmd_context *context, struct upgrade_run *run, struct fault *f)
{
	struct fault why = { 0 };

	if (cmd_lock(context, &why) == 0)
		return 0;
	if (why.kind == FAULT_LATE) {
		*f = why;
		return cmd_tool.no_answer_prefix != NULL ? fault_prefix(f, "%s", cmd_tool.no_answer_prefix) : -1;
	}
	run->lock_fault = why;
	return 0;
}

static int answer_print(struct cmd_context *context, struct upgrade_run *run, struct fault *f)
{
	OUTPUT_AUTO output = { .coloured = context->colour, .verbose = context->verbose };
	struct text_line line;

	if (run->progress != NULL)
		cmd_progress("%s", "");
	const int r = output_hook(run, &output, context->result, f);
	hook_report_save(run, context->result->target);
	if (r == 0)
		report_say(context->report, REPORT_RESULT, "%s.", text_string(&output.sentence));
	else
		cmd_print(context, "%s%s.%s\n", context->colour ? "\033[1;31m" : "", text_string(&output.sentence),
			  context->colour ? "\033[0m" : "");
	cmd_print(context, "%s", text_string(&output.lines));
	for (size_t at = 0; text_line_next(run->complaints.bytes, run->complaints.length, &at, &line);)
		report_say(context->report, REPORT_WARNING, "%.*s", (int)line.length, line.bytes);
	return r;
}

int cmd_hook_run(struct cmd_context *context, struct upgrade_run *run,
		 int (*hook)(struct upgrade_run *run, struct fault *f), struct fault *f)
{
	const int r = lock_take(context, run, f) < 0 || hook(run, f) < 0 ? -1 : answer_print(context, run, f);

	cmd_hook_key_done(&run->key);
	upgrade_run_done(run);
	return r;
}
