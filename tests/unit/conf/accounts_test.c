/* conf/accounts: users and groups from nothing but the bytes given. */
#include "unit.h"

#include "conf/accounts.h"

static const char passwd_bytes[] = "root:x:0:0:root:/root:/bin/bash\n"
				   "+::::::\n"
				   "+netgroup::0:0:::\n"
				   "broken\n"
				   "oracle:x:none:54321::/:/bin/sh\n"
				   "oracle:x:54321:4294967295::/:/bin/sh\n"
				   "\n"
				   "oracle:x:54321:54321:,,,:/usr/local/dbfw:/bin/bash\n"
				   "oracle:x:1:1::/:/bin/sh\n"
				   "support:x:1001:1001::/:/bin/bash";
static const char group_bytes[] = "root:x:0:\n"
				  "oinstall:x:54321:\n"
				  "hsmusers:x:oops:nobody\n"
				  "short:x:7\n"
				  "hsmusers:x:986:oracle,support\n"
				  "dba:x:54322:xoracle,oraclex,oracle\n"
				  "again:x:986:oracle\n"
				  "primary:x:54321:oracle\n"
				  "none:x:5:\n"
				  "last:x:4294967294:a,,oracle";

static void text_of(struct text *text, const char *bytes)
{
	text_add_string(text, bytes);
}

static void a_user_is_found_and_malformed_lines_are_passed_over(void **state)
{
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user = { .uid = 7, .gid = 7 };

	(void)state;
	text_of(&passwd, passwd_bytes);
	assert_true(accounts_user_find(&passwd, "oracle", &user));
	assert_int_equal(user.uid, 54321);
	assert_int_equal(user.gid, 54321);
	assert_true(accounts_user_find(&passwd, "support", &user));
	assert_int_equal(user.uid, 1001);
	user.uid = 7;
	assert_false(accounts_user_find(&passwd, "orac", &user));
	assert_false(accounts_user_find(&passwd, "broken", &user));
	assert_false(accounts_user_find(&passwd, "+", &user));
	assert_false(accounts_user_find(&passwd, "+netgroup", &user));
	assert_false(accounts_user_find(&passwd, "", &user));
	assert_int_equal(user.uid, 7);
}

static void a_home_is_the_full_path_of_the_first_sound_line(void **state)
{
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO home = { 0 };

	(void)state;
	text_of(&passwd, passwd_bytes);
	assert_true(accounts_user_home(&passwd, "oracle", &home));
	assert_string_equal(text_string(&home), "/usr/local/dbfw");
	assert_false(accounts_user_home(&passwd, "nobody", &home));
	text_of(&passwd, "\nshort:x:5:5:\nrelative:x:6:6::home:/bin/sh\nnone:x:7:7:::/bin/sh\n");
	assert_false(accounts_user_home(&passwd, "short", &home));
	assert_false(accounts_user_home(&passwd, "relative", &home));
	assert_false(accounts_user_home(&passwd, "none", &home));
	assert_string_equal(text_string(&home), "/usr/local/dbfw");
}

static void a_group_is_found_with_its_members(void **state)
{
	TEXT_AUTO group = { 0 };
	TEXT_AUTO members = { 0 };
	gid_t gid = 7;

	(void)state;
	text_of(&group, group_bytes);
	assert_true(accounts_group_find(&group, "hsmusers", &gid));
	assert_int_equal(gid, 986);
	assert_true(accounts_group_find(&group, "last", &gid));
	assert_true(gid == 4294967294u);
	assert_false(accounts_group_find(&group, "hsm", &gid));
	accounts_group_members(&group, "hsmusers", &members);
	assert_string_equal(text_string(&members), "oracle,support");
	accounts_group_members(&group, "nowhere", &members);
	assert_string_equal(text_string(&members), "oracle,support");
}

static void a_member_is_a_whole_name(void **state)
{
	TEXT_AUTO group = { 0 };

	(void)state;
	text_of(&group, group_bytes);
	assert_true(accounts_group_lists(&group, "hsmusers", "oracle"));
	assert_true(accounts_group_lists(&group, "hsmusers", "support"));
	assert_true(accounts_group_lists(&group, "dba", "oracle"));
	assert_true(accounts_group_lists(&group, "last", "oracle"));
	assert_false(accounts_group_lists(&group, "hsmusers", "oracl"));
	assert_false(accounts_group_lists(&group, "hsmusers", "oracle,support"));
	assert_false(accounts_group_lists(&group, "none", "oracle"));
	assert_false(accounts_group_lists(&group, "nowhere", "oracle"));
	/* The malformed line of the same name gives nobody access. */
	assert_false(accounts_group_lists(&group, "hsmusers", "nobody"));
}

