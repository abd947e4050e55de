/* The verbs of okv-luna config chrystoki. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "cmd/config.h"
#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "okv/hybrid.h"
#include "okv/luna.h"

/* A value that must not stand among the arguments is read from standard input: its first line. */
static int value_read(struct text *ret_value, struct fault *f)
{
	if (fs_read(STDIN_FILENO, "standard input", ASSIGN_LINE_MAX, ret_value, f) < 0)
		return -1;
	if (ret_value->length > 0 && ret_value->bytes[ret_value->length - 1] == '\n')
		ret_value->bytes[--ret_value->length] = '\0';
	if (strlen(text_string(ret_value)) != ret_value->length)
		return fault_refused(f, "the value holds a NUL byte");
	return 0;
}

static int luna_edit(struct cmd_context *context, const struct okv_luna *act, struct fault *f)
{
	bool changed;

	if (cmd_lock(context, f) < 0)
		return -1;
	const struct okv_job job = cmd_config_job(context, context->report);
	if (okv_luna_edit(&job, act, &changed, f) < 0)
		return -1;
	cmd_print(context, "%s: %s\n", context->settings.chrystoki_conf, changed ? "changed" : "is so already");
	return 0;
}

static int chrystoki_get_print(struct cmd_context *context, struct fault *f)
{
	const char *section = context->operands[2], *key = context->operands[3];
	const struct okv_job job = cmd_config_job(context, context->report);
	CHRYSTOKI_AUTO conf = CHRYSTOKI_INIT;
	char *value = NULL;
	ptrdiff_t first;

	if (okv_luna_read(&job, &conf, f) < 0)
		return -1;
	const size_t count = chrystoki_entries(&conf, section, key, &first);
	if (count == 0)
		return fault_negative(f, "'%s' is not set in section '%s'", SHOWN(key), SHOWN(section));
	if (count > 1)
		return fault_refused(
			f, "'%s' stands %zu times in section '%s', and which one the library reads is not known",
			SHOWN(key), count, SHOWN(section));
	if (chrystoki_get(&conf, section, key, &value, f) < 0)
		return -1;
	cmd_config_value(context, value);
	text_wipe(value, strlen(value));
	free(value);
	return 0;
}

static int chrystoki_set_value(struct cmd_context *context, struct fault *f)
{
	__attribute__((cleanup(text_done_secret))) struct text input = { 0 };
	struct okv_luna act = { .kind = OKV_LUNA_SET,
				.section = context->operands[2],
				.key = context->operands[3],
				.value = context->operands[4] };

	if (strcmp(act.value, "-") == 0) {
		if (value_read(&input, f) < 0)
			return -1;
		act.value = text_string(&input);
	} else if (chrystoki_is_secret(act.key)) {
		return fault_usage(f,
				   "%s is a secret, and arguments can be seen by everybody: give '-' and the value on "
				   "standard input",
				   act.key);
	}
	return luna_edit(context, &act, f);
}

static int chrystoki_unset_key(struct cmd_context *context, struct fault *f)
{
	const struct okv_luna act = { .kind = OKV_LUNA_UNSET,
				      .section = context->operands[2],
				      .key = context->operands[3] };
	return luna_edit(context, &act, f);
}

static int chrystoki_remove_section(struct cmd_context *context, struct fault *f)
{
	const struct okv_luna act = { .kind = OKV_LUNA_REMOVE, .section = context->operands[2] };
	return luna_edit(context, &act, f);
}

static int chrystoki_merge_file(struct cmd_context *context, struct fault *f)
{
	const struct okv_hybrid hybrid = {
		.file = context->operands[2],
		.sections = cmd_config_options.sections.items,
		.section_count = cmd_config_options.sections.count,
		.plugin_directory = cmd_config_options.plugin_directory,
	};
	bool changed;

	if (hybrid.section_count == 0)
		return fault_usage(f, "merge which? give --section, as --section XTC --section REST");
	if (cmd_lock(context, f) < 0)
		return -1;
	const struct okv_job job = cmd_config_job(context, context->report);
	if (okv_hybrid(&job, &hybrid, &changed, f) < 0)
		return -1;
	if (!changed)
		cmd_print(context, "%s: merged already\n", context->settings.chrystoki_conf);
	return 0;
}

static int chrystoki_ha(struct cmd_context *context, struct fault *f)
{
	const struct okv_luna act = { .kind = OKV_LUNA_GROUP,
				      .key = context->operands[2],
				      .value = context->operands[3] };
	return luna_edit(context, &act, f);
}

static int chrystoki_ha_only(struct cmd_context *context, struct fault *f)
{
	const bool on = strcmp(context->operands[2], "on") == 0;
	const struct okv_luna act = {
		.kind = OKV_LUNA_SET, .section = "HAConfiguration", .key = "HAOnly", .value = on ? "1" : "0"
	};

	if (!on && strcmp(context->operands[2], "off") != 0)
		return fault_usage(f, "ha-only takes on or off");
	return luna_edit(context, &act, f);
}

static int server_add(struct cmd_context *context, struct fault *f)
{
	uint64_t port = CHRYSTOKI_PORT_DEFAULT;

	if (context->operand_count > 3 && number_parse(context->operands[3], "the port", 1, 65535, &port, f) < 0)
		return -1;
	const struct okv_luna act = { .kind = OKV_LUNA_SERVER_ADD,
				      .value = context->operands[2],
				      .port = (unsigned)port };
	return luna_edit(context, &act, f);
}

static int server_remove(struct cmd_context *context, struct fault *f)
{
	const struct okv_luna act = { .kind = OKV_LUNA_SERVER_REMOVE, .value = context->operands[2] };
	return luna_edit(context, &act, f);
}

int cmd_config_chrystoki(struct cmd_context *context, struct fault *f)
{
	static const struct cmd_config_action table[] = {
		{ "get", 4, 4, "chrystoki get SECTION KEY", chrystoki_get_print },
		{ "set", 5, 5, "chrystoki set SECTION KEY VALUE|-", chrystoki_set_value },
		{ "unset", 4, 4, "chrystoki unset SECTION KEY", chrystoki_unset_key },
		{ "remove", 3, 3, "chrystoki remove SECTION", chrystoki_remove_section },
		{ "merge", 3, 3, "chrystoki merge FILE --section NAME...", chrystoki_merge_file },
		{ "ha", 4, 4, "chrystoki ha LABEL SERIAL,SERIAL...", chrystoki_ha },
		{ "ha-only", 3, 3, "chrystoki ha-only on|off", chrystoki_ha_only },
		{ "server-add", 3, 4, "chrystoki server-add HOST [PORT]", server_add },
		{ "server-remove", 3, 3, "chrystoki server-remove HOST", server_remove },
		{ .word = NULL },
	};
	return cmd_config_dispatch(context, 1, table, f);
}
