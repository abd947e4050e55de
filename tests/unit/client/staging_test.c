#include "client/staging.h"
#include "staged.h"

static void it_is_beside_the_client_and_roots_alone(void **state)
{
	struct stat status;
	struct fault f;

	(void)state;
	open_it();
	assert_int_equal(fstatat(root, STAGING, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_equal(fchmodat(root, STAGING, 0711, 0), 0);
	MUST_FAIL(reopen(CLIENT_STAGING_INSTALL, &f), FAULT_REFUSED, "can be changed by users other than root");
	assert_int_equal(fchmodat(root, STAGING, 0700, 0), 0);
	assert_int_equal(fchownat(root, STAGING, 1234, 0, 0), 0);
	unit_dir(root, STAGING "/new", 0700);
	MUST_FAIL(reopen(CLIENT_STAGING_INSTALL, &f), FAULT_REFUSED, "can be changed by users other than root");
	/* Nothing in it is ours to tidy up. */
	client_staging_close(&s);
	assert_true(unit_there(root, STAGING "/new"));
}

static void a_planted_link_is_none(void **state)
{
	struct fault f = { 0 };

	(void)state;
	unit_dir(root, "usr", 0755);
	unit_dir(root, "usr/safenet", 0755);
	unit_dir(root, "elsewhere", 0700);
	assert_int_equal(symlinkat("../../elsewhere", root, STAGING), 0);
	assert_int_equal(reopen(CLIENT_STAGING_INSTALL, &f), -1);
}

static void a_staging_directory_in_which_nothing_is_kept_goes_with_what_was_made_for_it(void **state)
{
	(void)state;
	open_it();
	stage("never placed");
	client_staging_close(&s);
	assert_false(unit_there(root, "usr"));
	open_it();
	swap("one");
	swap("two");
	client_staging_close(&s);
	assert_true(unit_there(root, STAGING "/previous"));
}

static void looking_changes_nothing(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(reopen(CLIENT_STAGING_LOOK, &f));
	assert_int_equal(s.parent, -1);
	assert_int_equal(s.dir, -1);
	assert_false(unit_there(root, "usr"));
}

static void something_else_under_the_clients_name_is_refused(void **state)
{
	struct fault f;
	int dir = -1;

	(void)state;
	open_it();
	unit_write(root, "usr/safenet/lunaclient", "a file", 0600);
	MUST_FAIL(client_staging_present(&s, &dir, &f), FAULT_REFUSED, "exists and is not a directory");
}

static void what_cannot_be_looked_at_is_not_taken_for_absent(void **state)
{
	struct fault f;
	int dir = -1;

	(void)state;
	open_it();
	MUST_NOT_GUESS("lunaclient", client_staging_present(&s, &dir, &f));
	assert_int_equal(dir, -1);
	MUST_NOT_GUESS("previous", reopen(CLIENT_STAGING_LOOK, &f));
	MUST_NOT_GUESS(".lunaclient.okv-luna", reopen(CLIENT_STAGING_LOOK, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_STAGING(it_is_beside_the_client_and_roots_alone),
		IN_STAGING(a_planted_link_is_none),
		IN_STAGING(a_staging_directory_in_which_nothing_is_kept_goes_with_what_was_made_for_it),
		IN_STAGING(looking_changes_nothing),
		IN_STAGING(something_else_under_the_clients_name_is_refused),
		IN_STAGING(what_cannot_be_looked_at_is_not_taken_for_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
