#include "bundle/act.h"
#include "bundle/copies.h"
#include "bundle/node.h"

int bundle_act_status(const struct bundle_act *act, struct fault *f)
{
	BUNDLE_COPIES_AUTO copies = { 0 };
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	size_t flaws = 0;
	struct json j;

	if (bundle_node_open(act->root, act->settings, &node, f) < 0 ||
	    bundle_copies_find(act->root, act->settings, &copies, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "status");
	json_bool(&j, "bundle", node.present);
	json_array_begin(&j, "copies");
	if (!node.present)
		text_add_format(act->lines, "OK    %s: not there\n", SETTINGS_BUNDLE);
	for (size_t i = 0; i < copies.count; i++) {
		const bool in_place = copies.items[i].kind == BUNDLE_COPY_BUNDLE;
		const char *flaw = !in_place                   ? "remove it: okv-luna bundle clean --keep-bundle"
				   : !bundle_node_owned(&node) ? "wrong owner or mode: apply it again"
							       : "";
		flaws += flaw[0] != '\0' ? 1 : 0;
		bundle_tell_copy(flaw[0] == '\0' ? "OK" : "WARN", &copies.items[i], flaw, act->lines, &j);
	}
	json_array_end(&j);
	json_unsigned(&j, "flaws", flaws);
	json_object_end(&j);
	if (flaws > 0)
		return fault_negative(f, "%zu file%s should be looked at", flaws, flaws == 1 ? "" : "s");
	return 0;
}

int bundle_act_clean(const struct bundle_act *act, struct fault *f)
{
	BUNDLE_COPIES_AUTO copies = { 0 };
	size_t removed = 0, failed = 0;
	struct json j;

	if (bundle_act_claim(act, f) < 0 || bundle_copies_find(act->root, act->settings, &copies, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "clean");
	json_array_begin(&j, "removed");
	for (size_t i = 0; i < copies.count; i++) {
		const struct bundle_copy *copy = &copies.items[i];
		struct fault why = { 0 };
		if (act->given->keep_bundle && copy->kind == BUNDLE_COPY_BUNDLE)
			continue;
		if (!act->dry_run && bundle_copy_remove(act->root, copy, &why) < 0) {
			report_say(act->report, REPORT_WARNING, "%s", why.text);
			failed++;
			continue;
		}
		bundle_tell_copy(act->dry_run ? "would remove" : "removed", copy, "", act->lines, &j);
		removed++;
	}
	json_array_end(&j);
	json_unsigned(&j, "failed", failed);
	if (removed == 0 && failed == 0)
		text_add_format(act->lines, "nothing to remove%s\n",
				act->given->keep_bundle ? " besides the bundle in its place" : "");
	if (!act->given->keep_bundle)
		bundle_tell_removal(act->lines);
	json_object_end(&j);
	if (failed > 0)
		return fault_incomplete(f, "%zu cop%s could not be removed", failed, failed == 1 ? "y" : "ies");
	return 0;
}
