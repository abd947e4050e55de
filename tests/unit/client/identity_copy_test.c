/*
 * client/identity: an entry of the old tree, copied into the new one.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include "client/identity.c"
#include "failing.h"
#include "trees.h"

static struct copy copier = { .room = 1 << 20 };

/* A disk that cannot tell where the data of a file are. */
static bool seeking_fails;

off_t lseek(int fd, off_t at, int whence)
{
	if (seeking_fails && whence == SEEK_DATA) {
		errno = EIO;
		return -1;
	}
	return (off_t)syscall(SYS_lseek, fd, at, whence);
}

static void copy(const char *name)
{
	struct fault f = { 0 };

	copier = (struct copy){ .room = 1 << 20, .report = made_report() };
	MUST(entry_copy(&copier, old, new, name, name, 0, &f));
}

static void it_is_copied_bit_for_bit_with_owner_mode_times_and_attributes(void **state)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 123456789 } };
	struct stat status;
	char value[8] = "";
	char bytes[70001];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		bytes[i] = (char)(i % 251 + 1);
	bytes[sizeof(bytes) - 1] = '\0';
	unit_dir(old, "data", 02751);
	unit_write(old, "data/large", bytes, 0600);
	FS_AUTO int from = openat(old, "data/large", O_RDONLY | O_CLOEXEC);
	const bool can = fsetxattr(from, "user.label", "hsm", 3, 0) == 0;
	assert_int_equal(fchown(from, 12, 34), 0);
	assert_int_equal(fchmod(from, 02664), 0);
	assert_int_equal(futimens(from, times), 0);
	assert_int_equal(utimensat(old, "data", times, 0), 0);
	copy("data");
	FS_AUTO int to = openat(new, "data/large", O_RDONLY | O_CLOEXEC);
	char *copied = calloc(1, sizeof(bytes));
	assert_non_null(copied);
	assert_int_equal(read(to, copied, sizeof(bytes)), sizeof(bytes) - 1);
	assert_memory_equal(copied, bytes, sizeof(bytes));
	free(copied);
	assert_int_equal(fstat(to, &status), 0);
	assert_int_equal(status.st_uid, 12);
	assert_int_equal(status.st_gid, 34);
	assert_int_equal(status.st_mode & 07777, 02664);
	assert_int_equal(status.st_mtim.tv_sec, 2000);
	assert_int_equal(status.st_mtim.tv_nsec, 123456789);
	if (can)
		assert_int_equal(fgetxattr(to, "user.label", value, sizeof(value)), 3);
	/* Making what is in it has not changed the directory's own time. */
	assert_int_equal(fstatat(new, "data", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 02751);
	assert_int_equal(status.st_mtim.tv_sec, 2000);
	assert_int_equal(copier.bytes, sizeof(bytes) - 1);
}

static void where_both_have_a_file_the_old_one_stays_and_the_new_one_lies_beside_it(void **state)
{
	(void)state;
	trees_identity();
	unit_dir(new, "cert", 0755);
	unit_dir(new, "cert/client", 0755);
	unit_write(new, "cert/client/okvKey.pem", "another key", 0644);
	copy("cert");
	unit_holds(new, "cert/client/okvKey.pem", "the key");
	unit_holds(new, "cert/client/okvKey.pem.okv-luna-new", "another key");
	assert_non_null(strstr(text_string(&made_told), "'cert/client/okvKey.pem' is kept as it was"));
}

