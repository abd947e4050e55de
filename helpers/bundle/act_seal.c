#include "base/number.h"
#include "bundle/act.h"
#include "bundle/seal.h"

int bundle_act_seal(const struct bundle_act *act, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal how;
	struct bundle_sealed sealed;
	struct json j;

	if (act->given->out == NULL)
		return fault_usage(f, "seal needs --out FILE");
	if (bundle_act_claim(act, f) < 0 || bundle_act_sealing(act, own_name, &how, f) < 0 ||
	    bundle_seal_file(&how, act->given->out, &sealed, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "seal");
	json_string(&j, "out", act->given->out);
	if (act->dry_run) {
		text_add_format(act->lines, "would seal '%s' (%s bytes) of %s as '%s'\n", SETTINGS_BUNDLE,
				NUMBER_GROUPED(sealed.header.size), SHOWN(own_name), SHOWN(act->given->out));
	} else {
		text_add_format(act->lines, "sealed '%s' as '%s'\n", SETTINGS_BUNDLE, SHOWN(act->given->out));
		bundle_tell_header(&sealed.header, sealed.derivation_us, act->detail, act->lines, &j);
		text_add_string(act->lines,
				"next: bring it to every other node and run 'okv-luna bundle apply' there\n");
	}
	json_object_end(&j);
	return 0;
}
