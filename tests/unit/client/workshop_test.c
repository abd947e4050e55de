#include <sys/syscall.h>

#include "client/workshop.h"
#include "failing.h"
#include "unit.h"

#define CLIENT "/usr/safenet/lunaclient"
#define SHOP   "usr/safenet/.lunaclient.okv-luna"

static int root;
static struct client_workshop w = CLIENT_WORKSHOP_INIT;

static int shop_make(void **state)
{
	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	return 0;
}

static int shop_end(void **state)
{
	client_workshop_done(&w);
	return unit_place_remove(state);
}

static void open_it(void)
{
	struct fault f = { 0 };

	client_workshop_done(&w);
	MUST(client_workshop_open(root, CLIENT, NULL, &w, &f));
}

/* A client in the stage, told by one file. */
static void stage(const char *which)
{
	FS_AUTO int tree = -1;
	struct fault f = { 0 };

	MUST(client_workshop_stage(&w, 0, 0, &tree, &f));
	unit_dir(tree, "top", 0755);
	unit_write(tree, "top/which", which, 0644);
}

static void swap(const char *which)
{
	struct fault f = { 0 };

	stage(which);
	MUST(client_workshop_swap(&w, "top/", NULL, &f));
}

static void it_is_beside_the_client_and_roots_alone(void **state)
{
	struct stat status;
	struct fault f;

	(void)state;
	open_it();
	assert_int_equal(fstatat(root, SHOP, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_equal(fchmodat(root, SHOP, 0711, 0), 0);
	client_workshop_done(&w);
	MUST_FAIL(client_workshop_open(root, CLIENT, NULL, &w, &f), FAULT_REFUSED, "is not root's alone");
	assert_int_equal(fchmodat(root, SHOP, 0700, 0), 0);
	assert_int_equal(fchownat(root, SHOP, 1234, 0, 0), 0);
	MUST_FAIL(client_workshop_open(root, CLIENT, NULL, &w, &f), FAULT_REFUSED, "is not root's alone");
}

static void a_planted_link_is_no_workshop(void **state)
{
	struct fault f = { 0 };

	(void)state;
	unit_dir(root, "usr", 0755);
	unit_dir(root, "usr/safenet", 0755);
	unit_dir(root, "elsewhere", 0700);
	assert_int_equal(symlinkat("../../elsewhere", root, SHOP), 0);
	assert_int_equal(client_workshop_open(root, CLIENT, NULL, &w, &f), -1);
}

static bool has_previous(void)
{
	struct fault f = { 0 };
	bool has;

	MUST(client_workshop_has_previous(&w, &has, &f));
	return has;
}

static void what_was_in_the_clients_place_is_the_previous_one(void **state)
{
	(void)state;
	open_it();
	swap("first");
	unit_holds(root, "usr/safenet/lunaclient/which", "first");
	assert_false(has_previous());
	swap("second");
	unit_holds(root, "usr/safenet/lunaclient/which", "second");
	unit_holds(root, SHOP "/previous/which", "first");
	swap("third");
	unit_holds(root, SHOP "/previous/which", "second");
	assert_false(unit_there(root, SHOP "/next"));
	assert_false(unit_there(root, SHOP "/swap"));
}

static void rolling_back_exchanges_them(void **state)
{
	struct fault f = { 0 };

	(void)state;
	open_it();
	swap("first");
	MUST_FAIL(client_workshop_rollback(&w, NULL, &f), FAULT_ABSENT, "no previous client is kept");
	swap("second");
	f = (struct fault){ 0 };
	MUST(client_workshop_rollback(&w, NULL, &f));
	unit_holds(root, "usr/safenet/lunaclient/which", "first");
	unit_holds(root, SHOP "/previous/which", "second");
	MUST(client_workshop_rollback_end(&w, NULL, &f));
	MUST(client_workshop_rollback(&w, NULL, &f));
	unit_holds(root, "usr/safenet/lunaclient/which", "second");
}

static bool is_back(void)
{
	struct fault f = { 0 };
	bool back;

	MUST(client_workshop_is_back(&w, &back, &f));
	return back;
}

static void a_roll_back_is_noted_until_all_that_belongs_to_it_is_done(void **state)
{
	struct fault f = { 0 };

	(void)state;
	open_it();
	swap("first");
	swap("second");
	assert_false(is_back());
	MUST(client_workshop_rollback(&w, NULL, &f));
	open_it();
	assert_true(is_back());
	MUST(client_workshop_rollback_end(&w, NULL, &f));
	assert_false(is_back());
	assert_false(unit_there(root, SHOP "/back"));
}

/* --- killed at any instant ---------------------------------------------------------------------------------------- */

static void note(const char *name, const char *of)
{
	struct stat status;
	char line[64], path[128];

	assert_int_equal(fstatat(root, of, &status, AT_SYMLINK_NOFOLLOW), 0);
	(void)snprintf(line, sizeof(line), "%ju %ju\n", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	(void)snprintf(path, sizeof(path), SHOP "/%s", name);
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
	move(SHOP "/new/tree/top", SHOP "/next");
	note("swap", SHOP "/next");
}

/* The same a call later: `next` is the client that was replaced. */
static void begin_exchanged_swap(void)
{
	begin_swap();
	assert_int_equal(syscall(SYS_renameat2, root, SHOP "/next", root, "usr/safenet/lunaclient", 2), 0);
}

static void a_tree_that_was_not_put_in_place_is_thrown_away(void **state)
{
	(void)state;
	open_it();
	swap("old");
	stage("new");
	open_it();
	assert_false(unit_there(root, SHOP "/new"));
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	begin_swap();
	open_it();
	assert_false(unit_there(root, SHOP "/next"));
	assert_false(unit_there(root, SHOP "/swap"));
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
	unit_holds(root, SHOP "/previous/which", "old");
	assert_false(unit_there(root, SHOP "/next"));
	assert_false(unit_there(root, SHOP "/swap"));
}

static void an_old_client_between_two_renames_is_put_back(void **state)
{
	(void)state;
	open_it();
	swap("old");
	begin_swap();
	move("usr/safenet/lunaclient", SHOP "/outgoing");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	assert_false(unit_there(root, SHOP "/next"));
}

static void the_second_of_two_renames_completes_the_swap(void **state)
{
	(void)state;
	open_it();
	swap("old");
	begin_swap();
	move("usr/safenet/lunaclient", SHOP "/outgoing");
	move(SHOP "/next", "usr/safenet/lunaclient");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	unit_holds(root, SHOP "/previous/which", "old");
	assert_false(unit_there(root, SHOP "/outgoing"));
}

static void a_roll_back_by_renames_can_be_cut_off_too(void **state)
{
	(void)state;
	open_it();
	swap("old");
	swap("new");
	note("back", SHOP "/previous");
	move("usr/safenet/lunaclient", SHOP "/outgoing");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	assert_false(unit_there(root, SHOP "/back"));
	note("back", SHOP "/previous");
	move("usr/safenet/lunaclient", SHOP "/outgoing");
	move(SHOP "/previous", "usr/safenet/lunaclient");
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	unit_holds(root, SHOP "/previous/which", "new");
	assert_true(is_back());
}

static void a_workshop_in_which_nothing_is_kept_goes_with_what_was_made_for_it(void **state)
{
	(void)state;
	open_it();
	stage("never placed");
	client_workshop_close(&w, root, CLIENT);
	assert_false(unit_there(root, "usr"));
	open_it();
	swap("one");
	swap("two");
	client_workshop_close(&w, root, CLIENT);
	assert_true(unit_there(root, SHOP "/previous"));
}

static void looking_changes_nothing(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(client_workshop_look(root, CLIENT, &w, &f));
	assert_int_equal(w.parent, -1);
	assert_int_equal(w.dir, -1);
	assert_false(unit_there(root, "usr"));
}

static void something_else_under_the_clients_name_is_refused(void **state)
{
	struct fault f;
	int dir = -1;

	(void)state;
	open_it();
	unit_write(root, "usr/safenet/lunaclient", "a file", 0600);
	MUST_FAIL(client_workshop_present(&w, &dir, &f), FAULT_REFUSED, "is there and is no directory");
}

static void what_cannot_be_looked_at_is_not_thrown_away(void **state)
{
	static const char *const names[] = { "lunaclient", "swap", "next", "outgoing", "previous" };
	struct client_workshop again = CLIENT_WORKSHOP_INIT;
	struct fault f = { 0 };

	(void)state;
	open_it();
	swap("older");
	swap("old");
	/* Exchanged, and killed: `next` is the old client, and only the note tells it from one that was never placed. */
	begin_exchanged_swap();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		MUST_NOT_GUESS(names[i], client_workshop_open(root, CLIENT, NULL, &again, &f));
		unit_holds(root, SHOP "/next/which", "old");
	}
	open_it();
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	unit_holds(root, SHOP "/previous/which", "old");
}

static void a_swap_that_cannot_tell_what_it_replaces_changes_nothing(void **state)
{
	struct fault f;
	bool has;

	(void)state;
	open_it();
	swap("old");
	stage("new");
	MUST_NOT_GUESS("lunaclient", client_workshop_swap(&w, "top/", NULL, &f));
	unit_holds(root, "usr/safenet/lunaclient/which", "old");
	MUST_NOT_GUESS("previous", client_workshop_has_previous(&w, &has, &f));
	MUST_NOT_GUESS("previous", client_workshop_rollback(&w, NULL, &f));
	MUST_NOT_GUESS(".lunaclient.okv-luna", client_workshop_look(root, CLIENT, &w, &f));
}

static void a_fault_after_the_rename_is_incomplete_and_the_next_run_ends_it(void **state)
{
	struct fault f;

	(void)state;
	open_it();
	swap("old");
	stage("new");
	failing_name = "outgoing";
	MUST_FAIL(client_workshop_swap(&w, "top/", NULL, &f), FAULT_INCOMPLETE, "the client is in its place, but: ");
	failing_name = NULL;
	unit_holds(root, "usr/safenet/lunaclient/which", "new");
	open_it();
	unit_holds(root, SHOP "/previous/which", "old");
	assert_false(unit_there(root, SHOP "/swap"));
}

#define SHOP_TEST(test) cmocka_unit_test_setup_teardown(test, shop_make, shop_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHOP_TEST(it_is_beside_the_client_and_roots_alone),
		SHOP_TEST(a_planted_link_is_no_workshop),
		SHOP_TEST(what_was_in_the_clients_place_is_the_previous_one),
		SHOP_TEST(rolling_back_exchanges_them),
		SHOP_TEST(a_tree_that_was_not_put_in_place_is_thrown_away),
		SHOP_TEST(a_roll_back_is_noted_until_all_that_belongs_to_it_is_done),
		SHOP_TEST(a_swap_whose_new_tree_is_in_place_is_completed),
		SHOP_TEST(an_old_client_between_two_renames_is_put_back),
		SHOP_TEST(the_second_of_two_renames_completes_the_swap),
		SHOP_TEST(a_roll_back_by_renames_can_be_cut_off_too),
		SHOP_TEST(a_workshop_in_which_nothing_is_kept_goes_with_what_was_made_for_it),
		SHOP_TEST(looking_changes_nothing),
		SHOP_TEST(what_cannot_be_looked_at_is_not_thrown_away),
		SHOP_TEST(a_swap_that_cannot_tell_what_it_replaces_changes_nothing),
		SHOP_TEST(a_fault_after_the_rename_is_incomplete_and_the_next_run_ends_it),
		SHOP_TEST(something_else_under_the_clients_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
