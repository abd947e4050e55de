#include "base/text.h"
#include "perms/journal.h"
#include "unit.h"

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
	return perms_record_parse(copy, ret_record);
}

static void one_line_per_entry_reads_back_as_it_was(void **state)
{
	(void)state;
	TEXT_AUTO line = { 0 };
	struct perms_record back;

	perms_record_print(&sample, &line);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_per_entry_reads_back_as_it_was),
		cmocka_unit_test(what_a_journal_holds_is_checked_field_by_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
