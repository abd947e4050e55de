/*
 * client/rpm: what is set aside while rpm works in place, and comes back.
 */
#include "client/rpm.c"
#include "failing.h"
#include "made.h"

#define CLIENT  "usr/safenet/lunaclient"
#define STAGING "usr/safenet/.lunaclient.okv-luna"

#define CONF "/etc/Chrystoki.conf"

static int root;
static struct client_staging s = CLIENT_STAGING_INIT(-1, NULL, NULL);

static int appliance_make(void **state)
{
	FS_AUTO int tree = -1;
	struct fault f = { 0 };

	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	unit_dir(root, "etc", 0755);
	s = (struct client_staging)CLIENT_STAGING_INIT(root, "/" CLIENT, made_report());
	MUST(client_staging_open(&s, CLIENT_STAGING_INSTALL, &f));
	MUST(client_staging_tree(&s, &tree, &f));
	return 0;
}

static int appliance_end(void **state)
{
	client_staging_close(&s);
	text_done(&made_told);
	return unit_place_remove(state);
}

static void client_make(void)
{
	unit_dir(root, CLIENT, 0755);
	unit_dir(root, CLIENT "/cert", 02770);
	unit_write(root, CLIENT "/cert/key.pem", "the key", 0640);
	assert_int_equal(fchownat(root, CLIENT "/cert/key.pem", 12, 34, 0), 0);
	unit_write(root, CLIENT "/program", "of the vendor's", 0755);
	unit_write(root, "etc/Chrystoki.conf", "Misc = {\n}\n", 0640);
	assert_int_equal(fchownat(root, "etc/Chrystoki.conf", 0, 34, 0), 0);
}

static void set_aside(void)
{
	TEXT_AUTO carried = { 0 };
	struct fault f = { 0 };

	MUST(identity_set_aside(&s, CONF, 1 << 20, &carried, &f));
}

static void put_back(void)
{
	struct fault f = { 0 };

	MUST(client_rpm_recover(&s, CONF, &f));
	assert_false(unit_there(root, STAGING "/kept"));
	assert_false(unit_there(root, STAGING "/kept.conf"));
}

/* And the next run begins. */
static void killed(void)
{
	struct fault f = { 0 };

	fs_close(&s.dir);
	fs_close(&s.parent);
	MUST(client_staging_open(&s, CLIENT_STAGING_INSTALL, &f));
}

