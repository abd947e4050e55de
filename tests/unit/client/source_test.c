#include "client/source.h"
#include "made.h"

/* SHA-256 of "archive", as sha256sum(1) gives it. */
static const char right[] = "0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3";
static const struct unit_place *place;
static char path[128];

static int archive_make(void **state)
{
	(void)unit_place_make(state);
	place = *state;
	unit_write(place->dir, "client.tar", "archive", 0644);
	(void)snprintf(path, sizeof(path), "%s/client.tar", place->path);
	return 0;
}

static struct client_source opened(void)
{
	const char *const paths[] = { path };
	struct client_source s = { 0 };
	struct fault f = { 0 };

	MUST(client_source_open(paths, 1, &s, &f));
	return s;
}

static void holds(const struct client_source *s, const char *expected)
{
	char bytes[64] = "";

	assert_int_equal(pread(s->fds[0], bytes, sizeof(bytes) - 1, 0), strlen(expected));
	assert_string_equal(bytes, expected);
}

static void names_and_sizes_are_those_of_the_files(void **state)
{
	char other[128];
	struct fault f = { 0 };
	CLIENT_SOURCE_AUTO s = { 0 };

	(void)state;
	unit_write(place->dir, "more.zip", "12345", 0644);
	(void)snprintf(other, sizeof(other), "%s/more.zip", place->path);
	const char *const paths[] = { path, other };
	MUST(client_source_open(paths, 2, &s, &f));
	assert_int_equal(s.count, 2);
	assert_string_equal(s.names[0], "client.tar");
	assert_string_equal(s.names[1], "more.zip");
	assert_int_equal(s.bytes, 12);
	holds(&s, "archive");
}

