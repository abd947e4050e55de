#include <errno.h>
#include <sys/syscall.h>

#include "base/text.h"
#include "conf/settings.h"
#include "perms/journal.c"
#include "unit_seccomp.h"

static int root = -1;

#define PLACE "." SETTINGS_VAR "/repair/"

static int scratch_make(void **state)
{
	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	return 0;
}

static void written(struct perms_journal *j, size_t count)
{
	struct fault f = { 0 };

	if (count == 0)
		assert_int_equal(journal_new(root, j, &f), 0);
	for (size_t i = 0; i < count; i++) {
		char path[600];
		/* Long and short lines. */
		(void)snprintf(path, sizeof(path), "/%0*zu", (int)(1 + i * 37 % 500), i);
		const struct perms_record record = { .path = path, .type = S_IFREG, .inode = i };
		assert_int_equal(perms_journal_add(root, j, &record, &f), 0);
	}
}

static size_t read_back(struct perms_journal *j)
{
	struct fault f = { 0 };
	struct perms_record record;
	size_t count = 0;
	int r;

	assert_int_equal(perms_journal_rewind(j, &f), 0);
	while ((r = perms_journal_next(j, &record, &f)) > 0) {
		assert_int_equal(record.inode, count);
		assert_int_equal(strtoul(record.path + 1, NULL, 10), count);
		count++;
	}
	if (r < 0)
		fail_msg("%s", f.text);
	return count;
}

static bool exists(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s%s", PLACE, name);
	return faccessat(root, path, F_OK, 0) == 0;
}

static void what_is_written_is_read_back_in_order(void **state)
{
	(void)state;
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
	PERMS_JOURNAL_AUTO again = PERMS_JOURNAL_INIT;
	struct fault f = { 0 };
	bool found = false;

	written(&j, 2000);
	assert_int_equal(perms_journal_seal(&j, &f), 0);
	assert_int_equal(read_back(&j), 2000);
	assert_int_equal(perms_journal_open(root, true, &again, &found, &f), 0);
	assert_true(found);
	assert_int_equal(read_back(&again), 2000);
	assert_int_equal(read_back(&again), 2000);
}

static void until_it_is_sealed_nothing_of_it_stands_there(void **state)
{
	(void)state;
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
	struct fault f = { 0 };

	written(&j, 2000);
	assert_false(exists("00000001.begun"));
	assert_int_equal(perms_journal_seal(&j, &f), 0);
	assert_true(exists("00000001.begun"));
}

/* Runs of version 0.1.0 could leave one when killed. */
static void one_that_is_incomplete_does_not_count_and_hides_none_before_it(void **state)
{
	(void)state;
	static const char *const incomplete[] = { "", "okv-luna repair journal 1\n",
						  "okv-luna repair journal 1\nf 1 2 0 0 0644 0 0 0644 1.0 1.0 /a\n",
						  "okv-luna repair journal 1\nend 0" };
	struct fault f = { 0 };

	for (size_t before = 0; before < 2; before++) {
		PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
		if (before > 0)
			written(&j, 1);
		if (before > 0)
			assert_int_equal(perms_journal_seal(&j, &f), 0);
		for (size_t i = 0; i < sizeof(incomplete) / sizeof(incomplete[0]); i++) {
			PERMS_JOURNAL_AUTO found = PERMS_JOURNAL_INIT;
			bool any = before == 0;
			assert_int_equal(fs_dirs_make(root, JOURNAL_DIR, 0700, FS_NOFOLLOW, &f), 0);
			unit_write(root, PLACE "00000002.begun", incomplete[i], 0600);
			assert_int_equal(perms_journal_open(root, false, &found, &any, &f), 0);
			assert_int_equal(any, before > 0);
			if (before > 0)
				assert_int_equal(found.number, 1);
			assert_int_equal(unlinkat(root, PLACE "00000002.begun", 0), 0);
		}
	}
}

static void the_newest_is_found_and_marked_and_the_oldest_ones_go(void **state)
{
	(void)state;
	struct fault f = { 0 };
	bool found = false;

	for (size_t i = 0; i < PERMS_JOURNALS_KEPT + 3; i++) {
		PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
		written(&j, i);
		assert_int_equal(perms_journal_seal(&j, &f), 0);
		assert_int_equal(perms_journal_mark(&j, PERMS_JOURNAL_DONE, &f), 0);
	}
	assert_false(exists("00000003.done"));
	assert_true(exists("00000004.done"));
	assert_true(exists("00000019.done"));

	PERMS_JOURNAL_AUTO newest = PERMS_JOURNAL_INIT;
	assert_int_equal(perms_journal_open(root, true, &newest, &found, &f), 0);
	assert_false(found);
	assert_int_equal(perms_journal_open(root, false, &newest, &found, &f), 0);
	assert_true(found);
	assert_int_equal(newest.number, 19);
	assert_int_equal(perms_journal_mark(&newest, PERMS_JOURNAL_BACK, &f), 0);
	assert_true(exists("00000019.back"));
	assert_int_equal(perms_journal_drop(&newest, &f), 0);
	assert_false(exists("00000019.back"));
}

