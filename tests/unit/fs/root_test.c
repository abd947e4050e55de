/* fs/root: nothing outside the tree of root is ever opened, whatever links lie inside it. */
#include "unit.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "fs/read.h"
#include "fs/root.h"

/* The tree below the place is "root"; a file with the same name stands outside, as a trap. */
struct trap {
	struct unit_place *place;
	int root;
};

static int trap_make(void **state)
{
	struct trap *trap = calloc(1, sizeof(*trap));
	struct fault f = { 0 };
	void *place;

	assert_non_null(trap);
	(void)unit_place_make(&place);
	trap->place = place;
	trap->root = -1;
	unit_dir(trap->place->dir, "etc", 0755);
	unit_write(trap->place->dir, "etc/conf", "outside", 0644);
	unit_dir(trap->place->dir, "root", 0755);
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/root", trap->place->path);
	MUST(fs_root_open(path, &trap->root, &f));
	unit_dir(trap->root, "etc", 0755);
	unit_write(trap->root, "etc/conf", "inside", 0644);
	unit_dir(trap->root, "usr", 0755);
	unit_dir(trap->root, "usr/bin", 0755);
	unit_write(trap->root, "usr/bin/tool", "tool", 0755);
	*state = trap;
	return 0;
}

static int trap_remove(void **state)
{
	struct trap *trap = *state;
	void *place = trap->place;

	fs_close(&trap->root);
	(void)unit_place_remove(&place);
	free(trap);
	return 0;
}

#define IN_TRAP(test) cmocka_unit_test_setup_teardown(test, trap_make, trap_remove)

static void reads(int root, const char *path, enum fs_follow follow, const char *expected)
{
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };

	MUST(fs_read_file(root, path, follow, 100, &text, NULL, &f));
	assert_string_equal(text_string(&text), expected);
}

static void refuses(int root, const char *path, enum fs_follow follow, enum fault_kind kind, const char *words)
{
	struct fault f = { 0 };
	int fd = -7;

	MUST_FAIL(fs_file_open(root, path, follow, O_RDONLY, &fd, NULL, &f), kind, words);
	assert_int_equal(fd, -7);
}

static void a_path_means_the_same_with_and_without_its_slash(void **state)
{
	const struct trap *trap = *state;
	struct fault f = { 0 };
	struct stat root, same;

	reads(trap->root, "/etc/conf", FS_NOFOLLOW, "inside");
	reads(trap->root, "etc/conf", FS_NOFOLLOW, "inside");
	reads(trap->root, "//etc///conf", FS_NOFOLLOW, "inside");
	assert_int_equal(fstat(trap->root, &root), 0);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = { "", "/", "//" };
		FS_AUTO int fd = -1;
		MUST(fs_dir_open(trap->root, names[i], FS_NOFOLLOW, &fd, &f));
		assert_int_equal(fstat(fd, &same), 0);
		assert_int_equal(same.st_ino, root.st_ino);
	}
}

