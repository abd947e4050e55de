/* conf/midupgrade: the managed block comes and goes, and no other byte moves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/midupgrade.h"
#include "random.h"

enum { FILES = 10000 };

#define GROUP      "hsmusers"
#define STOCK_HEAD "#!/bin/bash\n. /usr/local/dbfw/common\n####\n# DO NOT CHANGE ANYTHING ABOVE THIS LINE\n####\n"
#define STOCK_LOG  "logger -t \"${LOGTAG}\" -p \"${LOGDEBUG}\" \"nothing\"\n"
#define STOCK_EXIT "exit ${DBFW_PM_NO_CHANGE_REQUIRED}\n"

static struct text inserted(const char *bytes)
{
	struct text out = { 0 };
	struct fault f = { 0 };

	if (midupgrade_insert(bytes, strlen(bytes), GROUP, &out, &f) < 0)
		fail_msg("%s", f.text);
	return out;
}

/* `bytes` holds the place of the block as "@". */
static void assert_place(const char *bytes)
{
	TEXT_AUTO plain = { 0 };
	TEXT_AUTO wanted = { 0 };

	for (const char *at = bytes; *at != '\0'; at++) {
		if (*at == '@') {
			text_add_string(&wanted, midupgrade_block);
			continue;
		}
		text_add_char(&plain, *at);
		text_add_char(&wanted, *at);
	}
	TEXT_AUTO out = inserted(text_string(&plain));
	assert_string_equal(text_string(&out), text_string(&wanted));

	/* Twice is once. */
	TEXT_AUTO again = inserted(text_string(&out));
	assert_string_equal(text_string(&again), text_string(&out));

	enum midupgrade_state state;
	size_t line;
	struct fault f = { 0 };
	assert_int_equal(midupgrade_look(out.bytes, out.length, GROUP, &state, &line, &f), 0);
	assert_int_equal(state, MIDUPGRADE_CURRENT);
	assert_true(line > 0);
}

static void the_block_stands_below_the_banner_before_the_stock_exit(void **state)
{
	(void)state;
	assert_place(STOCK_HEAD STOCK_LOG "@" STOCK_EXIT);
	assert_place("#!/bin/sh\n# Please do NOT edit what is above.\n@exit 0\n");
	assert_place("#!/bin/sh\nexit_early=1\n# never change the lines above\n: more\n@\texit \"$x\" # done\n");
	/* What may end it, above the banner, is OKV's matter. */
	assert_place("if x; then\nexit 1\nfi\nexit_code\nx || exit 9\n# do not edit above\na\n@exit 0\n");
	assert_place("exec 2>&1 >/dev/null\nexec 3<x\n(exit 9)\n# don't edit above\na\n@return\n");
	assert_place("# don't edit above\nx && exit 1\ny | exit 2\n@a; exit 3\n");
	assert_place("# don't edit above\nexec >x\n@exec /bin/true # that is the end\n");
	/* Without a banner before the first exit, without an exit at the end. */
	assert_place("a\n@exit 0\nexit 1\n");
	assert_place("# do not edit above\na\n@");
	assert_place("@");
}

static void the_block_stands_before_a_group_made_by_hand_even_inside_something(void **state)
{
	(void)state;
	assert_place(STOCK_HEAD STOCK_LOG "@sudo groupadd hsmusers\nexit ${DBFW_PM_CHANGED}\n");
	assert_place(STOCK_HEAD "a\n@/usr/sbin/groupadd -r \"hsmusers\" || true\nb\n" STOCK_EXIT);
	assert_place(STOCK_HEAD "a\n@if ! grep -q hsm /etc/group; then\n\tgroupadd hsmusers\nfi\n" STOCK_EXIT);
	/* Another group is none of ours. */
	assert_place(STOCK_HEAD "groupadd others\n@" STOCK_EXIT);
}

static void an_exit_inside_something_is_not_the_place(void **state)
{
	(void)state;
	assert_place(
		STOCK_HEAD
		"if [ -e /x ]; then\n\texit 3\nfi\ncat <<E\nexit 4\nE\nx=\"\nexit 5\n\"\nf() {\nexit 6\n}\n@exit 7\n");
}

