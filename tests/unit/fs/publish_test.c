/* fs/publish: a file is replaced whole, and nobody sees it half. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/publish.h"

static struct stat status_of(int dir, const char *path)
{
	struct stat status;

	assert_int_equal(fstatat(dir, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status;
}

/* How many names there are in the directory. */
static size_t names(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count - 2;
}

static void a_new_file_gets_the_mode_and_owner_asked_for(void **state)
{
	const struct unit_place *place = *state;
	struct fs_publish how = FS_PUBLISH_NEW(0664);
	struct fault f = { 0 };

	MUST(fs_publish_at(place->dir, "plain", "one", 3, &how, &f));
	unit_holds(place->dir, "plain", "one");
	assert_int_equal(status_of(place->dir, "plain").st_mode, S_IFREG | 0664);
	assert_int_equal(status_of(place->dir, "plain").st_uid, geteuid());

	how.uid = 1234;
	how.gid = 2345;
	how.mode = 02640;
	MUST(fs_publish_at(place->dir, "given", "two", 3, &how, &f));
	const struct stat given = status_of(place->dir, "given");
	assert_int_equal(given.st_mode, S_IFREG | 02640);
	assert_int_equal(given.st_uid, 1234);
	assert_int_equal(given.st_gid, 2345);
	assert_int_equal(names(place->path), 2);
}

static void an_old_file_keeps_owner_and_mode_unless_forced(void **state)
{
	const struct unit_place *place = *state;
	struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };

	unit_write(place->dir, "x", "old", 0664);
	assert_int_equal(fchownat(place->dir, "x", 1234, 2345, 0), 0);
	assert_int_equal(fchmodat(place->dir, "x", 06664, 0), 0);
	const ino_t before = status_of(place->dir, "x").st_ino;
	MUST(fs_publish(place->dir, "/x", FS_NOFOLLOW, "new", 3, &how, &f));
	struct stat now = status_of(place->dir, "x");
	unit_holds(place->dir, "x", "new");
	assert_int_not_equal(now.st_ino, before);
	assert_int_equal(now.st_mode & 07777, 06664);
	assert_int_equal(now.st_uid, 1234);
	assert_int_equal(now.st_gid, 2345);

	how.force = true;
	how.uid = 0;
	how.gid = 0;
	MUST(fs_publish(place->dir, "/x", FS_NOFOLLOW, "newer", 5, &how, &f));
	now = status_of(place->dir, "x");
	unit_holds(place->dir, "x", "newer");
	assert_int_equal(now.st_mode & 07777, 0600);
	assert_int_equal(now.st_uid, 0);
	assert_int_equal(now.st_gid, 0);
}

/* An access control list as the kernel keeps it (acl(5)): user::rw-, user:1234:r--, group::---, mask::r--, other::---. */
static const unsigned char list[] = {
	2, 0,    0,    0,    1,    0,  6, 0, 0xff, 0xff, 0xff, 0xff, 2,    0,  4, 0, 0xd2, 0x04, 0x00, 0x00, 4,    0, 0,
	0, 0xff, 0xff, 0xff, 0xff, 16, 0, 4, 0,    0xff, 0xff, 0xff, 0xff, 32, 0, 0, 0,    0xff, 0xff, 0xff, 0xff,
};

static void an_old_file_keeps_its_access_list_and_label(void **state)
{
	static const char *const names_of[] = { "system.posix_acl_access", "security.selinux" };
	static const char label[] = "system_u:object_r:etc_t:s0";
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };
	char path[128];
	unsigned char before[256], after[256];

	unit_write(place->dir, "x", "old", 0640);
	(void)snprintf(path, sizeof(path), "%s/x", place->path);
	assert_int_equal(setxattr(path, names_of[0], list, sizeof(list), 0), 0);
	assert_int_equal(setxattr(path, names_of[1], label, sizeof(label), 0), 0);
	MUST(fs_publish_at(place->dir, "x", "new", 3, &how, &f));
	unit_holds(place->dir, "x", "new");
	assert_int_equal(getxattr(path, names_of[0], before, sizeof(before)), sizeof(list));
	assert_memory_equal(before, list, sizeof(list));
	assert_int_equal(getxattr(path, names_of[1], after, sizeof(after)), sizeof(label));
	assert_memory_equal(after, label, sizeof(label));
	assert_int_equal(status_of(place->dir, "x").st_mode & 07777, 0640);
}

