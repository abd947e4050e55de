#include "bundle/act.h"

#include <time.h>
#include <unistd.h>

#include "bundle/node.h"
#include "bundle/seal.h"

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

struct bundle_source bundle_act_source(const struct bundle_act *act)
{
	return (struct bundle_source){
		.file = act->given->passphrase_file,
		.fd = act->given->passphrase_fd == BUNDLE_FD_NONE ? -1 : (int)act->given->passphrase_fd,
	};
}

int bundle_act_sealing(const struct bundle_act *act, char own_name[BUNDLE_ORIGIN_SIZE], struct bundle_seal *ret_how,
		       struct fault *f)
{
	if (bundle_host_name(act->root, act->own_root, own_name, f) < 0)
		return -1;
	*ret_how = (struct bundle_seal){
		.root = act->root,
		.settings = act->settings,
		.report = act->report,
		.own_name = own_name,
		.now = (int64_t)time(NULL),
		.iterations = act->given->iterations != 0 ? (uint32_t)act->given->iterations : BUNDLE_ITERATIONS_LEAST,
		.source = bundle_act_source(act),
		.dry_run = act->dry_run,
	};
	return 0;
}
