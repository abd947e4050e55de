#include <unistd.h>

#include "cmd/hook.h"
#include "upgrade/hook.h"

/* OKV's upgrade waits for us: if even the time limits of the steps fail, alarm(2) kills us this much later. */
enum { ALARM_GRACE_S = 5 };

static uint64_t timeout = HOOK_MID_BOUND_MS / 1000;

static const struct option options[] = {
	OPTION_RANGE(0, "timeout", OPTION_NUMBER, 1, 600, &timeout, "SECONDS",
		     "time limit of the whole run (default 60)"),
	OPTION_END,
};

static int run(struct cmd_context *context, struct fault *f)
{
	struct upgrade_run hook = { .kind = UPGRADE_MID, .bound_ms = (unsigned)timeout * 1000 };

	(void)alarm((unsigned)timeout + ALARM_GRACE_S);
	/* Inside OKV's upgrade our standard output may go nowhere; syslog gets the answer. */
	context->quiet = !context->dry_run;
	cmd_hook_start(context, &hook);
	if (cmd_hook_run(context, &hook, hook_mid_upgrade, f) < 0)
		return -1;
	if (!hook.changed) {
		f->kind = FAULT_NEGATIVE;
		return -1;
	}
	return 0;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-mid-upgrade",
	.summary = "Called inside OKV's upgrade: group, membership and links on the new system",
	.options = options,
	.flags = CMD_SYSLOG,
	.run = run,
};