static void with_the_same_content_nothing_is_put_aside_but_owner_and_mode_are_the_old_ones(void **state)
{
	struct stat status;

	(void)state;
	unit_write(old, "Chrystoki.conf", "conf", 0640);
	assert_int_equal(fchownat(old, "Chrystoki.conf", 0, 34, 0), 0);
	unit_write(new, "Chrystoki.conf", "conf", 0644);
	copy("Chrystoki.conf");
	assert_false(unit_there(new, "Chrystoki.conf.okv-luna-new"));
	assert_string_equal(text_string(&made_told), "");
	assert_int_equal(fstatat(new, "Chrystoki.conf", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(status.st_gid, 34);
}

static void an_empty_newcomer_says_nothing_and_goes(void **state)
{
	(void)state;
	unit_write(old, "Chrystoki.conf", "conf", 0640);
	unit_write(new, "Chrystoki.conf", "", 0644);
	copy("Chrystoki.conf");
	unit_holds(new, "Chrystoki.conf", "conf");
	assert_false(unit_there(new, "Chrystoki.conf.okv-luna-new"));
}

static void no_link_is_followed_and_what_is_no_file_is_left_behind(void **state)
{
	const struct unit_place *place = *state;
	char target[64] = "";

	unit_write(place->dir, "secret", "outside", 0600);
	unit_dir(old, "data", 0777);
	assert_int_equal(symlinkat("../../secret", old, "data/link"), 0);
	assert_int_equal(mkfifoat(old, "data/fifo", 0600), 0);
	unit_dir(new, "data", 0755);
	unit_write(new, "data/link", "new file", 0600);
	copy("data");
	assert_int_equal(readlinkat(new, "data/link", target, sizeof(target) - 1), 12);
	assert_string_equal(target, "../../secret");
	assert_false(unit_there(new, "data/fifo"));
	unit_holds(place->dir, "secret", "outside");
	assert_non_null(strstr(text_string(&made_told), "'data/fifo' of the old client is left behind: it is neither"));
}

/* Of a place where everybody may write, and of one where only the HSM group may. */
static void a_second_name_leaves_a_file_of_data_behind_and_is_refused_elsewhere(void **state)
{
	struct fault f;

	(void)state;
	unit_dir(old, "data", 0777);
	unit_dir(old, "cert", 0770);
	unit_write(old, "data/one", "x", 0600);
	unit_write(old, "data/own", "y", 0600);
	assert_int_equal(linkat(old, "data/one", old, "data/two", 0), 0);
	copy("data");
	assert_false(unit_there(new, "data/one"));
	assert_false(unit_there(new, "data/two"));
	unit_holds(new, "data/own", "y");
	assert_non_null(
		strstr(text_string(&made_told), "'data/two' of the old client is left behind: it has more than"));
	assert_int_equal(copier.left, 2);
	assert_int_equal(renameat(old, "data/one", old, "cert/one"), 0);
	MUST_FAIL(entry_copy(&copier, old, new, "cert", "cert", 0, &f), FAULT_REFUSED,
		  "'cert/one' of the old client has 2 names");
	assert_false(unit_there(new, "cert/one"));
}

static void what_is_left_behind_is_named_only_so_often(void **state)
{
	char name[32];

	(void)state;
	unit_dir(old, "data", 0777);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "data/%d", i);
		assert_int_equal(mkfifoat(old, name, 0600), 0);
	}
	copy("data");
	copy_end(&copier);
	assert_non_null(strstr(text_string(&made_told), "980 more files of the old client are left behind"));
	assert_true(made_told.length < 3000);
	assert_int_equal(copier.left, 1000);
}

/* With one open file more each time, until there are enough. */
static void what_the_machine_fails_at_is_a_fault_and_leaves_nothing_behind(void **state)
{
	struct rlimit kept;
	unsigned failed = 0;
	int r = -1;

	(void)state;
	unit_dir(old, "data", 0777);
	unit_dir(old, "data/d", 0777);
	unit_write(old, "data/d/state", "x", 0600);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &kept), 0);
	for (rlim_t most = 3; r < 0 && most < 64; most++, failed += r < 0) {
		const struct rlimit few = { .rlim_cur = most, .rlim_max = kept.rlim_max };
		struct fault f = { 0 };
		copier = (struct copy){ .room = 1 << 20, .report = made_report() };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = entry_copy(&copier, old, new, "data", "data", 0, &f);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &kept), 0);
		assert_int_equal(copier.left, 0);
		assert_int_equal(f.kind, r < 0 ? FAULT_SYSTEM : FAULT_NONE);
	}
	assert_true(failed > 2);
	unit_holds(new, "data/d/state", "x");
}