static void what_is_no_plain_file_is_refused_and_blocks_nobody(void **state)
{
	CLIENT_SOURCE_AUTO s = { 0 };
	struct fault f;
	char fifo[128], none[128];

	(void)state;
	assert_int_equal(mkfifoat(place->dir, "fifo", 0600), 0);
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", place->path);
	(void)snprintf(none, sizeof(none), "%s/none", place->path);
	const char *const a_fifo[] = { path, fifo }, *const a_directory[] = { place->path };
	const char *const a_device[] = { "/dev/null" }, *const nothing[] = { none };
	MUST_FAIL(client_source_open(a_fifo, 2, &s, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(client_source_open(a_directory, 1, &s, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(client_source_open(a_device, 1, &s, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(client_source_open(nothing, 1, &s, &f), FAULT_ABSENT, "cannot open");
	assert_int_equal(s.count, 0);
}

static void more_archives_than_one_run_takes_are_a_usage_fault(void **state)
{
	const char *paths[UNPACK_ARCHIVES + 1];
	CLIENT_SOURCE_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i <= UNPACK_ARCHIVES; i++)
		paths[i] = path;
	MUST_FAIL(client_source_open(paths, UNPACK_ARCHIVES + 1, &s, &f), FAULT_USAGE, "more than 16 archives");
	f = (struct fault){ 0 };
	MUST(client_source_open(paths, UNPACK_ARCHIVES, &s, &f));
}

static void every_byte_is_compared_with_the_digest(void **state)
{
	struct fault f = { 0 };
	CLIENT_SOURCE_AUTO s = opened();

	(void)state;
	MUST(client_source_verify(&s, right, place->dir, &f));
	assert_string_equal(s.sha256, right);
	MUST(client_source_unchanged(&s, &f));
	client_source_done(&s);
	/* The last bit of the last byte. */
	unit_write(place->dir, "client.tar", "archivd", 0644);
	s = opened();
	MUST_FAIL(client_source_verify(&s, right, place->dir, &f), FAULT_REFUSED, "client.tar: its SHA-256 is ");
}

static void a_digest_is_of_one_archive(void **state)
{
	const char *const paths[] = { path, path };
	CLIENT_SOURCE_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(client_source_open(paths, 2, &s, &f));
	MUST_FAIL(client_source_verify(&s, right, place->dir, &f), FAULT_USAGE, "--sha256 is for one archive");
}

static void somebody_who_opens_it_for_writing_meanwhile_is_noticed(void **state)
{
	struct fault f = { 0 };
	CLIENT_SOURCE_AUTO s = opened();

	(void)state;
	MUST(client_source_verify(&s, right, place->dir, &f));
	assert_true(s.leased);
	/* To read it is everybody's right. */
	FS_AUTO int reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	MUST(client_source_unchanged(&s, &f));
	/* It does not get it yet, but it has tried. */
	assert_int_equal(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
	MUST_FAIL(client_source_unchanged(&s, &f), FAULT_REFUSED, "somebody opened it for writing");
}

static void what_is_open_for_writing_already_is_read_from_a_copy_without_a_name(void **state)
{
	FS_AUTO int writer = open(path, O_WRONLY | O_CLOEXEC);
	struct fault f = { 0 };
	struct stat status;
	CLIENT_SOURCE_AUTO s = opened();

	(void)state;
	unit_dir(place->dir, "staging", 0700);
	FS_AUTO int dir = openat(place->dir, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(client_source_verify(&s, right, dir, &f));
	assert_false(s.leased);
	assert_int_equal(pwrite(writer, "another", 7, 0), 7);
	MUST(client_source_unchanged(&s, &f));
	holds(&s, "archive");
	assert_int_equal(fstat(s.fds[0], &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(unlinkat(place->dir, "staging", AT_REMOVEDIR), 0);
}

/* --- which client is in it ---------------------------------------------------------------------------------------- */

static void the_kind_is_told_by_the_names(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };

	(void)state;
	c.unpacked =
		UNPACKED(MINIMAL "libs/64/libCryptoki2.so", MINIMAL "libs/64/libCryptoki2_64.so -> libCryptoki2.so");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_int_equal(c.kind, CLIENT_MINIMAL);
	assert_string_equal(c.top, MINIMAL);
	assert_string_equal(c.version, "10.4.0-417");
	assert_string_equal(c.library, "libs/64/libCryptoki2.so");
	MUST_FAIL(client_content_find(&c, CLIENT_FULL, &f), FAULT_REFUSED, "it is a minimal client, not a full one");

	c.unpacked = UNPACKED("libs/64/libCryptoki2_64.so", "libs/64/libCryptoki2.so -> libCryptoki2_64.so", "setenv");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_int_equal(c.kind, CLIENT_CLOUD);
	assert_string_equal(c.top, "");
	assert_string_equal(c.library, "libs/64/libCryptoki2_64.so");

	/* Wherever its setenv is: what that builds from is the cloud client's alone. */
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "Chrystoki-base.conf");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_int_equal(c.kind, CLIENT_CLOUD);

	c.unpacked = UNPACKED("LunaClient_10.9.4-122_Linux/64/libcryptoki-10.9.4-122.x86_64.rpm",
			      "LunaClient_10.9.4-122_Linux/64/common");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_int_equal(c.kind, CLIENT_FULL);
	assert_string_equal(c.version, "10.9.4-122");
}

static void none_or_more_than_one_client_is_refused(void **state)
{
	struct client_content c = { 0 };
	struct fault f;

	(void)state;
	c.unpacked = UNPACKED("README");
	MUST_FAIL(client_content_find(&c, CLIENT_AUTO, &f), FAULT_REFUSED, "no Luna client in it");
	c.unpacked = UNPACKED("a/libs/64/libCryptoki2.so", "b/libs/64/libCryptoki2.so");
	MUST_FAIL(client_content_find(&c, CLIENT_AUTO, &f), FAULT_REFUSED, "more than one client");
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so -> y", "libs/64/x");
	MUST_FAIL(client_content_find(&c, CLIENT_AUTO, &f), FAULT_REFUSED, "no PKCS#11 library that is a file");
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so -> libCryptoki2_64.so",
			      "libs/64/libCryptoki2_64.so -> libCryptoki2.so");
	MUST_FAIL(client_content_find(&c, CLIENT_AUTO, &f), FAULT_REFUSED, "no PKCS#11 library that is a file");
}

static void the_library_may_be_a_chain_of_links(void **state)
{
	struct client_content c = { .kind = CLIENT_AUTO };
	struct fault f = { 0 };

	(void)state;
	c.unpacked =
		UNPACKED("t/libs/64/libCryptoki2_64.so -> libCryptoki2.so",
			 "t/libs/64/libCryptoki2.so -> libCryptoki2.so.10.4.0", "t/libs/64/libCryptoki2.so.10.4.0");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_string_equal(c.library, "libs/64/libCryptoki2.so.10.4.0");
	c.unpacked =
		UNPACKED("t/libs/64/libCryptoki2.so -> /usr/safenet/lunaclient/libs/64/real.so", "t/libs/64/real.so");
	c.unpacked.judge.own_place = "/usr/safenet/lunaclient";
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_string_equal(c.library, "libs/64/real.so");
}

static void a_top_directory_may_be_there_or_not(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };

	(void)state;
	c.unpacked = UNPACKED("a/b/libs/64/libCryptoki2.so", "a/b/x", "elsewhere/y");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_string_equal(c.top, "a/b/");
	assert_string_equal(c.version, "");
	assert_string_equal(client_content_path(&c, "a/b/x"), "x");
	assert_null(client_content_path(&c, "elsewhere/y"));
	assert_null(client_content_path(&c, "a/b/"));
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	assert_string_equal(c.top, "");
}

static void a_name_that_only_ends_alike_is_no_client(void **state)
{
	struct client_content c = { 0 };
	struct fault f;

	(void)state;
	c.unpacked = UNPACKED("xlibs/64/libCryptoki2.so", "x64/libcryptoki-10.9.4-122.x86_64.rpm",
			      "64/libcryptoki-10.9.4-122.i386.rpm", "libs/64/libCryptoki2.so/");
	MUST_FAIL(client_content_find(&c, CLIENT_AUTO, &f), FAULT_REFUSED, "no Luna client in it");
}

static void what_is_for_another_system_is_no_part_of_the_cloud_client(void **state)
{
	static const char *const foreign[] = { "cvclient-min.zip", "crystoki.ini", "crystoki-template.ini" };
	struct client_content c = { 0 };
	struct fault f = { 0 };

	(void)state;
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "setenv");
	MUST(client_content_find(&c, CLIENT_AUTO, &f));
	for (size_t i = 0; i < 3; i++)
		assert_null(client_content_path(&c, foreign[i]));
	c.kind = CLIENT_MINIMAL;
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(client_content_path(&c, foreign[i]), foreign[i]);
}

static void a_kind_has_one_word(void **state)
{
	enum client_kind kind = CLIENT_FULL;

	(void)state;
	for (int k = CLIENT_AUTO; k <= CLIENT_FULL; k++) {
		assert_int_equal(client_kind_parse(client_kind_name((enum client_kind)k), &kind), 0);
		assert_int_equal((int)kind, k);
	}
	assert_int_equal(client_kind_parse("Minimal", &kind), -1);
	assert_int_equal(client_kind_parse("", &kind), -1);
	assert_int_equal((int)kind, CLIENT_FULL);
}

#define SOURCE(test) cmocka_unit_test_setup_teardown(test, archive_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOURCE(names_and_sizes_are_those_of_the_files),
		SOURCE(what_is_no_plain_file_is_refused_and_blocks_nobody),
		SOURCE(more_archives_than_one_run_takes_are_a_usage_fault),
		SOURCE(every_byte_is_compared_with_the_digest),
		SOURCE(a_digest_is_of_one_archive),
		SOURCE(somebody_who_opens_it_for_writing_meanwhile_is_noticed),
		SOURCE(what_is_open_for_writing_already_is_read_from_a_copy_without_a_name),
		cmocka_unit_test(the_kind_is_told_by_the_names),
		cmocka_unit_test(none_or_more_than_one_client_is_refused),
		cmocka_unit_test(the_library_may_be_a_chain_of_links),
		cmocka_unit_test(a_top_directory_may_be_there_or_not),
		cmocka_unit_test(a_name_that_only_ends_alike_is_no_client),
		cmocka_unit_test(what_is_for_another_system_is_no_part_of_the_cloud_client),
		cmocka_unit_test(a_kind_has_one_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
