#include "cmd/tool.h"
#include "token/judge.h"
#include "token/probe.h"
#include "token/table.h"

static struct {
	const char *module, *user, *label, *serial;
	uint64_t least, timeout;
	bool all;
} asked;

static const struct option options[] = {
	{ .name = "module", .kind = OPTION_TEXT, .argument = "FILE", .help = "PKCS#11 library (default: OKV's own setting)",
	  .target = &asked.module },
	{ .name = "user", .kind = OPTION_TEXT, .argument = "NAME", .help = "ask as this user (default OKV_USER)",
	  .target = &asked.user },
	{ .name = "label", .kind = OPTION_TEXT, .argument = "LABEL", .help = "a token with this label must be there",
	  .target = &asked.label },
	{ .name = "serial", .kind = OPTION_TEXT, .argument = "SERIAL", .help = "a token with this serial number must be there",
	  .target = &asked.serial },
	{ .name = "min", .kind = OPTION_NUMBER, .argument = "N", .least = 1, .most = TOKEN_SLOTS_MAX,
	  .help = "so many usable slots must be there (default MIN_SLOTS)", .target = &asked.least },
	{ .name = "timeout", .kind = OPTION_NUMBER, .argument = "SECONDS", .least = 1, .most = 3600,
	  .help = "give up after SECONDS (default SLOT_TIMEOUT)", .target = &asked.timeout },
	{ .name = "all", .help = "list slots without a token too", .target = &asked.all },
	OPTION_END,
};

static int run(struct cmd_context *context, struct fault *f)
{
	const struct settings *settings = &context->settings;
	TOKEN_ANSWER_AUTO answer = TOKEN_ANSWER_INIT;
	TEXT_AUTO table = TEXT_INIT;
	const struct token_question question = {
		.root = context->root,
		.settings = settings,
		.report = context->report,
		.module = asked.module,
		.user = asked.user,
		.timeout_ms = asked.timeout * 1000,
		.all = asked.all,
	};
	const struct token_wish wish = {
		.label = asked.label != NULL ? asked.label : settings->token_label[0] != '\0' ? settings->token_label : NULL,
		.serial = asked.serial,
		.least = asked.least > 0 ? asked.least : settings->min_slots,
	};

	if (token_probe(&question, &answer, f) < 0)
		return -1;
	token_table(&answer, &table);
	if (text_check(&table, f) < 0)
		return -1;
	if (answer.end == TOKEN_END_WHOLE)
		cmd_print(context, "%s", text_string(&table));
	return token_judge(&answer, &wish, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-slots",
	.summary = "Show what the HSM shows to OKV's user, within a deadline",
	.operands = "",
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