static void a_file_changed_since_it_was_read_is_left_alone(void **state)
{
	const struct unit_place *place = *state;
	struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };
	struct stat seen;

	unit_write(place->dir, "x", "old", 0600);
	seen = status_of(place->dir, "x");
	how.expected = &seen;

	unit_write(place->dir, "x", "other", 0600);
	MUST_FAIL(fs_publish_at(place->dir, "x", "new", 3, &how, &f), FAULT_INCOMPLETE, "was changed meanwhile");
	unit_holds(place->dir, "x", "other");

	/* The same size, another time: also a change. */
	seen = status_of(place->dir, "x");
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };
	assert_int_equal(utimensat(place->dir, "x", times, 0), 0);
	MUST_FAIL(fs_publish_at(place->dir, "x", "new", 3, &how, &f), FAULT_INCOMPLETE, "was changed meanwhile");

	assert_int_equal(unlinkat(place->dir, "x", 0), 0);
	MUST_FAIL(fs_publish_at(place->dir, "x", "new", 3, &how, &f), FAULT_INCOMPLETE, "was removed meanwhile");
	assert_int_equal(names(place->path), 0);

	unit_write(place->dir, "x", "old", 0600);
	seen = status_of(place->dir, "x");
	MUST(fs_publish_at(place->dir, "x", "new", 3, &how, &f));
	unit_holds(place->dir, "x", "new");
}

static void what_is_no_regular_file_is_not_replaced(void **state)
{
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };

	unit_dir(place->dir, "dir", 0755);
	unit_write(place->dir, "target", "old", 0600);
	assert_int_equal(symlinkat("target", place->dir, "link"), 0);
	assert_int_equal(mkfifoat(place->dir, "fifo", 0600), 0);
	MUST_FAIL(fs_publish_at(place->dir, "dir", "x", 1, &how, &f), FAULT_REFUSED, "'dir' is not a regular file");
	MUST_FAIL(fs_publish_at(place->dir, "link", "x", 1, &how, &f), FAULT_REFUSED, "'link' is not a regular file");
	MUST_FAIL(fs_publish_at(place->dir, "fifo", "x", 1, &how, &f), FAULT_REFUSED, "'fifo' is not a regular file");
	unit_holds(place->dir, "target", "old");
	assert_int_equal(names(place->path), 4);
}

static void a_left_over_stage_is_removed_and_never_written_through(void **state)
{
	static const char *const stages[] = { ".x.okv-luna-new", ".x.0123456789abcdef.okv-luna-new" };
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };

	unit_write(place->dir, "x", "old", 0600);
	unit_write(place->dir, "victim", "victim", 0600);
	for (size_t i = 0; i < 2; i++) {
		unit_write(place->dir, stages[i], "half", 0644);
		MUST(fs_publish_at(place->dir, "x", "new", 3, &how, &f));
		assert_int_equal(names(place->path), 2);
		/* A link planted under the stage's name, or a second name of another file. */
		assert_int_equal(symlinkat("victim", place->dir, stages[i]), 0);
		assert_int_equal(linkat(place->dir, "victim", place->dir, stages[1 - i], 0), 0);
		MUST(fs_publish_at(place->dir, "x", "newer", 5, &how, &f));
		unit_holds(place->dir, "x", "newer");
		unit_holds(place->dir, "victim", "victim");
		assert_int_equal(names(place->path), 2);
	}
}

/* A directory, a FIFO or a socket under such a name is somebody's, and stops nobody. */
static void a_name_that_somebody_took_stops_nothing(void **state)
{
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };
	bool changed;

	unit_write(place->dir, "x", "old", 0600);
	unit_dir(place->dir, ".x.okv-luna-new", 0755);
	unit_dir(place->dir, ".link.okv-luna-new", 0755);
	unit_dir(place->dir, ".x.0123456789abcdef.okv-luna-new", 0755);
	assert_int_equal(mkfifoat(place->dir, ".x.fedcba9876543210.okv-luna-new", 0600), 0);
	MUST(fs_publish_at(place->dir, "x", "new", 3, &how, &f));
	unit_holds(place->dir, "x", "new");
	MUST(fs_link_publish(place->dir, "link", FS_NOFOLLOW, "/opt/a", &changed, &f));
	MUST(fs_link_publish(place->dir, "link", FS_NOFOLLOW, "/opt/b", &changed, &f));
	assert_int_equal(names(place->path), 6);
}

static void a_name_without_room_for_a_stage_is_refused(void **state)
{
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };
	char leaf[NAME_MAX + 1];

	memset(leaf, 'x', sizeof(leaf));
	leaf[NAME_MAX] = '\0';
	MUST_FAIL(fs_publish_at(place->dir, leaf, "x", 1, &how, &f), FAULT_REFUSED, "too long to be replaced safely");
	leaf[NAME_MAX - strlen("..0123456789abcdef.okv-luna-new")] = '\0';
	MUST(fs_publish_at(place->dir, leaf, "x", 1, &how, &f));
	assert_int_equal(names(place->path), 1);
}

