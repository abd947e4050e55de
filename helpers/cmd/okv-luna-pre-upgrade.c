#include <stdlib.h>

#include "cmd/hook.h"
#include "cmd/tool.h"
#include "upgrade/hook.h"

static bool back, unrehearsed;
static const char *profile;

static struct cmd_key key;

static const struct option options[] = {
	OPTION_ROW(0, "abort", OPTION_FLAG, &back, NULL, "put everything back as it was before pre-upgrade"),
	OPTION_ROW(0, "no-rehearsal", OPTION_FLAG, &unrehearsed, NULL, "do not rehearse the upgrade first"),
	OPTION_ROW(0, "profile", OPTION_CHOICE, &profile, SETTINGS_PROFILES, "policy to prepare by (PROFILE)"),
	CMD_KEY_LABEL(key),
	CMD_KEY_PIN_FILE(key),
	OPTION_END,
};

static int run(struct cmd_context *context, struct fault *f)
{
	UPGRADE_RUN_AUTO hook = {
		.kind = UPGRADE_PRE, .abort = back, .profile = profile, .bound_ms = HOOK_PRE_BOUND_MS
	};

	cmd_hook_start(context, &hook);
	hook.unrehearsed = unrehearsed;
	hook.called = getenv(CMD_CALLED) != NULL;
	if (cmd_hook_key(context, &key, &hook, f) < 0)
		return -1;
	return cmd_hook_run(context, &hook, back ? hook_pre_abort : hook_pre_upgrade, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-pre-upgrade",
	.summary = "Prepare this server for an OKV upgrade and answer: Go, or Do not upgrade",
	.operands = "",
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS | CMD_SYSLOG,
	.unanswered = "do not upgrade: ",
	.run = run,
};
