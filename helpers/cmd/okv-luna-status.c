#include "cmd/hook.h"
#include "cmd/tool.h"
#include "upgrade/hook.h"
#include "upgrade/output.h"

static const struct option options[] = { OPTION_END };

enum { BOUND_S = 60 };

static int run(struct cmd_context *context, struct fault *f)
{
	UPGRADE_RUN_AUTO checks = { .kind = UPGRADE_POST };
	TEXT_AUTO text = { 0 };

	cmd_hook_start(context, &checks);
	checks.progress = NULL;
	/* Looking is all it does, whatever was asked for. */
	checks.dry_run = true;
	checks.bound_ms = (unsigned)(BOUND_S + context->settings.slot_timeout) * 1000;
	if (upgrade_status(&checks, f) < 0)
		return -1;
	if (context->json)
		output_status_json(&checks, context->result);
	output_status_text(&checks, context->colour ? OUTPUT_COLOUR : OUTPUT_PLAIN,
			   context->verbose ? OUTPUT_VERBOSE : OUTPUT_BRIEF, &text);
	cmd_print(context, "%s", text_string(&text));
	return output_status_verdict(&checks, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-status",
	.summary = "Every check of okv-luna at a glance",
	.operands = "",
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