static void a_hole_stays_a_hole(void **state)
{
	struct stat status;
	char bytes[4] = "";

	(void)state;
	unit_dir(old, "data", 0777);
	unit_write(old, "data/sparse", "begin", 0600);
	FS_AUTO int from = openat(old, "data/sparse", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(from, (off_t)40 << 30), 0);
	assert_int_equal(pwrite(from, "mid", 3, (off_t)20 << 30), 3);
	copy("data");
	FS_AUTO int to = openat(new, "data/sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(to, &status), 0);
	assert_true(status.st_size == (off_t)40 << 30);
	assert_true(status.st_blocks < 2048);
	assert_int_equal(pread(to, bytes, 3, (off_t)20 << 30), 3);
	assert_string_equal(bytes, "mid");
	assert_int_equal(pread(to, bytes, 3, 2), 3);
	assert_string_equal(bytes, "gin");
	assert_string_equal(text_string(&made_told), "");
}

/* Everybody who owns a file can have a lease on it, and again after it was broken. */
static void what_cannot_be_read_is_no_hole(void **state)
{
	struct fault f;

	(void)state;
	unit_write(old, "key.pem", "-----BEGIN PRIVATE KEY-----\n", 0600);
	copier = (struct copy){ .room = 1 << 20, .report = made_report() };
	seeking_fails = true;
	MUST_FAIL(entry_copy(&copier, old, new, "key.pem", "key.pem", 0, &f), FAULT_SYSTEM,
		  "cannot read 'key.pem' of the old client");
	seeking_fails = false;
}

static void a_lease_leaves_a_file_of_data_behind_and_is_named_elsewhere(void **state)
{
	static const char *const files[] = { "data/one", "lock/one", "cert/one" };
	int leased[3];
	struct fault f;

	(void)state;
	assert_true(signal(SIGIO, SIG_IGN) != SIG_ERR);
	for (size_t i = 0; i < 3; i++) {
		unit_dir(old, (const char *const[]){ "data", "lock", "cert" }[i], 0777);
		unit_write(old, files[i], "x", 0600);
		leased[i] = openat(old, files[i], O_RDWR | O_CLOEXEC);
		assert_int_equal(fcntl(leased[i], F_SETLEASE, F_WRLCK), 0);
	}
	copy("data");
	assert_non_null(strstr(text_string(&made_told), "'data/one' of the old client is left behind: another"));
	copy("lock");
	assert_non_null(strstr(text_string(&made_told), "'lock/one' of the old client is left behind"));
	MUST_FAIL(entry_copy(&copier, old, new, "cert", "cert", 0, &f), FAULT_SYSTEM, "a lease on 'cert/one'");
	for (size_t i = 0; i < 3; i++) {
		assert_false(unit_there(new, files[i]));
		assert_int_equal(close(leased[i]), 0);
	}
}

static void a_planted_link_in_the_new_tree_is_not_written_through(void **state)
{
	const struct unit_place *place = *state;

	unit_write(place->dir, "victim", "untouched", 0600);
	unit_dir(place->dir, "elsewhere", 0755);
	trees_identity();
	unit_dir(new, "cert", 0755);
	unit_dir(new, "cert/client", 0755);
	assert_int_equal(symlinkat("../../../victim", new, "cert/client/okvKey.pem"), 0);
	assert_int_equal(symlinkat("../elsewhere", new, "configData"), 0);
	copy("cert");
	copy("configData");
	unit_holds(place->dir, "victim", "untouched");
	unit_holds(new, "cert/client/okvKey.pem", "the key");
	assert_false(unit_there(place->dir, "elsewhere/token.db"));
	unit_holds(new, "configData/token.db", "");
}

static void set_user_id_bits_and_capabilities_stay_behind(void **state)
{
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };
	struct stat status;
	char value[64];

	(void)state;
	unit_write(old, "tool", "x", 04755);
	FS_AUTO int fd = openat(old, "tool", O_RDONLY | O_CLOEXEC);
	const bool capable = fsetxattr(fd, "security.capability", capability, sizeof(capability), 0) == 0;
	copy("tool");
	assert_int_equal(fstatat(new, "tool", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
	FS_AUTO int to = openat(new, "tool", O_RDONLY | O_CLOEXEC);
	if (capable)
		assert_int_equal(fgetxattr(to, "security.capability", value, sizeof(value)), -1);
}

static void more_than_there_is_room_for_is_refused(void **state)
{
	struct copy small = { .room = 5 };
	struct fault f;

	(void)state;
	trees_identity();
	MUST_FAIL(entry_copy(&small, old, new, "cert", "cert", 0, &f), FAULT_REFUSED, "take more than 5 bytes");
}

static void what_there_is_no_room_for_is_left_behind_where_others_may_write(void **state)
{
	struct copy small = { .room = 5, .report = made_report() };
	struct fault f = { 0 };

	(void)state;
	unit_dir(old, "data", 0777);
	unit_write(old, "data/large", "too large", 0600);
	unit_write(old, "data/small", "1234", 0600);
	MUST(entry_copy(&small, old, new, "data", "data", 0, &f));
	assert_false(unit_there(new, "data/large"));
	unit_holds(new, "data/small", "1234");
	assert_int_equal(small.bytes, 4);
	assert_non_null(
		strstr(text_string(&made_told), "'data/large' of the old client is left behind: there is no room"));
}

static void tree_deepen(int dir)
{
	FS_AUTO int at = fcntl(dir, F_DUPFD_CLOEXEC, 3);

	for (int depth = 0; depth < 70; depth++) {
		unit_dir(at, "d", 0755);
		const int below = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		fs_close(&at);
		at = below;
	}
}

static void a_tree_without_end_is_refused_and_in_data_cut_off(void **state)
{
	struct fault f;

	(void)state;
	tree_deepen(old);
	MUST_FAIL(entry_copy(&copier, old, new, "d", "d", 0, &f), FAULT_REFUSED,
		  "of the old client cannot be copied: it is more than 64 directories deep");
	unit_dir(old, "data", 0777);
	FS_AUTO int data = openat(old, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_deepen(data);
	copy("data");
	assert_true(unit_there(new, "data/d/d/d"));
	assert_non_null(strstr(text_string(&made_told), "left behind: it is more than 64 directories deep"));
}

static void what_is_not_there_is_no_fault_and_what_cannot_be_looked_at_is_one(void **state)
{
	struct fault f = { 0 };

	(void)state;
	copy("none");
	MUST(file_copy(&copier, old, new, "none", "none", &f));
	unit_write(old, "there", "x", 0600);
	MUST_NOT_GUESS("there", entry_copy(&copier, old, new, "there", "there", 0, &f));
	assert_false(unit_there(new, "there"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREES(it_is_copied_bit_for_bit_with_owner_mode_times_and_attributes),
		IN_TREES(where_both_have_a_file_the_old_one_stays_and_the_new_one_lies_beside_it),
		IN_TREES(with_the_same_content_nothing_is_put_aside_but_owner_and_mode_are_the_old_ones),
		IN_TREES(an_empty_newcomer_says_nothing_and_goes),
		IN_TREES(no_link_is_followed_and_what_is_no_file_is_left_behind),
		IN_TREES(a_second_name_leaves_a_file_of_data_behind_and_is_refused_elsewhere),
		IN_TREES(what_is_left_behind_is_named_only_so_often),
		IN_TREES(what_the_machine_fails_at_is_a_fault_and_leaves_nothing_behind),
		IN_TREES(a_hole_stays_a_hole),
		IN_TREES(what_cannot_be_read_is_no_hole),
		IN_TREES(a_lease_leaves_a_file_of_data_behind_and_is_named_elsewhere),
		IN_TREES(a_planted_link_in_the_new_tree_is_not_written_through),
		IN_TREES(set_user_id_bits_and_capabilities_stay_behind),
		IN_TREES(more_than_there_is_room_for_is_refused),
		IN_TREES(what_there_is_no_room_for_is_left_behind_where_others_may_write),
		IN_TREES(a_tree_without_end_is_refused_and_in_data_cut_off),
		IN_TREES(what_is_not_there_is_no_fault_and_what_cannot_be_looked_at_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
