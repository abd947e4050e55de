#include "hsm/verdict.h"

#include <inttypes.h>
#include <string.h>

#include "hsm/names.h"

static bool is_meant(const struct hsm_slot *slot, const struct hsm_requirements *required)
{
	return slot->present && (required->label == NULL || strcmp(slot->label, required->label) == 0) &&
	       (required->serial == NULL || strcmp(slot->serial, required->serial) == 0);
}

/* The first that is meant and cannot be used; NULL where there is none. */
static const struct hsm_slot *meant_unusable(const struct hsm_answer *answer, const struct hsm_requirements *required)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		if (!answer->slots[i].usable && is_meant(&answer->slots[i], required))
			return &answer->slots[i];
	return NULL;
}

/* The words after "token" that say which one is meant. */
static void requirements_describe(const struct hsm_requirements *required, struct text *out)
{
	if (required->label != NULL)
		text_add_format(out, " with label '%s'", SHOWN(required->label));
	if (required->serial != NULL)
		text_add_format(out, " %s serial number '%s'", required->label != NULL ? "and" : "with",
				SHOWN(required->serial));
}

static int none_usable(const struct hsm_answer *answer, const char *user, struct fault *f)
{
	TEXT_AUTO why = { 0 };

	for (size_t i = 0; i < answer->slot_count && why.length == 0; i++) {
		if (answer->slots[i].session_call == HSM_CALL_NONE)
			continue;
		text_add_format(&why, "slot %" PRIu64 " opens no session: ", answer->slots[i].id);
		hsm_slot_fault(&answer->slots[i], &why);
	}
	if (text_check(&why, f) < 0)
		return -1;
	if (why.length > 0)
		return fault_negative(f, "user '%s' sees no usable slot: %s", user, text_string(&why));
	return fault_negative(f, "user '%s' sees no usable slot: none of %zu has an initialised token", user,
			      answer->slot_count);
}

/* There are usable ones, and OKV takes another. */
static int taken_evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, struct fault *f)
{
	const struct hsm_slot *taken = hsm_answer_taken(answer, required->label, required->serial);
	TEXT_AUTO why = { 0 };

	if (taken == NULL || taken->usable)
		return 0;
	hsm_slot_fault(taken, &why);
	if (text_check(&why, f) < 0)
		return -1;
	return fault_negative(f, "OKV takes slot %" PRIu64 ", the first in its list%s, and cannot use it: %s",
			      taken->id, required->label != NULL || required->serial != NULL ? " that matches" : "",
			      text_string(&why));
}

/* There are usable ones, and none is meant; it may be there and answer no call. */
static int none_meant(const struct hsm_answer *answer, const struct hsm_requirements *required, const char *which,
		      struct fault *f)
{
	const struct hsm_slot *slot = meant_unusable(answer, required);
	TEXT_AUTO why = { 0 };

	if (slot == NULL)
		return fault_negative(f, "user '%s' sees no token%s among %zu usable", SHOWN(answer->user), which,
				      hsm_answer_usable(answer));
	hsm_slot_fault(slot, &why);
	return text_check(&why, f) < 0 ? -1
				       : fault_negative(f, "the token%s is in slot %" PRIu64 " and cannot be used: %s",
							which, slot->id, text_string(&why));
}

static int too_few(const struct hsm_answer *answer, const struct hsm_requirements *required, uint64_t matching,
		   struct fault *f)
{
	TEXT_AUTO which = { 0 };
	const size_t usable = hsm_answer_usable(answer);
	const char *user = SHOWN(answer->user);

	requirements_describe(required, &which);
	if (text_check(&which, f) < 0)
		return -1;
	if (answer->slot_count == 0)
		return fault_negative(f,
				      "user '%s' sees no slot; a Luna client that cannot read its configuration or key"
				      " shows none and reports no error",
				      user);
	if (usable == 0)
		return none_usable(answer, user, f);
	if (matching == 0)
		return none_meant(answer, required, text_string(&which), f);
	return fault_negative(f, "user '%s' sees %" PRIu64 " usable tokens%s, and %" PRIu64 " are required", user,
			      matching, text_string(&which), required->least);
}

static int key_evaluate(const struct hsm_key *key, struct fault *f)
{
	if (key->call != NULL && key->rv == CKR_PIN_LOCKED)
		return fault_negative(
			f, "the PIN of slot %" PRIu64 " is locked, or one try away from it, so it was not tried",
			key->slot);
	if (key->call != NULL)
		return fault_negative(f, "the key in slot %" PRIu64 " could not be checked: %s answered %s", key->slot,
				      key->call, HSM_RV(key->rv));
	if (key->found != 1)
		return fault_negative(
			f, "slot %" PRIu64 " holds %s secret key with that label, and exactly one is required",
			key->slot, key->found == 0 ? "no" : "more than one");
	if (!key->sensitive || key->extractable)
		return fault_negative(f, "the key in slot %" PRIu64 " is %s: it can leave the HSM", key->slot,
				      key->sensitive ? "extractable" : "not sensitive");
	return 0;
}

static int keys_evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, uint64_t matching,
			 struct fault *f)
{
	if (matching > 1 && required->label == NULL && required->serial == NULL)
		return fault_refused(f,
				     "%" PRIu64
				     " tokens show and nothing says which of them holds the key (--label, --serial"
				     " or TOKEN_LABEL), so no PIN was tried",
				     matching);
	for (size_t i = 0; i < answer->key_count; i++)
		if (key_evaluate(&answer->keys[i], f) < 0)
			return -1;
	/* A member of a group that opens no session may hold the key or not. */
	const struct hsm_slot *unusable = meant_unusable(answer, required);
	if (unusable != NULL) {
		TEXT_AUTO why = { 0 };
		hsm_slot_fault(unusable, &why);
		return text_check(&why, f) < 0
			       ? -1
			       : fault_negative(f, "the key in slot %" PRIu64 " could not be checked: %s", unusable->id,
						text_string(&why));
	}
	return answer->key_count == matching
		       ? 0
		       : fault_negative(f, "the key was looked for on %zu of %" PRIu64 " tokens only",
					answer->key_count, matching);
}

int hsm_evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, struct fault *f)
{
	uint64_t matching = 0;

	if (answer->end != HSM_END_WHOLE) {
		*f = answer->fault;
		return -1;
	}
	if (required == NULL)
		return 0;
	for (size_t i = 0; i < answer->slot_count; i++)
		matching += answer->slots[i].usable && is_meant(&answer->slots[i], required);
	if (matching < (required->least > 0 ? required->least : 1))
		return too_few(answer, required, matching, f);
	if (taken_evaluate(answer, required, f) < 0)
		return -1;
	if (required->key && keys_evaluate(answer, required, matching, f) < 0)
		return -1;
	return answer->ha.count == 0
		       ? 0
		       : fault_negative(f, "user '%s' does not see the HA groups as Chrystoki.conf has them",
					SHOWN(answer->user));
}

struct hsm_question hsm_question_of(int root, const struct settings *settings, struct report *report)
{
	return (struct hsm_question){
		.root = root,
		.settings = settings,
		.report = report,
		.required = { .label = settings->token_label[0] != '\0' ? settings->token_label : NULL,
			      .least = settings->min_slots },
	};
}

int hsm_check(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f)
{
	struct hsm_requirements required = question->required;

	*ret_answer = (struct hsm_answer)HSM_ANSWER_INIT;
	required.key = question->key != NULL;
	return hsm_probe(question, ret_answer, f) < 0
		       ? -1
		       : hsm_evaluate(ret_answer, question->load_only ? NULL : &required, f);
}
