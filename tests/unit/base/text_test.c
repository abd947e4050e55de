/* base/text: growing byte strings, and outside text made fit to print. */
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"
#include "random.h"

#include "base/text.h"

static void an_empty_text_is_the_empty_string(void **state)
{
	TEXT_AUTO t = { 0 };
	struct fault f = { 0 };

	(void)state;
	assert_string_equal(text_string(&t), "");
	assert_null(text_take(&t));
	text_cut(&t, 0);
	text_cut(&t, 0);
	MUST(text_check(&t, &f));
	text_add(&t, NULL, 0);
	assert_int_equal(t.length, 0);
}

static void what_is_added_stands_in_order_and_ends_in_nul(void **state)
{
	TEXT_AUTO t = { 0 };

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		text_add_format(&t, "%u,", i % 10);
		assert_int_equal(t.length, 2 * (i + 1));
		assert_int_equal(t.bytes[t.length], '\0');
		assert_true(t.length < t.capacity);
	}
	text_add_char(&t, 'x');
	text_add_string(&t, "yz");
	assert_memory_equal(t.bytes + 10000, "xyz", 4);
	assert_memory_equal(t.bytes, "0,1,2,3,4,5,6,7,8,9,0,", 22);
}

static void any_bytes_are_kept(void **state)
{
	TEXT_AUTO t = { 0 };

	(void)state;
	text_add(&t, "a\0b\xff", 4);
	assert_int_equal(t.length, 4);
	assert_memory_equal(t.bytes, "a\0b\xff", 5);
}

static void taking_leaves_an_empty_text(void **state)
{
	TEXT_AUTO t = { 0 };

	(void)state;
	text_add_string(&t, "mine");
	char *taken = text_take(&t);
	assert_string_equal(taken, "mine");
	assert_null(t.bytes);
	assert_int_equal(t.length, 0);
	free(taken);
}

static void cutting_takes_back_what_was_added(void **state)
{
	TEXT_AUTO t = { 0 };

	(void)state;
	text_add_string(&t, "keep this");
	text_cut(&t, 4);
	assert_string_equal(text_string(&t), "keep");
	text_cut(&t, 100);
	assert_string_equal(text_string(&t), "keep");
	text_cut(&t, 0);
	assert_string_equal(text_string(&t), "");
}

static void a_failed_append_is_seen_once_at_the_end_and_loses_nothing(void **state)
{
	TEXT_AUTO t = { 0 };
	struct fault f = { 0 };

	(void)state;
	text_add_string(&t, "kept");
	assert_false(text_reserve(&t, SIZE_MAX - 8));
	text_add_string(&t, "lost");
	text_add_format(&t, "%d", 1);
	assert_string_equal(text_string(&t), "kept");
	MUST_FAIL(text_check(&t, &f), FAULT_SYSTEM, "out of memory");
	text_cut(&t, 4);
	MUST(text_check(&t, &f));
}

static void a_secret_is_wiped_before_its_memory_is_freed(void **state)
{
	char secret[] = "passphrase";
	static const char zeros[sizeof(secret)];
	struct text t = { 0 };

	(void)state;
	text_wipe(secret, sizeof(secret));
	assert_memory_equal(secret, zeros, sizeof(secret));
	text_add_string(&t, "passphrase");
	text_done_secret(&t);
	assert_null(t.bytes);
	text_done_secret(&t);
}

