#include "upgrade/tree.h"

#include "base/time.h"
#include "upgrade/journal.h"

static struct journal_history history_of(int root)
{
	struct journal_history history;
	struct fault f = { 0 };

	assert_int_equal(journal_read(root, &history, &f), 0);
	return history;
}

static void add(int root, enum upgrade_hook hook, const char *line)
{
	struct fault f = { 0 };

	if (journal_add(root, hook, &f, "%s", line) < 0)
		fail_msg("%s", f.text);
}

static void no_journal_is_an_empty_history(void **state)
{
	const int root = tree_root(state);
	const struct journal_history history = history_of(root);

	assert_false(journal_is_open(&history));
	assert_false(history.group_known);
	assert_false(fs_exists(root, JOURNAL_FILE));
}

static void an_upgrade_is_open_from_its_beginning_until_it_is_proven(void **state)
{
	const int root = tree_root(state);

	add(root, UPGRADE_PRE, "begin 0.1.0");
	struct journal_history history = history_of(root);
	assert_true(journal_is_open(&history));
	assert_int_equal(history.hooks[UPGRADE_PRE].ended, 0);
	add(root, UPGRADE_PRE, "group 986 hsmusers");
	add(root, UPGRADE_PRE, "end go");
	add(root, UPGRADE_MID, "begin 0.1.0");
	history = history_of(root);
	assert_true(history.hooks[UPGRADE_PRE].good);
	assert_int_not_equal(history.hooks[UPGRADE_MID].began, 0);
	assert_int_equal(history.hooks[UPGRADE_MID].ended, 0);
	add(root, UPGRADE_MID, "end failed no space\nleft");
	add(root, UPGRADE_POST, "end failed a file");
	history = history_of(root);
	assert_false(history.hooks[UPGRADE_MID].good);
	assert_string_equal(history.hooks[UPGRADE_MID].end, "failed no space left");
	assert_true(journal_is_open(&history));
	add(root, UPGRADE_POST, "end proven");
	history = history_of(root);
	assert_false(journal_is_open(&history));
	assert_true(history.group_known);
	assert_int_equal(history.group_id, 986);
}

static void a_new_upgrade_and_a_call_off_forget_the_old_one(void **state)
{
	const int root = tree_root(state);

	add(root, UPGRADE_PRE, "begin 0.1.0");
	add(root, UPGRADE_MID, "begin 0.1.0");
	add(root, UPGRADE_POST, "end proven");
	add(root, UPGRADE_PRE, "begin 0.1.0");
	struct journal_history history = history_of(root);
	assert_true(journal_is_open(&history));
	assert_int_equal(history.hooks[UPGRADE_MID].began, 0);
	assert_int_equal(history.hooks[UPGRADE_POST].began, 0);
	add(root, UPGRADE_PRE, "aborted");
	history = history_of(root);
	assert_false(journal_is_open(&history));
}

static void a_torn_line_spoils_no_other(void **state)
{
	const int root = tree_root(state);
	TEXT_AUTO file = { 0 };

	add(root, UPGRADE_PRE, "begin 0.1.0");
	tree_read(root, JOURNAL_FILE, &file);
	text_add_string(&file, "2026-02-03T04:05:06Z pre-upgrade end g");
	tree_file(root, JOURNAL_FILE, text_string(&file));
	struct journal_history history = history_of(root);
	assert_int_equal(history.hooks[UPGRADE_PRE].ended, 0);
	add(root, UPGRADE_PRE, "end go");
	history = history_of(root);
	assert_true(history.hooks[UPGRADE_PRE].good);
}

static void what_is_no_line_of_ours_says_nothing(void **state)
{
	const int root = tree_root(state);

	tree_file(
		root, JOURNAL_FILE,
		"\n\n \nend go\npre-upgrade end go\n2026-02-03T04:05:06Z\n2026-02-03T04:05:06Z other begin\n"
		"2026-02-30T04:05:06Z pre-upgrade begin\n2026-02-03T04:05:06Z pre-upgrade\n"
		"2026-02-03T04:05:06Z pre-upgrade group 4294967295 x\n2026-02-03T04:05:06Z pre-upgrade group 12x y\n");
	const struct journal_history history = history_of(root);
	assert_int_equal(history.hooks[UPGRADE_PRE].began, 0);
	assert_false(history.group_known);
}

static void a_grown_journal_is_put_aside(void **state)
{
	const int root = tree_root(state);
	struct fault f = { 0 };
	TEXT_AUTO file = { 0 };

	add(root, UPGRADE_PRE, "begin 0.1.0");
	assert_int_equal(journal_rotate(root, &f), 0);
	assert_false(fs_exists(root, JOURNAL_FILE ".1"));
	while (file.length <= 256 * 1024)
		text_add_string(&file, "2026-02-03T04:05:06Z pre-upgrade step x y\n");
	tree_file(root, JOURNAL_FILE, text_string(&file));
	assert_int_equal(journal_rotate(root, &f), 0);
	assert_true(fs_exists(root, JOURNAL_FILE ".1"));
	assert_false(fs_exists(root, JOURNAL_FILE));
}

static void stamps_are_read_as_they_are_written_and_no_others(void **state)
{
	(void)state;
	char stamp[TIME_STAMP_SIZE];
	int64_t when;
	static const char *const wrong[] = { "2026-02-30T00:00:00Z", "2026-02-03T24:00:00Z", "2026-02-03 04:05:06Z",
					     "2026-02-03T04:05:06",  "2026-02-03T04:05:06z", "+026-02-03T04:05:06Z" };

	time_format(1770091506, stamp);
	assert_string_equal(stamp, "2026-02-03T04:05:06Z");
	assert_true(time_parse(stamp, strlen(stamp), &when));
	assert_true(when == 1770091506);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(time_parse(wrong[i], strlen(wrong[i]), &when));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(no_journal_is_an_empty_history),
		UNIT_IN_PLACE(an_upgrade_is_open_from_its_beginning_until_it_is_proven),
		UNIT_IN_PLACE(a_new_upgrade_and_a_call_off_forget_the_old_one),
		UNIT_IN_PLACE(a_torn_line_spoils_no_other),
		UNIT_IN_PLACE(what_is_no_line_of_ours_says_nothing),
		UNIT_IN_PLACE(a_grown_journal_is_put_aside),
		cmocka_unit_test(stamps_are_read_as_they_are_written_and_no_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