static void dots_in_a_given_path_are_refused(void **state)
{
	const struct trap *trap = *state;

	refuses(trap->root, "../etc/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "may not contain '..'");
	refuses(trap->root, "/etc/../../etc/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "may not contain '..'");
	refuses(trap->root, "etc/./conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "may not contain '.'");
	refuses(trap->root, "etc/..", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "may not contain '..'");
	/* Names that only look like it. */
	unit_write(trap->root, "etc/..conf", "dots", 0644);
	reads(trap->root, "etc/..conf", FS_NOFOLLOW, "dots");
}

static void overlong_paths_and_names_are_refused(void **state)
{
	const struct trap *trap = *state;
	char path[PATH_MAX + 2];

	memset(path, 'x', sizeof(path));
	path[NAME_MAX + 1] = '\0';
	refuses(trap->root, path, FS_NOFOLLOW, FAULT_REFUSED, "a component that is too long");
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 == 0 ? 'x' : '/';
	path[sizeof(path) - 1] = '\0';
	refuses(trap->root, path, FS_NOFOLLOW, FAULT_REFUSED, "is too long");
	refuses(trap->root, "", FS_NOFOLLOW, FAULT_REFUSED, "names no file");
	refuses(trap->root, "/", FS_NOFOLLOW, FAULT_REFUSED, "names no file");
}

static void what_is_missing_is_absent(void **state)
{
	const struct trap *trap = *state;
	struct fault f = { 0 };
	struct stat status;

	refuses(trap->root, "etc/none", FS_NOFOLLOW, FAULT_ABSENT, "cannot open 'etc/none': No such file");
	refuses(trap->root, "none/conf", FS_NOFOLLOW, FAULT_ABSENT, "cannot open directory '/none'");
	refuses(trap->root, "etc/conf/x", FS_NOFOLLOW, FAULT_ABSENT, "cannot open directory '/etc/conf'");
	MUST_FAIL(fs_status(trap->root, "etc/none", FS_NOFOLLOW, &status, &f), FAULT_ABSENT, "etc/none");
	assert_false(fs_exists(trap->root, "etc/none"));
	assert_true(fs_exists(trap->root, "/etc/conf"));
	assert_true(fs_exists(trap->root, "etc"));
}

static void what_the_system_cannot_tell_is_no_absence(void **state)
{
	const struct trap *trap = *state;
	bool there = false;
	struct fault f = { 0 };

	MUST(fs_existence(trap->root, "etc/conf", &there, &f));
	assert_true(there);
	MUST(fs_existence(trap->root, "none/conf", &there, &f));
	assert_false(there);
	there = true;
	/* No descriptor: the kernel answers EBADF, and the answer is untouched. */
	MUST_FAIL(fs_existence(-1, "etc/conf", &there, &f), FAULT_SYSTEM, "");
	assert_true(there);
	assert_false(fs_exists(-1, "etc/conf"));
}

static void the_first_of_several_that_is_there_is_told(void **state)
{
	static const char *const paths[] = { "none/conf", "etc/conf", "usr/bin/tool" };
	const struct trap *trap = *state;
	struct fault f = { 0 };
	const char *path = NULL;

	MUST(fs_first(trap->root, paths, 3, &path, &f));
	assert_string_equal(path, "etc/conf");
	MUST_FAIL(fs_first(-1, paths, 3, &path, &f), FAULT_SYSTEM, "");
	assert_string_equal(path, "etc/conf");
	MUST(fs_first(trap->root, paths, 1, &path, &f));
	assert_null(path);
}

static void an_absolute_link_starts_again_at_root(void **state)
{
	const struct trap *trap = *state;

	assert_int_equal(symlinkat("/etc", trap->root, "settings"), 0);
	reads(trap->root, "settings/conf", FS_FOLLOW_TRUSTED, "inside");
	/* Deeper, with something to walk after it. */
	assert_int_equal(symlinkat("/usr", trap->root, "etc/all"), 0);
	reads(trap->root, "settings/all/bin/tool", FS_FOLLOW_TRUSTED, "tool");
}

static void dots_in_a_link_stop_at_root(void **state)
{
	const struct trap *trap = *state;

	assert_int_equal(symlinkat("../../../../etc", trap->root, "up"), 0);
	reads(trap->root, "up/conf", FS_FOLLOW_TRUSTED, "inside");
	assert_int_equal(symlinkat("../etc/./../etc", trap->root, "usr/side"), 0);
	reads(trap->root, "usr/side/conf", FS_FOLLOW_TRUSTED, "inside");
	assert_int_equal(symlinkat("bin/../../etc", trap->root, "usr/back"), 0);
	reads(trap->root, "usr/back/conf", FS_FOLLOW_TRUSTED, "inside");
}

static void a_link_in_the_directories_is_refused_unless_asked_for(void **state)
{
	const struct trap *trap = *state;

	assert_int_equal(symlinkat("usr/bin", trap->root, "bin"), 0);
	refuses(trap->root, "bin/tool", FS_NOFOLLOW, FAULT_REFUSED, "'/bin' is a symbolic link");
	reads(trap->root, "bin/tool", FS_FOLLOW_TRUSTED, "tool");
}

static void a_link_that_others_could_have_made_is_not_followed(void **state)
{
	const struct trap *trap = *state;

	/* Somebody's link in a directory of root. */
	assert_int_equal(symlinkat("etc", trap->root, "theirs"), 0);
	assert_int_equal(fchownat(trap->root, "theirs", 1234, 1234, AT_SYMLINK_NOFOLLOW), 0);
	refuses(trap->root, "theirs/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "'/theirs' is a symbolic link");

	/* Root's link where a group can write, where all can, and where somebody else is owner. */
	static const struct {
		const char *name;
		mode_t mode;
		uid_t owner;
	} open[] = { { "group", 0775, 0 }, { "all", 01777, 0 }, { "owned", 0755, 1234 } };
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		char link[64];
		unit_dir(trap->root, open[i].name, open[i].mode);
		(void)snprintf(link, sizeof(link), "%s/link", open[i].name);
		assert_int_equal(symlinkat("/etc", trap->root, link), 0);
		assert_int_equal(fchownat(trap->root, open[i].name, open[i].owner, 0, 0), 0);
		(void)strcat(link, "/conf");
		refuses(trap->root, link, FS_FOLLOW_TRUSTED, FAULT_REFUSED, "link' is a symbolic link");
	}
}

static void links_in_a_circle_and_more_than_eight_are_refused(void **state)
{
	const struct trap *trap = *state;

	assert_int_equal(symlinkat("b", trap->root, "a"), 0);
	assert_int_equal(symlinkat("a", trap->root, "b"), 0);
	refuses(trap->root, "a/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "passes more than 8 symbolic links");
	assert_int_equal(symlinkat("self/self/self", trap->root, "self"), 0);
	refuses(trap->root, "self/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "passes more than 8 symbolic links");

	/* A chain l9 -> l8 -> ... -> l1 -> etc: eight links are followed, nine are not. */
	assert_int_equal(symlinkat("etc", trap->root, "l1"), 0);
	for (char i = '2'; i <= '9'; i++) {
		const char name[] = { 'l', i, '\0' }, target[] = { 'l', (char)(i - 1), '\0' };
		assert_int_equal(symlinkat(target, trap->root, name), 0);
	}
	reads(trap->root, "l8/conf", FS_FOLLOW_TRUSTED, "inside");
	refuses(trap->root, "l9/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "passes more than 8 symbolic links");
}

static void links_that_grow_the_path_without_end_are_refused(void **state)
{
	const struct trap *trap = *state;
	char target[PATH_MAX];

	for (size_t i = 0; i < sizeof(target); i++)
		target[i] = i % 2 == 0 ? '.' : '/';
	(void)strcpy(target + sizeof(target) - 6, "/long");
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(symlinkat(target, trap->root, "long"), 0);
	refuses(trap->root, "long/conf", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "");
}

static void the_last_component_is_never_followed(void **state)
{
	const struct trap *trap = *state;
	struct fault f = { 0 };
	struct stat status;

	assert_int_equal(symlinkat("conf", trap->root, "etc/link"), 0);
	refuses(trap->root, "etc/link", FS_FOLLOW_TRUSTED, FAULT_REFUSED, "'etc/link' is a symbolic link");
	MUST(fs_status(trap->root, "etc/link", FS_FOLLOW_TRUSTED, &status, &f));
	assert_true(S_ISLNK(status.st_mode));
	MUST(fs_status(trap->root, "//", FS_NOFOLLOW, &status, &f));
	assert_true(S_ISDIR(status.st_mode));
	MUST_FAIL(fs_status(trap->root, "", FS_NOFOLLOW, &status, &f), FAULT_REFUSED, "names no file");
	MUST(fs_status(trap->root, "etc/link", FS_FOLLOW_TRUSTED, &status, &f));
	assert_true(S_ISLNK(status.st_mode));
	assert_true(fs_exists(trap->root, "etc/link"));
}

static void only_a_regular_file_is_opened_and_nothing_blocks(void **state)
{
	const struct trap *trap = *state;

	assert_int_equal(mkfifoat(trap->root, "etc/fifo", 0600), 0);
	assert_int_equal(mknodat(trap->root, "etc/null", S_IFCHR | 0600, makedev(1, 3)), 0);
	(void)alarm(60);
	refuses(trap->root, "etc/fifo", FS_NOFOLLOW, FAULT_REFUSED, "'etc/fifo' is not a regular file");
	refuses(trap->root, "etc/null", FS_NOFOLLOW, FAULT_REFUSED, "'etc/null' is not a regular file");
	refuses(trap->root, "etc", FS_NOFOLLOW, FAULT_REFUSED, "'etc' is not a regular file");
	(void)alarm(0);
}

static void descriptors_close_on_exec_and_tell_their_status(void **state)
{
	const struct trap *trap = *state;
	struct fault f = { 0 };
	struct stat status, expected;
	char leaf[FS_NAME_SIZE];
	FS_AUTO int file = -1, dir = -1, parent = -1;

	MUST(fs_file_open(trap->root, "etc/conf", FS_NOFOLLOW, O_RDWR, &file, &status, &f));
	MUST(fs_dir_open(trap->root, "etc", FS_NOFOLLOW, &dir, &f));
	MUST(fs_parent_open(trap->root, "etc/not-there-yet/", FS_NOFOLLOW, &parent, leaf, &f));
	assert_string_equal(leaf, "not-there-yet");
	const int fds[] = { trap->root, file, dir, parent };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(fstatat(trap->root, "etc/conf", &expected, 0), 0);
	assert_int_equal(status.st_ino, expected.st_ino);
	assert_int_equal(write(file, "IN", 2), 2);
	unit_holds(trap->root, "etc/conf", "INside");
}

static void missing_directories_are_made_with_their_mode_and_old_ones_left(void **state)
{
	const struct trap *trap = *state;
	struct fault f = { 0 };
	struct stat status;
	const mode_t mask = umask(077);

	unit_dir(trap->root, "opt", 0711);
	MUST(fs_dirs_make(trap->root, "/opt/okv-luna/var", 0751, FS_NOFOLLOW, &f));
	MUST(fs_dirs_make(trap->root, "/opt/okv-luna/var/", 0700, FS_NOFOLLOW, &f));
	(void)umask(mask);
	MUST(fs_status(trap->root, "opt", FS_NOFOLLOW, &status, &f));
	assert_int_equal(status.st_mode & 07777, 0711);
	MUST(fs_status(trap->root, "opt/okv-luna", FS_NOFOLLOW, &status, &f));
	assert_int_equal(status.st_mode & 07777, 0751);
	MUST(fs_status(trap->root, "opt/okv-luna/var", FS_NOFOLLOW, &status, &f));
	assert_int_equal(status.st_mode & 07777, 0751);
	MUST(fs_dirs_make(trap->root, "/", 0700, FS_NOFOLLOW, &f));
	assert_int_equal(umask(mask), mask);

	/* What the directory above hands down is not its mode. */
	unit_dir(trap->root, "opt/shared", 02775);
	MUST(fs_dirs_make(trap->root, "/opt/shared/below", 0755, FS_NOFOLLOW, &f));
	MUST(fs_status(trap->root, "opt/shared/below", FS_NOFOLLOW, &status, &f));
	assert_int_equal(status.st_mode & 07777, 0755);

	MUST_FAIL(fs_dirs_make(trap->root, "etc/conf/x", 0700, FS_NOFOLLOW, &f), FAULT_ABSENT, "Not a directory");
	MUST_FAIL(fs_dirs_make(trap->root, "etc/conf", 0700, FS_NOFOLLOW, &f), FAULT_ABSENT, "Not a directory");
	assert_int_equal(symlinkat("/usr", trap->root, "opt/usr"), 0);
	MUST_FAIL(fs_dirs_make(trap->root, "opt/usr/new", 0700, FS_NOFOLLOW, &f), FAULT_REFUSED, "symbolic link");
	MUST(fs_dirs_make(trap->root, "opt/usr/new", 0700, FS_FOLLOW_TRUSTED, &f));
	assert_true(unit_there(trap->root, "usr/new"));
	/* What a link misses may be on a disk that is not mounted. */
	assert_int_equal(symlinkat("/usr/disk/lost", trap->root, "opt/lost"), 0);
	MUST_FAIL(fs_dirs_make(trap->root, "opt/lost/new", 0700, FS_FOLLOW_TRUSTED, &f), FAULT_ABSENT, "No such file");
	assert_false(unit_there(trap->root, "usr/disk"));
}

static void only_the_file_that_was_looked_at_is_removed(void **state)
{
	const struct trap *trap = *state;
	struct fault f = { 0 };
	struct stat first;

	unit_write(trap->root, "x", "first", 0600);
	assert_int_equal(fstatat(trap->root, "x", &first, AT_SYMLINK_NOFOLLOW), 0);
	unit_write(trap->root, "y", "other", 0600);
	assert_int_equal(renameat(trap->root, "x", trap->root, "z"), 0);
	assert_int_equal(renameat(trap->root, "y", trap->root, "x"), 0);
	MUST_FAIL(fs_name_remove(FS_NAME(trap->root, "x", "/x"), &first, &f), FAULT_INCOMPLETE, "another file now");
	unit_holds(trap->root, "x", "other");
	MUST(fs_name_remove(FS_NAME(trap->root, "z", "/z"), &first, &f));
	assert_false(unit_there(trap->root, "z"));
	/* Somebody was quicker: that is what was wanted. */
	MUST(fs_name_remove(FS_NAME(trap->root, "z", "/z"), &first, &f));
}

static void a_root_that_is_not_there_is_absent(void **state)
{
	struct fault f = { 0 };
	int fd = -7;

	(void)state;
	MUST_FAIL(fs_root_open("/nowhere/at/all", &fd, &f), FAULT_ABSENT, "cannot open root '/nowhere/at/all'");
	MUST_FAIL(fs_root_open("/etc/passwd", &fd, &f), FAULT_ABSENT, "Not a directory");
	assert_int_equal(fd, -7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TRAP(a_path_means_the_same_with_and_without_its_slash),
		IN_TRAP(dots_in_a_given_path_are_refused),
		IN_TRAP(overlong_paths_and_names_are_refused),
		IN_TRAP(what_is_missing_is_absent),
		IN_TRAP(what_the_system_cannot_tell_is_no_absence),
		IN_TRAP(the_first_of_several_that_is_there_is_told),
		IN_TRAP(an_absolute_link_starts_again_at_root),
		IN_TRAP(dots_in_a_link_stop_at_root),
		IN_TRAP(a_link_in_the_directories_is_refused_unless_asked_for),
		IN_TRAP(a_link_that_others_could_have_made_is_not_followed),
		IN_TRAP(links_in_a_circle_and_more_than_eight_are_refused),
		IN_TRAP(links_that_grow_the_path_without_end_are_refused),
		IN_TRAP(the_last_component_is_never_followed),
		IN_TRAP(only_a_regular_file_is_opened_and_nothing_blocks),
		IN_TRAP(descriptors_close_on_exec_and_tell_their_status),
		IN_TRAP(missing_directories_are_made_with_their_mode_and_old_ones_left),
		IN_TRAP(only_the_file_that_was_looked_at_is_removed),
		cmocka_unit_test(a_root_that_is_not_there_is_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
