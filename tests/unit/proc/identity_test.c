/* proc/identity: another user as the files under the root know it, for good. */
#include "unit.h"

#include <grp.h>
#include <sys/wait.h>

#include "base/text.h"
#include "proc/identity.h"

static void accounts_write(int dir, const char *passwd, const char *group)
{
	unit_dir(dir, "etc", 0755);
	unit_write(dir, "etc/passwd", passwd, 0644);
	unit_write(dir, "etc/group", group, 0644);
}

static void user_and_groups_come_from_the_files_under_the_root(void **state)
{
	const struct unit_place *place = *state;
	struct proc_identity identity;
	struct fault f = { 0 };

	/* Numbers that this machine's own files do not have for root. */
	accounts_write(place->dir, "root:x:7000:7001::/:/bin/sh\n",
		       "a:x:7002:root\nb:x:7003:other,root\nc:x:7004:other\n");
	MUST(proc_identity_read(place->dir, "root", &identity, &f));
	assert_int_equal(identity.uid, 7000);
	assert_int_equal(identity.gid, 7001);
	assert_int_equal(identity.group_count, 3);
	assert_int_equal(identity.groups[0], 7001);
	assert_int_equal(identity.groups[1], 7002);
	assert_int_equal(identity.groups[2], 7003);
}

static void an_unknown_user_and_missing_files_are_absent(void **state)
{
	const struct unit_place *place = *state;
	struct proc_identity identity = { .uid = 77 };
	struct fault f = { 0 };

	MUST_FAIL(proc_identity_read(place->dir, "oracle", &identity, &f), FAULT_ABSENT, "/etc");
	accounts_write(place->dir, "root:x:0:0::/:/bin/sh\n", "");
	MUST_FAIL(proc_identity_read(place->dir, "oracle", &identity, &f), FAULT_ABSENT,
		  "there is no user 'oracle' in /etc/passwd");
	assert_int_equal(identity.uid, 77);
}

static void a_user_in_too_many_groups_is_refused(void **state)
{
	const struct unit_place *place = *state;
	struct proc_identity identity = { .uid = 77 };
	struct fault f = { 0 };
	TEXT_AUTO group = { 0 };

	for (int i = 0; i < PROC_GROUPS_MAX; i++)
		text_add_format(&group, "g%d:x:%d:oracle\n", i, 7100 + i);
	accounts_write(place->dir, "oracle:x:7000:7001::/:/bin/sh\n", text_string(&group));
	MUST_FAIL(proc_identity_read(place->dir, "oracle", &identity, &f), FAULT_REFUSED, "is in more than 64 groups");
	assert_int_equal(identity.uid, 77);
}

/* In a child; its exit status names the step that did not hold. */
static int become_and_look(const struct proc_identity *identity)
{
	struct fault f = { 0 };
	gid_t groups[PROC_GROUPS_MAX + 1];
	uid_t uids[3];
	gid_t gids[3];

	if (proc_identity_become(identity, &f) < 0)
		return 1;
	if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
		return 2;
	for (size_t i = 0; i < 3; i++)
		if (uids[i] != identity->uid || gids[i] != identity->gid)
			return 3;
	const int count = getgroups(PROC_GROUPS_MAX + 1, groups);
	if (count != (int)identity->group_count || memcmp(groups, identity->groups, sizeof(gid_t) * (size_t)count) != 0)
		return 4;
	/* No way back, by any door. */
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
		return 5;
	return 0;
}

static void becoming_is_for_good(void **state)
{
	const struct proc_identity identity = {
		.uid = 7000,
		.gid = 7001,
		.groups = { 7001, 7002, 7003 },
		.group_count = 3,
	};
	int status = 0;

	(void)state;
	const pid_t child = fork();
	if (child == 0)
		_exit(become_and_look(&identity));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void without_the_right_to_it_becoming_fails(void **state)
{
	const struct proc_identity first = { .uid = 7000, .gid = 7001, .groups = { 7001 }, .group_count = 1 };
	const struct proc_identity second = { .uid = 7005, .gid = 7001, .groups = { 7001 }, .group_count = 1 };
	int status = 0;

	(void)state;
	const pid_t child = fork();
	if (child == 0) {
		struct fault f = { 0 };
		if (proc_identity_become(&first, &f) < 0)
			_exit(1);
		_exit(proc_identity_become(&second, &f) == -1 && f.kind == FAULT_SYSTEM && geteuid() == 7000 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(user_and_groups_come_from_the_files_under_the_root),
		UNIT_IN_PLACE(an_unknown_user_and_missing_files_are_absent),
		UNIT_IN_PLACE(a_user_in_too_many_groups_is_refused),
		cmocka_unit_test(becoming_is_for_good),
		cmocka_unit_test(without_the_right_to_it_becoming_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
