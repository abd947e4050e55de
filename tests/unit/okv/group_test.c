/* With the system's own groupadd and gpasswd, on a tree that has only the account files. */
#include "okv/group.h"
#include "base/text.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "unit.h"

static int root = -1;
static struct text said = { 0 };

static void hear(struct report *self, enum report_level level, const char *line)
{
	(void)self;
	(void)level;
	text_add_format(&said, "%s\n", line);
}

static struct report report = { .on_line = hear };
static char oracle[] = "oracle", hsmusers[] = "hsmusers";
static struct settings settings = { .okv_user = oracle, .hsm_group = hsmusers };

static const struct okv_job *job_of(enum okv_mode mode)
{
	static struct okv_job job;

	job = (struct okv_job){
		.root = root, .settings = &settings, .mode = mode, .report = &report, .tool_ms = 20000
	};
	return &job;
}

static int scratch_make(void **state)
{
	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	unit_dir(root, "etc", 0755);
	unit_write(root, "etc/passwd", "root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/:/\nother:x:7:700::/:/\n",
		   0644);
	unit_write(root, "etc/group", "root:x:0:\noinstall:x:54321:\nfiles:x:600:\n", 0644);
	text_cut(&said, 0);
	settings.okv_user = oracle;
	settings.hsm_group = hsmusers;
	return 0;
}

static void group_file(struct text *ret_file)
{
	struct fault f = { 0 };

	assert_int_equal(fs_read_file(root, "/etc/group", FS_NOFOLLOW, 65536, ret_file, NULL, &f), 0);
}

static struct okv_group ensured(gid_t wanted, enum okv_mode mode)
{
	struct okv_group group = { .gid = 12345 };
	struct fault f = { 0 };

	if (okv_group_ensure(job_of(mode), wanted, &group, &f) < 0)
		fail_msg("%s", f.text);
	return group;
}

static void assert_in_file(gid_t wanted)
{
	TEXT_AUTO file = { 0 };
	gid_t gid = 0;

	group_file(&file);
	assert_true(accounts_group_find(&file, "hsmusers", &gid));
	assert_int_equal(gid, wanted);
}

static void the_wanted_id_is_given_where_it_is_free(void **state)
{
	(void)state;
	const struct okv_group group = ensured(986, OKV_APPLY);
	assert_int_equal(group.gid, 986);
	assert_true(group.changed && group.wanted);
	assert_in_file(986);
	assert_string_equal(text_string(&said), "group 'hsmusers' made with id 986\n");
}

static void an_id_that_a_group_or_a_primary_group_has_is_not_given(void **state)
{
	static const gid_t taken[] = { 600, 700 };

	for (size_t i = 0; i < 2; i++) {
		if (i > 0 && (unit_place_remove(state) < 0 || scratch_make(state) < 0))
			fail();
		const struct okv_group group = ensured(taken[i], OKV_APPLY);
		assert_int_not_equal(group.gid, taken[i]);
		assert_true(group.changed && !group.wanted);
		assert_in_file(group.gid);
		assert_true(text_starts(text_string(&said), "group id "));
		assert_non_null(strstr(text_string(&said), "belongs to another group"));
	}
}

static void a_group_that_exists_keeps_its_id_and_nothing_is_said(void **state)
{
	(void)state;
	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:1002:\n", 0644);
	struct okv_group group = ensured(986, OKV_APPLY);
	assert_int_equal(group.gid, 1002);
	assert_false(group.changed || group.wanted);
	group = ensured(OKV_GID_ANY, OKV_APPLY);
	assert_true(group.wanted);
	assert_int_equal(said.length, 0);
}

static void a_plan_changes_nothing(void **state)
{
	bool changed = false;
	struct fault f = { 0 };
	TEXT_AUTO before = { 0 };
	TEXT_AUTO after = { 0 };

	(void)state;
	group_file(&before);
	const struct okv_group group = ensured(986, OKV_PLAN);
	assert_int_equal(group.gid, 986);
	assert_true(group.changed);
	MUST(okv_member_ensure(job_of(OKV_PLAN), &changed, &f));
	assert_true(changed);
	group_file(&after);
	assert_string_equal(text_string(&before), text_string(&after));
	assert_string_equal(text_string(&said), "group 'hsmusers' would be made with id 986\n"
						"user 'oracle' would be added to group 'hsmusers'\n");
}

