#include "hsm/verdict.h"

#include <inttypes.h>
#include <stdio.h>

#include "conf/chrystoki_groups.h"

/* --- the HA groups of Chrystoki.conf ------------------------------------------------------------------------------ */

struct comparison {
	struct report *report;
	const char *where; /* path of Chrystoki.conf, made printable */
	const struct hsm_slot *taken;
	struct text taken_text; /* ": OKV takes slot 0, 'okv' (3423358)" */
	struct hsm_answer *answer;
	struct chrystoki_family groups;
	bool members_show; /* HAOnly is off, or has no effect */
};

static bool is_member(const struct chrystoki_numbered *group, const char *serial)
{
	struct chrystoki_member member;

	for (size_t at = 0; chrystoki_member_next(group->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (text_equal(member.name, member.length, serial))
			return true;
	return false;
}

/* Old tools gave groups random serial numbers, so the label is enough; but a member may have that label, too. */
static bool is_group(const struct chrystoki_numbered *group, const struct hsm_slot *slot)
{
	const char *serial = group->parts[CHRYSTOKI_SERIAL], *label = group->parts[CHRYSTOKI_LABEL];

	return slot->present && !is_member(group, slot->serial) &&
	       ((serial != NULL && strcmp(serial, slot->serial) == 0) ||
		(label != NULL && strcmp(label, slot->label) == 0));
}

static const struct hsm_slot *group_find(const struct comparison *c, const struct chrystoki_numbered *group)
{
	for (size_t i = 0; i < c->answer->slot_count; i++)
		if (is_group(group, &c->answer->slots[i]))
			return &c->answer->slots[i];
	return NULL;
}

static bool is_shown(const struct comparison *c, const struct chrystoki_member *member)
{
	for (size_t i = 0; i < c->answer->slot_count; i++)
		if (c->answer->slots[i].present && text_equal(member->name, member->length, c->answer->slots[i].serial))
			return true;
	return false;
}

/* The member as the library reports it, or NULL; *ret_any: it reports any member of the group. */
static const struct hsm_member *member_find(const struct comparison *c, const struct hsm_slot *slot,
					    const struct chrystoki_member *member, bool *ret_any)
{
	const struct hsm_answer *answer = c->answer;
	const struct hsm_member *found = NULL;

	*ret_any = false;
	for (size_t i = 0; slot != NULL && i < answer->member_count; i++) {
		if (answer->members[i].slot != slot->id)
			continue;
		*ret_any = true;
		if (text_equal(member->name, member->length, answer->members[i].serial))
			found = &answer->members[i];
	}
	return found;
}

/* The group's label, made printable; without a label, its number. */
static const char *group_name(struct text_shown *storage, const struct chrystoki_numbered *group)
{
	const char *label = group->parts[CHRYSTOKI_LABEL];

	if (chrystoki_is_given(label))
		return text_show(storage, label);
	(void)snprintf(storage->bytes, sizeof(storage->bytes), "%02u", group->number);
	return storage->bytes;
}
#define GROUP_NAME(group) group_name(&(struct text_shown){ { 0 } }, (group))

/* Adds to *ret_unseen if the member cannot be seen, so that its state is unknown. */
static void member_compare(const struct comparison *c, const struct chrystoki_numbered *group,
			   const struct hsm_slot *slot, const struct chrystoki_member *named, size_t *ret_unseen)
{
	bool listed;
	const struct hsm_member *member = member_find(c, slot, named, &listed);
	const char *name = SHOWN_BYTES(named->name, named->length);
	const char *of = GROUP_NAME(group);

	if (member != NULL && member->rv != CKR_OK)
		hsm_causes_add(&c->answer->ha, NULL, "member %s of HA group '%s' in '%s' is away: its state is %s",
			       name, of, c->where, HSM_RV(member->rv));
	else if (member == NULL && listed)
		hsm_causes_add(&c->answer->ha, NULL,
			       "member %s of HA group '%s' in '%s' is not among those that the library lists", name, of,
			       c->where);
	else if (member == NULL && c->members_show && !is_shown(c, named))
		hsm_causes_add(&c->answer->ha, NULL,
			       "member %s of HA group '%s' in '%s' does not show: its HSM is away or belongs to another"
			       " group",
			       name, of, c->where);
	else if (member == NULL && !is_shown(c, named))
		++*ret_unseen;
}

/* Reports members that the library lists as unavailable and that the file does not name, perhaps removed ones. */
static void unlisted_compare(const struct comparison *c, const struct chrystoki_numbered *group,
			     const struct hsm_slot *slot)
{
	for (size_t i = 0; i < c->answer->member_count; i++) {
		const struct hsm_member *member = &c->answer->members[i];
		if (member->slot == slot->id && member->rv != CKR_OK && !is_member(group, member->serial))
			hsm_causes_add(&c->answer->ha, NULL,
				       "member %s of HA group '%s' is away: its state is %s; the library lists it, and"
				       " '%s' does not have it",
				       SHOWN(member->serial), GROUP_NAME(group), HSM_RV(member->rv), c->where);
	}
}

static void group_compare(const struct comparison *c, const struct chrystoki_numbered *group)
{
	const char *of = GROUP_NAME(group);
	const struct hsm_slot *slot = group_find(c, group);
	struct chrystoki_member member;
	size_t unseen = 0, members = 0;

	if (slot == NULL)
		hsm_causes_add(&c->answer->ha, NULL, "HA group '%s' of '%s' is not among the slots%s", of, c->where,
			       text_string(&c->taken_text));
	for (size_t at = 0; chrystoki_member_next(group->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (member.length > 0) {
			members++;
			member_compare(c, group, slot, &member, &unseen);
		}
	if (slot != NULL)
		unlisted_compare(c, group, slot);
	if (members == 0)
		hsm_causes_add(&c->answer->ha, NULL,
			       "HA group '%s' of '%s' has no members there, so it is not known which partitions"
			       " share its keys",
			       of, c->where);
	if (unseen > 0 && slot != NULL)
		report_say(c->report, REPORT_WARNING,
			   "it is not known whether the members of HA group '%s' are there: HAOnly hides them, and the "
			   "library does not report them",
			   of);
}

static const struct hsm_slot *member_shown(const struct comparison *c)
{
	for (size_t i = 0; i < c->groups.count; i++)
		for (size_t k = 0; k < c->answer->slot_count; k++)
			if (c->answer->slots[k].present && is_member(&c->groups.items[i], c->answer->slots[k].serial))
				return &c->answer->slots[k];
	return NULL;
}

static bool any_group_shown(const struct comparison *c)
{
	for (size_t i = 0; i < c->groups.count; i++)
		if (group_find(c, &c->groups.items[i]) != NULL)
			return true;
	return false;
}

static bool is_of_groups(const struct comparison *c, const struct hsm_slot *slot)
{
	for (size_t i = 0; i < c->groups.count; i++)
		if (is_group(&c->groups.items[i], slot) || is_member(&c->groups.items[i], slot->serial))
			return true;
	return false;
}

/* Checks HAOnly, in the file and in its effect; and whether OKV takes a slot that is not a group. */
static void list_compare(struct comparison *c)
{
	const struct hsm_slot *beside = member_shown(c);
	const bool group_shows = any_group_shown(c);
	size_t line;
	const char *value = chrystoki_value(&c->answer->environment.conf, "HAConfiguration", "HAOnly", &line);
	const bool on = value != NULL && strcmp(value, "1") == 0;
	c->members_show = !on || beside != NULL;
	if (!on)
		hsm_causes_add(&c->answer->ha, "okv-luna config chrystoki ha-only on",
			       "HAOnly is not 1 in '%s', so that members show beside their HA group%s", c->where,
			       text_string(&c->taken_text));
	/* If the group does not show, its members show instead. */
	else if (beside != NULL && group_shows)
		hsm_causes_add(&c->answer->ha, NULL,
			       "slot %" PRIu64 " is a member and shows beside its HA group, although HAOnly is 1 in"
			       " '%s'%s",
			       beside->id, c->where, text_string(&c->taken_text));
	if (c->taken != NULL && !is_of_groups(c, c->taken) && group_shows)
		hsm_causes_add(&c->answer->ha, NULL,
			       "OKV takes slot %" PRIu64 ", '%s' (%s), which is not an HA group of '%s'; give the"
			       " group's label at OKV's console (HSM page, Use Token Label) and as TOKEN_LABEL"
			       " in '" SETTINGS_FILE "'",
			       c->taken->id, SHOWN(c->taken->label), SHOWN(c->taken->serial), c->where);
}

/* Adds each difference to answer->ha. */
static int groups_compare(const struct hsm_question *question, struct hsm_answer *answer, struct fault *f)
{
	const char *label = question->required.label, *serial = question->required.serial;
	struct comparison c = { .report = question->report,
				.where = SHOWN(answer->environment.conf_path),
				.answer = answer,
				.taken = hsm_answer_taken(answer, label, serial) };

	chrystoki_family_read(&answer->environment.conf, CHRYSTOKI_GROUPS, &c.groups);
	if (c.groups.count == 0 || answer->slot_count == 0 ||
	    /* A token was asked for that has nothing to do with a group. */
	    ((label != NULL || serial != NULL) && c.taken != NULL && !is_of_groups(&c, c.taken)))
		return 0;
	if (c.taken != NULL)
		text_add_format(&c.taken_text, ": OKV takes slot %" PRIu64 ", '%s' (%s)", c.taken->id,
				SHOWN(c.taken->label), SHOWN(c.taken->serial));
	list_compare(&c);
	for (size_t i = 0; i < c.groups.count; i++)
		group_compare(&c, &c.groups.items[i]);
	const int r = text_check(&c.taken_text, f);
	text_done(&c.taken_text);
	return r < 0 ? -1 : hsm_causes_check(&answer->ha, f);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

/* The first slot that matches and cannot be used; NULL: none. */
static const struct hsm_slot *matching_unusable(const struct hsm_answer *answer,
						const struct hsm_requirements *required)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		if (!answer->slots[i].usable && hsm_slot_matches(&answer->slots[i], required->label, required->serial))
			return &answer->slots[i];
	return NULL;
}

/* Adds the words that follow "token": " with label 'okv'". */
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
	for (size_t i = 0; i < answer->slot_count; i++)
		if (answer->slots[i].session_call != HSM_CALL_NONE)
			return fault_negative(f, "user '%s' sees no usable slot: slot %" PRIu64 " opens no session: %s",
					      user, answer->slots[i].id, HSM_SLOT_FAULT(&answer->slots[i]));
	return fault_negative(f, "user '%s' sees no usable slot: none of %zu has an initialised token", user,
			      answer->slot_count);
}

/* There are usable slots, but OKV may take an unusable one. */
static int taken_evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, struct fault *f)
{
	const struct hsm_slot *taken = hsm_answer_taken(answer, required->label, required->serial);

	if (taken == NULL || taken->usable)
		return 0;
	return fault_negative(f, "OKV takes slot %" PRIu64 ", the first in its list%s, and cannot use it: %s",
			      taken->id, required->label != NULL || required->serial != NULL ? " that matches" : "",
			      HSM_SLOT_FAULT(taken));
}

/* A session can be opened on a token with a locked PIN, but OKV cannot log in. */
static int pin_evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, struct fault *f)
{
	const struct hsm_slot *taken = hsm_answer_taken(answer, required->label, required->serial);

	if (taken == NULL || (taken->token.flags & CKF_USER_PIN_LOCKED) == 0)
		return 0;
	return fault_negative(f,
			      "the PIN of slot %" PRIu64
			      ", which OKV takes, is locked; the partition's security officer can reset it",
			      taken->id);
}

/* There are usable slots, but none matches; the one that does may be unusable. */
static int none_matches(const struct hsm_answer *answer, const struct hsm_requirements *required, const char *which,
			struct fault *f)
{
	const struct hsm_slot *slot = matching_unusable(answer, required);

	if (slot == NULL)
		return fault_negative(f, "user '%s' sees no token%s among %zu usable", SHOWN(answer->user), which,
				      hsm_answer_usable(answer));
	return fault_negative(f, "the token%s is in slot %" PRIu64 " and cannot be used: %s", which, slot->id,
			      HSM_SLOT_FAULT(slot));
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
		return none_matches(answer, required, text_string(&which), f);
	return fault_negative(f, "user '%s' sees %" PRIu64 " usable token%s%s, and %" PRIu64 " are required", user,
			      matching, matching == 1 ? "" : "s", text_string(&which), required->least);
}

static int key_evaluate(const struct hsm_key *key, struct fault *f)
{
	if (key->call != HSM_CALL_NONE && key->rv == CKR_PIN_LOCKED)
		return fault_negative(f,
				      "the PIN of slot %" PRIu64
				      " is locked, or one try away from it, so it was not tried; the "
				      "partition's security officer can reset it",
				      key->slot);
	if (key->call != HSM_CALL_NONE && key->rv == CKR_PIN_INCORRECT)
		return fault_negative(f,
				      "the key in slot %" PRIu64 " could not be checked: %s answered %s; the PIN is "
				      "wrong, and a few more wrong ones lock it or erase the partition",
				      key->slot, hsm_call_name(key->call), HSM_RV(key->rv));
	if (key->call != HSM_CALL_NONE)
		return fault_negative(f, "the key in slot %" PRIu64 " could not be checked: %s answered %s", key->slot,
				      hsm_call_name(key->call), HSM_RV(key->rv));
	if (key->found != 1)
		return fault_negative(
			f, "slot %" PRIu64 " holds %s secret key with that label, and exactly one is required%s",
			key->slot, key->found == 0 ? "no" : "more than one",
			key->found == 0 ? "; compare the label, letter by letter; OKV makes its root key when its "
					  "console initializes the HSM: okv-luna guide"
					: "");
	if (key->sensitive == 0 || key->extractable != 0)
		return fault_negative(f, "the key in slot %" PRIu64 " is %s: it can leave the HSM", key->slot,
				      key->sensitive != 0 ? "extractable" : "not sensitive");
	return 0;
}

static int keys_evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, uint64_t matching,
			 struct fault *f)
{
	size_t meant = 0;

