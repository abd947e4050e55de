/* conf/assign: printed text put right, and nothing guessed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "conf/assign.c"
#include "random.h"

enum { FILES = 10000 };

static void assert_fixes(const char *before, const char *after)
{
	ASSIGN_AUTO a = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	assert_int_equal(assign_parse(&a, before, strlen(before), &f), 0);
	assert_int_equal(assign_fix_file(&a, &out, &f), 0);
	assert_string_equal(text_string(&out), after);
}

static void printed_lines_come_out_well_formed(void **state)
{
	(void)state;
	assert_fixes("A=\xe2\x80\x9cx y\xe2\x80\x9d\n", "A=\"x y\"\n");
	assert_fixes("A=\"x\xe2\x80\x9d\n", "A=\"x\"\n");
	assert_fixes("A=\xe2\x80\x9ex\xe2\x80\x9c\nB=\xc2\xaby\xc2\xbb\n", "A=\"x\"\nB=\"y\"\n");
	assert_fixes("A\xc2\xa0=\xc2\xa0\"x\"\n\xe2\x80\x8b"
		     "B=\"y\"\xe2\x80\x8b\n",
		     "A=\"x\"\nB=\"y\"\n");
	assert_fixes("A=\"/usr/luna\xe2\x80\x91x\xc2\xadyz\"\n", "A=\"/usr/luna-xyz\"\n");
	assert_fixes("A=\"x\"\r\n# c\r\n", "A=\"x\"\n# c\r\n");
	assert_fixes("\xef\xbb\xbf# c\nA=\"x\"\n", "# c\nA=\"x\"\n");
	assert_fixes("\xef\xbb\xbf\xef\xbb\xbf# c\n", "# c\n");
	assert_fixes("  A = \"x\"  \n", "A=\"x\"\n");
	assert_fixes("export A=\"x\"\n", "A=\"x\"\n");
	assert_fixes("A=/usr/x-1.0:/b\n", "A=\"/usr/x-1.0:/b\"\n");
	assert_fixes("A='/usr/x'\n", "A=\"/usr/x\"\n");
	assert_fixes("A=x", "A=\"x\"");
}

static void a_list_of_paths_that_was_wrapped_is_joined(void **state)
{
	(void)state;
	assert_fixes("P=\"/usr/safenet/lunaclient:/etc/Chrystoki.conf:/usr/safenet/lu\nnaclient/lib/x.so\"\nA=\"1\"\n",
		     "P=\"/usr/safenet/lunaclient:/etc/Chrystoki.conf:/usr/safenet/lunaclient/lib/x.so\"\nA=\"1\"\n");
	assert_fixes("P=\xe2\x80\x9c/a:\n  /b:/c\n/d\xe2\x80\x9d\n", "P=\"/a:/b:/c/d\"\n");
}

static void words_below_a_comment_become_one_in_the_same_run(void **state)
{
	(void)state;
	assert_fixes("# a comment that was\nwrapped in print\nA=\"1\"\n",
		     "# a comment that was\n# wrapped in print\nA=\"1\"\n");
	/* Below what only becomes a comment by being fixed, too. */
	assert_fixes("\xef\xbb\xbf # printed\nand wrapped twice\nat its end\r\n",
		     "# printed\n# and wrapped twice\n# at its end\n");
	assert_fixes("A=\"1\"\nand wrapped twice\n", "A=\"1\"\nand wrapped twice\n");
}

static void a_comment_that_is_too_long_stays_as_it_is(void **state)
{
	TEXT_AUTO line = { 0 };

	(void)state;
	text_add_char(&line, '#');
	while (line.length < 5000)
		text_add_string(&line, " word");
	text_add_char(&line, '\n');
	assert_fixes(text_string(&line), text_string(&line));
}

