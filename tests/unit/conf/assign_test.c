/* conf/assign: NAME="VALUE" files, kept byte for byte. */
#include "unit.h"

#include "conf/assign.h"

static void prints(const struct assign *a, const char *bytes, size_t length)
{
	TEXT_AUTO out = { 0 };

	assign_print(a, &out);
	assert_int_equal(out.length, length);
	if (length > 0)
		assert_memory_equal(out.bytes, bytes, length);
}

static void parse(struct assign *a, const char *bytes)
{
	struct fault f = { 0 };

	MUST(assign_parse(a, bytes, strlen(bytes), &f));
	prints(a, bytes, strlen(bytes));
}

/* Pieces that lines of such files are made of, sound and broken ones. */
static const char *const pieces[] = {
	"NAME",
	"A",
	"_x9",
	"=",
	"\"",
	"\"\"",
	"\"value\"",
	"\n",
	"\n\n",
	"#",
	"# words\n",
	" ",
	"\t",
	"\r\n",
	"export ",
	"\xe2\x80\x9c",
	"\xe2\x80\x9d",
	"\xef\xbb\xbf",
	"\x01",
	"\xff",
	"/usr/safenet/lunaclient:/etc",
	"A=\"b\"\n",
	"9",
};

static size_t random_file(uint32_t *seed, char bytes[2048])
{
	size_t length = 0;

	for (unsigned n = unit_random(seed) % 40; n > 0 && length < 1900; n--) {
		const uint32_t what = unit_random(seed) % 32;
		if (what < sizeof(pieces) / sizeof(pieces[0])) {
			memcpy(bytes + length, pieces[what], strlen(pieces[what]));
			length += strlen(pieces[what]);
		} else {
			bytes[length++] = (char)unit_random(seed);
		}
	}
	return length;
}

static void any_file_is_given_back_byte_for_byte(void **state)
{
	struct fault f = { 0 };
	uint32_t seed = 20180101;
	char bytes[2048];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		ASSIGN_AUTO a = { 0 };
		const size_t length = random_file(&seed, bytes);
		MUST(assign_parse(&a, bytes, length, &f));
		prints(&a, bytes, length);
		for (size_t i = 0; i < a.count; i++)
			assert_true((a.lines[i].kind == ASSIGN_FLAWED) == (a.lines[i].flaw != ASSIGN_FLAW_NONE));
	}
}

/* Whatever else is in the file: setting changes one line or adds one, and nothing around it. */
static void setting_touches_one_line_of_any_file(void **state)
{
	struct fault f = { 0 };
	uint32_t seed = 4711;
	char bytes[2048];

	(void)state;
	for (int round = 0; round < 5000; round++) {
		ASSIGN_AUTO a = { 0 };
		ASSIGN_AUTO again = { 0 };
		TEXT_AUTO out = { 0 };
		bool changed = false;
		const size_t length = random_file(&seed, bytes);
		MUST(assign_parse(&a, bytes, length, &f));
		const size_t before = a.count, had = assign_count(&a, "NAME");
		MUST(assign_set(&a, "NAME", "new value", &changed, &f));
		assert_true(changed);
		assert_int_equal(a.count, had > 0 ? before : before + 1);
		assert_int_equal(assign_count(&a, "NAME"), had > 0 ? had : 1);
		/* A second parser sees the same, and setting it again changes nothing. */
		assign_print(&a, &out);
		MUST(assign_parse(&again, out.bytes, out.length, &f));
		assert_int_equal(again.count, a.count);
		assert_string_equal(assign_value(&again, "NAME"), "new value");
		MUST(assign_set(&again, "NAME", "new value", &changed, &f));
		assert_false(changed);
		prints(&again, out.bytes, out.length);
		if (had == 0) {
			MUST(assign_unset(&again, "NAME", &f));
			if (length == 0 || bytes[length - 1] == '\n')
				prints(&again, bytes, length);
		}
	}
}

