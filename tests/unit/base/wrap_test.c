/* base/wrap: lines for a terminal that is narrower than they are. */
#include "unit.h"

#include "base/wrap.h"

static void assert_wrapped(const char *lines, size_t width, size_t hang, const char *wanted)
{
	TEXT_AUTO out = { 0 };

	wrap_lines(lines, width, hang, &out);
	assert_string_equal(text_string(&out), wanted);
}

static void a_line_that_fits_stays_as_it_is(void **state)
{
	(void)state;
	assert_wrapped("  ok      the HSM                         12 ms\n\nnext", 47, 0,
		       "  ok      the HSM                         12 ms\n\nnext");
	assert_wrapped("", 40, 0, "");
	assert_wrapped("one two three four five six seven eight nine ten\n", 0, 0,
		       "one two three four five six seven eight nine ten\n");
}

static void a_longer_one_is_broken_at_blanks_and_indented(void **state)
{
	(void)state;
	assert_wrapped("one two three four five six seven eight\n", 24, 0,
		       "one two three four five\n  six seven eight\n");
	assert_wrapped("    one two three four five six seven\nx\n", 27, 0,
		       "    one two three four five\n      six seven\nx\n");
	assert_wrapped("FAIL  group   one two three four five six\n", 34, 14,
		       "FAIL  group   one two three four\n              five six\n");
	/* As long as the width allows. */
	assert_wrapped("aaaaaaaaa bbbbbbbbb ccccc\n", 25, 0, "aaaaaaaaa bbbbbbbbb ccccc\n");
	assert_wrapped("aaaaaaaaa bbbbbbbbb cccccc\n", 25, 0, "aaaaaaaaa bbbbbbbbb\n  cccccc\n");
}

static void a_long_word_and_a_command_stay_whole(void **state)
{
	(void)state;
	assert_wrapped("see /a/very/long/path/that/is/wider/than/all now\n", 24, 0,
		       "see\n  /a/very/long/path/that/is/wider/than/all\n  now\n");
	assert_wrapped("  mend: a command with many words that is longer\n", 24, 0,
		       "  mend: a command with many words that is longer\n");
	assert_wrapped("            no room is left here\n", 24, 0, "            no room is left here\n");
}

static void colours_take_no_column_and_characters_one(void **state)
{
	(void)state;
	assert_wrapped("\033[1;31mone two three four five\033[0m\n", 24, 0,
		       "\033[1;31mone two three four five\033[0m\n");
	assert_wrapped("\xc3\xa4\xc3\xa4\xc3\xa4 two three four five\n", 24, 0,
		       "\xc3\xa4\xc3\xa4\xc3\xa4 two three four five\n");
	assert_wrapped("\xff\xff\xff two three four five\033[ six\n", 24, 0,
		       "\xff\xff\xff two three four\n  five\033[ six\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_fits_stays_as_it_is),
		cmocka_unit_test(a_longer_one_is_broken_at_blanks_and_indented),
		cmocka_unit_test(a_long_word_and_a_command_stay_whole),
		cmocka_unit_test(colours_take_no_column_and_characters_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