static void the_user_is_a_member_afterwards_and_a_second_call_finds_nothing_to_do(void **state)
{
	bool changed = false;
	struct fault f = { 0 };
	TEXT_AUTO file = { 0 };

	(void)state;
	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:986:other\n", 0644);
	MUST(okv_member_ensure(job_of(OKV_APPLY), &changed, &f));
	assert_true(changed);
	group_file(&file);
	assert_true(accounts_group_lists(&file, "hsmusers", "oracle"));
	assert_true(accounts_group_lists(&file, "hsmusers", "other"));
	MUST(okv_member_ensure(job_of(OKV_APPLY), &changed, &f));
	assert_false(changed);
	/* By primary group. */
	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:54321:\n", 0644);
	MUST(okv_member_ensure(job_of(OKV_APPLY), &changed, &f));
	assert_false(changed);
}

/* What a tool leaves that was killed between its two files. */
static void gshadow_says_the_same_as_group(void **state)
{
	bool changed = false;
	struct fault f = { 0 };
	TEXT_AUTO file = { 0 };

	(void)state;
	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:986:\n", 0644);
	unit_write(root, "etc/gshadow", "root:*::\n", 0600);
	struct okv_group group = ensured(986, OKV_PLAN);
	assert_true(group.changed);
	group = ensured(986, OKV_APPLY);
	assert_true(group.changed && group.wanted && group.gid == 986);
	group = ensured(986, OKV_APPLY);
	assert_false(group.changed);
	MUST(fs_read_file(root, "/etc/gshadow", FS_NOFOLLOW, 65536, &file, NULL, &f));
	assert_string_equal(text_string(&file), "root:*::\nhsmusers:!::\n");

	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:986:oracle\n", 0644);
	MUST(okv_member_ensure(job_of(OKV_APPLY), &changed, &f));
	assert_true(changed);
	text_cut(&file, 0);
	MUST(fs_read_file(root, "/etc/gshadow", FS_NOFOLLOW, 65536, &file, NULL, &f));
	assert_string_equal(text_string(&file), "root:*::\nhsmusers:!::oracle\n");
	MUST(okv_member_ensure(job_of(OKV_APPLY), &changed, &f));
	assert_false(changed);
	/* A member's step after a group's step that failed. */
	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:986:\n", 0644);
	unit_write(root, "etc/gshadow", "root:*::\n", 0600);
	MUST(okv_member_ensure(job_of(OKV_APPLY), &changed, &f));
	text_cut(&file, 0);
	MUST(fs_read_file(root, "/etc/gshadow", FS_NOFOLLOW, 65536, &file, NULL, &f));
	assert_string_equal(text_string(&file), "root:*::\nhsmusers:!::oracle\n");
}

static void assert_accounts(const char *group, const char *gshadow)
{
	TEXT_AUTO file = { 0 };
	struct fault f = { 0 };

	group_file(&file);
	assert_string_equal(text_string(&file), group);
	text_cut(&file, 0);
	MUST(fs_read_file(root, "/etc/gshadow", FS_NOFOLLOW, 65536, &file, NULL, &f));
	assert_string_equal(text_string(&file), gshadow);
}

/* Whole, in etc/group only (a groupadd that was killed), in etc/gshadow only (a groupdel that was killed). */
static void a_group_is_removed_from_whichever_file_has_it(void **state)
{
	static const char *const lines[][2] = {
		{ "hsmusers:x:986:oracle\n", "hsmusers:!::oracle\n" },
		{ "hsmusers:x:986:\n", "" },
		{ "", "hsmusers:!::oracle\n" },
	};
	bool changed = false;
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char group[100], gshadow[100];
		(void)snprintf(group, sizeof(group), "root:x:0:\n%sfiles:x:600:\n", lines[i][0]);
		(void)snprintf(gshadow, sizeof(gshadow), "root:*::\n%sfiles:!::\n", lines[i][1]);
		unit_write(root, "etc/group", group, 0644);
		unit_write(root, "etc/gshadow", gshadow, 0600);
		MUST(okv_group_remove(job_of(OKV_PLAN), &changed, &f));
		assert_true(changed);
		assert_accounts(group, gshadow);
		MUST(okv_group_remove(job_of(OKV_APPLY), &changed, &f));
		assert_true(changed);
		assert_accounts("root:x:0:\nfiles:x:600:\n", "root:*::\nfiles:!::\n");
		MUST(okv_group_remove(job_of(OKV_APPLY), &changed, &f));
		assert_false(changed);
	}
}

