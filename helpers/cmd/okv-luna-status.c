#include "cmd/hook.h"
#include "upgrade/hook.h"
#include "upgrade/output.h"

static struct upgrade_run checks;

static const struct option options[] = {
	OPTION_ROW(0, "for", OPTION_CHOICE, &checks.ready_for, "upgrade|restore|cluster",
		   "also check that this server is ready for this"),
	CMD_HOOK_KEY_OPTIONS,
	OPTION_END,
};

static int run(struct cmd_context *context, struct fault *f)
{
	OUTPUT_AUTO output = { .coloured = context->colour, .verbose = context->verbose };

	cmd_hook_start_checks(context, &checks);
	if (cmd_hook_key(context, &checks.key, f) < 0)
		return -1;
	const int looked = upgrade_status(&checks, f);
	cmd_hook_key_done(&checks.key);
	if (looked < 0)
		return -1;
	const int r = output_status(&checks, &output, context->result, f);
	cmd_print(context, "%s", text_string(&output.lines));
	upgrade_run_done(&checks);
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-status",
	.summary = "Every check of okv-luna at a glance",
	.options = options,
	.run = run,
};
