#include <time.h>

#include "bundle/act.h"
#include "bundle/apply.h"
#include "bundle/node.h"

enum { AGE_DEFAULT = 24 * 60 * 60 };

static int apply_prepare(const struct bundle_act *act, char own_name[BUNDLE_ORIGIN_SIZE], uint64_t default_age,
			 struct bundle_apply *ret_how, struct fault *f)
{
	if (bundle_host_name(act->root, act->own_root, own_name, f) < 0)
		return -1;
	*ret_how = (struct bundle_apply){
		.root = act->root,
		.settings = act->settings,
		.report = act->report,
		.rules = { .own_name = own_name,
			   .max_age = act->given->max_age != 0 ? act->given->max_age : default_age,
			   .now = (int64_t)time(NULL) },
		.source = bundle_act_source(act),
		.dry_run = act->dry_run,
	};
	return 0;
}

static const char *applied_words(const struct bundle_act *act, const struct bundle_applied *applied)
{
	if (!applied->changed)
		return "nothing to change, the same bundle is at";
	return act->dry_run ? "would be put at" : "applied to";
}

int bundle_act_apply(const struct bundle_act *act, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];
	const char *carrier = act->operands[0];
	struct bundle_apply how;
	struct bundle_applied applied;
	struct json j;

	if (act->given->plain && (act->given->passphrase_file != NULL || act->given->passphrase_fd != BUNDLE_FD_NONE))
		return fault_usage(f, "--plain takes an unsealed bundle, which has no passphrase");
	if (bundle_act_claim(act, f) < 0 || apply_prepare(act, own_name, AGE_DEFAULT, &how, f) < 0 ||
	    (act->given->plain ? bundle_apply_plain : bundle_apply_sealed)(&how, carrier, &applied, f) < 0)
		return -1;

	bundle_act_begin(act, &j, "apply");
	json_string(&j, "carrier", carrier);
	json_string(&j, "target", SETTINGS_BUNDLE);
	json_bool(&j, "changed", applied.changed);
	text_add_format(act->lines, "'%s': %s '%s' (%s:%s %04o)%s\n", SHOWN(carrier), applied_words(act, &applied),
			SETTINGS_BUNDLE, SHOWN(act->settings->okv_user), SHOWN(act->settings->okv_group),
			(unsigned)act->settings->bundle_mode, act->dry_run ? "" : "; the carrier is removed");
	if (act->given->plain)
		bundle_tell_plain(&applied, act->lines, &j);
	else
		bundle_tell_header(&applied.header, applied.derivation_us, act->detail, act->lines, &j);
	bundle_tell_next(act->lines, &j);
	json_object_end(&j);
	return 0;
}

int bundle_act_verify(const struct bundle_act *act, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_apply how;
	struct bundle_applied applied;
	struct json j;

	if (apply_prepare(act, own_name, 0, &how, f) < 0)
		return -1;
	/* It may well be verified where it was sealed, and looked at when it is old. */
	how.rules.own_name = NULL;
	if (bundle_verify(&how, act->operands[0], &applied, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "verify");
	text_add_format(act->lines, "'%s': genuine\n", SHOWN(act->operands[0]));
	bundle_tell_header(&applied.header, applied.derivation_us, act->detail, act->lines, &j);
	json_number(&j, "age_seconds", how.rules.now - applied.header.created);
	json_object_end(&j);
	return 0;
}
