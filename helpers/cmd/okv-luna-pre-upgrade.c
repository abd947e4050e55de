#include <stdlib.h>

#include "cmd/hook.h"
#include "upgrade/hook.h"

static struct upgrade_run hook = { .kind = UPGRADE_PRE, .bound_ms = HOOK_PRE_BOUND_MS };

static const struct option options[] = {
	OPTION_ROW(0, "abort", OPTION_FLAG, &hook.abort, NULL, "put everything back as it was before pre-upgrade"),
	OPTION_ROW(0, "no-rehearsal", OPTION_FLAG, &hook.skip_rehearsal, NULL, "do not rehearse the upgrade first"),
	OPTION_ROW(0, "profile", OPTION_CHOICE, &hook.profile, SETTINGS_PROFILES, "policy to prepare by (PROFILE)"),
	CMD_HOOK_KEY_OPTIONS,
	OPTION_END,
};

static int run(struct cmd_context *context, struct fault *f)
{
	cmd_hook_start(context, &hook);
	hook.called = getenv(CMD_CALLED) != NULL;
	if (cmd_hook_key(context, &hook.key, f) < 0)
		return -1;
	return cmd_hook_run(context, &hook, hook.abort ? hook_pre_abort : hook_pre_upgrade, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-pre-upgrade",
	.summary = "Prepare this server for an OKV upgrade and answer: Go, or Do not upgrade",
	.options = options,
	.flags = CMD_SYSLOG,
	.no_answer_prefix = "do not upgrade: ",
	.run = run,
};