static void a_member_is_removed_from_whichever_file_lists_it(void **state)
{
	static const char *const lines[][2] = { { "other,oracle", "other,oracle" },
						{ "other,oracle", "other" },
						{ "other", "other,oracle" } };
	bool changed = false;
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char group[100], gshadow[100];
		(void)snprintf(group, sizeof(group), "root:x:0:\nhsmusers:x:986:%s\n", lines[i][0]);
		(void)snprintf(gshadow, sizeof(gshadow), "root:*::\nhsmusers:!::%s\n", lines[i][1]);
		unit_write(root, "etc/group", group, 0644);
		unit_write(root, "etc/gshadow", gshadow, 0600);
		MUST(okv_member_remove(job_of(OKV_PLAN), &changed, &f));
		assert_true(changed);
		assert_accounts(group, gshadow);
		MUST(okv_member_remove(job_of(OKV_APPLY), &changed, &f));
		assert_true(changed);
		assert_accounts("root:x:0:\nhsmusers:x:986:other\n", "root:*::\nhsmusers:!::other\n");
		MUST(okv_member_remove(job_of(OKV_APPLY), &changed, &f));
		assert_false(changed);
	}
}

static void a_primary_group_is_not_removed(void **state)
{
	bool changed = false;
	struct fault f = { 0 };

	(void)state;
	unit_write(root, "etc/group", "root:x:0:\nhsmusers:x:700:\n", 0644);
	MUST_FAIL(okv_group_remove(job_of(OKV_APPLY), &changed, &f), FAULT_SYSTEM,
		  "groupdel: cannot remove the primary group of user ");
}

static void who_or_what_is_not_there_is_absent(void **state)
{
	static char nobody[] = "nobody";
	bool changed = false;
	struct fault f = { 0 };

	(void)state;
	settings.okv_user = nobody;
	MUST_FAIL(okv_member_ensure(job_of(OKV_APPLY), &changed, &f), FAULT_ABSENT, "no user 'nobody'");
	settings.okv_user = oracle;
	MUST_FAIL(okv_member_ensure(job_of(OKV_APPLY), &changed, &f), FAULT_ABSENT, "no group 'hsmusers'");
	assert_int_equal(unlinkat(root, "etc/group", 0), 0);
	struct okv_group group;
	MUST_FAIL(okv_group_ensure(job_of(OKV_APPLY), 1, &group, &f), FAULT_ABSENT, "group");
}

static void a_name_that_the_tools_do_not_take_is_told_in_their_words(void **state)
{
	static char impossible[] = "a:b";
	struct fault f = { 0 };
	struct okv_group group;

	(void)state;
	settings.hsm_group = impossible;
	MUST_FAIL(okv_group_ensure(job_of(OKV_APPLY), OKV_GID_ANY, &group, &f), FAULT_SYSTEM,
		  "groupadd' ended with status 3: groupadd: ");
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(the_wanted_id_is_given_where_it_is_free),
		in_scratch(an_id_that_a_group_or_a_primary_group_has_is_not_given),
		in_scratch(a_group_that_exists_keeps_its_id_and_nothing_is_said),
		in_scratch(a_plan_changes_nothing),
		in_scratch(the_user_is_a_member_afterwards_and_a_second_call_finds_nothing_to_do),
		in_scratch(gshadow_says_the_same_as_group),
		in_scratch(a_group_is_removed_from_whichever_file_has_it),
		in_scratch(a_member_is_removed_from_whichever_file_lists_it),
		in_scratch(a_primary_group_is_not_removed),
		in_scratch(who_or_what_is_not_there_is_absent),
		in_scratch(a_name_that_the_tools_do_not_take_is_told_in_their_words),
	};
	const int r = cmocka_run_group_tests(tests, NULL, NULL);
	text_done(&said);
	return r;
}