static void each_flaw_is_told(void **state)
{
	static const struct {
		const char *line;
		enum assign_flaw flaw;
		const char *words;
	} flaws[] = {
		{ "NAME", ASSIGN_FLAW_NO_EQUALS, "no '='" },
		{ "/etc/Chrystoki.conf\"", ASSIGN_FLAW_NO_EQUALS, "no '='" },
		{ " NAME=\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ "NAME =\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ "export NAME=\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ "9NAME=\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ "NA-ME=\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ "=\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ " # comment=\"x\"", ASSIGN_FLAW_NAME, "start of the line" },
		{ "NAME=\xe2\x80\x9cx\xe2\x80\x9d", ASSIGN_FLAW_CURLY_QUOTE, "typographic quote" },
		{ "NAME=\"x\xe2\x80\x9d", ASSIGN_FLAW_CURLY_QUOTE, "typographic quote" },
		{ "NAME=x", ASSIGN_FLAW_UNQUOTED, "not in double quotes" },
		{ "NAME='x'", ASSIGN_FLAW_UNQUOTED, "not in double quotes" },
		{ "NAME=", ASSIGN_FLAW_UNQUOTED, "not in double quotes" },
		{ "NAME= \"x\"", ASSIGN_FLAW_UNQUOTED, "not in double quotes" },
		{ "NAME=\"x", ASSIGN_FLAW_UNCLOSED, "closing \" is missing" },
		{ "NAME=\"", ASSIGN_FLAW_UNCLOSED, "closing \" is missing" },
		{ "NAME=\"x\"y\"", ASSIGN_FLAW_INNER_QUOTE, "inside the value" },
		{ "NAME=\"x\" # y", ASSIGN_FLAW_TRAILING, "follows the closing" },
		{ "NAME=\"x\";", ASSIGN_FLAW_TRAILING, "follows the closing" },
		{ "NAME=\"x\" ", ASSIGN_FLAW_TRAILING, "follows the closing" },
		{ "NAME=\"x\"\r", ASSIGN_FLAW_CARRIAGE_RETURN, "CR LF" },
		{ "\r", ASSIGN_FLAW_CARRIAGE_RETURN, "CR LF" },
		{ "NAME=\"x\x01\"", ASSIGN_FLAW_CONTROL, "control character" },
	};
	bool seen[ASSIGN_FLAW_BOM + 1] = { false };

	(void)state;
	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		ASSIGN_AUTO a = { 0 };
		char file[128];
		(void)snprintf(file, sizeof(file), "# first\n%s\nLAST=\"y\"\n", flaws[i].line);
		parse(&a, file);
		assert_int_equal(a.count, 3);
		assert_int_equal(a.lines[0].kind, ASSIGN_COMMENT);
		assert_int_equal(a.lines[1].kind, ASSIGN_FLAWED);
		assert_int_equal(a.lines[1].flaw, flaws[i].flaw);
		assert_int_equal(a.lines[2].kind, ASSIGN_VALUE);
		assert_non_null(strstr(assign_flaw_text(flaws[i].flaw), flaws[i].words));
		assert_null(assign_value(&a, "NAME"));
		seen[flaws[i].flaw] = true;
	}

	ASSIGN_AUTO bom = { 0 };
	parse(&bom, "\xef\xbb\xbfNAME=\"x\"\nNAME=\"y\"\n");
	assert_int_equal(bom.lines[0].flaw, ASSIGN_FLAW_BOM);
	assert_int_equal(bom.lines[1].kind, ASSIGN_VALUE);
	seen[ASSIGN_FLAW_BOM] = true;

	ASSIGN_AUTO nul = { 0 };
	struct fault f = { 0 };
	MUST(assign_parse(&nul, "A=\"b\0c\"\n", 9, &f));
	assert_int_equal(nul.lines[0].flaw, ASSIGN_FLAW_CONTROL);

	seen[ASSIGN_FLAW_NONE] = seen[ASSIGN_FLAW_LONG] = true;
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		assert_true(seen[i]);
}

static void a_line_has_fewer_than_4096_characters(void **state)
{
	char file[ASSIGN_LINE_MAX + 16];
	bool changed = false;
	struct fault f = { 0 };

	(void)state;
	for (size_t length = ASSIGN_LINE_MAX - 1; length <= ASSIGN_LINE_MAX; length++) {
		ASSIGN_AUTO a = { 0 };
		memset(file, 'x', sizeof(file));
		memcpy(file, "A=\"", 3);
		memcpy(file + length - 1, "\"\n", 3);
		parse(&a, file);
		assert_int_equal(a.lines[0].flaw, length < ASSIGN_LINE_MAX ? ASSIGN_FLAW_NONE : ASSIGN_FLAW_LONG);
	}
	/* And none is written that reaches it. */
	ASSIGN_AUTO a = { 0 };
	file[ASSIGN_LINE_MAX - 4] = '\0';
	MUST_FAIL(assign_set(&a, "A", file + 1, &changed, &f), FAULT_REFUSED, "cannot be set");
	file[ASSIGN_LINE_MAX - 4] = 'x';
	memset(file, 'x', ASSIGN_LINE_MAX);
	file[ASSIGN_LINE_MAX - 4] = '\0';
	MUST_FAIL(assign_set(&a, "A", file, &changed, &f), FAULT_REFUSED, "4096 characters or more");
	file[ASSIGN_LINE_MAX - 5] = '\0';
	MUST(assign_set(&a, "A", file, &changed, &f));
}

