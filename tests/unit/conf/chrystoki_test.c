/* conf/chrystoki: the Luna client's configuration, byte for byte, point by point of its grammar. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conf/chrystoki.h"
#include "random.h"

enum { FILES = 10000 };

static struct chrystoki parsed(const char *bytes)
{
	struct chrystoki c;
	struct fault f = { 0 };

	assert_int_equal(chrystoki_parse(&c, bytes, strlen(bytes), &f), 0);
	return c;
}

static void assert_prints(const struct chrystoki *c, const char *wanted)
{
	TEXT_AUTO out = { 0 };

	chrystoki_print(c, &out);
	assert_string_equal(text_string(&out), wanted);
}

static void assert_value(const struct chrystoki *c, const char *section, const char *key, const char *wanted)
{
	struct fault f = { 0 };
	char *value = NULL;

	assert_int_equal(chrystoki_get(c, section, key, &value, &f), 0);
	if (wanted == NULL)
		assert_null(value);
	else
		assert_string_equal(value, wanted);
	free(value);
}

/* All flaws of all lines. */
static unsigned flaws_of(const char *bytes)
{
	CHRYSTOKI_AUTO c = parsed(bytes);
	unsigned flaws = 0;

	for (size_t i = 0; i < c.count; i++)
		flaws |= c.lines[i].flaws;
	assert_prints(&c, bytes);
	return flaws;
}

/* Whether that call, which must succeed, changes the file. */
#define CHANGES(c, call) \
	__extension__({ \
		TEXT_AUTO before_ = { 0 }; \
		chrystoki_print((c), &before_); \
		assert_int_equal((call), 0); \
		!text_same(&before_, &(c)->file); \
	})

static void assert_set(const char *before, const char *section, const char *key, const char *value, const char *after)
{
	CHRYSTOKI_AUTO c = parsed(before);
	struct fault f = { 0 };

	if (chrystoki_set(&c, section, key, value, &f) < 0)
		fail_msg("%s", f.text);
	assert_prints(&c, after);
	assert_value(&c, section, key, value);
	assert_false(CHANGES(&c, chrystoki_set(&c, section, key, value, &f)));
}

