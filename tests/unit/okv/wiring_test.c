/* okv/wiring: wired is wired once, and unwired leaves no trace, on random files of OKV's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "random.h"
#include "tree.h"
#include "okv/wiring.h"

enum { ROUNDS = 500, FILE_COUNT = 3 };

static const char *const paths[FILE_COUNT] = { OKV_CONF, OKV_ENV, OKV_MID };

static struct okv_job job_of(const struct tree *t, enum okv_mode mode)
{
	return (struct okv_job){ .root = t->root, .settings = &t->settings, .mode = mode };
}

static void assert_same_text(const struct text *a, const struct text *b)
{
	assert_int_equal(a->length, b->length);
	if (a->length > 0)
		assert_memory_equal(a->bytes, b->bytes, a->length);
}

/* What shows any write at all: the same inode with the same times. */
static void assert_untouched(const struct tree *t, const char *path, const struct stat *before)
{
	struct stat now;
	struct fault f = { 0 };

	assert_int_equal(fs_status(t->root, path, FS_NOFOLLOW, &now, &f), 0);
	assert_int_equal(now.st_ino, before->st_ino);
	assert_memory_equal(&now.st_mtim, &before->st_mtim, sizeof(now.st_mtim));
	assert_memory_equal(&now.st_ctim, &before->st_ctim, sizeof(now.st_ctim));
}

static void status_of(const struct tree *t, const char *path, struct stat *ret_status)
{
	struct fault f = { 0 };

	if (fs_status(t->root, path, FS_NOFOLLOW, ret_status, &f) < 0)
		fail_msg("%s", f.text);
}

/* One round: files as they are, wired, wired again, unwired. */
static bool round_run(const struct tree *t, const struct text before[FILE_COUNT], size_t *wired)
{
	static const char *const watched[] = { OKV_CONF, OKV_ENV, OKV_MID, SETTINGS_GENERIC, OKV_RECORD, OKV_BACKUP };
	struct stat first[sizeof(watched) / sizeof(watched[0])];
	const struct okv_job job = job_of(t, OKV_APPLY);
	struct okv_outcome outcome;
	struct fault f = { 0 };

	const bool whole = okv_wiring_apply(&job, &outcome, &f) == 0;
	*wired += outcome.files;
	if (!whole)
		assert_true(f.kind == FAULT_REFUSED || f.kind == FAULT_INCOMPLETE);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (fs_exists(t->root, watched[i]))
			status_of(t, watched[i], &first[i]);

	f = (struct fault){ 0 };
	assert_int_equal(okv_wiring_apply(&job, &outcome, &f), whole ? 0 : -1);
	assert_int_equal(outcome.files, 0);
	assert_int_equal(outcome.links, 0);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (fs_exists(t->root, watched[i]))
			assert_untouched(t, watched[i], &first[i]);

	f = (struct fault){ 0 };
	const int r = okv_wiring_remove(&job, &outcome, &f);
	for (size_t i = 0; i < FILE_COUNT; i++) {
		TEXT_AUTO now = tree_read(t, paths[i]);
		assert_same_text(&now, &before[i]);
	}
	/* What could not be wired for its torn marks cannot be unwired either; all else can. */
	if (whole && r < 0)
		fail_msg("%s", f.text);
	assert_false(fs_exists(t->root, SETTINGS_GENERIC "/okv_hsm_pre_upgrade"));
	assert_false(fs_exists(t->root, OKV_RECORD "/okv_hsm.conf"));
	assert_false(fs_exists(t->root, OKV_RECORD "/links"));
	return whole;
}

static void wiring_twice_writes_once_and_unwiring_gives_back_the_very_bytes(void **state)
{
	struct tree t = tree_make();
	size_t whole = 0, wired = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
		struct random r = random_from(seed);
		struct text before[FILE_COUNT] = { { 0 }, { 0 }, { 0 } };

		random_assign(&r, &before[0]);
		random_assign(&r, &before[1]);
		random_script(&r, &before[2]);
		if (random_one_in(&r, 8))
			random_damage(&r, &before[random_below(&r, FILE_COUNT)]);
		for (size_t i = 0; i < FILE_COUNT; i++)
			tree_write(&t, paths[i], &before[i]);
		whole += round_run(&t, before, &wired);
		for (size_t i = 0; i < FILE_COUNT; i++)
			text_done(&before[i]);
	}
	/* Many must have been wired in full, or the test says little. */
	assert_true(whole > ROUNDS / 4);
	assert_true(wired >= ROUNDS);
	tree_done(&t);
}

#define STOCK_CONF "# stock\nVENDOR_NAME=\"\"\nPKCS11_LIB_LOC=\"\"\nPRESERVED_FILES=\"\"\n"
#define STOCK_ENV  "#EXAMPLE_ENV_VAR_NAME=\"EXAMPLE_ENV_VAR_VALUE\"\n"
#define STOCK_MID  "#!/bin/bash\n# DO NOT CHANGE ANYTHING ABOVE\nexit ${DBFW_PM_NO_CHANGE_REQUIRED}\n"

