/* conf/preserved: the list of paths that OKV carries over an OS major. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "conf/preserved.h"

static struct preserved parsed(const char *value)
{
	struct preserved p;
	struct fault f = { 0 };

	assert_int_equal(preserved_parse(&p, value, &f), 0);
	return p;
}

static void assert_prints(const struct preserved *p, const char *wanted)
{
	TEXT_AUTO out = { 0 };

	preserved_print(p, &out);
	assert_string_equal(text_string(&out), wanted);
}

static void entries_keep_their_order_and_spelling_and_empty_ones_are_dropped(void **state)
{
	PRESERVED_AUTO p = parsed(":/b//:/a::relative:");

	(void)state;
	assert_int_equal(p.count, 3);
	assert_prints(&p, "/b//:/a:relative");
}

static void two_spellings_that_differ_in_slashes_are_the_same_path(void **state)
{
	struct fault f = { 0 };
	PRESERVED_AUTO p = parsed("/usr//safenet/lunaclient/");

	(void)state;
	assert_true(preserved_has(&p, "/usr/safenet/lunaclient"));
	assert_int_equal(preserved_add(&p, "/usr/safenet/lunaclient", &f), 0);
	assert_prints(&p, "/usr//safenet/lunaclient/");
}

static void inside_means_whole_components(void **state)
{
	(void)state;
	assert_true(preserved_within("/a/b/c", "/a/b"));
	assert_true(preserved_within("/a/b", "/a/b/"));
	assert_false(preserved_within("/a/bc", "/a/b"));
	assert_false(preserved_within("/a", "/a/b"));
	assert_false(preserved_within("a/b", "/a"));
	assert_true(preserved_within("/a", "/"));
}

static void reducing_drops_what_lies_inside_another_entry_wherever_it_stands(void **state)
{
	PRESERVED_AUTO p = parsed("/c/lib/x.so:/etc/Chrystoki.conf:/c:/c/:/c/lib:/cc");

	(void)state;
	preserved_reduce(&p);
	assert_prints(&p, "/etc/Chrystoki.conf:/c:/cc");
	preserved_reduce(&p);
	assert_prints(&p, "/etc/Chrystoki.conf:/c:/cc");
}

static void the_holder_of_a_path_is_the_entry_that_covers_it(void **state)
{
	PRESERVED_AUTO p = parsed("/etc/Chrystoki.conf:/c");

	(void)state;
	assert_string_equal(preserved_holder(&p, "/c/lib/x.so"), "/c");
	assert_string_equal(preserved_holder(&p, "/etc/Chrystoki.conf"), "/etc/Chrystoki.conf");
	assert_null(preserved_holder(&p, "/etc/Chrystoki.conf.old"));
}

/* What has to go from the list is no reason to drop what has to stay. */
static void the_operating_system_holds_nothing(void **state)
{
	PRESERVED_AUTO p = parsed("/:/etc:/usr/lib64:/etc/Chrystoki.conf:/usr/lib64/luna/x.so");
	TEXT_AUTO printed = { 0 };

	(void)state;
	assert_string_equal(preserved_holder(&p, "/etc/Chrystoki.conf"), "/etc/Chrystoki.conf");
	assert_null(preserved_holder(&p, "/etc/other"));
	preserved_reduce(&p);
	preserved_print(&p, &printed);
	assert_string_equal(text_string(&printed), "/:/etc:/usr/lib64:/etc/Chrystoki.conf:/usr/lib64/luna/x.so");
}

static void blanks_at_both_ends_of_an_entry_are_trimmed(void **state)
{
	PRESERVED_AUTO p = parsed(" /a: /b  :/c d:  ");
	TEXT_AUTO printed = { 0 };

	(void)state;
	assert_true(preserved_trim(&p));
	assert_false(preserved_trim(&p));
	preserved_reduce(&p);
	preserved_print(&p, &printed);
	assert_string_equal(text_string(&printed), "/a:/b:/c d");
}

static void every_flaw_of_an_entry_is_named(void **state)
{
	static const struct {
		const char *path;
		enum preserved_flaw flaw;
	} cases[] = {
		{ "/usr/safenet/lunaclient", PRESERVED_FLAW_NONE },
		{ "/usr/safenet/", PRESERVED_FLAW_NONE },
		{ "/etc/.hidden", PRESERVED_FLAW_NONE },
		{ "/etc/..hidden", PRESERVED_FLAW_NONE },
		{ "usr/safenet", PRESERVED_FLAW_RELATIVE },
		{ "/usr/safenet/*", PRESERVED_FLAW_WILDCARD },
		{ "/usr/safe?et", PRESERVED_FLAW_WILDCARD },
		{ "/usr/[s]afenet", PRESERVED_FLAW_WILDCARD },
		{ "/usr/../etc", PRESERVED_FLAW_DOTS },
		{ "/usr/.", PRESERVED_FLAW_DOTS },
		{ "/", PRESERVED_FLAW_SYSTEM },
		{ "//", PRESERVED_FLAW_SYSTEM },
		{ "/usr/lib64/", PRESERVED_FLAW_SYSTEM },
		{ "/etc/passwd", PRESERVED_FLAW_SYSTEM },
		{ "/dev/shm/x", PRESERVED_FLAW_SYSTEM },
		{ "/usr/lib64/libCryptoki2_64.so", PRESERVED_FLAW_NONE },
		{ "/etc/systemd/system/x.service", PRESERVED_FLAW_NONE },
		{ "/opt", PRESERVED_FLAW_NONE },
		{ " /etc/x", PRESERVED_FLAW_BYTES },
		{ "/etc/x ", PRESERVED_FLAW_BYTES },
		{ "/etc/\xc3\xa4", PRESERVED_FLAW_BYTES },
		{ "/etc/\tx", PRESERVED_FLAW_BYTES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(preserved_judge(cases[i].path), cases[i].flaw);
		assert_true(strlen(preserved_flaw_text(cases[i].flaw)) > 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_keep_their_order_and_spelling_and_empty_ones_are_dropped),
		cmocka_unit_test(two_spellings_that_differ_in_slashes_are_the_same_path),
		cmocka_unit_test(inside_means_whole_components),
		cmocka_unit_test(reducing_drops_what_lies_inside_another_entry_wherever_it_stands),
		cmocka_unit_test(the_holder_of_a_path_is_the_entry_that_covers_it),
		cmocka_unit_test(the_operating_system_holds_nothing),
		cmocka_unit_test(blanks_at_both_ends_of_an_entry_are_trimmed),
		cmocka_unit_test(every_flaw_of_an_entry_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