static void assert_set_refused(const char *before, const char *section, const char *key, const char *value)
{
	CHRYSTOKI_AUTO c = parsed(before);
	struct fault f = { 0 };

	assert_int_equal(chrystoki_set(&c, section, key, value, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_prints(&c, before);
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static void sections_keys_and_values_with_blanks_and_commas(void **state)
{
	CHRYSTOKI_AUTO c = parsed("LunaSA Client = {\n   ServerName00 = 10.0.0.1;\n}\n"
				  "REST = {\n   PartitionData00 = 123, host.example, 443;\n}\n");

	(void)state;
	assert_value(&c, "LunaSA Client", "ServerName00", "10.0.0.1");
	assert_value(&c, "REST", "PartitionData00", "123, host.example, 443");
	assert_value(&c, "REST", "ServerName00", NULL);
	assert_value(&c, "LunaSA", "ServerName00", NULL);
}

static void blank_lines_uneven_indents_and_aligned_equals_signs(void **state)
{
	static const char bytes[] =
		"\n  Misc   =   {\n\n PE1746Enabled=0;\n         ToolsDir           =   /a b/c ;\n\n   }\n\n";
	CHRYSTOKI_AUTO c = parsed(bytes);

	(void)state;
	assert_int_equal(flaws_of(bytes), 0);
	assert_value(&c, "Misc", "PE1746Enabled", "0");
	assert_value(&c, "Misc", "ToolsDir", "/a b/c");
}

static void sections_stand_in_any_order_and_an_empty_file_is_one(void **state)
{
	(void)state;
	assert_int_equal(flaws_of("B = {\n}\nA = {\n}\n"), 0);
	assert_int_equal(flaws_of(""), 0);
}

static void whole_line_comments_inside_and_outside_sections(void **state)
{
	static const char bytes[] = "# one = {\nMisc = {\n   # Two = 3;\n   A = 1;\n#}\n}\n # end\n";
	CHRYSTOKI_AUTO c = parsed(bytes);

	(void)state;
	assert_int_equal(flaws_of(bytes), 0);
	assert_value(&c, "Misc", "Two", NULL);
	assert_value(&c, "Misc", "A", "1");
}

static void a_comment_behind_a_value_is_reported(void **state)
{
	CHRYSTOKI_AUTO c = parsed("Misc = {\n   A = 1; # why\n}\n");

	(void)state;
	assert_int_equal(c.lines[1].flaws, CHRYSTOKI_FLAW_TRAILING);
	assert_value(&c, "Misc", "A", "1");
}

static void an_empty_value_is_a_value(void **state)
{
	CHRYSTOKI_AUTO c = parsed("LunaSA Client = {\n   ServerHtl00 = ;\n   ServerHtl01 =;\n}\n");

	(void)state;
	assert_value(&c, "LunaSA Client", "ServerHtl00", "");
	assert_value(&c, "LunaSA Client", "ServerHtl01", "");
	assert_int_equal(c.lines[1].flaws, 0);
}

static void a_missing_semicolon_ends_the_value_at_the_end_of_the_line(void **state)
{
	CHRYSTOKI_AUTO c = parsed("REST = {\n   ServerName = host;\n   ServerPort = 443  \n}\n");

	(void)state;
	assert_value(&c, "REST", "ServerPort", "443");
	assert_int_equal(c.lines[2].flaws, CHRYSTOKI_FLAW_NO_SEMICOLON);
}

static void fragments_appended_to_a_complete_file_are_sections_of_their_own(void **state)
{
	static const char bytes[] = "Misc = {\n   A = 1;\n}\nMisc = {\n   B = 2;\n}\nXTC = {\n   C = 3;\n}\n";
	CHRYSTOKI_AUTO c = parsed(bytes);
	ptrdiff_t first;

	(void)state;
	assert_int_equal(chrystoki_sections(&c, "Misc", &first), 2);
	assert_int_equal(first, 0);
	assert_int_equal(chrystoki_entries(&c, "Misc", "B", &first), 1);
	assert_int_equal(first, 4);
	assert_value(&c, "XTC", "C", "3");
}

static void a_last_brace_may_be_missing_and_is_reported(void **state)
{
	CHRYSTOKI_AUTO c = parsed("Misc = {\n   A = 1;\n}\nREST = {\n   B = 2;\n");

	(void)state;
	assert_value(&c, "REST", "B", "2");
	assert_int_equal(c.lines[0].flaws, 0);
	assert_int_equal(c.lines[3].flaws, CHRYSTOKI_FLAW_NOT_CLOSED);
	assert_int_equal(flaws_of("A = {\nB = {\n}\n"), CHRYSTOKI_FLAW_NOT_CLOSED);
}

static void what_is_not_known_of_the_library_is_reported_only(void **state)
{
	(void)state;
	assert_int_equal(flaws_of("A = {\n\tB = 1;\n}\n"), CHRYSTOKI_FLAW_TAB);
	assert_int_equal(flaws_of("A = {\r\n   B = 1;\r\n}\r\n"), CHRYSTOKI_FLAW_CARRIAGE_RETURN);
	assert_int_equal(flaws_of("\xef\xbb\xbf"
				  "A = {\n}\n") &
				 CHRYSTOKI_FLAW_BOM,
			 CHRYSTOKI_FLAW_BOM);
	assert_int_equal(flaws_of("A = {\n   B = \xc3\xa4;\n}\n"), CHRYSTOKI_FLAW_NOT_ASCII);
	assert_int_equal(flaws_of("A = {\n   B = \x01;\n}\n"), CHRYSTOKI_FLAW_CONTROL);
	assert_int_equal(flaws_of("A = {\n   B = \"x\";\n}\n"), CHRYSTOKI_FLAW_QUOTES);
	assert_int_equal(flaws_of("A = {\n   B = \"x;\n}\n"), CHRYSTOKI_FLAW_QUOTES);
	assert_int_equal(flaws_of("A = {\n   B = \xe2\x80\x9cx\xe2\x80\x9d;\n}\n"), CHRYSTOKI_FLAW_QUOTES);
	/* The OpenSSL engine's: quotes that belong to the value. */
	assert_int_equal(flaws_of("A = {\n   EngineInit = \"x\":0:0:passfile=\"y\";\n}\n"), 0);
	/* One cause, one flaw. */
	assert_int_equal(flaws_of("A = {\n}\n\x01"), CHRYSTOKI_FLAW_CONTROL);
	assert_int_equal(flaws_of("A =\n{\n   B = 1;\n}\n") & CHRYSTOKI_FLAW_BRACE, CHRYSTOKI_FLAW_BRACE);
	assert_int_equal(flaws_of("A = { B = 1; }\n"), CHRYSTOKI_FLAW_BRACE);
	assert_int_equal(flaws_of("A = {\n   nonsense\n}\n"), CHRYSTOKI_FLAW_UNREADABLE);
	assert_int_equal(flaws_of("B = 1;\n"), CHRYSTOKI_FLAW_OUTSIDE);
	assert_int_equal(flaws_of("}\n"), CHRYSTOKI_FLAW_STRAY_CLOSE);
	assert_int_equal(flaws_of("A = {\n};\n"), CHRYSTOKI_FLAW_TRAILING);
	/* The printed sample of the guide. */
	assert_int_equal(flaws_of("Misc] = {\n}\n"), CHRYSTOKI_FLAW_NAME);
}

static void every_flaw_has_a_clause_of_its_own(void **state)
{
	const char *last = chrystoki_flaw_text(0);

	(void)state;
	for (unsigned flaw = 1; flaw <= CHRYSTOKI_FLAW_LAST; flaw <<= 1) {
		assert_string_not_equal(chrystoki_flaw_text(flaw), last);
		last = chrystoki_flaw_text(flaw);
	}
}

static void a_nul_byte_is_a_byte_like_others(void **state)
{
	static const char bytes[] = "A = {\n   B = x\0y;\n}\n";
	CHRYSTOKI_AUTO c = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(chrystoki_parse(&c, bytes, sizeof(bytes) - 1, &f), 0);
	assert_int_equal(c.lines[1].flaws, CHRYSTOKI_FLAW_CONTROL);

	static const char named[] = "A = {\n   serverPort00\0 = 1;\n}\n";
	CHRYSTOKI_AUTO from = { 0 };
	assert_int_equal(chrystoki_parse(&from, named, sizeof(named) - 1, &f), 0);
	assert_int_equal(chrystoki_merge(&c, &from, "A", &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	chrystoki_print(&c, &out);
	assert_int_equal(out.length, sizeof(bytes) - 1);
	assert_memory_equal(out.bytes, bytes, out.length);
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static void setting_touches_the_value_and_nothing_else_of_the_line(void **state)
{
	(void)state;
	assert_set("A = {\n     B      =    old ;\n   C=1;\n}\n", "A", "B", "new value",
		   "A = {\n     B      =    new value;\n   C=1;\n}\n");
	assert_set("A = {\n   B=old;\n}\n", "A", "B", "x", "A = {\n   B=x;\n}\n");
	assert_set("A = {\n   B = ;\n}\n", "A", "B", "x", "A = {\n   B = x;\n}\n");
	assert_set("A = {\n   B =;\n}\n", "A", "B", "x", "A = {\n   B = x;\n}\n");
	assert_set("A = {\n   B = x;\n}\n", "A", "B", "", "A = {\n   B = ;\n}\n");
	assert_set("A = {\n   B = x; # why\n}\n", "A", "B", "y", "A = {\n   B = y; # why\n}\n");
	assert_set("A = {\n   B = x\n}\n", "A", "B", "y", "A = {\n   B = y;\n}\n");
	assert_set("A = {\r\n   B = x;\r\n}\r\n", "A", "B", "y", "A = {\r\n   B = y;\r\n}\r\n");
}

static void a_new_entry_stands_at_the_end_of_its_section_indented_like_its_neighbour(void **state)
{
	(void)state;
	assert_set("A = {\n     B = 1;\n\n}\nC = {\n}\n", "A", "D", "2",
		   "A = {\n     B = 1;\n     D = 2;\n\n}\nC = {\n}\n");
	assert_set("A = {\n}\n", "A", "D", "2", "A = {\n   D = 2;\n}\n");
	assert_set("A = {\n   B = 1;\n   # end\n}\n", "A", "D", "2", "A = {\n   B = 1;\n   # end\n   D = 2;\n}\n");
	assert_set("A = {\n   B = 1;", "A", "D", "2", "A = {\n   B = 1;\n   D = 2;\n");
}

static void a_new_section_stands_at_the_end_of_the_file(void **state)
{
	(void)state;
	assert_set("", "A", "B", "1", "A = {\n   B = 1;\n}\n");
	assert_set("X = {\n}\n", "A", "B", "1", "X = {\n}\n\nA = {\n   B = 1;\n}\n");
	assert_set("X = {\n}\n\n", "A", "B", "1", "X = {\n}\n\nA = {\n   B = 1;\n}\n");
	assert_set("X = {\n}", "A", "B", "1", "X = {\n}\n\nA = {\n   B = 1;\n}\n");
	assert_set_refused("X = {\n", "A", "B", "1");
}

static void a_tab_is_never_written(void **state)
{
	(void)state;
	assert_set("A = {\n\tB\t=\tx;\t# c\n}\n", "A", "B", "y", "A = {\n B = y; # c\n}\n");
	assert_set("A = {\n\tB = x;\n}\n", "A", "C", "y", "A = {\n\tB = x;\n C = y;\n}\n");
	assert_set_refused("A = {\n   B = x;\n}\n", "A", "B", "a\tb");
}

static void values_that_the_grammar_cannot_hold_are_refused(void **state)
{
	static const char *const values[] = { "a;b", "a{", "}",     "a\nb",     "a\rb", " a",
					      "a ",  "#a", "a # b", "\xc3\xa4", "\x01" };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_set_refused("A = {\n   B = x;\n}\n", "A", "B", values[i]);
	assert_set("A = {\n   B = x;\n}\n", "A", "B", "a#b=c, \"d\"", "A = {\n   B = a#b=c, \"d\";\n}\n");
}

static void names_that_the_grammar_cannot_hold_are_refused(void **state)
{
	static const char *const names[] = { "", " a", "a ", "a=b", "a;b", "a{", "a\nb", "#a", "a\tb" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_set_refused("A = {\n}\n", names[i], "B", "x");
		assert_set_refused("A = {\n}\n", "A", names[i], "x");
	}
}

static void what_stands_twice_is_reported_never_merged_never_set(void **state)
{
	(void)state;
	assert_set_refused("A = {\n   B = 1;\n}\nA = {\n   C = 2;\n}\n", "A", "B", "x");
	assert_set_refused("A = {\n   B = 1;\n   B = 2;\n}\n", "A", "B", "x");
}

static void unsetting_removes_the_line_and_every_one_of_a_repeated_key(void **state)
{
	CHRYSTOKI_AUTO c = parsed("A = {\n   B = 1;\n   # c\n   B = 2;\n   D = 3;\n}\n");
	struct fault f = { 0 };

	(void)state;
	assert_true(CHANGES(&c, chrystoki_unset(&c, "A", "B", &f)));
	assert_prints(&c, "A = {\n   # c\n   D = 3;\n}\n");
	assert_false(CHANGES(&c, chrystoki_unset(&c, "A", "B", &f)));
}

static void removing_a_section_takes_all_of_it_and_the_blank_line_before_it(void **state)
{
	CHRYSTOKI_AUTO c = parsed("X = {\n}\n\nA = {\n   B = 1;\n   # c\n}\n");
	struct fault f = { 0 };

	(void)state;
	assert_true(CHANGES(&c, chrystoki_remove(&c, "A", &f)));
	assert_prints(&c, "X = {\n}\n");
	assert_false(CHANGES(&c, chrystoki_remove(&c, "A", &f)));
	CHRYSTOKI_AUTO twice = parsed("A = {\n}\nA = {\n}\n");
	assert_int_equal(chrystoki_remove(&twice, "A", &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	/* Setting what was not there and removing it is the identity. */
	CHRYSTOKI_AUTO round = parsed("X = {\n   Y = 1;\n}\n");
	assert_int_equal(chrystoki_set(&round, "A", "B", "1", &f), 0);
	assert_int_equal(chrystoki_remove(&round, "A", &f), 0);
	assert_prints(&round, "X = {\n   Y = 1;\n}\n");
}

static void merging_brings_a_section_over_and_updates_one_that_is_there(void **state)
{
	CHRYSTOKI_AUTO from = parsed("XTC = {\n\tA = 1;\n   # theirs\n   B = 2\n}\nREST = {\n   C = 3;\n}\n");
	CHRYSTOKI_AUTO c = parsed("Misc = {\n}\nREST = {\n   C = 0;\n   D = 4;\n}\n");
	struct fault f = { 0 };

	(void)state;
	assert_true(CHANGES(&c, chrystoki_merge(&c, &from, "XTC", &f)));
	assert_true(CHANGES(&c, chrystoki_merge(&c, &from, "REST", &f)));
	assert_prints(&c, "Misc = {\n}\nREST = {\n   C = 3;\n   D = 4;\n}\n\nXTC = {\n   A = 1;\n   B = 2;\n}\n");
	assert_false(CHANGES(&c, chrystoki_merge(&c, &from, "XTC", &f)));
	assert_int_equal(chrystoki_merge(&c, &from, "CardReader", &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	CHRYSTOKI_AUTO twice = parsed("XTC = {\n   A = 1;\n   A = 2;\n}\n");
	assert_int_equal(chrystoki_merge(&c, &twice, "XTC", &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

static void the_windows_clients_file_is_not_edited(void **state)
{
	static const char bytes[] = "[Chrystoki2]\nLibUNIX64=/a.so\n[Misc]\nToolsDir=/x\n";
	CHRYSTOKI_AUTO windows = parsed(bytes);
	CHRYSTOKI_AUTO c = parsed("Misc = {\n}\n");
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(chrystoki_set(&windows, "Misc", "ToolsDir", "/y", &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_int_equal(chrystoki_set(&windows, "Other", "A", "b", &f), -1);
	assert_int_equal(chrystoki_unset(&windows, "Misc", "ToolsDir", &f), -1);
	assert_int_equal(chrystoki_remove(&windows, "Misc", &f), -1);
	assert_int_equal(chrystoki_merge(&windows, &c, "Misc", &f), -1);
	assert_prints(&windows, bytes);
	assert_int_equal(chrystoki_merge(&c, &windows, "Misc", &f), -1);
	assert_non_null(strstr(f.text, "the file to merge from: this is the Windows client's file"));
	assert_prints(&c, "Misc = {\n}\n");
}

static void what_is_not_a_chrystoki_conf_is_known_by_its_form(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *wanted; /* NULL: it is one */
	} cases[] = {
#define CASE(bytes, wanted) { bytes, sizeof(bytes) - 1, wanted }
		CASE("", NULL),
		CASE("# nothing\n\n", NULL),
		CASE("A = b;\n", NULL),
		CASE("[Misc]\nA = b;\nREST = {\n}\n", NULL),
		CASE("[Misc]\nA=b\n", "crystoki.ini"),
		CASE("\xff\xfe"
		     "M\0 \0=\0 \0{\0\n\0",
		     "UTF-16"),
		CASE("\xfe\xff"
		     "\0M\0 \0=\0 \0{\0\n",
		     "UTF-16"),
		CASE("M\0 \0=\0 \0{\0\n\0}\0\n\0", "UTF-16"),
		CASE("Misc:\n  A: b\n", "no section"),
		CASE("<html>404</html>\n", "no section"),
		CASE("Misc\n{\n   A = b;\n}\n", NULL),
#undef CASE
	};
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHRYSTOKI_AUTO c = { 0 };

		assert_int_equal(chrystoki_parse(&c, cases[i].bytes, cases[i].length, &f), 0);
		const char *form = chrystoki_form_fault(&c);
		if (cases[i].wanted == NULL) {
			assert_null(form);
			continue;
		}
		assert_non_null(form);
		assert_non_null(strstr(form, cases[i].wanted));
		assert_false(CHANGES(&c, chrystoki_fix(&c, &f)));
		assert_int_equal(chrystoki_set(&c, "Misc", "A", "c", &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
	}
}

static void mending_needs_no_guess(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "A = {\r\n\tB = 1;\r\n}\r\n", "A = {\n B = 1;\n}\n" },
		{ "\xef\xbb\xbf# c\nA = {\n}\n", "# c\nA = {\n}\n" },
		{ "\xef\xbb\xbf\xef\xbb\xbf# c\nA = {\n}\n", "# c\nA = {\n}\n" },
		{ "A = {\n   B = 1  \n   C = 2;\n", "A = {\n   B = 1;  \n   C = 2;\n}\n" },
		{ "A = {\n   B = 1;\n\n", "A = {\n   B = 1;\n}\n\n" },
		{ "\xe2\x80\x8b"
		  "A = {\n   B = /x\xc2\xadyz\xe2\x80\x91"
		  "1;\xe2\x81\xa0\n}\n",
		  "A = {\n   B = /xyz-1;\n}\n" },
		/* No path begins with a quote. */
		{ "A = {\n   B = \"/x/y z\";\n   C = '/x'\n   D = \xe2\x80\x9c/x\xe2\x80\x9d ; # d\n}\n",
		  "A = {\n   B = /x/y z;\n   C = /x;\n   D = /x ; # d\n}\n" },
		{ "A = {\n   B = \"/it's/x\";\n}\n", "A = {\n   B = /it's/x;\n}\n" },
		/* These would be guesses. */
		{ "A = {\n   B = '/x\";\n}\n", "A = {\n   B = '/x\";\n}\n" },
		{ "A = {\n   B = \"/x;\n   C = \"/x \";\n   D = \"/x\":0;\n}\n",
		  "A = {\n   B = \"/x;\n   C = \"/x \";\n   D = \"/x\":0;\n}\n" },
		{ "A = {\n   B = \xe2\x80\x9cx\xe2\x80\x9d;\n   C = \xe2\x80\x93"
		  "1;\n}\n",
		  "A = {\n   B = \xe2\x80\x9cx\xe2\x80\x9d;\n   C = \xe2\x80\x93"
		  "1;\n}\n" },
		{ "A = {\n   B = 1;\nC = {\n}\n", "A = {\n   B = 1;\nC = {\n}\n" },
		{ "A =\n{\n   B = 1;\n}\n", "A =\n{\n   B = 1;\n}\n" },
		{ "A = {\n   B = 1 # c\n}\n", "A = {\n   B = 1 # c\n}\n" },
		{ "A = {\n   B = \"x\";\n   nonsense\n}\n", "A = {\n   B = \"x\";\n   nonsense\n}\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHRYSTOKI_AUTO c = parsed(cases[i].before);
		struct fault f = { 0 };

		assert_int_equal(chrystoki_fix(&c, &f), 0);
		assert_prints(&c, cases[i].after);
	}
}

static void the_secret_of_the_cloud_service_is_known_as_one(void **state)
{
	(void)state;
	assert_true(chrystoki_is_secret("AuthTokenClientSecret"));
	assert_false(chrystoki_is_secret("AuthTokenClientId"));
}

/* --- random files --------------------------------------------------------------------------------------------------
 */

static void parsing_then_printing_is_the_identity_on_random_files(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= FILES; seed++) {
		struct random r = random_from(seed);
		TEXT_AUTO file = { 0 };
		TEXT_AUTO out = { 0 };
		TEXT_AUTO mended = { 0 };
		TEXT_AUTO again = { 0 };
		CHRYSTOKI_AUTO c = { 0 };
		CHRYSTOKI_AUTO second = { 0 };
		struct fault f = { 0 };

		if (random_one_in(&r, 10))
			random_bytes(&r, &file, 400);
		else
			random_chrystoki(&r, &file);
		if (random_one_in(&r, 3))
			random_damage(&r, &file);
		assert_int_equal(chrystoki_parse(&c, text_string(&file), file.length, &f), 0);
		chrystoki_print(&c, &out);
		assert_int_equal(out.length, file.length);
		if (file.length > 0)
			assert_memory_equal(out.bytes, file.bytes, file.length);

		/* Setting what is not there and taking it away again is the identity too, in a section that is. */
		for (size_t i = 0; i < c.count; i++) {
			if (c.lines[i].kind != CHRYSTOKI_OPEN)
				continue;
			char *name = strndup(c.lines[i].bytes + c.lines[i].name_start, c.lines[i].name_length);
			CHRYSTOKI_AUTO edited = { 0 };
			TEXT_AUTO back = { 0 };

			assert_int_equal(chrystoki_parse(&edited, text_string(&file), file.length, &f), 0);
			/* A NUL cuts the name to another one. */
			if (strlen(name) == c.lines[i].name_length &&
			    chrystoki_set(&edited, name, "Planted", "x", &f) == 0) {
				assert_false(text_same(&edited.file, &file));
				assert_int_equal(chrystoki_unset(&edited, name, "Planted", &f), 0);
				chrystoki_print(&edited, &back);
				/* A line feed that was missing at the end of the line above is there now. */
				if (back.length != file.length && back.length != file.length + 1)
					fail_msg("seed %llu: '%s' is now '%s'", (unsigned long long)seed,
						 text_string(&file), text_string(&back));
				assert_memory_equal(back.bytes, file.bytes, file.length);
			}
			free(name);
		}

		/* Mending twice is mending once. */
		assert_int_equal(chrystoki_fix(&c, &f), 0);
		chrystoki_print(&c, &mended);
		assert_int_equal(chrystoki_parse(&second, text_string(&mended), mended.length, &f), 0);
		assert_int_equal(chrystoki_fix(&second, &f), 0);
		chrystoki_print(&second, &again);
		assert_int_equal(again.length, mended.length);
		if (again.length > 0)
			assert_memory_equal(again.bytes, mended.bytes, again.length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_keys_and_values_with_blanks_and_commas),
		cmocka_unit_test(blank_lines_uneven_indents_and_aligned_equals_signs),
		cmocka_unit_test(sections_stand_in_any_order_and_an_empty_file_is_one),
		cmocka_unit_test(whole_line_comments_inside_and_outside_sections),
		cmocka_unit_test(a_comment_behind_a_value_is_reported),
		cmocka_unit_test(an_empty_value_is_a_value),
		cmocka_unit_test(a_missing_semicolon_ends_the_value_at_the_end_of_the_line),
		cmocka_unit_test(fragments_appended_to_a_complete_file_are_sections_of_their_own),
		cmocka_unit_test(a_last_brace_may_be_missing_and_is_reported),
		cmocka_unit_test(what_is_not_known_of_the_library_is_reported_only),
		cmocka_unit_test(every_flaw_has_a_clause_of_its_own),
		cmocka_unit_test(a_nul_byte_is_a_byte_like_others),
		cmocka_unit_test(setting_touches_the_value_and_nothing_else_of_the_line),
		cmocka_unit_test(a_new_entry_stands_at_the_end_of_its_section_indented_like_its_neighbour),
		cmocka_unit_test(a_new_section_stands_at_the_end_of_the_file),
		cmocka_unit_test(a_tab_is_never_written),
		cmocka_unit_test(values_that_the_grammar_cannot_hold_are_refused),
		cmocka_unit_test(names_that_the_grammar_cannot_hold_are_refused),
		cmocka_unit_test(what_stands_twice_is_reported_never_merged_never_set),
		cmocka_unit_test(unsetting_removes_the_line_and_every_one_of_a_repeated_key),
		cmocka_unit_test(removing_a_section_takes_all_of_it_and_the_blank_line_before_it),
		cmocka_unit_test(merging_brings_a_section_over_and_updates_one_that_is_there),
		cmocka_unit_test(the_windows_clients_file_is_not_edited),
		cmocka_unit_test(what_is_not_a_chrystoki_conf_is_known_by_its_form),
		cmocka_unit_test(mending_needs_no_guess),
		cmocka_unit_test(the_secret_of_the_cloud_service_is_known_as_one),
		cmocka_unit_test(parsing_then_printing_is_the_identity_on_random_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