/* A reader that never stops looking, while the writer goes back and forth between two contents. */
static void at_any_instant_there_are_the_old_bytes_or_the_new(void **state)
{
	enum { SIZE = 60000, ROUNDS = 40 };
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fault f = { 0 };
	char *bytes[2];

	for (size_t i = 0; i < 2; i++) {
		bytes[i] = malloc(SIZE);
		assert_non_null(bytes[i]);
		memset(bytes[i], i == 0 ? 'o' : 'n', SIZE);
	}
	MUST(fs_publish_at(place->dir, "x", bytes[0], SIZE, &how, &f));
	const pid_t reader = fork();
	if (reader == 0) {
		static char seen[SIZE + 1];
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			const int fd = openat(place->dir, "x", O_RDONLY);
			const ssize_t length = fd >= 0 ? read(fd, seen, sizeof(seen)) : -1;
			if (length != SIZE || (memcmp(seen, bytes[0], SIZE) != 0 && memcmp(seen, bytes[1], SIZE) != 0))
				_exit(1);
			(void)close(fd);
		}
	}
	for (int i = 1; i <= ROUNDS; i++)
		MUST(fs_publish_at(place->dir, "x", bytes[i % 2], SIZE, &how, &f));
	int status = 0;
	assert_int_equal(kill(reader, SIGTERM), 0);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	free(bytes[0]);
	free(bytes[1]);
}

static void a_full_disk_leaves_the_old_file_and_no_stage(void **state)
{
	const struct unit_place *place = *state;
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	int status = 0;

	unit_write(place->dir, "x", "old", 0600);
	const pid_t child = fork();
	if (child == 0) {
		/* A limit of the file size stands for the disk: what reaches beyond it fails with EFBIG. */
		const struct rlimit small = { .rlim_cur = 10, .rlim_max = 10 };
		struct fault f = { 0 };
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &small) < 0)
			_exit(2);
		const int r = fs_publish_at(place->dir, "x", "01234567890123456789", 20, &how, &f);
		_exit(r == -1 && f.kind == FAULT_SYSTEM && f.errnum == EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	unit_holds(place->dir, "x", "old");
	assert_int_equal(names(place->path), 1);
}

static void a_link_is_made_replaced_and_left_alone(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	bool changed = false;
	char target[64] = "";

	MUST(fs_link_publish(place->dir, "/link", FS_NOFOLLOW, "/opt/a", &changed, &f));
	assert_true(changed);
	MUST(fs_link_publish(place->dir, "/link", FS_NOFOLLOW, "/opt/a", &changed, &f));
	assert_false(changed);
	MUST(fs_link_publish(place->dir, "/link", FS_NOFOLLOW, "/opt/b", &changed, &f));
	assert_true(changed);
	assert_int_equal(readlinkat(place->dir, "link", target, sizeof(target)), 6);
	assert_memory_equal(target, "/opt/b", 6);
	/* A target that only begins like it is another. */
	MUST(fs_link_publish(place->dir, "/link", FS_NOFOLLOW, "/opt", &changed, &f));
	assert_true(changed);

	unit_write(place->dir, "file", "mine", 0600);
	changed = false;
	MUST_FAIL(fs_link_publish(place->dir, "file", FS_NOFOLLOW, "x", &changed, &f), FAULT_REFUSED,
		  "is not one of our links");
	unit_holds(place->dir, "file", "mine");
	assert_false(changed);
	unit_write(place->dir, ".link.okv-luna-new", "left over", 0600);
	MUST(fs_link_publish(place->dir, "link", FS_NOFOLLOW, "/opt/c", &changed, &f));
	assert_int_equal(names(place->path), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_new_file_gets_the_mode_and_owner_asked_for),
		UNIT_IN_PLACE(an_old_file_keeps_owner_and_mode_unless_forced),
		UNIT_IN_PLACE(an_old_file_keeps_its_access_list_and_label),
		UNIT_IN_PLACE(a_file_changed_since_it_was_read_is_left_alone),
		UNIT_IN_PLACE(what_is_no_regular_file_is_not_replaced),
		UNIT_IN_PLACE(a_left_over_stage_is_removed_and_never_written_through),
		UNIT_IN_PLACE(a_name_that_somebody_took_stops_nothing),
		UNIT_IN_PLACE(a_name_without_room_for_a_stage_is_refused),
		UNIT_IN_PLACE(at_any_instant_there_are_the_old_bytes_or_the_new),
		UNIT_IN_PLACE(a_full_disk_leaves_the_old_file_and_no_stage),
		UNIT_IN_PLACE(a_link_is_made_replaced_and_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