static struct tree stock_make(void)
{
	struct tree t = tree_make();

	tree_put(&t, OKV_CONF, STOCK_CONF);
	tree_put(&t, OKV_ENV, STOCK_ENV);
	tree_put(&t, OKV_MID, STOCK_MID);
	return t;
}

static void assert_file(const struct tree *t, const char *path, const char *wanted)
{
	TEXT_AUTO now = tree_read(t, path);

	assert_string_equal(text_string(&now), wanted);
}

static void apply(const struct tree *t, struct okv_outcome *ret_outcome)
{
	const struct okv_job job = job_of(t, OKV_APPLY);
	struct fault f = { 0 };

	if (okv_wiring_apply(&job, ret_outcome, &f) < 0)
		fail_msg("%s", f.text);
}

static void the_plan_writes_nothing_and_says_what_the_act_does(void **state)
{
	struct tree t = stock_make();
	const struct okv_job show = job_of(&t, OKV_PLAN);
	struct okv_outcome planned, done;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(okv_wiring_apply(&show, &planned, &f), 0);
	assert_file(&t, OKV_CONF, STOCK_CONF);
	assert_file(&t, OKV_MID, STOCK_MID);
	assert_false(fs_exists(t.root, SETTINGS_VAR));
	assert_false(fs_exists(t.root, "/usr/sbin/okv-luna"));
	apply(&t, &done);
	assert_int_equal(planned.files, 3);
	assert_int_equal(done.files, planned.files);
	assert_int_equal(done.links, planned.links);
	assert_int_equal(done.left, 0);
	tree_done(&t);
}

