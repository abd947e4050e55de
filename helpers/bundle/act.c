#include "bundle/act.h"

#include <unistd.h>

void bundle_act_begin(const struct bundle_act *act, struct json *ret_json, const char *name)
{
	json_init(ret_json, act->result);
	json_object_begin(ret_json, NULL);
	json_string(ret_json, "command", act->command);
	json_string(ret_json, "act", name);
	json_bool(ret_json, "dry_run", act->dry_run);
}

int bundle_act_claim(const struct bundle_act *act, struct fault *f)
{
	if (geteuid() != 0)
		return fault_system(f, 0, "this must be run by root; use su or sudo");
	return act->lock(act->holder, f);
}
