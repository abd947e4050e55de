/*
 * cmd/config: what the verbs of okv-luna config have in common.
 *
 * Promise: a verb is looked up in a table that knows how many operands it takes; a value that was asked for is printed
 * also with -q; with --json there is one object and nothing else.
 */
#ifndef OKV_CMD_CONFIG_H
#define OKV_CMD_CONFIG_H

#include "cmd/tool.h"
#include "okv/job.h"

/* Filled by the option table. */
extern struct cmd_config_options {
	bool fix, drop_handmade, again;
	struct option_list sections;
	const char *plugin_directory;
} cmd_config_options;

struct cmd_config_action {
	const char *word;
	size_t least, most; /* operands, the words up to this one included */
	const char *usage;
	int (*act)(struct cmd_context *context, struct fault *f);
};

/* Runs the verb that operand `at` names, from a table that ends with a NULL word; FAULT_USAGE for others. */
int cmd_config_dispatch(struct cmd_context *context, size_t at, const struct cmd_config_action *table, struct fault *f);

/* `report` is borrowed. */
struct okv_job cmd_config_job(const struct cmd_context *context, struct report *report);
/* Begins the JSON object of an action; the caller ends it. */
void cmd_config_result(const struct cmd_context *context, const char *action, struct json *j);
/* Prints a value that `get` found. */
void cmd_config_value(struct cmd_context *context, const char *value);

/* The verb `chrystoki`: the words after it name one of its own. */
int cmd_config_chrystoki(struct cmd_context *context, struct fault *f);

#endif
