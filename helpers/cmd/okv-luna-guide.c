#include "cmd/hook.h"
#include "upgrade/guide.h"

static struct guide_overrides overrides;
static const char *done;
static bool again;

static const struct option options[] = {
	OPTION_ROW(0, "okv", OPTION_TEXT, &overrides.okv, "RELEASE", "OKV's release (OKV_RELEASE, else detected)"),
	OPTION_ROW(0, "client", OPTION_TEXT, &overrides.client, "VERSION", "the Luna client's version (else detected)"),
	OPTION_ROW(0, "kind", OPTION_CHOICE, &overrides.kind, SETTINGS_KINDS, "the kind of system (CLIENT_KIND)"),
	OPTION_ROW(0, "ha", OPTION_FLAG, &overrides.ha, NULL, "an HA group of several HSMs"),
	OPTION_ROW(0, "cluster", OPTION_FLAG, &overrides.cluster, NULL, "with upgrade: a node of a cluster"),
	OPTION_ROW(0, "bundle", OPTION_FLAG, &overrides.bundle, NULL, "with cluster: an existing one of several nodes"),
	OPTION_ROW(0, "done", OPTION_TEXT, &done, "STEP", "mark this step as done, if that cannot be detected"),
	OPTION_ROW(0, "again", OPTION_FLAG, &again, NULL, "start over: forget which steps were marked as done"),
	OPTION_END,
};

static int list_show(struct cmd_context *context, const struct guide_node *node, enum guide_procedure procedure,
		     struct fault *f)
{
	UPGRADE_RUN_AUTO checks = { .results = NULL };
	GUIDE_LIST_AUTO list = { .lines = NULL };
	TEXT_AUTO shown = { 0 };

	cmd_hook_start_checks(context, &checks);
	if (guide_list_find(&checks, node, procedure, &list, f) < 0)
		return -1;
	guide_format(&list, &shown);
	if (text_check(&shown, f) < 0)
		return -1;
	cmd_print(context, "%s", text_string(&shown));
	guide_json(&list, context->result);
	json_number(context->result, "exit", list.next != NULL ? FAULT_NEGATIVE : FAULT_NONE);
	json_object_end(context->result);
	/* Exit 1 without a text: the list already names the next step. */
	if (list.next != NULL)
		f->kind = FAULT_NEGATIVE;
	return list.next != NULL ? -1 : 0;
}

static int run(struct cmd_context *context, struct fault *f)
{
	size_t which = GUIDE_INSTALL;
	GUIDE_NODE_AUTO node = { .settings = NULL };

	if (context->operand_count > 0 && cmd_word_find("guide", context->operands[0], guide_procedures, &which, f) < 0)
		return -1;
	const enum guide_procedure procedure = (enum guide_procedure)which;
	if (done != NULL && again)
		return fault_usage(f, "--done and --again cannot be used together");
	if (guide_node_find(context->root, &context->settings, &overrides, &node, f) < 0)
		return -1;
	if ((done != NULL || again) && cmd_lock(context, f) < 0)
		return -1;
	if (!context->dry_run && ((again && guide_begin(context->root, procedure, f) < 0) ||
				  (done != NULL && guide_mark(context->root, &node, procedure, done, f) < 0)))
		return -1;
	return list_show(context, &node, procedure, f);
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-guide",
	.summary = "The integration guide's steps for this server, in order, and which is next",
	.operands = "[install|upgrade|restore|cluster]",
	.operands_most = 1,
	.words = guide_procedures,
	.options = options,
	.run = run,
};