static void is(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat status;

	assert_int_equal(fstatat(root, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode & 07777, mode);
	assert_int_equal(status.st_uid, uid);
	assert_int_equal(status.st_gid, gid);
}

static void the_identity_and_chrystoki_conf_are_copied_into_the_staging_directory(void **state)
{
	(void)state;
	client_make();
	set_aside();
	unit_holds(root, STAGING "/kept/cert/key.pem", "the key");
	is(STAGING "/kept/cert/key.pem", 0640, 12, 34);
	unit_holds(root, STAGING "/kept.conf", "Misc = {\n}\n");
	is(STAGING "/kept.conf", 0640, 0, 34);
	assert_false(unit_there(root, STAGING "/kept/program"));
	unit_holds(root, CLIENT "/cert/key.pem", "the key");
}

static void whatever_is_missing_comes_back_with_owner_and_mode(void **state)
{
	(void)state;
	client_make();
	set_aside();
	assert_int_equal(unlinkat(root, CLIENT "/cert/key.pem", 0), 0);
	assert_int_equal(unlinkat(root, CLIENT "/cert", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(root, "etc/Chrystoki.conf", 0), 0);
	put_back();
	unit_holds(root, CLIENT "/cert/key.pem", "the key");
	is(CLIENT "/cert/key.pem", 0640, 12, 34);
	is(CLIENT "/cert", 02770, 0, 0);
	unit_holds(root, "etc/Chrystoki.conf", "Misc = {\n}\n");
	is("etc/Chrystoki.conf", 0640, 0, 34);
}

static void whatever_is_other_than_it_was_comes_back_and_the_newcomer_lies_beside_it(void **state)
{
	(void)state;
	client_make();
	set_aside();
	unit_write(root, CLIENT "/cert/key.pem", "rpm's", 0644);
	unit_write(root, "etc/Chrystoki.conf", "Other = {\n}\n", 0644);
	put_back();
	unit_holds(root, CLIENT "/cert/key.pem", "the key");
	unit_holds(root, CLIENT "/cert/key.pem.okv-luna-new", "rpm's");
	unit_holds(root, "etc/Chrystoki.conf", "Misc = {\n}\n");
	is("etc/Chrystoki.conf", 0640, 0, 34);
	unit_holds(root, "etc/Chrystoki.conf.okv-luna-new", "Other = {\n}\n");
	assert_non_null(strstr(text_string(&made_told), "'/etc/Chrystoki.conf' is kept as it was"));
}

static void what_is_as_it_was_stays_untouched(void **state)
{
	struct stat before, after;

	(void)state;
	client_make();
	set_aside();
	assert_int_equal(fstatat(root, "etc/Chrystoki.conf", &before, 0), 0);
	put_back();
	assert_int_equal(fstatat(root, "etc/Chrystoki.conf", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_false(unit_there(root, "etc/Chrystoki.conf.okv-luna-new"));
	assert_false(unit_there(root, CLIENT "/cert/key.pem.okv-luna-new"));
	assert_string_equal(text_string(&made_told), "");
}

static void only_owner_or_mode_of_chrystoki_conf_changed_comes_back_too(void **state)
{
	(void)state;
	client_make();
	set_aside();
	assert_int_equal(fchmodat(root, "etc/Chrystoki.conf", 0666, 0), 0);
	put_back();
	is("etc/Chrystoki.conf", 0640, 0, 34);
	assert_false(unit_there(root, "etc/Chrystoki.conf.okv-luna-new"));
}

static void without_a_client_and_a_chrystoki_conf_there_is_nothing_to_keep(void **state)
{
	(void)state;
	set_aside();
	put_back();
	assert_false(unit_there(root, "etc/Chrystoki.conf"));
	assert_false(unit_there(root, CLIENT));
	/* And with nothing set aside there is nothing to do. */
	put_back();
}

static void a_run_that_was_killed_leaves_it_to_the_next(void **state)
{
	(void)state;
	client_make();
	set_aside();
	assert_int_equal(unlinkat(root, CLIENT "/cert/key.pem", 0), 0);
	killed();
	put_back();
	unit_holds(root, CLIENT "/cert/key.pem", "the key");
}

static void half_a_copy_is_never_put_back(void **state)
{
	(void)state;
	client_make();
	/* Killed while it was copied: new/kept, and the copy of Chrystoki.conf that comes before. */
	unit_dir(root, STAGING "/new/kept", 0700);
	unit_dir(root, STAGING "/new/kept/cert", 0700);
	unit_write(root, STAGING "/new/kept/cert/key.pem", "the k", 0600);
	unit_write(root, STAGING "/kept.conf", "older", 0600);
	killed();
	put_back();
	unit_holds(root, CLIENT "/cert/key.pem", "the key");
	unit_holds(root, "etc/Chrystoki.conf", "Misc = {\n}\n");
	assert_false(unit_there(root, STAGING "/new"));
}

static void what_cannot_be_looked_at_is_not_taken_for_absent(void **state)
{
	TEXT_AUTO carried = { 0 };
	struct fault f;

	(void)state;
	client_make();
	MUST_NOT_GUESS("Chrystoki.conf", identity_set_aside(&s, CONF, 1 << 20, &carried, &f));
	assert_false(unit_there(root, STAGING "/kept"));
	set_aside();
	MUST_NOT_GUESS("kept", client_rpm_recover(&s, CONF, &f));
	MUST_NOT_GUESS("kept.conf", client_rpm_recover(&s, CONF, &f));
	MUST_NOT_GUESS("Chrystoki.conf", client_rpm_recover(&s, CONF, &f));
	assert_true(unit_there(root, STAGING "/kept"));
	assert_true(unit_there(root, STAGING "/kept.conf"));
	put_back();
}

#define ASIDE(test) cmocka_unit_test_setup_teardown(test, appliance_make, appliance_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASIDE(the_identity_and_chrystoki_conf_are_copied_into_the_staging_directory),
		ASIDE(whatever_is_missing_comes_back_with_owner_and_mode),
		ASIDE(whatever_is_other_than_it_was_comes_back_and_the_newcomer_lies_beside_it),
		ASIDE(what_is_as_it_was_stays_untouched),
		ASIDE(only_owner_or_mode_of_chrystoki_conf_changed_comes_back_too),
		ASIDE(without_a_client_and_a_chrystoki_conf_there_is_nothing_to_keep),
		ASIDE(a_run_that_was_killed_leaves_it_to_the_next),
		ASIDE(half_a_copy_is_never_put_back),
		ASIDE(what_cannot_be_looked_at_is_not_taken_for_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
