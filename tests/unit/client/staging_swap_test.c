/*
 * client/staging: one client for another, the way back, and the way on from wherever a run was cut off.
 */
#include <sys/syscall.h>

#include "staged.h"
#include "unit_seccomp.h"

static void what_was_in_the_clients_place_is_the_previous_one(void **state)
{
	(void)state;
	open_it();
	swap("first");
	unit_holds(root, "usr/safenet/lunaclient/which", "first");
	assert_false(s.has_previous);
	swap("second");
	unit_holds(root, "usr/safenet/lunaclient/which", "second");
	unit_holds(root, STAGING "/previous/which", "first");
	swap("third");
	unit_holds(root, STAGING "/previous/which", "second");
	assert_false(unit_there(root, STAGING "/next"));
	assert_false(unit_there(root, STAGING "/swap"));
}

static void roll_back(void)
{
	struct fault f = { 0 };

	assert_false(s.back);
	MUST(client_staging_rollback(&s, &f));
	assert_false(unit_there(root, STAGING "/back"));
}

static void rolling_back_exchanges_them(void **state)
{
	struct fault f;

	(void)state;
	open_it();
	swap("first");
	MUST_FAIL(client_staging_rollback(&s, &f), FAULT_ABSENT, "no previous client is kept");
	MUST(reopen(CLIENT_STAGING_LOOK, &f));
	MUST_FAIL(client_staging_rollback(&s, &f), FAULT_ABSENT, "no previous client is kept");
	open_it();
	swap("second");
	roll_back();
	unit_holds(root, "usr/safenet/lunaclient/which", "first");
	unit_holds(root, STAGING "/previous/which", "second");
	/* Who only looks changes nothing. */
	MUST(reopen(CLIENT_STAGING_LOOK, &f));
	MUST(client_staging_rollback(&s, &f));
	unit_holds(root, "usr/safenet/lunaclient/which", "first");
	open_it();
	roll_back();
	unit_holds(root, "usr/safenet/lunaclient/which", "second");
}

/* Is there a roll-back that was not finished? */
static bool is_back(void)
{
	struct fault f = { 0 };

	MUST(reopen(CLIENT_STAGING_LOOK, &f));
	return s.back;
}

/* --- killed at any instant ---------------------------------------------------------------------------------------- */

static void note(const char *name, const char *of)
{
	struct stat status;
	char line[64], path[128];

	assert_int_equal(fstatat(root, of, &status, AT_SYMLINK_NOFOLLOW), 0);
	(void)snprintf(line, sizeof(line), "%ju %ju\n", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	(void)snprintf(path, sizeof(path), STAGING "/%s", name);
	unit_write(root, path, line, 0600);
}

static void move(const char *from, const char *to)
{
	assert_int_equal(renameat(root, from, root, to), 0);
}

/* A new client as far as its note: not yet exchanged with the one in its place. */
static void begin_swap(void)
{
	stage("new");
	move(STAGING "/new/tree/top", STAGING "/next");
	note("swap", STAGING "/next");
}

/* The same a call later: `next` is the client that was replaced. */
static void begin_exchanged_swap(void)
{
	begin_swap();
	assert_int_equal(syscall(SYS_renameat2, root, STAGING "/next", root, "usr/safenet/lunaclient", 2), 0);
}

static void a_roll_back_is_noted_until_all_that_belongs_to_it_is_done(void **state)
{
	struct fault f = { 0 };

	(void)state;
	open_it();
	swap("first");
	swap("second");
	assert_false(is_back());
	/* The record cannot be written: all but that is done, and the next run finishes it, whatever else it does. */
	unit_write(root, "opt", "in the way", 0600);
	open_it();
	MUST_FAIL(client_staging_rollback(&s, &f), FAULT_INCOMPLETE, "the previous client is back, but: ");
	assert_true(is_back());
	MUST_FAIL(reopen(CLIENT_STAGING_INSTALL, &f), FAULT_ABSENT, "an earlier --rollback cannot be completed: ");
	assert_int_equal(unlinkat(root, "opt", 0), 0);
	open_it();
	assert_true(s.back);
	MUST(client_staging_rollback(&s, &f));
	assert_false(is_back());
	assert_false(unit_there(root, STAGING "/back"));
	unit_holds(root, "usr/safenet/lunaclient/which", "first");
}

static void a_tree_that_was_not_put_in_place_is_thrown_away(void **state)
{
	(void)state;
	open_it();
	swap("old");
	stage("new");
	open_it();
	assert_false(unit_there(root, STAGING "/new"));
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	begin_swap();
	open_it();
	assert_false(unit_there(root, STAGING "/next"));
	assert_false(unit_there(root, STAGING "/swap"));
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
}

static void a_swap_whose_new_tree_is_in_place_is_completed(void **state)
{
	(void)state;
	open_it();
	swap("older");
	swap("old");
	/* Exchanged, and killed before the old one was put aside. */
	begin_exchanged_swap();
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	unit_holds(root, STAGING "/previous/which", "old");
	assert_false(unit_there(root, STAGING "/next"));
	assert_false(unit_there(root, STAGING "/swap"));
}

static void an_old_client_between_two_renames_is_put_back(void **state)
{
	(void)state;
	open_it();
	swap("old");
	begin_swap();
	move("usr/safenet/lunaclient", STAGING "/outgoing");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	assert_false(unit_there(root, STAGING "/next"));
}

static void the_second_of_two_renames_completes_the_swap(void **state)
{
	(void)state;
	open_it();
	swap("old");
	begin_swap();
	move("usr/safenet/lunaclient", STAGING "/outgoing");
	move(STAGING "/next", "usr/safenet/lunaclient");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	unit_holds(root, STAGING "/previous/which", "old");
	assert_false(unit_there(root, STAGING "/outgoing"));
}

static void a_roll_back_by_renames_can_be_cut_off_too(void **state)
{
	(void)state;
	open_it();
	swap("old");
	swap("new");
	note("back", STAGING "/previous");
	move("usr/safenet/lunaclient", STAGING "/outgoing");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	assert_false(unit_there(root, STAGING "/back"));
	note("back", STAGING "/previous");
	move("usr/safenet/lunaclient", STAGING "/outgoing");
	move(STAGING "/previous", "usr/safenet/lunaclient");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	unit_holds(root, STAGING "/previous/which", "new");
	assert_true(is_back());
}

static void what_cannot_be_looked_at_is_not_thrown_away(void **state)
{
	static const char *const names[] = { "lunaclient", "swap", "next", "outgoing" };
	struct fault f = { 0 };

	(void)state;
	open_it();
	swap("older");
	swap("old");
	/* Exchanged, and killed: `next` is the old client, and only the note tells it from one that was never placed. */
	begin_exchanged_swap();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		MUST_NOT_GUESS(names[i], reopen(CLIENT_STAGING_ROLLBACK, &f));
		unit_holds(root, STAGING "/next/which", "old");
	}
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	unit_holds(root, STAGING "/previous/which", "old");
}