static void a_damaged_one_is_refused_by_file_and_line_and_with_the_way_on(void **state)
{
	(void)state;
#define A_RECORD "f 1 2 0 0 0644 0 0 0644 1.0 1.0 /a\n"
	static const struct {
		const char *bytes, *line;
	} bad[] = {
		{ "okv-luna repair journal 2\nend 0\n", "line 1 of" },
		{ "\nend 0\n", "line 1 of" },
		{ "okv-luna repair journal 1\nend 1\n", "line 2 of" },
		{ "okv-luna repair journal 1\nend x\n", "line 2 of" },
		{ "okv-luna repair journal 1\nf what is this\nend 1\n", "line 2 of" },
		{ "okv-luna repair journal 1\n" A_RECORD "\nend 2\n", "line 3 of" },
		{ "okv-luna repair journal 1\n" A_RECORD A_RECORD "end 1\n", "line 4 of" },
	};
	/* Nothing but this journal knows what a finished repair has changed. */
	static const struct {
		const char *name, *way_on;
	} states[] = {
		{ "00000001.begun", "fix: rm " JOURNAL_DIR "/00000001.begun" },
		{ "00000001.back", "fix: rm " JOURNAL_DIR "/00000001.back" },
		{ "00000001.done", "cannot be undone" },
	};
	struct fault f = { 0 };

	assert_int_equal(fs_dirs_make(root, JOURNAL_DIR, 0700, FS_NOFOLLOW, &f), 0);
	for (size_t k = 0; k < sizeof(states) / sizeof(states[0]); k++) {
		char path[64];
		(void)snprintf(path, sizeof(path), PLACE "%s", states[k].name);
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			PERMS_JOURNAL_AUTO damaged = PERMS_JOURNAL_INIT;
			struct perms_record record;
			bool found = false;
			unit_write(root, path, bad[i].bytes, 0600);
			f = (struct fault){ 0 };
			int r = perms_journal_open(root, false, &damaged, &found, &f);
			while (r == 0 && (r = perms_journal_next(&damaged, &record, &f)) == 1)
				r = 0;
			assert_int_equal(r, -1);
			assert_int_equal(f.kind, FAULT_REFUSED);
			assert_non_null(strstr(f.text, bad[i].line));
			assert_non_null(strstr(f.text, states[k].way_on));
		}
		assert_int_equal(unlinkat(root, path, 0), 0);
	}
}

static int look(void *context)
{
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;
	struct fault f = { 0 };
	bool found;

	(void)context;
	return perms_journal_open(root, true, &j, &found, &f) < 0 && f.errnum == EIO ? 0 : 1;
}

static void a_directory_that_cannot_be_read_to_its_end_may_hold_one(void **state)
{
	(void)state;
	PERMS_JOURNAL_AUTO j = PERMS_JOURNAL_INIT;

	written(&j, 0);
	assert_int_equal(unit_with_denied(SYS_getdents64, EIO, look, NULL), 0);
}

static const struct perms_record sample = {
	.path = "/a b/\\x\n\x7f\xc3\xa9",
	.type = S_IFDIR,
	.device = 0xfd00,
	.inode = 18446744073709551615U,
	.from = { .uid = 0, .gid = 4294967294U, .mode = 07777 },
	.to = { .uid = 54321, .gid = 986, .mode = 0 },
	.modified = { .tv_sec = 1700000000, .tv_nsec = 1 },
	.changed = { .tv_sec = 0, .tv_nsec = 999999999 },
};

static bool parse(const char *line, struct perms_record *ret_record)
{
	static char copy[4096];

	strncpy(copy, line, sizeof(copy) - 1);
	return record_parse(copy, ret_record);
}

static void one_line_per_entry_reads_back_as_it_was(void **state)
{
	(void)state;
	TEXT_AUTO line = { 0 };
	struct perms_record back;

	record_print(&sample, &line);
	assert_string_equal(text_string(&line),
			    "d 64768 18446744073709551615 0 4294967294 7777 54321 986 0000 1700000000.000000001 "
			    "0.999999999 /a b/\\x5cx\\x0a\\x7f\xc3\xa9\n");
	line.bytes[line.length - 1] = '\0';
	assert_true(parse(line.bytes, &back));
	assert_string_equal(back.path, sample.path);
	assert_int_equal(back.type, sample.type);
	assert_int_equal(back.device, sample.device);
	assert_int_equal(back.inode, sample.inode);
	assert_memory_equal(&back.from, &sample.from, sizeof(back.from));
	assert_memory_equal(&back.to, &sample.to, sizeof(back.to));
	assert_int_equal(back.modified.tv_sec, sample.modified.tv_sec);
	assert_int_equal(back.changed.tv_nsec, sample.changed.tv_nsec);
}

static void what_a_journal_holds_is_checked_field_by_field(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"d",
		"x 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 ",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 a",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a/",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a//b",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a/../b",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /.",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a\\x2e",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a\\x00",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a\\xA0",
		"f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a\\",
		"f 1 2 0 0 0648 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 2 0 0 17777 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 2 4294967295 0 0644 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 2 0 4294967295 0644 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 2 -1 0 0644 0 0 0644 1.000000000 1.000000000 /a",
		"f 1  0 0 0644 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 18446744073709551616 0 0 0644 0 0 0644 1.000000000 1.000000000 /a",
		"f 1 2 0 0 0644 0 0 0644 1 1.000000000 /a",
		"f 1 2 0 0 0644 0 0 0644 1.1000000000 1.000000000 /a",
	};
	struct perms_record ignored;

	assert_true(parse("f 1 2 0 0 0644 0 0 0644 1.000000000 1.000000000 /a", &ignored));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &ignored))
			fail_msg("taken: %s", bad[i]);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(what_is_written_is_read_back_in_order),
		in_scratch(until_it_is_sealed_nothing_of_it_stands_there),
		in_scratch(one_that_is_incomplete_does_not_count_and_hides_none_before_it),
		in_scratch(the_newest_is_found_and_marked_and_the_oldest_ones_go),
		in_scratch(a_damaged_one_is_refused_by_file_and_line_and_with_the_way_on),
		in_scratch(a_directory_that_cannot_be_read_to_its_end_may_hold_one),
		cmocka_unit_test(one_line_per_entry_reads_back_as_it_was),
		cmocka_unit_test(what_a_journal_holds_is_checked_field_by_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