static void shown_text_is_printable_whatever_it_was(void **state)
{
	(void)state;
	assert_string_equal(SHOWN("plain"), "plain");
	assert_string_equal(SHOWN("Zürich 日本 𝄞"), "Zürich 日本 𝄞");
	assert_string_equal(SHOWN("it's \\"), "it\\'s \\\\");
	assert_string_equal(SHOWN("a\nb\tc\x1b[31m\x7f"), "a\\x0ab\\x09c\\x1b[31m\\x7f");
	assert_string_equal(SHOWN("\xff\xc0\xaf\xed\xa0\x80"), "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
	assert_string_equal(SHOWN("\xc2\x9b"), "\\xc2\\x9b");
	assert_string_equal(SHOWN_BYTES("a\0b", 3), "a\\x00b");
	assert_string_equal(SHOWN(NULL), "(none)");
}

/* Runs `printf %s WORD` in bash(1) and compares what it prints. */
static void assert_typed(const char *string)
{
	char path[] = "/tmp/okv-typed-XXXXXX", command[64], printed[TEXT_SHOWN_MAX] = "";
	const int fd = mkstemp(path);

	assert_true(fd >= 0 && dprintf(fd, "printf %%s %s", TYPED(string)) > 0);
	(void)close(fd);
	(void)snprintf(command, sizeof(command), "bash %s", path);
	FILE *shell = popen(command, "r");
	assert_non_null(shell);
	const size_t length = fread(printed, 1, sizeof(printed) - 1, shell);
	assert_int_equal(pclose(shell), 0);
	assert_int_equal(length, strlen(string));
	(void)unlink(path);
	assert_string_equal(printed, string);
}

static void a_typed_name_is_one_word_for_the_shell_whatever_it_holds(void **state)
{
	static const char *const names[] = {
		"plain",          "",          "two words", "it's",         "back\\slash", "x'; touch /tmp/pwned; '",
		"x; fix: reboot", "$(reboot)", "`reboot`",  "a\nb\x1b[31m", "\xff\xfe",    "Zürich",
		"\\x41",          "$'",        "-rf",       "\\'",          "\xe2\x80\xae"
	};
	struct random random = random_from(5);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_typed(names[i]);
	for (size_t i = 0; i < 50; i++) {
		char name[21] = "";
		for (size_t k = 0; k < sizeof(name) - 1; k++)
			name[k] = (char)(1 + random_below(&random, 255));
		assert_typed(name);
	}
	assert_string_equal(TYPED("/a/b"), "'/a/b'");
}

/* Our messages introduce a command by "; fix: ", and no name can do the same. */
static void a_shown_name_introduces_no_command(void **state)
{
	(void)state;
	assert_string_equal(SHOWN("a; b; fix: reboot"), "a; b\\x3b fix: reboot");
}

/* What was made printable before stays as it is, and so do the sequences that are named. */
static void the_last_step_makes_printable_what_no_other_has(void **state)
{
	static const char *const kept[] = { "\033[0m", "\033[31m", NULL };
	TEXT_AUTO plain = { 0 };
	TEXT_AUTO coloured = { 0 };
	char longer[1000];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	text_add_printable(&plain, "it\\'s \\\\ Zürich\nnext\x1b[31m\t\r\xff\xe2\x80\xae.", NULL);
	assert_string_equal(text_string(&plain), "it\\'s \\\\ Zürich\nnext\\x1b[31m\\x09\\x0d\\xff\\xe2\\x80\\xae.");
	text_add_printable(&coloured, "\033[31mred\033[0m\033[8mhidden", kept);
	text_add_printable(&coloured, longer, kept);
	assert_string_equal(text_string(&coloured) + strlen("\033[31mred\033[0m\\x1b[8mhidden"), longer);
	assert_memory_equal(text_string(&coloured), "\033[31mred\033[0m\\x1b[8mhidden", 21);
}

static void what_deceives_the_eye_is_shown_as_bytes(void **state)
{
	(void)state;
	/* Right-to-left override, zero-width space, word joiner, byte order mark. */
	assert_string_equal(SHOWN("a\xe2\x80\xae"
				  "b"),
			    "a\\xe2\\x80\\xaeb");
	assert_string_equal(SHOWN("\xe2\x80\x8b"), "\\xe2\\x80\\x8b");
	assert_string_equal(SHOWN("\xe2\x81\xa0"), "\\xe2\\x81\\xa0");
	assert_string_equal(SHOWN("\xef\xbb\xbf"), "\\xef\\xbb\\xbf");
	/* Their harmless neighbours. */
	assert_string_equal(SHOWN("\xe2\x80\x9c\xe2\x80\xa6"), "\xe2\x80\x9c\xe2\x80\xa6");
}

static void shown_text_is_cut_between_characters(void **state)
{
	char bytes[2 * TEXT_SHOWN_MAX];
	struct text_shown storage;
	uint32_t character;

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(bytes, 'x', shift);
		for (size_t i = shift; i + 4 < sizeof(bytes); i += 4)
			memcpy(bytes + i, "\xf0\x9d\x84\x9e", 4);
		const char *shown = text_show_bytes(&storage, bytes, sizeof(bytes) - 4);
		const size_t length = strlen(shown);
		assert_true(length < TEXT_SHOWN_MAX && length > TEXT_SHOWN_MAX - 10);
		assert_string_equal(shown + length - 3, "...");
		for (size_t at = 0, step; at < length; at += step)
			assert_true((step = text_utf8_next(shown + at, length - at, &character)) > 0);
	}
}