static void owner_and_mode_stay_as_found(void **state)
{
	struct tree t = stock_make();
	struct okv_outcome outcome;
	struct stat status;

	(void)state;
	for (size_t i = 0; i < FILE_COUNT; i++) {
		assert_int_equal(fchownat(t.root, paths[i] + 1, 501, 502, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(fchmodat(t.root, paths[i] + 1, 0751, 0), 0);
	}
	apply(&t, &outcome);
	for (size_t i = 0; i < FILE_COUNT; i++) {
		status_of(&t, paths[i], &status);
		assert_int_equal(status.st_uid, 501);
		assert_int_equal(status.st_gid, 502);
		assert_int_equal(status.st_mode & 07777, 0751);
	}
	tree_done(&t);
}

static void a_file_that_is_refused_is_untouched_and_the_others_are_done(void **state)
{
	struct tree t = stock_make();
	const struct okv_job job = job_of(&t, OKV_APPLY);
	struct okv_outcome outcome;
	struct fault f = { 0 };

	(void)state;
	tree_put(&t, OKV_CONF, "VENDOR_NAME=Thales\n");
	assert_int_equal(okv_wiring_apply(&job, &outcome, &f), -1);
	assert_int_equal(f.kind, FAULT_INCOMPLETE);
	assert_non_null(strstr(f.text, "okv_hsm.conf: line 1"));
	assert_int_equal(outcome.files, 2);
	assert_int_equal(outcome.left, 1);
	assert_file(&t, OKV_CONF, "VENDOR_NAME=Thales\n");
	/* Alone, it is refused. */
	assert_int_equal(okv_wiring_apply(&job, &outcome, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	tree_done(&t);
}

static void without_the_generic_directory_nothing_of_okv_is_made(void **state)
{
	struct tree t = tree_make();
	struct okv_outcome outcome;

	(void)state;
	assert_int_equal(unlinkat(t.root, &SETTINGS_GENERIC[1], AT_REMOVEDIR), 0);
	apply(&t, &outcome);
	assert_int_equal(outcome.scope, OKV_SCOPE_NO_INTERFACE);
	assert_int_equal(outcome.files, 0);
	assert_false(fs_exists(t.root, SETTINGS_GENERIC));
	tree_done(&t);
}

static void a_client_of_version_6_is_left_alone(void **state)
{
	struct tree t = stock_make();
	struct okv_outcome outcome;

	(void)state;
	tree_put(&t, "/usr/safenet/lunaclient/lib/libCryptoki2_64.so.6.2.1", "");
	apply(&t, &outcome);
	assert_int_equal(outcome.scope, OKV_SCOPE_CLIENT_V6);
	assert_file(&t, OKV_CONF, STOCK_CONF);
	assert_false(fs_exists(t.root, SETTINGS_GENERIC "/okv_hsm_pre_upgrade"));
	tree_put(&t, "/usr/safenet/lunaclient/lib/libCryptoki2_64.so.10.4.0", "");
	apply(&t, &outcome);
	assert_int_equal(outcome.scope, OKV_SCOPE_GENERIC);
	tree_done(&t);
}

static void other_settings_take_the_place_of_the_old_ones(void **state)
{
	struct tree t = stock_make();
	struct okv_outcome outcome;
	const struct okv_job job = job_of(&t, OKV_APPLY);
	struct fault f = { 0 };

	(void)state;
	apply(&t, &outcome);
	free(t.settings.client_dir);
	free(t.settings.pkcs11_lib);
	t.settings.client_dir = strdup("/opt/luna");
	t.settings.pkcs11_lib = strdup("/opt/luna/lib/x.so");
	apply(&t, &outcome);
	assert_int_equal(outcome.files, 1);
	assert_file(&t, OKV_CONF,
		    "# stock\nVENDOR_NAME=\"Thales_Luna\"\nPKCS11_LIB_LOC=\"/opt/luna/lib/x.so\"\n"
		    "PRESERVED_FILES=\"/opt/luna:/etc/Chrystoki.conf:/opt/okv-luna:/usr/sbin/okv-luna:"
		    "/usr/lib/systemd/system/okv-luna-post-upgrade.service:"
		    "/etc/systemd/system/multi-user.target.wants/okv-luna-post-upgrade.service\"\n");
	assert_int_equal(okv_wiring_remove(&job, &outcome, &f), 0);
	assert_file(&t, OKV_CONF, STOCK_CONF);
	tree_done(&t);
}

static void stock_files_that_okv_put_back_are_wired_anew(void **state)
{
	struct tree t = stock_make();
	struct okv_outcome outcome;
	const struct okv_job job = job_of(&t, OKV_APPLY);
	struct fault f = { 0 };

	(void)state;
	apply(&t, &outcome);
	tree_put(&t, OKV_CONF, "# newer\n" STOCK_CONF);
	tree_put(&t, OKV_MID, "# newer\n" STOCK_MID);
	apply(&t, &outcome);
	assert_int_equal(outcome.files, 2);
	assert_int_equal(okv_wiring_remove(&job, &outcome, &f), 0);
	assert_file(&t, OKV_CONF, "# newer\n" STOCK_CONF);
	assert_file(&t, OKV_MID, "# newer\n" STOCK_MID);
	assert_file(&t, OKV_ENV, STOCK_ENV);
	tree_done(&t);
}

static void links_that_others_made_stay(void **state)
{
	struct tree t = stock_make();
	struct okv_outcome outcome;
	const struct okv_job job = job_of(&t, OKV_APPLY);
	struct fault f = { 0 };
	char target[64];

	(void)state;
	/* The package's own link and file; and one of ours that leads elsewhere by now. */
	assert_int_equal(symlinkat("/opt/okv-luna/bin/okv-luna", t.root, "usr/sbin/okv-luna"), 0);
	tree_put(&t, "/usr/share/man/man8/okv-luna.8", "a page");
	apply(&t, &outcome);
	assert_int_equal(outcome.links, 3);
	assert_int_equal(unlinkat(t.root, "usr/lib/systemd/system/okv-luna-post-upgrade.service", 0), 0);
	assert_int_equal(symlinkat("/dev/null", t.root, "usr/lib/systemd/system/okv-luna-post-upgrade.service"), 0);
	assert_int_equal(okv_wiring_remove(&job, &outcome, &f), 0);
	assert_int_equal(outcome.links, 2);
	assert_true(fs_exists(t.root, "/usr/sbin/okv-luna"));
	assert_file(&t, "/usr/share/man/man8/okv-luna.8", "a page");
	assert_int_equal(
		readlinkat(t.root, "usr/lib/systemd/system/okv-luna-post-upgrade.service", target, sizeof(target)), 9);
	tree_done(&t);
}

static void something_in_the_place_of_a_hook_link_is_told_and_left(void **state)
{
	struct tree t = stock_make();
	const struct okv_job job = job_of(&t, OKV_APPLY);
	struct okv_outcome outcome;
	struct fault f = { 0 };

	(void)state;
	tree_put(&t, SETTINGS_GENERIC "/okv_hsm_pre_upgrade", "theirs");
	assert_int_equal(okv_wiring_apply(&job, &outcome, &f), -1);
	assert_int_equal(f.kind, FAULT_INCOMPLETE);
	assert_int_equal(outcome.left, 1);
	assert_file(&t, SETTINGS_GENERIC "/okv_hsm_pre_upgrade", "theirs");
	assert_int_equal(okv_wiring_remove(&job, &outcome, &f), 0);
	assert_file(&t, SETTINGS_GENERIC "/okv_hsm_pre_upgrade", "theirs");
	tree_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wiring_twice_writes_once_and_unwiring_gives_back_the_very_bytes),
		cmocka_unit_test(the_plan_writes_nothing_and_says_what_the_act_does),
		cmocka_unit_test(owner_and_mode_stay_as_found),
		cmocka_unit_test(a_file_that_is_refused_is_untouched_and_the_others_are_done),
		cmocka_unit_test(without_the_generic_directory_nothing_of_okv_is_made),
		cmocka_unit_test(a_client_of_version_6_is_left_alone),
		cmocka_unit_test(other_settings_take_the_place_of_the_old_ones),
		cmocka_unit_test(stock_files_that_okv_put_back_are_wired_anew),
		cmocka_unit_test(links_that_others_made_stay),
		cmocka_unit_test(something_in_the_place_of_a_hook_link_is_told_and_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
