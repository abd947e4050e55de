#include "hsm/highavail.h"

#include "conf/chrystoki_groups.h"

#define CHECK_COMMAND "okv-luna config check"

static bool shown(const struct hsm_answer *answer, const struct chrystoki_value *serial)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		if (answer->slots[i].present && text_equal(serial->bytes, serial->length, answer->slots[i].serial))
			return true;
	return false;
}

static int members_check(const struct chrystoki_numbered *group, const char *file, const struct hsm_answer *answer,
			 struct hsm_causes *causes, struct fault *f)
{
	const struct chrystoki_value *label = &group->parts[CHRYSTOKI_LABEL];
	struct chrystoki_value member;

	for (size_t at = 0; chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (member.length > 0 && !shown(answer, &member) &&
		    hsm_cause_add(
			    causes, "lunacm -q hagroup listgroups", f,
			    "member %s of HA group '%s' in '%s' does not show: its HSM is away or another group's",
			    SHOWN_BYTES(member.bytes, member.length), SHOWN_BYTES(label->bytes, label->length),
			    SHOWN(file)) < 0)
			return -1;
	return 0;
}

int hsm_highavail_check(const struct chrystoki *conf, const char *file, const struct hsm_answer *answer,
			struct hsm_causes *causes, struct fault *f)
{
	CHRYSTOKI_FINDINGS_AUTO found = { .items = NULL };
	struct chrystoki_family groups;
	bool members_show = false;

	if (chrystoki_groups_evaluate(conf, &found, f) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		const struct chrystoki_finding *finding = &found.items[i];

		members_show = members_show || finding->rule == CHRYSTOKI_HA_ONLY;
		if (finding->hides && hsm_cause_add(causes, CHECK_COMMAND, f, "%s in '%s': %s",
						    text_string(&finding->what), SHOWN(file), finding->effect) < 0)
			return -1;
	}
	if (!members_show || answer == NULL || answer->slot_count == 0)
		return 0;
	chrystoki_family_read(conf, CHRYSTOKI_GROUPS, &groups);
	for (size_t i = 0; i < groups.count; i++)
		if (groups.items[i].parts[CHRYSTOKI_LABEL].bytes != NULL &&
		    members_check(&groups.items[i], file, answer, causes, f) < 0)
			return -1;
	return 0;
}