/* Against the definition (RFC 3629), for every sequence of up to three bytes and the corners of four. */
static void utf8_is_what_rfc_3629_says(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} four[] = {
		{ "\xf0\x90\x80\x80", 4 }, { "\xf4\x8f\xbf\xbf", 4 }, { "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xf0\x90\x80", 0 },
	};
	uint32_t character;

	(void)state;
	for (unsigned lead = 0; lead < 256; lead++) {
		for (unsigned next = 0; next < 256; next++) {
			const unsigned char bytes[] = { (unsigned char)lead, (unsigned char)next, 0x80 };
			const bool tail = (next & 0xc0) == 0x80;
			const unsigned two = (lead & 0x1fu) << 6 | (next & 0x3fu);
			const unsigned three = (lead & 0x0fu) << 12 | (next & 0x3fu) << 6;
			size_t expected = 0;
			if (lead < 0x80)
				expected = 1;
			else if (lead >> 5 == 6 && tail && two >= 0x80)
				expected = 2;
			else if (lead >> 4 == 14 && tail && three >= 0x800 && (three < 0xd800 || three > 0xdfff))
				expected = 3;
			assert_int_equal(text_utf8_next(bytes, sizeof(bytes), &character), expected);
		}
	}
	for (size_t i = 0; i < sizeof(four) / sizeof(four[0]); i++)
		assert_int_equal(text_utf8_next(four[i].bytes, strlen(four[i].bytes), &character), four[i].length);
	assert_int_equal(text_utf8_next("", 0, &character), 0);
	assert_int_equal(text_utf8_next("\xe2\x82", 2, &character), 0);
}

static void what_print_puts_for_a_plain_character_is_known(void **state)
{
	static const struct {
		const char *bytes;
		size_t length; /* 0: it is none */
		char plain;
	} rows[] = {
		{ "\xc2\xa0", 2, ' ' },      { "\xe2\x80\xaf", 3, ' ' },
		{ "\xe3\x80\x80", 3, ' ' },  { "\xe2\x80\x91", 3, '-' },
		{ "\xe2\x80\x9e", 3, '"' },  { "\xc2\xbb", 2, '"' },
		{ "\xe2\x80\x99", 3, '\'' }, { "\xe2\x80\xb9", 3, '\'' },
		{ "\xc2\xad", 2, '\0' },     { "\xe2\x80\x8b", 3, '\0' },
		{ "\xef\xbb\xbf", 3, '\0' }, { "\xe2\x80\x93", 0, 0 },
		{ "\xc3\xa9", 0, 0 },        { " ", 0, 0 },
		{ "\xe2\x80", 0, 0 },
	};
	char plain;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(text_print_length(rows[i].bytes, strlen(rows[i].bytes), &plain), rows[i].length);
		if (rows[i].length > 0)
			assert_int_equal(plain, rows[i].plain);
	}
	assert_int_equal(text_print_length("", 0, &plain), 0);
}

