#include "hsm/ha.h"

#include <inttypes.h>
#include <string.h>

#include "conf/chrystoki_groups.h"
#include "hsm/names.h"

struct comparison {
	const struct hsm_clientconf *conf;
	const struct hsm_slot *taken;
	struct text taken_text; /* ": OKV takes slot 0, 'okv' (3423358)" */
	struct hsm_answer *answer;
	struct chrystoki_family groups;
	bool members_show; /* HAOnly is off, or does nothing */
};

static bool is_member(const struct chrystoki_numbered *group, const char *serial)
{
	struct chrystoki_member member;

	for (size_t at = 0; chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (text_equal(member.name.bytes, member.name.length, serial))
			return true;
	return false;
}

/* The older tools gave groups any serial number, so the label will do; a member may bear it, too. */
static bool is_group(const struct chrystoki_numbered *group, const struct hsm_slot *slot)
{
	return slot->present && !is_member(group, slot->serial) &&
	       (chrystoki_value_is(&group->parts[CHRYSTOKI_SERIAL], slot->serial) ||
		chrystoki_value_is(&group->parts[CHRYSTOKI_LABEL], slot->label));
}

static const struct hsm_slot *group_find(const struct comparison *c, const struct chrystoki_numbered *group)
{
	for (size_t i = 0; i < c->answer->slot_count; i++)
		if (is_group(group, &c->answer->slots[i]))
			return &c->answer->slots[i];
	return NULL;
}

static bool is_shown(const struct comparison *c, const struct chrystoki_value *serial)
{
	for (size_t i = 0; i < c->answer->slot_count; i++)
		if (c->answer->slots[i].present &&
		    text_equal(serial->bytes, serial->length, c->answer->slots[i].serial))
			return true;
	return false;
}

/* What the library tells of the group's members; *ret_any: it tells something. */
static const struct hsm_member *member_find(const struct comparison *c, const struct hsm_slot *slot,
					    const struct chrystoki_value *serial, bool *ret_any)
{
	const struct hsm_answer *answer = c->answer;
	const struct hsm_member *found = NULL;

	*ret_any = false;
	for (size_t i = 0; slot != NULL && i < answer->member_count; i++) {
		if (answer->members[i].slot != slot->id)
			continue;
		*ret_any = true;
		if (text_equal(serial->bytes, serial->length, answer->members[i].serial))
			found = &answer->members[i];
	}
	return found;
}

/* *ret_untold counts those that nothing tells of. */
static int member_compare(const struct comparison *c, const struct chrystoki_numbered *group,
			  const struct hsm_slot *slot, const struct chrystoki_value *serial, size_t *ret_untold,
			  struct fault *f)
{
	const struct chrystoki_value *label = &group->parts[CHRYSTOKI_LABEL];
	bool told;
	const struct hsm_member *member = member_find(c, slot, serial, &told);
	const char *name = SHOWN_BYTES(serial->bytes, serial->length);
	const char *where = SHOWN(c->conf->path), *of = SHOWN_BYTES(label->bytes, label->length);

	if (member != NULL)
		return member->rv == CKR_OK
			       ? 0
			       : hsm_causes_add(&c->answer->ha, NULL, f,
						"member %s of HA group '%s' in '%s' is away: its state is %s", name, of,
						where, HSM_RV(member->rv));
	if (told)
		return hsm_causes_add(&c->answer->ha, NULL, f,
				      "member %s of HA group '%s' in '%s' is not among those that the library lists",
				      name, of, where);
	if (is_shown(c, serial))
		return 0;
	if (c->members_show)
		return hsm_causes_add(
			&c->answer->ha, NULL, f,
			"member %s of HA group '%s' in '%s' does not show: its HSM is away or belongs to another group",
			name, of, where);
	++*ret_untold;
	return 0;
}

static int group_compare(const struct comparison *c, const struct chrystoki_numbered *group, struct report *report,
			 struct fault *f)
{
	const struct chrystoki_value *label = &group->parts[CHRYSTOKI_LABEL];
	const char *of = SHOWN_BYTES(label->bytes, label->length), *where = SHOWN(c->conf->path);
	const struct hsm_slot *slot = group_find(c, group);
	struct chrystoki_member member;
	size_t untold = 0, members = 0;

	if (slot == NULL && hsm_causes_add(&c->answer->ha, NULL, f, "HA group '%s' of '%s' is not among the slots%s",
					   of, where, text_string(&c->taken_text)) < 0)
		return -1;
	for (size_t at = 0; chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (member.name.length > 0 && ++members > 0 &&
		    member_compare(c, group, slot, &member.name, &untold, f) < 0)
			return -1;
	if (members == 0)
		return hsm_causes_add(&c->answer->ha, NULL, f,
				      "HA group '%s' of '%s' has no members there: with which partitions it shares its"
				      " keys was not seen",
				      of, where);
	if (untold > 0 && slot != NULL)
		report_say(report, REPORT_WARNING,
			   "it is not known whether the members of HA group '%s' are there: HAOnly hides them, and the "
			   "library does not report them",
			   of);
	return 0;
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

/* Another partition stands before the groups in the list. */
static int taken_compare(const struct comparison *c, struct fault *f)
{
	return c->taken == NULL || is_of_groups(c, c->taken) || !any_group_shown(c)
		       ? 0
		       : hsm_causes_add(&c->answer->ha, NULL, f,
					"OKV takes slot %" PRIu64 ", '%s' (%s), which is no HA group of '%s'; give the"
					" group's label at OKV's console (HSM page, Use Token Label) and as TOKEN_LABEL"
					" in '" SETTINGS_FILE "'",
					c->taken->id, SHOWN(c->taken->label), SHOWN(c->taken->serial),
					SHOWN(c->conf->path));
}

/* HAOnly, as the file has it and as it works. */
static int only_compare(struct comparison *c, struct fault *f)
{
	const struct hsm_slot *beside = member_shown(c);
	const char *where = SHOWN(c->conf->path);
	ptrdiff_t line;

	(void)chrystoki_entries(&c->conf->model, "HAConfiguration", "HAOnly", &line);
	const struct chrystoki_value value = chrystoki_value_at(&c->conf->model, line);
	const bool on = chrystoki_value_is(&value, "1");
	c->members_show = !on || beside != NULL;
	if (!on)
		return hsm_causes_add(&c->answer->ha, "okv-luna config chrystoki ha-only on", f,
				      "HAOnly is not 1 in '%s', so that members show beside their HA group%s", where,
				      text_string(&c->taken_text));
	/* Without its group, a member is what shows instead. */
	return beside == NULL || !any_group_shown(c)
		       ? 0
		       : hsm_causes_add(&c->answer->ha, NULL, f,
					"slot %" PRIu64
					" is a member and shows beside its HA group, although HAOnly is 1"
					" in '%s'%s",
					beside->id, where, text_string(&c->taken_text));
}

int hsm_ha_compare(const struct hsm_clientconf *conf, const char *label, const char *serial, struct report *report,
		   struct hsm_answer *answer, struct fault *f)
{
	struct comparison c = { .conf = conf, .answer = answer, .taken = hsm_answer_taken(answer, label, serial) };

	int r = 0;

	chrystoki_family_read(&conf->model, CHRYSTOKI_GROUPS, &c.groups);
	if (c.groups.count == 0 || answer->slot_count == 0 ||
	    /* Somebody asked for that one, and no group is any matter of his. */
	    ((label != NULL || serial != NULL) && c.taken != NULL && !is_of_groups(&c, c.taken)))
		return 0;
	if (c.taken != NULL)
		text_add_format(&c.taken_text, ": OKV takes slot %" PRIu64 ", '%s' (%s)", c.taken->id,
				SHOWN(c.taken->label), SHOWN(c.taken->serial));
	r = text_check(&c.taken_text, f) < 0 || only_compare(&c, f) < 0 || taken_compare(&c, f) < 0 ? -1 : 0;
	for (size_t i = 0; r == 0 && i < c.groups.count; i++)
		if (c.groups.items[i].parts[CHRYSTOKI_LABEL].bytes != NULL)
			r = group_compare(&c, &c.groups.items[i], report, f);
	text_done(&c.taken_text);
	return r;
}