	for (size_t i = 0; i < answer->slot_count; i++)
		meant += hsm_slot_matches(&answer->slots[i], required->label, required->serial);
	/* Also counts tokens that open no session: the PIN may be for one of them. */
	if (meant > 1 && required->label == NULL && required->serial == NULL)
		return fault_refused(f,
				     "%zu tokens show and nothing says which of them holds the key (--label, --serial"
				     " or TOKEN_LABEL), so no PIN was tried",
				     meant);
	for (size_t i = 0; i < answer->key_count; i++)
		if (key_evaluate(&answer->keys[i], f) < 0)
			return -1;
	/* It is not known whether a token that opens no session holds the key. */
	const struct hsm_slot *unusable = matching_unusable(answer, required);
	if (unusable != NULL)
		return fault_negative(f, "the key in slot %" PRIu64 " could not be checked: %s", unusable->id,
				      HSM_SLOT_FAULT(unusable));
	return answer->key_count == matching
		       ? 0
		       : fault_negative(f, "the key was looked for on %zu of %" PRIu64 " tokens only",
					answer->key_count, matching);
}

/* `required` NULL: only that the library answered everything. */
static int evaluate(const struct hsm_answer *answer, const struct hsm_requirements *required, struct fault *f)
{
	uint64_t matching = 0;

	if (answer->end != HSM_END_WHOLE) {
		*f = answer->fault;
		return -1;
	}
	if (required == NULL)
		return 0;
	for (size_t i = 0; i < answer->slot_count; i++)
		matching += answer->slots[i].usable &&
			    hsm_slot_matches(&answer->slots[i], required->label, required->serial);
	if (matching < (required->least > 0 ? required->least : 1))
		return too_few(answer, required, matching, f);
	if (taken_evaluate(answer, required, f) < 0)
		return -1;
	if ((required->key && keys_evaluate(answer, required, matching, f) < 0) ||
	    pin_evaluate(answer, required, f) < 0)
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
	if (hsm_probe(question, ret_answer, f) < 0 ||
	    (!required.any_groups && ret_answer->end == HSM_END_WHOLE && groups_compare(question, ret_answer, f) < 0))
		return -1;
	return evaluate(ret_answer, question->load_only ? NULL : &required, f);
}