static void comparisons_are_of_bytes(void **state)
{
	(void)state;
	assert_true(text_equal("abc", 2, "ab"));
	assert_false(text_equal("abc", 3, "ab"));
	assert_false(text_equal("ab", 2, "abc"));
	assert_true(text_equal("", 0, ""));
	static const char *const words[] = { "ab", "abc", NULL };
	assert_true(text_is_one_of("abcd", 2, words) && text_is_one_of("abcd", 3, words));
	assert_false(text_is_one_of("abcd", 4, words) || text_is_one_of("", 0, words));
	assert_true(text_starts("okv-luna", "okv"));
	assert_false(text_starts("ok", "okv"));
	assert_true(text_ends("x.tar", ".tar"));
	assert_false(text_ends("tar", ".tar"));
	assert_string_equal(text_leaf("/a/b"), "b");
	assert_string_equal(text_leaf("b"), "b");
	assert_string_equal(text_leaf("a/"), "");
}

static void paths_are_ordered_so_that_a_directorys_content_follows_it_at_once(void **state)
{
	static const char *const ordered[] = { "", "a", "a/b", "a/b/c", "a/b.c", "a-b", "a.b", "ab", "b" };
	const size_t count = sizeof(ordered) / sizeof(ordered[0]);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			const int order = text_path_compare(ordered[i], ordered[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
}

static void lines_come_one_at_each_call(void **state)
{
	static const char bytes[] = "one\n\n\0two\nlast";
	static const struct {
		const char *bytes;
		size_t length;
		bool ended;
	} expected[] = { { "one", 3, true }, { "", 0, true }, { "\0two", 4, true }, { "last", 4, false } };
	struct text_line line;
	size_t count = 0;

	(void)state;
	for (size_t at = 0; text_line_next(bytes, sizeof(bytes) - 1, &at, &line); count++) {
		assert_true(count < 4);
		assert_int_equal(line.length, expected[count].length);
		assert_memory_equal(line.bytes, expected[count].bytes, line.length);
		assert_int_equal(line.ended, expected[count].ended);
	}
	assert_int_equal(count, 4);
	/* An LF at the very end begins no further line, and nothing has none. */
	size_t at = 0;
	assert_true(text_line_next("x\n", 2, &at, &line));
	assert_false(text_line_next("x\n", 2, &at, &line));
	at = 0;
	assert_false(text_line_next("", 0, &at, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_one_at_each_call),
		cmocka_unit_test(an_empty_text_is_the_empty_string),
		cmocka_unit_test(what_is_added_stands_in_order_and_ends_in_nul),
		cmocka_unit_test(any_bytes_are_kept),
		cmocka_unit_test(taking_leaves_an_empty_text),
		cmocka_unit_test(cutting_takes_back_what_was_added),
		cmocka_unit_test(a_failed_append_is_seen_once_at_the_end_and_loses_nothing),
		cmocka_unit_test(a_secret_is_wiped_before_its_memory_is_freed),
		cmocka_unit_test(shown_text_is_printable_whatever_it_was),
		cmocka_unit_test(a_typed_name_is_one_word_for_the_shell_whatever_it_holds),
		cmocka_unit_test(a_shown_name_introduces_no_command),
		cmocka_unit_test(the_last_step_makes_printable_what_no_other_has),
		cmocka_unit_test(what_deceives_the_eye_is_shown_as_bytes),
		cmocka_unit_test(shown_text_is_cut_between_characters),
		cmocka_unit_test(utf8_is_what_rfc_3629_says),
		cmocka_unit_test(what_print_puts_for_a_plain_character_is_known),
		cmocka_unit_test(comparisons_are_of_bytes),
		cmocka_unit_test(paths_are_ordered_so_that_a_directorys_content_follows_it_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
