#include "upgrade/carry.c"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "upgrade/tree.h"

#define DATA "usr/safenet/lunaclient/data"

static int to = -1;

static int trees_make(void **state)
{
	struct fault f = { 0 };

	if (tree_make(state) < 0)
		return -1;
	const int root = tree_root(state);
	MUST(fs_dirs_make(root, "/copy", 0755, FS_NOFOLLOW, &f));
	MUST(fs_dirs_make(root, "/" DATA "/sub", 0777, FS_NOFOLLOW, &f));
	MUST(fs_dir_open(root, "/copy", FS_NOFOLLOW, &to, &f));
	/* Nothing here waits. */
	(void)alarm(60);
	return 0;
}

static int trees_remove(void **state)
{
	(void)alarm(0);
	fs_close(&to);
	return unit_place_remove(state);
}

static struct carry carry_of(void **state)
{
	return (struct carry){ .from = tree_root(state), .to = to, .settings = tree_settings() };
}

static struct stat looked(int dir, const char *path)
{
	struct stat status;

	assert_int_equal(fstatat(dir, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status;
}

static void owner_mode_time_links_and_holes_are_kept_and_so_are_the_directories_above(void **state)
{
	const int root = tree_root(state);
	const struct carry carry = carry_of(state);
	struct fault f = { 0 };
	char target[8] = "";

	assert_int_equal(fchmodat(root, "usr/safenet", 0711, 0), 0);
	assert_int_equal(fchownat(root, "usr/safenet/lunaclient/cert", 12, 34, 0), 0);
	assert_int_equal(fchmodat(root, "usr/safenet/lunaclient/cert", 02770, 0), 0);
	assert_int_equal(fchownat(root, "usr/safenet/lunaclient/cert/a", 12, 34, 0), 0);
	assert_int_equal(fchmodat(root, "usr/safenet/lunaclient/cert/a", 0640, 0), 0);
	assert_int_equal(symlinkat("a", root, "usr/safenet/lunaclient/cert/link"), 0);
	assert_int_equal(fchownat(root, "usr/safenet/lunaclient/cert/link", 12, 34, AT_SYMLINK_NOFOLLOW), 0);
	FS_AUTO int holes = openat(root, "usr/safenet/lunaclient/cert/holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(holes, "x", 1, 1 << 20), 1);
	assert_int_equal(ftruncate(holes, (off_t)40 << 30), 0);
	MUST(carry_copy(&carry, "/usr/safenet/lunaclient", &f));

	assert_int_equal(looked(to, "usr/safenet").st_mode & 07777, 0711);
	const struct stat directory = looked(to, "usr/safenet/lunaclient/cert");
	const struct stat file = looked(to, "usr/safenet/lunaclient/cert/a");
	const struct stat link = looked(to, "usr/safenet/lunaclient/cert/link");
	const struct stat long_file = looked(to, "usr/safenet/lunaclient/cert/holes");
	assert_int_equal(directory.st_mode & 07777, 02770);
	assert_int_equal(file.st_mode & 07777, 0640);
	assert_int_equal(directory.st_uid * 100 + directory.st_gid, 1234);
	assert_int_equal(file.st_uid * 100 + file.st_gid, 1234);
	assert_int_equal(link.st_uid * 100 + link.st_gid, 1234);
	assert_int_equal(file.st_mtim.tv_nsec, looked(root, "usr/safenet/lunaclient/cert/a").st_mtim.tv_nsec);
	assert_int_equal(readlinkat(to, "usr/safenet/lunaclient/cert/link", target, sizeof(target)), 1);
	assert_true(long_file.st_size == (off_t)40 << 30);
	assert_true(long_file.st_blocks < 8192);
	TEXT_AUTO bytes = { 0 };
	tree_read(to, "/usr/safenet/lunaclient/cert/a", &bytes);
	assert_string_equal(text_string(&bytes), "aaa\n");
}

static void what_is_in_the_way_is_replaced_and_again_is_the_same(void **state)
{
	const struct carry carry = carry_of(state);
	struct fault f = { 0 };
	TEXT_AUTO bytes = { 0 };

	tree_file(to, "/etc/Chrystoki.conf", "something else, and longer\n");
	MUST(carry_copy(&carry, "/etc/Chrystoki.conf", &f));
	MUST(carry_copy(&carry, "/etc/Chrystoki.conf", &f));
	tree_read(to, "/etc/Chrystoki.conf", &bytes);
	assert_string_equal(text_string(&bytes), "conf\n");
	assert_int_equal(carry_copy(&carry, "/etc/none", &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
}

static void fifos_sockets_and_leased_files_are_left_out_and_what_others_may_write_is_empty(void **state)
{
	const int root = tree_root(state);
	const struct carry carry = carry_of(state);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fault f = { 0 };

	assert_int_equal(mkfifoat(root, "usr/safenet/lunaclient/cert/fifo", 0666), 0);
	tree_file(root, "/" DATA "/sub/file", "mine\n");
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/etc/socket", root);
	FS_AUTO int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	(void)signal(SIGIO, SIG_IGN);
	FS_AUTO int leased = openat(root, "usr/safenet/lunaclient/cert/b", O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(leased, F_SETLEASE, F_WRLCK), 0);
	MUST(carry_copy(&carry, "/usr/safenet/lunaclient", &f));
	MUST(carry_copy(&carry, "etc", &f));
	assert_true(fs_exists(to, "/usr/safenet/lunaclient/cert/a"));
	assert_true(fs_exists(to, "/etc/group"));
	assert_true(fs_exists(to, "/" DATA));
	assert_false(fs_exists(to, "/" DATA "/sub"));
	assert_false(fs_exists(to, "/usr/safenet/lunaclient/cert/fifo"));
	assert_false(fs_exists(to, "/usr/safenet/lunaclient/cert/b"));
	assert_false(fs_exists(to, "/etc/socket"));
}

/* As where it comes between the look and the opening. */
static void a_fifo_a_link_or_a_file_in_the_place_of_what_was_looked_at_is_said(void **state)
{
	static const mode_t was[] = { S_IFREG, S_IFDIR, S_IFLNK };
	static const char *const now[] = { "fifo", "link", "file", "group" };
	const int root = tree_root(state);
	const struct carry carry = carry_of(state);
	struct fault f = { 0 };

	assert_int_equal(mkfifoat(root, "etc/fifo", 0666), 0);
	assert_int_equal(symlinkat("group", root, "etc/link"), 0);
	MUST(fs_dirs_make(root, "/etc/file", 0755, FS_NOFOLLOW, &f));
	FS_AUTO int etc = openat(root, "etc", DIR_FLAGS);
	for (size_t i = 0; i < sizeof(was) / sizeof(was[0]); i++)
		for (size_t j = 0; j < sizeof(now) / sizeof(now[0]); j++) {
			const struct stat status = { .st_mode = was[i] };
			const struct fs_walk_entry entry = { .dir = etc,
							     .directory = 1,
							     .name = now[j],
							     .path = "/x",
							     .path_length = 2,
							     .status = &status };
			struct copying c = { .carry = &carry, .dir = -1 };
			if ((looked(etc, now[j]).st_mode & S_IFMT) == was[i])
				continue;
			assert_int_equal(visit(&c, NULL, &entry, &f), FS_WALK_PASS);
			assert_string_equal(c.first.text, "'/x' was replaced while it was copied");
			fs_close(&c.dir);
			assert_false(fs_exists(to, now[j]));
		}
}

int main(void)
{
#define IN_TREES(test) cmocka_unit_test_setup_teardown(test, trees_make, trees_remove)
	const struct CMUnitTest tests[] = {
		IN_TREES(owner_mode_time_links_and_holes_are_kept_and_so_are_the_directories_above),
		IN_TREES(what_is_in_the_way_is_replaced_and_again_is_the_same),
		IN_TREES(fifos_sockets_and_leased_files_are_left_out_and_what_others_may_write_is_empty),
		IN_TREES(a_fifo_a_link_or_a_file_in_the_place_of_what_was_looked_at_is_said),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	settings_done(tree_settings());
	return failed;
}
