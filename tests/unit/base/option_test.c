/* base/option: one table gives the parser, the help and the completion. */
#include "unit.h"

#include "base/option.h"

static struct {
	bool list, quiet;
	const char *to, *kind;
	uint64_t min, max;
	struct option_list labels;
} got;

static const struct option own[] = {
	OPTION_ROW('l', "list", OPTION_FLAG, &got.list, NULL, "show"),
	OPTION_ROW('t', "to", OPTION_TEXT, &got.to, "DIR", "where to"),
	OPTION_ROW(0, "kind", OPTION_CHOICE, &got.kind, "auto|minimal|full", "what"),
	OPTION_RANGE(0, "min", OPTION_NUMBER, 1, 9, &got.min, "N", "at least"),
	OPTION_ROW(0, "max-bytes-of-everything", OPTION_SIZE, &got.max, "BYTES", "at most"),
	OPTION_ROW(0, "label", OPTION_LIST, &got.labels, "L", "again and again"),
	OPTION_ROW(0, "hidden", OPTION_FLAG, &got.list, NULL, NULL),
	OPTION_END,
};

static const struct option common[] = {
	OPTION_ROW('q', "quiet", OPTION_FLAG, &got.quiet, NULL, "be quiet"),
	OPTION_END,
};

static struct option_list operands;

static int fresh(void **state)
{
	(void)state;
	option_list_done(&operands);
	option_list_done(&got.labels);
	memset(&got, 0, sizeof(got));
	return 0;
}

static int parse(struct fault *f, const char *first, ...)
{
	char tool[] = "tool", *argv[16] = { tool };
	int argc = 1;
	va_list words;

	va_start(words, first);
	for (const char *word = first; word != NULL; word = va_arg(words, const char *))
		argv[argc++] = (char *)(uintptr_t)word;
	va_end(words);
	return option_parse(argc, argv, own, common, &operands, f);
}

static void options_and_operands_may_be_mixed_until_two_dashes(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(parse(&f, "one", "--list", "two", "--to", "/x", "-", "--", "--kind", "-q", NULL));
	assert_true(got.list);
	assert_false(got.quiet);
	assert_string_equal(got.to, "/x");
	assert_null(got.kind);
	assert_int_equal(operands.count, 5);
	assert_string_equal(operands.items[0], "one");
	assert_string_equal(operands.items[2], "-");
	assert_string_equal(operands.items[3], "--kind");
	assert_string_equal(operands.items[4], "-q");
}

static void a_value_stands_after_a_blank_or_an_equals_sign(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(parse(&f, "--to=a=b", "--kind", "full", "--min=9", "--max-bytes-of-everything", "2K", NULL));
	assert_string_equal(got.to, "a=b");
	assert_string_equal(got.kind, "full");
	assert_int_equal(got.min, 9);
	assert_int_equal(got.max, 2048);
	(void)fresh(NULL);
	/* A value may look like an option. */
	MUST(parse(&f, "--to", "--list", NULL));
	assert_string_equal(got.to, "--list");
	assert_false(got.list);
}

static void letters_may_be_bundled_and_the_last_may_take_a_value(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(parse(&f, "-qlt", "/x", NULL));
	assert_true(got.quiet && got.list);
	assert_string_equal(got.to, "/x");
	(void)fresh(NULL);
	MUST(parse(&f, "-lt/y", NULL));
	assert_string_equal(got.to, "/y");
}

static void a_list_keeps_all_values_in_order(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(parse(&f, "--label", "a", "--label=b", "--label=", NULL));
	assert_int_equal(got.labels.count, 3);
	assert_string_equal(got.labels.items[1], "b");
	assert_string_equal(got.labels.items[2], "");
}

static void a_wrong_call_is_named(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST_FAIL(parse(&f, "--lis", NULL), FAULT_USAGE, "unknown option '--lis'");
	MUST_FAIL(parse(&f, "--", "x", NULL) == 0 ? parse(&f, "--=x", NULL) : 0, FAULT_USAGE, "unknown option '--'");
	MUST_FAIL(parse(&f, "-lz", NULL), FAULT_USAGE, "unknown option '-z'");
	MUST_FAIL(parse(&f, "--x\x1b[2J", NULL), FAULT_USAGE, "'--x\\x1b[2J'");
	MUST_FAIL(parse(&f, "--list=yes", NULL), FAULT_USAGE, "--list takes no value");
	MUST_FAIL(parse(&f, "--to", NULL), FAULT_USAGE, "--to needs a value: DIR");
	MUST_FAIL(parse(&f, "-t", NULL), FAULT_USAGE, "-t needs a value: DIR");
	MUST_FAIL(parse(&f, "--kind=ful", NULL), FAULT_USAGE, "--kind takes one of auto|minimal|full, not 'ful'");
	MUST_FAIL(parse(&f, "--kind=", NULL), FAULT_USAGE, "--kind takes one of");
	MUST_FAIL(parse(&f, "--kind=auto|minimal", NULL), FAULT_USAGE, "--kind takes one of");
	MUST_FAIL(parse(&f, "--min=10", NULL), FAULT_USAGE, "--min must be a whole number from 1 to 9");
	MUST_FAIL(parse(&f, "--max-bytes-of-everything=1X", NULL), FAULT_USAGE, "must be a size");
}

static void the_last_of_two_never_wins_in_silence(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST_FAIL(parse(&f, "--to=a", "-tb", NULL), FAULT_USAGE, "--to is given twice");
	MUST_FAIL(parse(&f, "--kind=auto", "--kind=auto", NULL), FAULT_USAGE, "--kind is given twice");
}

static void help_is_two_columns_of_the_table(void **state)
{
	TEXT_AUTO help = { 0 };

	(void)state;
	option_help(&help, own);
	assert_string_equal(text_string(&help), "  -l, --list                show\n"
						"  -t, --to DIR              where to\n"
						"      --kind auto|minimal|full\n"
						"                            what\n"
						"      --min N               at least\n"
						"      --max-bytes-of-everything BYTES\n"
						"                            at most\n"
						"      --label L             again and again\n");
}

static void completion_lines_tell_what_takes_a_value_and_which(void **state)
{
	TEXT_AUTO words = { 0 };

	(void)state;
	option_words(&words, own);
	assert_string_equal(text_string(&words), "--list\n--to=\n--kind=\tauto|minimal|full\n--min=\n"
						 "--max-bytes-of-everything=\n--label=\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(options_and_operands_may_be_mixed_until_two_dashes, fresh, fresh),
		cmocka_unit_test_setup_teardown(a_value_stands_after_a_blank_or_an_equals_sign, fresh, fresh),
		cmocka_unit_test_setup_teardown(letters_may_be_bundled_and_the_last_may_take_a_value, fresh, fresh),
		cmocka_unit_test_setup_teardown(a_list_keeps_all_values_in_order, fresh, fresh),
		cmocka_unit_test_setup_teardown(a_wrong_call_is_named, fresh, fresh),
		cmocka_unit_test_setup_teardown(the_last_of_two_never_wins_in_silence, fresh, fresh),
		cmocka_unit_test(help_is_two_columns_of_the_table),
		cmocka_unit_test(completion_lines_tell_what_takes_a_value_and_which),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