static void the_way_to_become_a_member_is_one_that_the_file_allows(void **state)
{
	const struct {
		const char *group, *remedy;
	} cases[] = {
		{ "hsmusers:x:986:\ndba:x:5:oracle\r\n", "gpasswd --add oracle hsmusers" },
		{ "dba:x:5:\n", "gpasswd --add oracle hsmusers" },
		{ "hsmusers:x:986:\nhsmusers:x:5:oracle\n",
		  "keep one of the 2 lines of group 'hsmusers' in /etc/group: vigr" },
		{ "hsmusers:x:986:oracle\r\n",
		  "take the carriage return off the line of group 'hsmusers' in /etc/group: vigr" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		TEXT_AUTO group = { 0 };
		TEXT_AUTO remedy = { 0 };
		text_of(&group, cases[i].group);
		accounts_member_remedy(&group, "hsmusers", "oracle", &remedy);
		assert_string_equal(text_string(&remedy), cases[i].remedy);
	}
}

static void gshadow_lists_a_group_by_its_name(void **state)
{
	TEXT_AUTO gshadow = { 0 };

	(void)state;
	text_of(&gshadow, "root:*::\nhsmusers:!:admin:oracle,support\nlast:!::\nshort:!:\n");
	assert_true(accounts_shadow_has(&gshadow, "hsmusers", NULL));
	assert_true(accounts_shadow_has(&gshadow, "last", NULL));
	assert_false(accounts_shadow_has(&gshadow, "hsm", NULL));
	assert_false(accounts_shadow_has(&gshadow, "short", NULL));
	assert_true(accounts_shadow_has(&gshadow, "hsmusers", "support"));
	assert_false(accounts_shadow_has(&gshadow, "hsmusers", "admin"));
	assert_false(accounts_shadow_has(&gshadow, "last", "oracle"));
}

static void an_id_has_the_name_of_its_first_line(void **state)
{
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO group = { 0 };
	TEXT_AUTO name = { 0 };

	(void)state;
	text_of(&passwd, passwd_bytes);
	text_of(&group, group_bytes);
	assert_true(accounts_user_name(&passwd, 0, &name));
	assert_string_equal(text_string(&name), "root");
	text_cut(&name, 0);
	assert_true(accounts_group_name(&group, 986, &name));
	assert_string_equal(text_string(&name), "hsmusers");
	text_cut(&name, 0);
	assert_false(accounts_user_name(&passwd, 99, &name));
	assert_false(accounts_group_name(&group, (gid_t)-1, &name));
	assert_string_equal(text_string(&name), "");
	assert_true(accounts_primary_uses(&passwd, 54321));
	assert_false(accounts_primary_uses(&passwd, 986));
}

static void the_groups_of_a_user_are_the_primary_first_and_no_repeats(void **state)
{
	TEXT_AUTO group = { 0 };
	gid_t gids[8] = { 0 };

	(void)state;
	text_of(&group, group_bytes);
	assert_int_equal(accounts_groups_of(&group, "oracle", 54321, gids, 8), 4);
	assert_int_equal(gids[0], 54321);
	assert_int_equal(gids[1], 986);
	assert_int_equal(gids[2], 54322);
	assert_true(gids[3] == 4294967294u);
	/* More than there is room for: told, not written. */
	gid_t few[3] = { 0, 0, 77 };
	assert_true(accounts_groups_of(&group, "oracle", 54321, few, 2) > 2);
	assert_int_equal(few[2], 77);
	assert_int_equal(accounts_groups_of(&group, "nobody-at-all", 5, few, 2), 1);
	assert_int_equal(few[0], 5);
}

static void an_empty_file_has_nobody(void **state)
{
	TEXT_AUTO nothing = { 0 };
	struct accounts_user user;
	gid_t gid;

	(void)state;
	assert_false(accounts_user_find(&nothing, "root", &user));
	assert_false(accounts_group_find(&nothing, "root", &gid));
	assert_int_equal(accounts_groups_of(&nothing, "root", 0, &gid, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_found_and_malformed_lines_are_passed_over),
		cmocka_unit_test(a_home_is_the_full_path_of_the_first_sound_line),
		cmocka_unit_test(a_group_is_found_with_its_members),
		cmocka_unit_test(a_member_is_a_whole_name),
		cmocka_unit_test(the_way_to_become_a_member_is_one_that_the_file_allows),
		cmocka_unit_test(gshadow_lists_a_group_by_its_name),
		cmocka_unit_test(an_id_has_the_name_of_its_first_line),
		cmocka_unit_test(the_groups_of_a_user_are_the_primary_first_and_no_repeats),
		cmocka_unit_test(an_empty_file_has_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
