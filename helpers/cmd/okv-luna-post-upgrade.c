#include <unistd.h>

#include "cmd/hook.h"
#include "cmd/tool.h"
#include "upgrade/collect.h"
#include "upgrade/hook.h"

static bool accept_differences;
static const char *profile, *collect;

static struct cmd_key key;

static const struct option options[] = {
	OPTION_ROW(0, "accept", OPTION_FLAG, &accept_differences, NULL, "accept differences from the snapshot"),
	OPTION_ROW(0, "collect", OPTION_TEXT, &collect, "DIR",
		   "only collect files for support in DIR, without secrets"),
	OPTION_ROW(0, "profile", OPTION_CHOICE, &profile, SETTINGS_PROFILES, "policy to repair to (PROFILE)"),
	CMD_KEY_LABEL(key),
	CMD_KEY_PIN_FILE(key),
	OPTION_END,
};

enum { ALARM_GRACE_S = 15 };

static int run(struct cmd_context *context, struct fault *f)
{
	UPGRADE_RUN_AUTO hook = { .kind = UPGRADE_POST, .accept = accept_differences, .profile = profile };

	cmd_hook_start(context, &hook);
	if (collect != NULL)
		return collect_write(&hook, collect, f);
	if (cmd_hook_key(context, &key, &hook, f) < 0)
		return -1;
	hook.bound_ms = HOOK_POST_BOUND_MS + (unsigned)context->settings.slot_timeout * 1000;
	/* The boot waits for us. */
	(void)alarm(hook.bound_ms / 1000 + ALARM_GRACE_S);
	return cmd_hook_run(context, &hook, hook_post_upgrade, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-post-upgrade",
	.summary = "Prove after an OKV upgrade that nothing was lost, and set the everyday owners and modes",
	.operands = "",
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS | CMD_SYSLOG,
	.unanswered = "do not restart this server: ",
	.run = run,
};
