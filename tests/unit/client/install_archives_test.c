/*
 * client/install: the archives as they lie on disk.
 */
#include "client/install.c"
#include "made.h"

/* SHA-256 of "archive", as sha256sum(1) gives it. */
static const char right[] = "0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3";
static const struct unit_place *spot;
static char path[128];

static int archive_make(void **state)
{
	(void)unit_place_make(state);
	spot = *state;
	unit_write(spot->dir, "client.tar", "archive", 0644);
	(void)snprintf(path, sizeof(path), "%s/client.tar", spot->path);
	return 0;
}

static struct archives opened(void)
{
	const char *const paths[] = { path };
	struct archives s = { 0 };
	struct fault f = { 0 };

	MUST(archives_open(paths, 1, &s, &f));
	return s;
}

static void holds(const struct archives *s, const char *expected)
{
	char bytes[64] = "";

	assert_int_equal(pread(s->fds[0], bytes, sizeof(bytes) - 1, 0), strlen(expected));
	assert_string_equal(bytes, expected);
}

static void names_and_sizes_are_those_of_the_files(void **state)
{
	char other[128];
	struct fault f = { 0 };
	ARCHIVES_AUTO s = { 0 };

	(void)state;
	unit_write(spot->dir, "more.zip", "12345", 0644);
	(void)snprintf(other, sizeof(other), "%s/more.zip", spot->path);
	const char *const paths[] = { path, other };
	MUST(archives_open(paths, 2, &s, &f));
	assert_int_equal(s.count, 2);
	assert_string_equal(s.names[0], "client.tar");
	assert_string_equal(s.names[1], "more.zip");
	assert_int_equal(s.bytes, 12);
	holds(&s, "archive");
}

static void what_is_no_plain_file_is_refused_and_blocks_nobody(void **state)
{
	ARCHIVES_AUTO s = { 0 };
	struct fault f;
	char fifo[128], none[128];

	(void)state;
	assert_int_equal(mkfifoat(spot->dir, "fifo", 0600), 0);
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", spot->path);
	(void)snprintf(none, sizeof(none), "%s/none", spot->path);
	const char *const a_fifo[] = { path, fifo }, *const a_directory[] = { spot->path };
	const char *const a_device[] = { "/dev/null" }, *const nothing[] = { none };
	MUST_FAIL(archives_open(a_fifo, 2, &s, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(archives_open(a_directory, 1, &s, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(archives_open(a_device, 1, &s, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(archives_open(nothing, 1, &s, &f), FAULT_ABSENT, "cannot open");
	assert_int_equal(s.count, 0);
}

static void more_archives_than_one_run_takes_are_a_usage_fault(void **state)
{
	const char *paths[UNPACK_ARCHIVES + 1];
	ARCHIVES_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i <= UNPACK_ARCHIVES; i++)
		paths[i] = path;
	MUST_FAIL(archives_open(paths, UNPACK_ARCHIVES + 1, &s, &f), FAULT_USAGE, "more than 16 archives");
	f = (struct fault){ 0 };
	MUST(archives_open(paths, UNPACK_ARCHIVES, &s, &f));
}

static void every_byte_is_compared_with_the_digest(void **state)
{
	struct fault f = { 0 };
	ARCHIVES_AUTO s = opened();

	(void)state;
	MUST(archives_verify(&s, right, spot->dir, &f));
	assert_string_equal(s.sha256, right);
	MUST(archives_unchanged(&s, &f));
	archives_done(&s);
	/* The last bit of the last byte. */
	unit_write(spot->dir, "client.tar", "archivd", 0644);
	s = opened();
	MUST_FAIL(archives_verify(&s, right, spot->dir, &f), FAULT_REFUSED, "client.tar: its SHA-256 is ");
}

static void a_digest_is_of_one_archive(void **state)
{
	const char *const paths[] = { path, path };
	ARCHIVES_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(archives_open(paths, 2, &s, &f));
	MUST_FAIL(archives_verify(&s, right, spot->dir, &f), FAULT_USAGE,
		  "--sha256 can be given with one archive only");
}

static void somebody_who_opens_it_for_writing_meanwhile_is_noticed(void **state)
{
	struct fault f = { 0 };
	ARCHIVES_AUTO s = opened();

	(void)state;
	MUST(archives_verify(&s, right, spot->dir, &f));
	assert_true(s.leased);
	/* To read it is everybody's right. */
	FS_AUTO int reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	MUST(archives_unchanged(&s, &f));
	/* It does not get it yet, but it has tried. */
	assert_int_equal(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
	MUST_FAIL(archives_unchanged(&s, &f), FAULT_REFUSED, "somebody opened it for writing");
}

static void what_is_open_for_writing_already_is_read_from_a_copy_without_a_name(void **state)
{
	FS_AUTO int writer = open(path, O_WRONLY | O_CLOEXEC);
	struct fault f = { 0 };
	struct stat status;
	ARCHIVES_AUTO s = opened();

	(void)state;
	unit_dir(spot->dir, "staging", 0700);
	FS_AUTO int dir = openat(spot->dir, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(archives_verify(&s, right, dir, &f));
	assert_false(s.leased);
	assert_int_equal(pwrite(writer, "another", 7, 0), 7);
	MUST(archives_unchanged(&s, &f));
	holds(&s, "archive");
	assert_int_equal(fstat(s.fds[0], &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(unlinkat(spot->dir, "staging", AT_REMOVEDIR), 0);
}

#define ARCHIVES(test) cmocka_unit_test_setup_teardown(test, archive_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARCHIVES(names_and_sizes_are_those_of_the_files),
		ARCHIVES(what_is_no_plain_file_is_refused_and_blocks_nobody),
		ARCHIVES(more_archives_than_one_run_takes_are_a_usage_fault),
		ARCHIVES(every_byte_is_compared_with_the_digest),
		ARCHIVES(a_digest_is_of_one_archive),
		ARCHIVES(somebody_who_opens_it_for_writing_meanwhile_is_noticed),
		ARCHIVES(what_is_open_for_writing_already_is_read_from_a_copy_without_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