static void the_last_line_of_a_name_counts_as_for_a_shell(void **state)
{
	ASSIGN_AUTO a = { 0 };
	struct fault f = { 0 };
	bool changed = false;

	(void)state;
	parse(&a, "X=\"one\"\nY=\"\"\nX=\"two\"\nXX=\"no\"\n");
	assert_int_equal(assign_count(&a, "X"), 2);
	assert_string_equal(assign_value(&a, "X"), "two");
	assert_string_equal(assign_value(&a, "Y"), "");
	assert_null(assign_value(&a, "Z"));
	MUST(assign_set(&a, "X", "three", &changed, &f));
	static const char after[] = "X=\"one\"\nY=\"\"\nX=\"three\"\nXX=\"no\"\n";
	prints(&a, after, sizeof(after) - 1);
	MUST(assign_unset(&a, "X", &f));
	static const char rest[] = "Y=\"\"\nXX=\"no\"\n";
	prints(&a, rest, sizeof(rest) - 1);
	MUST(assign_unset(&a, "X", &f));
}

static void a_missing_last_line_feed_stays_missing_or_is_put_before_a_new_line(void **state)
{
	ASSIGN_AUTO a = { 0 };
	struct fault f = { 0 };
	bool changed = false;

	(void)state;
	parse(&a, "A=\"1\"\nB=\"2\"");
	MUST(assign_set(&a, "B", "3", &changed, &f));
	prints(&a, "A=\"1\"\nB=\"3\"", 11);
	MUST(assign_set(&a, "C", "4", &changed, &f));
	prints(&a, "A=\"1\"\nB=\"3\"\nC=\"4\"\n", 18);
}

static void what_the_grammar_cannot_write_is_refused_and_changes_nothing(void **state)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{ "A", "in\"ner" }, { "A", "two\nlines" }, { "A", "cr\r" },       { "A", "bell\a" },
		{ "", "x" },        { "9A", "x" },         { "A B", "x" },        { "A=B", "x" },
		{ "#A", "x" },      { "A\n", "x" },        { "A", "x\"\nB=\"y" },
	};
	ASSIGN_AUTO a = { 0 };
	struct fault f = { 0 };
	bool changed = false;

	(void)state;
	parse(&a, "A=\"1\"\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		MUST_FAIL(assign_set(&a, bad[i].name, bad[i].value, &changed, &f), FAULT_REFUSED, "cannot be set to");
		assert_false(changed);
		prints(&a, "A=\"1\"\n", 6);
	}
	/* A value may look odd as long as it is one line between quotes. */
	MUST(assign_set(&a, "A", "# = $(x) `y` 'z' \xc3\xbc \\", &changed, &f));
	assert_true(changed);
}

static void many_lines_may_be_removed_and_added_again(void **state)
{
	ASSIGN_AUTO a = { 0 };
	struct fault f = { 0 };
	bool changed = false;
	char name[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			(void)snprintf(name, sizeof(name), "N%d", i);
			MUST(assign_set(&a, name, "x", &changed, &f));
		}
		assert_int_equal(a.count, 100);
		for (int i = 0; i < 100; i++) {
			if (i % (round + 1) != 0)
				continue;
			(void)snprintf(name, sizeof(name), "N%d", i);
			MUST(assign_unset(&a, name, &f));
		}
	}
	assert_int_equal(a.count, 66);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_file_is_given_back_byte_for_byte),
		cmocka_unit_test(setting_touches_one_line_of_any_file),
		cmocka_unit_test(each_flaw_is_told),
		cmocka_unit_test(a_line_has_fewer_than_4096_characters),
		cmocka_unit_test(the_last_line_of_a_name_counts_as_for_a_shell),
		cmocka_unit_test(a_missing_last_line_feed_stays_missing_or_is_put_before_a_new_line),
		cmocka_unit_test(what_the_grammar_cannot_write_is_refused_and_changes_nothing),
		cmocka_unit_test(many_lines_may_be_removed_and_added_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
