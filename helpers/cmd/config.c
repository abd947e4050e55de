#include <stdio.h>
#include <string.h>

#include "cmd/config.h"

struct cmd_config_options cmd_config_options;

int cmd_config_dispatch(struct cmd_context *context, size_t at, const struct cmd_config_action *table, struct fault *f)
{
	for (; table->word != NULL; table++) {
		if (strcmp(context->operands[at], table->word) != 0)
			continue;
		if (context->operand_count < table->least || context->operand_count > table->most)
			return fault_usage(f, "usage: okv-luna config %s", table->usage);
		return table->act(context, f);
	}
	return fault_usage(f, "config has no '%s'; see --help", SHOWN(context->operands[at]));
}

struct okv_job cmd_config_job(const struct cmd_context *context, struct report *report)
{
	return (struct okv_job){
		.root = context->root,
		.settings = &context->settings,
		.mode = context->dry_run ? OKV_PLAN : OKV_APPLY,
		.report = report,
	};
}

void cmd_config_result(const struct cmd_context *context, const char *action, struct json *j)
{
	json_init(j, context->result);
	json_object_begin(j, NULL);
	json_string(j, "command", cmd_tool.name);
	json_string(j, "action", action);
}

void cmd_config_value(struct cmd_context *context, const char *value)
{
	if (context->json) {
		struct json j;
		cmd_config_result(context, "get", &j);
		json_string(&j, "value", value);
		json_object_end(&j);
	}
	/* -q hides talk, and a value that was asked for is none. */
	if (!context->json)
		(void)printf("%s\n", value);
}
