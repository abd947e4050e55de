#include "cmd/hook.h"
#include "cmd/tool.h"
#include "upgrade/hook.h"
#include "upgrade/output.h"

static struct cmd_key key;

static const char *ready_for;

static const struct option options[] = {
	OPTION_ROW(0, "for", OPTION_CHOICE, &ready_for, "upgrade|restore|cluster",
		   "also check that this server is ready for this"),
	CMD_KEY_LABEL(key),
	CMD_KEY_PIN_FILE(key),
	OPTION_END,
};

static int run(struct cmd_context *context, struct fault *f)
{
	UPGRADE_RUN_AUTO checks = { .ready_for = ready_for };
	OUTPUT_AUTO output = { .coloured = context->colour, .verbose = context->verbose };

	cmd_hook_start_checks(context, &checks);
	if (cmd_hook_key(context, &key, &checks, f) < 0)
		return -1;
	const int looked = upgrade_status(&checks, f);
	cmd_hook_key_done(&checks);
	if (looked < 0)
		return -1;
	const int r = output_status(&checks, &output, context->result, f);
	cmd_print(context, "%s", text_string(&output.lines));
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-status",
	.summary = "Every check of okv-luna at a glance",
	.operands = "",
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
