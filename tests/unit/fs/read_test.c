/* fs/read: whole small files into memory, or nothing of them. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "fs/read.h"

static void a_file_is_read_whole_and_appended(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };
	struct stat status;

	unit_write(place->dir, "x", "bytes", 0640);
	text_add_string(&text, "before:");
	MUST(fs_read_file(place->dir, "x", FS_NOFOLLOW, 5, &text, &status, &f));
	assert_string_equal(text_string(&text), "before:bytes");
	assert_int_equal(status.st_size, 5);
	assert_int_equal(status.st_mode & 07777, 0640);
}

static void a_file_over_the_limit_is_refused_never_cut(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };
	char big[40000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	unit_write(place->dir, "big", big, 0600);
	text_add_string(&text, "before");
	MUST_FAIL(fs_read_file(place->dir, "big", FS_NOFOLLOW, sizeof(big) - 2, &text, NULL, &f), FAULT_REFUSED,
		  "'big' is longer than 39998 bytes");
	/* Nothing of it is left behind, not even past the end. */
	assert_string_equal(text_string(&text), "before");
	assert_int_equal(text.length, 6);
	MUST(fs_read_file(place->dir, "big", FS_NOFOLLOW, sizeof(big) - 1, &text, NULL, &f));
	assert_int_equal(text.length, 6 + sizeof(big) - 1);
}

static void an_empty_file_is_the_empty_text(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };

	unit_write(place->dir, "empty", "", 0600);
	MUST(fs_read_file(place->dir, "empty", FS_NOFOLLOW, 0, &text, NULL, &f));
	assert_string_equal(text_string(&text), "");
}

static void what_cannot_be_read_is_named(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };

	text_add_string(&text, "before");
	MUST_FAIL(fs_read(place->dir, "the\tplace", 10, &text, &f), FAULT_SYSTEM,
		  "cannot read 'the\\x09place': Is a directory");
	assert_string_equal(text_string(&text), "before");
	MUST_FAIL(fs_write(-1, "it", "x", 1, &f), FAULT_SYSTEM, "cannot write 'it': Bad file descriptor");
}

static void ring(int number)
{
	(void)number;
}

/* A writer and a reader at the two ends of a pipe, both interrupted all the time. */
static void signals_and_short_steps_are_no_failure(void **state)
{
	enum { SIZE = 700000 };
	const struct itimerval often = { .it_interval = { 0, 500 }, .it_value = { 0, 500 } };
	const struct itimerval never = { .it_value = { 0, 0 } };
	struct sigaction action = { .sa_handler = ring };
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };
	int ends[2];

	(void)state;
	char *bytes = malloc(SIZE);
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 >> 3);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	const pid_t child = fork();
	if (child == 0) {
		(void)close(ends[0]);
		(void)setitimer(ITIMER_REAL, &often, NULL);
		_exit(fs_write(ends[1], "pipe", bytes, SIZE, &f) == 0 ? 0 : 1);
	}
	(void)close(ends[1]);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	MUST(fs_read(ends[0], "pipe", SIZE, &text, &f));
	(void)setitimer(ITIMER_REAL, &never, NULL);
	assert_int_equal(text.length, SIZE);
	assert_memory_equal(text.bytes, bytes, SIZE);
	(void)close(ends[0]);
	free(bytes);
}

static void a_file_that_need_not_be_there_is_read_or_absent(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	TEXT_AUTO text = { 0 };
	bool there = true;

	MUST(fs_read_optional(place->dir, "none", &text, &there, &f));
	assert_false(there);
	assert_int_equal(text.length, 0);
	unit_write(place->dir, "some", "bytes", 0600);
	MUST(fs_read_optional(place->dir, "some", &text, &there, &f));
	assert_true(there);
	assert_string_equal(text_string(&text), "bytes");
	/* Something is there, and it is not what is looked for. */
	assert_int_equal(symlinkat("some", place->dir, "link"), 0);
	MUST_FAIL(fs_read_optional(place->dir, "link", &text, &there, &f), FAULT_REFUSED, "is a symbolic link");
	MUST_FAIL(fs_read_optional(-1, "some", &text, &there, &f), FAULT_SYSTEM, "");
}

static void bytes_are_copied_from_where_the_file_stands(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	unit_write(place->dir, "from", "0123456789", 0600);
	unit_write(place->dir, "to", "", 0600);
	FS_AUTO int from = openat(place->dir, "from", O_RDONLY | O_CLOEXEC);
	FS_AUTO int to = openat(place->dir, "to", O_WRONLY | O_CLOEXEC);
	assert_int_equal(lseek(from, 4, SEEK_SET), 4);
	MUST(fs_copy(from, to, "from", &f));
	unit_holds(place->dir, "to", "456789");
	MUST_FAIL(fs_copy(to, from, "to", &f), FAULT_SYSTEM, "cannot read 'to'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_file_is_read_whole_and_appended),
		UNIT_IN_PLACE(a_file_over_the_limit_is_refused_never_cut),
		UNIT_IN_PLACE(an_empty_file_is_the_empty_text),
		UNIT_IN_PLACE(what_cannot_be_read_is_named),
		cmocka_unit_test(signals_and_short_steps_are_no_failure),
		UNIT_IN_PLACE(a_file_that_need_not_be_there_is_read_or_absent),
		UNIT_IN_PLACE(bytes_are_copied_from_where_the_file_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
