#include <unistd.h>

#include "cmd/hook.h"
#include "upgrade/collect.h"
#include "upgrade/hook.h"

static struct upgrade_run hook = { .kind = UPGRADE_POST };
static const char *collect;

static const struct option options[] = {
	OPTION_ROW(0, "accept", OPTION_FLAG, &hook.accept, NULL, "accept differences from the snapshot"),
	OPTION_ROW(0, "collect", OPTION_TEXT, &collect, "DIR",
		   "only collect files for support in DIR, without secrets"),
	OPTION_ROW(0, "profile", OPTION_CHOICE, &hook.profile, SETTINGS_PROFILES, "policy to repair to (PROFILE)"),
	CMD_HOOK_KEY_OPTIONS,
	OPTION_END,
};

enum { ALARM_GRACE_S = 15 };

static int run(struct cmd_context *context, struct fault *f)
{
	cmd_hook_start(context, &hook);
	if (collect != NULL)
		return collect_write(&hook, collect, f);
	if (cmd_hook_key(context, &hook.key, f) < 0)
		return -1;
	hook.bound_ms = HOOK_POST_BOUND_MS + (unsigned)context->settings.slot_timeout * 1000;
	/* OKV's services wait for us at boot: if even the time limits of the steps fail, the alarm kills us. */
	(void)alarm(hook.bound_ms / 1000 + ALARM_GRACE_S);
	return cmd_hook_run(context, &hook, hook_post_upgrade, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-post-upgrade",
	.summary = "Prove after an OKV upgrade that nothing was lost, and set the everyday owners and modes",
	.options = options,
	.flags = CMD_SYSLOG,
	.no_answer_prefix = "do not restart this server: ",
	.run = run,
};