static void a_swap_that_cannot_tell_what_it_replaces_changes_nothing(void **state)
{
	struct fault f;

	(void)state;
	open_it();
	swap("older");
	swap("old");
	stage("new");
	MUST_NOT_GUESS("lunaclient", client_staging_swap(&s, "tree/top/", &f));
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	MUST_NOT_GUESS("previous", client_staging_rollback(&s, &f));
}

static void a_fault_after_the_rename_is_incomplete_and_the_next_run_ends_it(void **state)
{
	struct fault f;

	(void)state;
	open_it();
	swap("old");
	stage("new");
	failing_name = "outgoing";
	MUST_FAIL(client_staging_swap(&s, "tree/top/", &f), FAULT_INCOMPLETE, "the client is in its place, but: ");
	failing_name = NULL;
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	open_it();
	unit_holds(root, STAGING "/previous/which", "old");
	assert_false(unit_there(root, STAGING "/swap"));
}

/* --- where two names cannot change places ------------------------------------------------------------------------- */

static int swap_and_back(void *context)
{
	struct fault f = { 0 };

	(void)context;
	if (client_staging_swap(&s, "tree/top/", &f) < 0 || client_staging_rollback(&s, &f) < 0)
		(void)fprintf(stderr, "%s\n", f.text);
	return f.kind == FAULT_NONE ? 0 : 1;
}

static void two_renames_do_it_where_the_exchange_is_not_to_be_had(void **state)
{
	static const int ways[] = { ENOSYS, EINVAL, EPERM, EOPNOTSUPP };

	(void)state;
	open_it();
	swap("first");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		stage("second");
		assert_int_equal(unit_with_denied(SYS_renameat2, ways[i], swap_and_back, NULL), 0);
		unit_holds(root, "usr/safenet/lunaclient/which", "first");
		unit_holds(root, STAGING "/previous/which", "second");
		assert_false(unit_there(root, STAGING "/outgoing"));
		assert_false(unit_there(root, STAGING "/next"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_STAGING(what_was_in_the_clients_place_is_the_previous_one),
		IN_STAGING(rolling_back_exchanges_them),
		IN_STAGING(a_roll_back_is_noted_until_all_that_belongs_to_it_is_done),
		IN_STAGING(a_tree_that_was_not_put_in_place_is_thrown_away),
		IN_STAGING(a_swap_whose_new_tree_is_in_place_is_completed),
		IN_STAGING(an_old_client_between_two_renames_is_put_back),
		IN_STAGING(the_second_of_two_renames_completes_the_swap),
		IN_STAGING(a_roll_back_by_renames_can_be_cut_off_too),
		IN_STAGING(what_cannot_be_looked_at_is_not_thrown_away),
		IN_STAGING(a_swap_that_cannot_tell_what_it_replaces_changes_nothing),
		IN_STAGING(a_fault_after_the_rename_is_incomplete_and_the_next_run_ends_it),
		IN_STAGING(two_renames_do_it_where_the_exchange_is_not_to_be_had),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
