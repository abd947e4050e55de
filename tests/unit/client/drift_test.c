#include "client/carry.h"
#include "client/drift.h"
#include "failing.h"
#include "trees.h"

static void only_what_was_changed_since_has_drifted(void **state)
{
	struct client_carried carried = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	trees_identity();
	MUST(client_carry(old, new, NULL, "/x", 1 << 20, NULL, &carried, &f));
	text_done(&carried.kept);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "");
	unit_write(new, "cert/client/okvKey.pem", "made new", 0664);
	unit_write(new, "cert/client/second.pem", "new", 0664);
	unit_write(new, "data/log", "of the day", 0664);
	unit_dir(new, "lock", 0755);
	unit_write(new, "lock/1", "", 0664);
	unit_write(new, "README", "the vendor's", 0664);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_non_null(strstr(text_string(&paths), "cert/client/okvKey.pem\n"));
	assert_non_null(strstr(text_string(&paths), "cert/client/second.pem\n"));
	assert_int_equal(paths.length, strlen("cert/client/okvKey.pem\ncert/client/second.pem\n"));
}

/* A file of each tree, the same but for one thing. */
static const char *drifted(const char *bytes, time_t time)
{
	static char said[64];
	const struct timespec times[2] = { { 1000, 0 }, { time, 0 } };
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	unit_write(new, "key.pem", bytes, 0600);
	assert_int_equal(utimensat(new, "key.pem", times, 0), 0);
	MUST(client_drift_find(new, old, &paths, &f));
	(void)snprintf(said, sizeof(said), "%s", text_string(&paths));
	return said;
}

static void size_time_and_type_are_compared(void **state)
{
	const struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_write(old, "key.pem", "key", 0600);
	assert_int_equal(utimensat(old, "key.pem", times, 0), 0);
	assert_string_equal(drifted("key", 2000), "");
	assert_string_equal(drifted("key2", 2000), "key.pem\n");
	assert_string_equal(drifted("yek", 2001), "key.pem\n");
	assert_int_equal(unlinkat(new, "key.pem", 0), 0);
	assert_int_equal(symlinkat("abc", new, "key.pem"), 0);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "key.pem\n");
}

static void behind_a_link_of_the_old_tree_there_is_nothing(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_dir(new, "cert", 0755);
	unit_write(new, "cert/a", "x", 0600);
	assert_int_equal(symlinkat("../new/cert", old, "cert"), 0);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "cert/a\n");
}

static void no_file_is_opened(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_dir(new, "cert", 0755);
	/* Whoever opened it would wait for ever. */
	assert_int_equal(mkfifoat(new, "cert/fifo", 0600), 0);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "cert/fifo\n");
}

static void what_cannot_be_looked_at_is_a_fault(void **state)
{
	struct fault f;
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_write(new, "key.pem", "x", 0600);
	MUST_NOT_GUESS("key.pem", client_drift_find(new, old, &paths, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREES(only_what_was_changed_since_has_drifted),
		IN_TREES(size_time_and_type_are_compared),
		IN_TREES(behind_a_link_of_the_old_tree_there_is_nothing),
		IN_TREES(no_file_is_opened),
		IN_TREES(what_cannot_be_looked_at_is_a_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
