#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "client/settle.h"
#include "failing.h"
#include "made.h"

enum { WORKER = 65533 };

static const struct client_policy policy = { .group = 34, .has_group = true };
static const struct client_content content = { .kind = CLIENT_MINIMAL, .top = MINIMAL };
static struct unpack unpacked;
static int tree = -1;

static void dir_place(const char *path)
{
	unit_dir(tree, path, 0755);
	assert_int_equal(fchownat(tree, path, WORKER, WORKER, 0), 0);
}

static void file_place(const char *path, const char *bytes)
{
	unit_write(tree, path, bytes, 0600);
	assert_int_equal(fchownat(tree, path, WORKER, WORKER, 0), 0);
}

/* As the unpacking processes have left it. */
static int tree_make(void **state)
{
	(void)unit_place_make(state);
	tree = ((const struct unit_place *)*state)->dir;
	assert_int_equal(fchown(tree, WORKER, WORKER), 0);
	unpacked = UNPACKED(MINIMAL "bin/vtl", MINIMAL "cert/key.pem", MINIMAL "README",
			    MINIMAL "second => " MINIMAL "bin/vtl", MINIMAL "deep/link -> ../README");
	for (size_t i = 0; i < unpacked.count; i++)
		made_entries[i].size = made_entries[i].type == PIPE_ENTRY_FILE ? 4 : 0;
	dir_place("LunaClient-Minimal-10.4.0-417.x86_64");
	dir_place(MINIMAL "bin");
	dir_place(MINIMAL "cert");
	file_place(MINIMAL "bin/vtl", "tool");
	file_place(MINIMAL "cert/key.pem", "key.");
	file_place(MINIMAL "README", "read");
	return 0;
}

static void is(const char *path, mode_t type, mode_t mode, gid_t gid)
{
	struct stat status;

	assert_int_equal(fstatat(tree, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode, type | mode);
	assert_int_equal(status.st_uid, 0);
	assert_int_equal(status.st_gid, gid);
}

static int settle(struct fault *f)
{
	return client_settle(tree, WORKER, &unpacked, &content, &policy, f);
}

static void everything_gets_owner_and_mode_of_the_policy(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(settle(&f));
	is(".", S_IFDIR, 0755, 0);
	is(MINIMAL "bin", S_IFDIR, 0755, 0);
	is(MINIMAL "bin/vtl", S_IFREG, 0755, 0);
	is(MINIMAL "README", S_IFREG, 0644, 0);
	is(MINIMAL "cert", S_IFDIR, 02770, 34);
	is(MINIMAL "cert/key.pem", S_IFREG, 0640, 34);
}

static void a_hard_link_becomes_a_copy_and_links_are_made_last(void **state)
{
	struct stat one, other;
	struct fault f = { 0 };
	char target[32] = "";

	(void)state;
	MUST(settle(&f));
	unit_holds(tree, MINIMAL "second", "tool");
	assert_int_equal(fstatat(tree, MINIMAL "bin/vtl", &one, 0), 0);
	assert_int_equal(fstatat(tree, MINIMAL "second", &other, 0), 0);
	assert_true(one.st_ino != other.st_ino);
	assert_int_equal(one.st_nlink, 1);
	is(MINIMAL "second", S_IFREG, 0644, 0);
	assert_int_equal(readlinkat(tree, MINIMAL "deep/link", target, sizeof(target) - 1), 9);
	assert_string_equal(target, "../README");
}

static void what_was_not_announced_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "bin/more", "more");
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "'" MINIMAL "bin/more' was never announced");
}

static void a_file_under_the_name_of_a_link_was_not_announced_either(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "second", "file");
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "was never announced");
}

static void another_size_than_announced_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "README", "read more");
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "has another size than announced");
}

static void another_type_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "README", 0), 0);
	assert_int_equal(mkfifoat(tree, MINIMAL "README", 0600), 0);
	assert_int_equal(fchownat(tree, MINIMAL "README", WORKER, WORKER, 0), 0);
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "is no plain file");
}

static void a_link_among_the_files_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "README", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", tree, MINIMAL "README"), 0);
	assert_int_equal(fchownat(tree, MINIMAL "README", WORKER, WORKER, AT_SYMLINK_NOFOLLOW), 0);
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "is no plain file");
}

static void a_second_name_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(linkat(tree, MINIMAL "README", tree, MINIMAL "bin/README", 0), 0);
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "is no plain file");
}

static void what_is_somebody_elses_is_a_fault(void **state)
{
	struct fault f;
	struct stat status;

	(void)state;
	assert_int_equal(fchownat(tree, MINIMAL "README", 12, 12, 0), 0);
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "is not its own");
	assert_int_equal(fstatat(tree, MINIMAL "README", &status, 0), 0);
	assert_int_equal(status.st_uid, 12);
}

