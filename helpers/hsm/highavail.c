#include "hsm/highavail.h"

#include <stdlib.h>
#include <string.h>

#include "conf/luna.h"

#define CHECK_COMMAND "okv-luna config check"

static bool shown(const struct hsm_answer *answer, const char *serial, size_t length)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		if (answer->slots[i].present && text_equal(serial, length, answer->slots[i].serial))
			return true;
	return false;
}

/* Whether the members are slots of their own: HAOnly is not 1. */
static int members_show(const struct chrystoki *conf, bool *ret_show, struct fault *f)
{
	char *only = NULL;

	if (chrystoki_get(conf, "HAConfiguration", "HAOnly", &only, f) < 0)
		return -1;
	*ret_show = only == NULL || strcmp(only, "1") != 0;
	free(only);
	return 0;
}

static int members_check(const struct luna_group *group, const char *file, const struct hsm_answer *answer,
			 struct hsm_causes *causes, struct fault *f)
{
	const char *member;
	size_t length;

	for (size_t i = 0; (length = luna_member(group->members, i, &member)) > 0; i++)
		if (!shown(answer, member, length) &&
		    hsm_cause_add(
			    causes, "lunacm -q hagroup listgroups", f,
			    "member %s of HA group '%s' in '%s' does not show: its HSM is away or another group's",
			    SHOWN_BYTES(member, length), SHOWN(group->label), SHOWN(file)) < 0)
			return -1;
	return 0;
}

static int group_check(const struct chrystoki *conf, const struct luna_group *group, const char *file,
		       struct hsm_causes *causes, struct fault *f)
{
	const char *first;
	ptrdiff_t line;

	if (group->label == NULL || group->serial == NULL || group->members == NULL)
		return hsm_cause_add(causes, CHECK_COMMAND, f,
				     "HA group %02u in '%s' lacks its %s, so it does not show", group->number,
				     SHOWN(file),
				     group->label == NULL    ? "label"
				     : group->serial == NULL ? "serial number"
							     : "members");
	const size_t length = luna_member(group->members, 0, &first);
	if ((group->serial[0] != '1' || !text_equal(first, length, group->serial + 1)) &&
	    hsm_cause_add(causes, CHECK_COMMAND, f,
			  "HA group '%s' in '%s' has serial number %s, which is not '1' and its first member's",
			  SHOWN(group->label), SHOWN(file), SHOWN(group->serial)) < 0)
		return -1;
	if (chrystoki_entries(conf, "HASynchronize", group->label, &line) == 0)
		return hsm_cause_add(
			causes, CHECK_COMMAND, f,
			"HA group '%s' is not named in section HASynchronize of '%s': its keys are not copied",
			SHOWN(group->label), SHOWN(file));
	return 0;
}

static int servers_check(const struct chrystoki *conf, const char *file, struct hsm_causes *causes, struct fault *f)
{
	__attribute__((cleanup(luna_servers_done))) struct luna_servers servers = { .items = NULL };
	bool used[LUNA_NUMBER_MAX + 1] = { false };
	unsigned first_free = 0, last = 0;

	if (luna_servers_read(conf, &servers, f) < 0)
		return -1;
	for (size_t i = 0; i < servers.count; i++) {
		used[servers.items[i].number] = true;
		last = servers.items[i].number > last ? servers.items[i].number : last;
	}
	while (first_free <= LUNA_NUMBER_MAX && used[first_free])
		first_free++;
	if (servers.count == 0 || first_free > last)
		return 0;
	return hsm_cause_add(causes, CHECK_COMMAND, f,
			     "'%s' has no ServerName%02u but later ones: the library may stop at the gap", SHOWN(file),
			     first_free);
}

int hsm_highavail_check(const struct chrystoki *conf, const char *file, const struct hsm_answer *answer,
			struct hsm_causes *causes, struct fault *f)
{
	__attribute__((cleanup(luna_groups_done))) struct luna_groups groups = { .items = NULL };
	bool show;

	if (servers_check(conf, file, causes, f) < 0 || luna_groups_read(conf, &groups, f) < 0 ||
	    members_show(conf, &show, f) < 0)
		return -1;
	for (size_t i = 0; i < groups.count; i++) {
		const struct luna_group *group = &groups.items[i];
		if (group_check(conf, group, file, causes, f) < 0)
			return -1;
		if (show && group->members != NULL && group->label != NULL && answer != NULL &&
		    answer->slot_count > 0 && members_check(group, file, answer, causes, f) < 0)
			return -1;
	}
	return 0;
}
