#include <errno.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "fs/root.h"
#include "perms/repair.h"
#include "unit_seccomp.h"

enum { OLD = 986, NEW = 1002 };

static int root = -1;

static void made(const char *path, mode_t kind, gid_t gid, mode_t mode)
{
	if (kind == S_IFDIR) {
		assert_int_equal(mkdirat(root, path, 0700), 0);
	} else {
		FS_AUTO int fd = openat(root, path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
	}
	assert_int_equal(fchownat(root, path, 3, gid, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fchmodat(root, path, mode, 0), 0);
}

static int scratch_make(void **state)
{
	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	assert_int_equal(mkdirat(root, "etc", 0755), 0);
	FS_AUTO int fd = openat(root, "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(dprintf(fd, "oracle:x:3:3::/:\n") > 0, 1);
	made("c", S_IFDIR, 0, 0755);
	made("c/cert", S_IFDIR, OLD, 02770);
	made("c/cert/key", S_IFREG, OLD, 06755);
	made("c/cert/theirs", S_IFREG, 5, 0640);
	made("c/lone", S_IFREG, OLD, 0);
	made("conf", S_IFREG, OLD, 0660);
	made("beside", S_IFREG, OLD, 0660);
	assert_int_equal(symlinkat("../beside", root, "c/link"), 0);
	assert_int_equal(mkfifoat(root, "c/pipe", 0600), 0);
	assert_int_equal(fchownat(root, "c/link", 0, OLD, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fchownat(root, "c/pipe", 0, OLD, 0), 0);
	return 0;
}

static void assert_is(const char *path, gid_t gid, mode_t mode)
{
	struct stat status;

	assert_int_equal(fstatat(root, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_gid, gid);
	assert_int_equal(status.st_mode & 07777, mode);
}

static const char *const paths[] = { "/c", "/conf", "/c/cert/key", "/conf", "/not/there" };

static struct perms_tally reowned(enum perms_act act)
{
	static char client[] = "/c", user[] = "oracle";
	const struct settings settings = { .client_dir = client, .okv_user = user };
	const struct perms_reown reown = {
		.root = root,
		.settings = &settings,
		.paths = paths,
		.path_count = sizeof(paths) / sizeof(paths[0]),
		.from = OLD,
		.to = NEW,
		.output = { .act = act },
	};
	struct perms_tally tally = { 0 };
	struct fault f = { 0 };

	if (perms_reown(&reown, &tally, &f) < 0)
		fail_msg("%s", f.text);
	return tally;
}

static void what_carried_the_old_group_at_or_below_the_paths_gets_the_new_one_and_keeps_its_mode(void **state)
{
	(void)state;
	const struct perms_tally tally = reowned(PERMS_APPLY);
	assert_int_equal(tally.changed, 6);
	assert_int_equal(tally.entries, 8);
	assert_is("c", 0, 0755);
	assert_is("c/cert", NEW, 02770);
	assert_is("c/cert/key", NEW, 06755);
	assert_is("c/cert/theirs", 5, 0640);
	assert_is("c/lone", NEW, 0);
	assert_is("c/link", NEW, 0777);
	assert_is("c/pipe", NEW, 0600);
	assert_is("conf", NEW, 0660);
	assert_is("beside", OLD, 0660);
	assert_int_equal(reowned(PERMS_APPLY).changed, 0);
}

static void a_plan_counts_and_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(reowned(PERMS_PLAN).changed, 6);
	assert_is("c/cert/key", OLD, 06755);
	assert_int_equal(faccessat(root, "opt", F_OK, 0), -1);
}

static void it_can_be_undone(void **state)
{
	const struct perms_output output = { .act = PERMS_APPLY };
	struct perms_tally tally = { 0 };
	struct fault f = { 0 };

	(void)state;
	(void)reowned(PERMS_APPLY);
	assert_int_equal(perms_undo(root, &output, &tally, &f), 0);
	assert_int_equal(tally.changed, 6);
	assert_is("c/cert/key", OLD, 06755);
	assert_is("c/link", OLD, 0777);
	assert_is("conf", OLD, 0660);
	assert_int_equal(perms_undo(root, &output, &tally, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
}

/* Otherwise somebody else's set-group-id program would get the new group's rights. */
static void a_file_of_a_stranger_is_left(void **state)
{
	(void)state;
	assert_int_equal(fchownat(root, "c/cert/key", 7, OLD, 0), 0);
	assert_int_equal(fchmodat(root, "c/cert/key", 02755, 0), 0);
	const struct perms_tally tally = reowned(PERMS_APPLY);
	assert_int_equal(tally.left[PERMS_LEFT_STRANGER], 1);
	assert_is("c/cert/key", OLD, 02755);
	assert_is("c/cert", NEW, 02770);
}

static void a_file_with_a_second_name_is_counted_and_the_rest_is_done(void **state)
{
	(void)state;
	assert_int_equal(linkat(root, "conf", root, "c/second", 0), 0);
	const struct perms_tally tally = reowned(PERMS_APPLY);
	assert_int_equal(tally.left[PERMS_LEFT_REFUSED], 2);
	assert_is("conf", OLD, 0660);
	assert_is("c/cert", NEW, 02770);

	struct fault f = { 0 };
	assert_int_equal(perms_verdict(&tally, PERMS_APPLY, &f), -1);
	assert_int_equal(f.kind, FAULT_INCOMPLETE);
	assert_int_equal(perms_verdict(&tally, PERMS_CHECK, &f), -1);
	assert_int_equal(f.kind, FAULT_NEGATIVE);
	const struct perms_tally fine = { .entries = 3 };
	assert_int_equal(perms_verdict(&fine, PERMS_CHECK, &f), 0);
}

/* perms_ready reads one directory only: that of the administrator's policies. */
static int ready(void *context)
{
	struct settings settings = { 0 };
	struct fault f = { 0 };

	(void)context;
	if (settings_init(&settings, &f) < 0)
		return 2;
	const struct perms_request request = { .root = root, .settings = &settings, .phase = "post-upgrade" };
	const int r = perms_ready(&request, &f);
	settings_done(&settings);
	return r == 0 ? 0 : f.errnum == EIO ? 1 : 3;
}

static void policies_that_cannot_be_read_to_their_end_are_not_taken_for_all(void **state)
{
	static const char *const directories[] = { "/usr/safenet/lunaclient", SETTINGS_POLICY "/guide",
						   SETTINGS_POLICY_LOCAL, "/etc" };
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		assert_int_equal(fs_dirs_make(root, directories[i], 0755, FS_NOFOLLOW, &f), 0);
	unit_write(root, "etc/passwd", "", 0644);
	unit_write(root, "etc/group", "", 0644);
	unit_write(root, "." SETTINGS_POLICY "/guide/post-upgrade.conf", "z /a 0644\n", 0644);
	assert_int_equal(ready(NULL), 0);
	assert_int_equal(unit_with_denied(SYS_getdents64, EIO, ready, NULL), 1);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(what_carried_the_old_group_at_or_below_the_paths_gets_the_new_one_and_keeps_its_mode),
		in_scratch(a_plan_counts_and_changes_nothing),
		in_scratch(it_can_be_undone),
		in_scratch(a_file_with_a_second_name_is_counted_and_the_rest_is_done),
		in_scratch(a_file_of_a_stranger_is_left),
		in_scratch(policies_that_cannot_be_read_to_their_end_are_not_taken_for_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