static void what_is_missing_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "README", 0), 0);
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "2 files are there of 3");
	assert_false(unit_there(tree, MINIMAL "deep/link"));
}

static void what_cannot_be_looked_at_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	MUST_NOT_GUESS("README", settle(&f));
	assert_false(unit_there(tree, MINIMAL "second"));
}

/* --- shared by two processes -------------------------------------------------------------------------------------- */

enum { DIRECTORIES = 24, IN_EACH = 100, MANY = DIRECTORIES * IN_EACH };
static struct unpack_entry many_entries[MANY];
static char many_names[MANY][64];

/* What the second process asks the kernel for before it begins; then it is killed. */
static bool deadly_prctl;

int prctl(int option, ...)
{
	va_list more;

	if (deadly_prctl)
		(void)raise(SIGKILL);
	va_start(more, option);
	const unsigned long argument = va_arg(more, unsigned long);
	va_end(more);
	return (int)syscall(SYS_prctl, option, argument, 0, 0, 0);
}

static int many_make(void **state)
{
	(void)tree_make(state);
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(many_names[i], sizeof(many_names[i]), MINIMAL "cert/d%02zu/f%02zu", i / IN_EACH,
			       i % IN_EACH);
		if (i % IN_EACH == 0) {
			char *slash = strrchr(many_names[i], '/');
			*slash = '\0';
			dir_place(many_names[i]);
			*slash = '/';
		}
		file_place(many_names[i], "many");
		many_entries[i] = (struct unpack_entry){ .path = many_names[i], .type = PIPE_ENTRY_FILE, .size = 4 };
	}
	for (const char *const *path = (const char *const[]){ "bin/vtl", "cert/key.pem", "README", NULL }; *path;
	     path++) {
		char whole[128];
		(void)snprintf(whole, sizeof(whole), MINIMAL "%s", *path);
		assert_int_equal(unlinkat(tree, whole, 0), 0);
	}
	unpacked = (struct unpack){ .entries = many_entries, .count = MANY, .files = MANY };
	return 0;
}

static void many_files_get_owner_and_mode_whichever_process_takes_them(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(settle(&f));
	is(MINIMAL "cert/d00", S_IFDIR, 02770, 34);
	is(MINIMAL "cert/d01", S_IFDIR, 02770, 34);
	for (size_t i = 0; i < MANY; i++)
		is(many_names[i], S_IFREG, 0640, 34);
}

/* Their names make d10 the second's and d11 the first's. */
static void a_fault_in_either_share_is_told(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "cert/d10/more", "more");
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "'" MINIMAL "cert/d10/more' was never announced");
}

static void a_fault_in_the_other_share_is_told_too(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "cert/d11/more", "more");
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "'" MINIMAL "cert/d11/more' was never announced");
}

static void what_is_missing_in_both_shares_is_counted(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "cert/d10/f07", 0), 0);
	assert_int_equal(unlinkat(tree, MINIMAL "cert/d11/f07", 0), 0);
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "2398 files are there of 2400");
}

static void a_second_process_that_was_ended_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	deadly_prctl = true;
	MUST_FAIL(settle(&f), FAULT_SYSTEM, "the second process that takes over the new client was ended");
	deadly_prctl = false;
}

#define SETTLE(test)      cmocka_unit_test_setup_teardown(test, tree_make, unit_place_remove)
#define MANY_SETTLE(test) cmocka_unit_test_setup_teardown(test, many_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SETTLE(everything_gets_owner_and_mode_of_the_policy),
		SETTLE(a_hard_link_becomes_a_copy_and_links_are_made_last),
		SETTLE(what_was_not_announced_is_a_fault),
		SETTLE(a_file_under_the_name_of_a_link_was_not_announced_either),
		SETTLE(another_size_than_announced_is_a_fault),
		SETTLE(another_type_is_a_fault),
		SETTLE(a_link_among_the_files_is_a_fault),
		SETTLE(a_second_name_is_a_fault),
		SETTLE(what_is_somebody_elses_is_a_fault),
		SETTLE(what_is_missing_is_a_fault),
		SETTLE(what_cannot_be_looked_at_is_a_fault),
		MANY_SETTLE(many_files_get_owner_and_mode_whichever_process_takes_them),
		MANY_SETTLE(a_fault_in_either_share_is_told),
		MANY_SETTLE(a_fault_in_the_other_share_is_told_too),
		MANY_SETTLE(what_is_missing_in_both_shares_is_counted),
		MANY_SETTLE(a_second_process_that_was_ended_is_a_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