static void what_would_be_a_guess_stays(void **state)
{
	static const char *const cases[] = {
		"A=\"x\" # why\n",        "A=\"x\"y\"\n",        "A=x y\n",           "no equals\n", "1A=\"x\"\n",
		"P=\"/a:/b\nnext line\n", "P=\"words\nmore\"\n", "P=\"/a\nA=\"1\"\n", "A=$(x)\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_fixes(cases[i], cases[i]);
}

static void well_formed_lines_are_not_touched(void **state)
{
	static const char file[] = "# c \xe2\x80\x9cquoted\xe2\x80\x9d\n\n   \nA=\"\xe2\x80\x9c\"\nB=\"x  \"";

	(void)state;
	assert_fixes(file, file);
}

static void a_script_gets_plain_quotes_outside_comments_and_plain_line_ends(void **state)
{
	static const char before[] = "\xef\xbb\xbf#!/bin/sh\r\n# \xe2\x80\x9c"
				     "c\xe2\x80\x9d\nlogger \"x\xe2\x80\x9d \xe2\x80\x98y\xe2\x80\x99\r\n";
	static const char after[] = "#!/bin/sh\n# \xe2\x80\x9c"
				    "c\xe2\x80\x9d\nlogger \"x\" 'y'\n";
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(assign_fix_script(before, strlen(before), &out, &f), 0);
	assert_string_equal(text_string(&out), after);
}

static void only_four_characters_are_typographic_quotes(void **state)
{
	(void)state;
	TEXT_AUTO out = { 0 };

	assign_straighten("\xe2\x80\x98\xe2\x80\x99\xe2\x80\x9c\xe2\x80\x9d\xe2\x80\x93\xe2\x80", 17, &out);
	assert_string_equal(text_string(&out), "''\"\"\xe2\x80\x93\xe2\x80");
	assert_true(assign_has_curly_quote("ab\xe2\x80\x9c", 5));
	assert_false(assign_has_curly_quote("ab\xe2\x80", 4));
}

static void fixing_twice_is_fixing_once_and_never_makes_a_flaw(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= FILES; seed++) {
		struct random r = random_from(seed);
		ASSIGN_AUTO a = { 0 };
		ASSIGN_AUTO b = { 0 };
		TEXT_AUTO file = { 0 };
		TEXT_AUTO same = { 0 };
		TEXT_AUTO once = { 0 };
		TEXT_AUTO twice = { 0 };
		struct fault f = { 0 };
		size_t before = 0, after = 0;

		random_assign(&r, &file);
		random_damage(&r, &file);
		assert_int_equal(assign_parse(&a, text_string(&file), file.length, &f), 0);
		/* Parsing then printing is the identity. */
		assign_print(&a, &same);
		assert_int_equal(same.length, file.length);
		if (file.length > 0)
			assert_memory_equal(same.bytes, file.bytes, file.length);

		assert_int_equal(assign_fix_file(&a, &once, &f), 0);
		assert_int_equal(assign_parse(&b, text_string(&once), once.length, &f), 0);
		assert_int_equal(assign_fix_file(&b, &twice, &f), 0);
		for (size_t i = 0; i < a.count; i++)
			before += a.lines[i].kind == ASSIGN_FLAWED;
		for (size_t i = 0; i < b.count; i++)
			after += b.lines[i].kind == ASSIGN_FLAWED;
		assert_true(after <= before);
		assert_int_equal(once.length, twice.length);
		if (once.length > 0)
			assert_memory_equal(once.bytes, twice.bytes, once.length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printed_lines_come_out_well_formed),
		cmocka_unit_test(a_list_of_paths_that_was_wrapped_is_joined),
		cmocka_unit_test(words_below_a_comment_become_one_in_the_same_run),
		cmocka_unit_test(a_comment_that_is_too_long_stays_as_it_is),
		cmocka_unit_test(what_would_be_a_guess_stays),
		cmocka_unit_test(well_formed_lines_are_not_touched),
		cmocka_unit_test(a_script_gets_plain_quotes_outside_comments_and_plain_line_ends),
		cmocka_unit_test(only_four_characters_are_typographic_quotes),
		cmocka_unit_test(fixing_twice_is_fixing_once_and_never_makes_a_flaw),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