static void a_script_without_a_place_is_refused(void **state)
{
	static const char *const scripts[] = {
		STOCK_HEAD "logger \"x\xe2\x80\x9d\n" STOCK_EXIT,
		STOCK_HEAD "if x; then\n",
		"cat <<E\nx\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		TEXT_AUTO out = { 0 };
		struct fault f = { 0 };
		assert_int_equal(midupgrade_insert(scripts[i], strlen(scripts[i]), GROUP, &out, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
		assert_int_equal(out.length, 0);
	}
}

static void torn_marks_are_refused_and_named(void **state)
{
	static const char *const scripts[] = {
		"a\n" MIDUPGRADE_BEGIN " x\nb\n",
		"a\n" MIDUPGRADE_END "\nb\n",
		MIDUPGRADE_BEGIN "\n" MIDUPGRADE_BEGIN "\n" MIDUPGRADE_END "\n",
		MIDUPGRADE_BEGIN "\n" MIDUPGRADE_END "\na\n" MIDUPGRADE_BEGIN "\n" MIDUPGRADE_END "\n",
		MIDUPGRADE_END "\n" MIDUPGRADE_BEGIN "\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		const size_t length = strlen(scripts[i]);
		TEXT_AUTO out = { 0 };
		struct fault f = { 0 };
		enum midupgrade_state look;
		size_t line;

		assert_int_equal(midupgrade_look(scripts[i], length, GROUP, &look, &line, &f), 0);
		assert_int_equal(look, MIDUPGRADE_UNPAIRED);
		assert_true(line > 0);
		assert_int_equal(midupgrade_insert(scripts[i], length, GROUP, &out, &f), -1);
		assert_int_equal(midupgrade_remove(scripts[i], length, &out, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
		assert_int_equal(out.length, 0);
	}
}

/* Rows: a script, and the line that ends it above the block's place. */
static void a_block_that_would_never_be_reached_is_not_put_in_and_the_line_is_told(void **state)
{
	static const struct {
		const char *script;
		size_t line;
	} rows[] = {
		{ "#!/bin/sh\nexit 9\n# do not edit above\na\n", 2 },
		{ "a\nreturn\n# do not edit above\na\nexit 0\n", 2 },
		{ "# what is\nexec /bin/sh -c x\n# do not edit above\n", 2 },
		{ "a; b; exit 1 # why\n# do not edit above\n", 1 },
		{ "if x; then\n:\nfi; exit\n# do not edit above\n", 3 },
		{ "x ||\ny\nexit\n# do not edit above\n", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum midupgrade_state look;
		struct fault f = { 0 };
		size_t line;
		TEXT_AUTO out = { 0 };
		TEXT_AUTO blocked = { 0 };
		const char *script = rows[i].script;

		assert_int_equal(midupgrade_insert(script, strlen(script), GROUP, &out, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
		assert_int_equal(midupgrade_look(script, strlen(script), GROUP, &look, &line, &f), 0);
		assert_int_equal(look, MIDUPGRADE_UNREACHED);
		assert_int_equal(line, rows[i].line);
		text_add_format(&blocked, "%s%s", script, midupgrade_block);
		assert_int_equal(midupgrade_look(blocked.bytes, blocked.length, GROUP, &look, &line, &f), 0);
		assert_int_equal(look, MIDUPGRADE_UNREACHED);
		assert_int_equal(line, rows[i].line);
	}
}

static void a_block_of_another_version_or_behind_an_exit_is_told_and_replaced(void **state)
{
	static const char old[] = STOCK_HEAD MIDUPGRADE_BEGIN " of old\necho old\n" MIDUPGRADE_END "\n" STOCK_EXIT;
	enum midupgrade_state look;
	struct fault f = { 0 };
	size_t line;

	(void)state;
	assert_int_equal(midupgrade_look(old, strlen(old), GROUP, &look, &line, &f), 0);
	assert_int_equal(look, MIDUPGRADE_STALE);
	assert_int_equal(line, 6);
	TEXT_AUTO now = inserted(old);
	TEXT_AUTO fresh = inserted(STOCK_HEAD STOCK_EXIT);
	assert_string_equal(text_string(&now), text_string(&fresh));

	TEXT_AUTO behind = { 0 };
	text_add_format(&behind, "%sexit 0\n%s", STOCK_HEAD, midupgrade_block);
	assert_int_equal(midupgrade_look(behind.bytes, behind.length, GROUP, &look, &line, &f), 0);
	assert_int_equal(look, MIDUPGRADE_UNREACHED);
	assert_int_equal(line, 6);
	TEXT_AUTO moved = inserted(text_string(&behind));
	assert_non_null(strstr(text_string(&moved), "# <<< okv-luna <<<\nexit 0\n"));
}

struct heard {
	char words[256];
};

static void leftover_add(void *context, enum midupgrade_leftover leftover, size_t line)
{
	static const char *const names[] = { "groupadd", "nested", "exit", "quote", "space" };
	struct heard *h = context;
	const size_t used = strlen(h->words);

	(void)snprintf(h->words + used, sizeof(h->words) - used, "%s:%zu ", names[leftover], line);
}

static void assert_relics(const char *bytes, const char *wanted)
{
	struct heard h = { "" };
	struct fault f = { 0 };

	assert_int_equal(midupgrade_leftovers(bytes, strlen(bytes), GROUP, leftover_add, &h, &f), 0);
	assert_string_equal(h.words, wanted);
}

static void what_the_guide_leaves_behind_is_found(void **state)
{
	(void)state;
	assert_relics(STOCK_HEAD STOCK_LOG STOCK_EXIT, "");
	assert_relics("a\nsudo groupadd hsmusers\nexit ${DBFW_PM_CHANGED}\n", "groupadd:2 exit:3 ");
	assert_relics("if a; then\n  /usr/sbin/groupadd -f hsmusers\nfi\nexit \"$DBFW_PM_CHANGED\"\n", "nested:2 ");
	assert_relics("# \xe2\x80\x9cquoted\xe2\x80\x9d\nlogger \"x\xe2\x80\x9d\nsudo groupadd hsmusers\n", "quote:2 ");
	assert_relics("\xef\xbb\xbf#!/bin/sh\n# a\xc2\xa0z\n", "");
	assert_relics("\xef\xbb\xbflogger x\nlogger\xc2\xa0x\nlog\xe2\x80\x8bger y\nlogger \xe2\x80\x91t\n",
		      "space:2 space:3 space:4 ");
	/* The block itself says exit too. */
	TEXT_AUTO wired = inserted("groupadd hsmusers\nexit 0\n");
	struct heard h = { "" };
	struct fault f = { 0 };
	assert_int_equal(midupgrade_leftovers(wired.bytes, wired.length, GROUP, leftover_add, &h, &f), 0);
	assert_int_equal(strncmp(h.words, "groupadd:", 9), 0);
	assert_null(strchr(h.words + 9, ':'));
}

static void clearing_takes_the_hand_made_lines_and_leaves_the_rest(void **state)
{
	static const char before[] = STOCK_HEAD STOCK_LOG "sudo groupadd hsmusers\n# done\nexit ${DBFW_PM_CHANGED}\n";
	static const char after[] = STOCK_HEAD STOCK_LOG "# done\n" STOCK_EXIT;
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(midupgrade_clear(before, strlen(before), GROUP, &out, &f), 0);
	assert_string_equal(text_string(&out), after);
}

static void removing_what_was_inserted_is_the_identity_on_random_scripts(void **state)
{
	size_t placed = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= FILES; seed++) {
		struct random r = random_from(seed);
		TEXT_AUTO file = { 0 };
		TEXT_AUTO in = { 0 };
		TEXT_AUTO again = { 0 };
		TEXT_AUTO out = { 0 };
		struct fault f = { 0 };

		random_script(&r, &file);
		if (random_one_in(&r, 3))
			random_damage(&r, &file);
		if (midupgrade_insert(text_string(&file), file.length, GROUP, &in, &f) < 0) {
			assert_int_equal(f.kind, FAULT_REFUSED);
			continue;
		}
		placed++;
		assert_int_equal(midupgrade_insert(in.bytes, in.length, GROUP, &again, &f), 0);
		assert_int_equal(again.length, in.length);
		assert_memory_equal(again.bytes, in.bytes, in.length);
		assert_int_equal(midupgrade_remove(in.bytes, in.length, &out, &f), 0);
		/* At most the line feed that was missing at the end is new. */
		if (out.length == file.length + 1)
			assert_int_equal(out.bytes[--out.length], '\n');
		assert_int_equal(out.length, file.length);
		if (file.length > 0)
			assert_memory_equal(out.bytes, file.bytes, file.length);
	}
	assert_true(placed > FILES * 3 / 4);
}

static void words_of_a_simple_line(void **state)
{
	static const char line[] = "  sudo\tgroupadd -r 'x' || true\n";
	const char *word;

	(void)state;
	assert_int_equal(midupgrade_word(line, strlen(line), 0, &word), 4);
	assert_memory_equal(word, "sudo", 4);
	assert_int_equal(midupgrade_word(line, strlen(line), 3, &word), 3);
	assert_memory_equal(word, "'x'", 3);
	assert_int_equal(midupgrade_word(line, strlen(line), 4, &word), 0);
	assert_int_equal(midupgrade_word("", 0, 0, &word), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_block_stands_below_the_banner_before_the_stock_exit),
		cmocka_unit_test(the_block_stands_before_a_group_made_by_hand_even_inside_something),
		cmocka_unit_test(an_exit_inside_something_is_not_the_place),
		cmocka_unit_test(a_script_without_a_place_is_refused),
		cmocka_unit_test(torn_marks_are_refused_and_named),
		cmocka_unit_test(a_block_that_would_never_be_reached_is_not_put_in_and_the_line_is_told),
		cmocka_unit_test(a_block_of_another_version_or_behind_an_exit_is_told_and_replaced),
		cmocka_unit_test(what_the_guide_leaves_behind_is_found),
		cmocka_unit_test(clearing_takes_the_hand_made_lines_and_leaves_the_rest),
		cmocka_unit_test(removing_what_was_inserted_is_the_identity_on_random_scripts),
		cmocka_unit_test(words_of_a_simple_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
