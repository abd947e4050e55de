#include "client/policy.h"
#include "unit.h"

static void owners_and_modes_come_from_the_policy(void **state)
{
	static const struct {
		const char *path;
		mode_t without, guide, strict;
		bool group;
	} files[] = {
		{ "bin/64/vtl", 0755, 0755, 0755, false },
		{ "libs/64/libCryptoki2.so", 0755, 0755, 0755, false },
		{ "plugins/libdpod.plugin", 0755, 0755, 0755, false },
		{ "openssl.cnf", 0644, 0644, 0644, false },
		{ "setenv", 0644, 0644, 0644, false },
		{ "cert/client/okvKey.pem", 0600, 0640, 0640, true },
		{ "Chrystoki.conf", 0600, 0640, 0640, true },
		{ "configData/token/001/token.db", 0600, 0640, 0640, true },
	};
	const struct client_policy none = { .has_group = false }, guide = { .has_group = true, .group = 7 };
	const struct client_policy strict = { .has_group = true, .group = 7, .strict = true };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(client_policy_file(&none, files[i].path).mode, files[i].without);
		assert_int_equal(client_policy_file(&none, files[i].path).gid, 0);
		assert_int_equal(client_policy_file(&guide, files[i].path).mode, files[i].guide);
		assert_int_equal(client_policy_file(&strict, files[i].path).mode, files[i].strict);
		assert_int_equal(client_policy_file(&guide, files[i].path).gid, files[i].group ? 7 : 0);
		/* Made first with no more than it has in the end, before anybody owns it. */
		assert_int_equal(client_policy_first_mode(files[i].path) & ~files[i].guide & 07777, 0);
	}
	assert_int_equal(client_policy_directory(&none, "cert").mode, 0700);
	assert_int_equal(client_policy_directory(&guide, "cert").mode, 02770);
	assert_int_equal(client_policy_directory(&strict, "cert").mode, 02750);
	assert_int_equal(client_policy_directory(&strict, "data").mode, 02770);
	assert_int_equal(client_policy_directory(&guide, "bin").mode, 0755);
	assert_int_equal(client_policy_conf(&none).mode, 0600);
	assert_int_equal(client_policy_conf(&guide).mode, 0660);
	assert_int_equal(client_policy_conf(&strict).mode, 0640);
}

static void programs_and_libraries_are_told_by_place_and_name(void **state)
{
	static const char *const code[] = { "bin/vtl", "share/bin/tool", "jsp/lib.so", "libs/64/libx.so.1",
					    "plugins/a.plugin" };
	static const char *const plain[] = { "bin", "README", "so", "x.sofa", "plugins/readme.txt", "binary/x" };

	(void)state;
	for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++)
		assert_int_equal(client_policy_first_mode(code[i]), 0755);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_int_equal(client_policy_first_mode(plain[i]), 0644);
}

static void the_identity_is_what_lies_below_its_names(void **state)
{
	static const char *const inside[] = { "cert",          "cert/client/x",    "configData/token/001/token.db",
					      "data",          "config/x",         "rbs/key",
					      "stc/identity",  "lock/x",           "Chrystoki.conf",
					      "partition.pem", "strange.pem/below" };
	static const char *const outside[] = { "certificates", "cert.old/x",         "database",  "bin/x.pem",
					       "openssl.cnf",  "Chrystoki.conf.bak", "libs/cert", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_true(client_is_identity(inside[i]));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_false(client_is_identity(outside[i]));
}

static void nothing_is_for_others_to_write_or_runs_as_its_owner(void **state)
{
	static const char *const paths[] = { "bin/vtl", "cert/client/k", "data/x", "README", "Chrystoki.conf", "lib" };

	(void)state;
	for (int way = 0; way < 4; way++) {
		const struct client_policy policy = { .group = 7, .has_group = way & 1, .strict = (way & 2) != 0 };
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			assert_int_equal(client_policy_file(&policy, paths[i]).mode & 06022, 0);
			assert_int_equal(client_policy_directory(&policy, paths[i]).mode & 04002, 0);
		}
		assert_int_equal(client_policy_conf(&policy).mode & 07007, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_and_modes_come_from_the_policy),
		cmocka_unit_test(programs_and_libraries_are_told_by_place_and_name),
		cmocka_unit_test(the_identity_is_what_lies_below_its_names),
		cmocka_unit_test(nothing_is_for_others_to_write_or_runs_as_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
