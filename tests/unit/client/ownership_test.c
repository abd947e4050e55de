#include "client/ownership.h"
#include "failing.h"
#include "made.h"

enum { WORKER = 65533 };

static const struct client_ownership ownership = { .group = 34, .has_group = true, .worker = WORKER };
static struct client_content content = { .kind = CLIENT_MINIMAL, .top = MINIMAL };
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
	content.unpacked = UNPACKED(MINIMAL "bin/vtl", MINIMAL "cert/key.pem", MINIMAL "README",
				    MINIMAL "second => " MINIMAL "bin/vtl", MINIMAL "deep/link -> ../README");
	for (size_t i = 0; i < content.unpacked.count; i++)
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

static int apply(struct fault *f)
{
	return client_ownership_apply(tree, &content, &ownership, f);
}

static void everything_gets_owner_and_mode_of_the_policy(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(apply(&f));
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
	MUST(apply(&f));
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
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "'" MINIMAL "bin/more' was never announced");
}

static void a_file_under_the_name_of_a_link_was_not_announced_either(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "second", "file");
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "was never announced");
}

static void another_size_than_announced_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	file_place(MINIMAL "README", "read more");
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "has another size than announced");
}

static void another_type_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "README", 0), 0);
	assert_int_equal(mkfifoat(tree, MINIMAL "README", 0600), 0);
	assert_int_equal(fchownat(tree, MINIMAL "README", WORKER, WORKER, 0), 0);
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "is no plain file");
}

static void a_link_among_the_files_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "README", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", tree, MINIMAL "README"), 0);
	assert_int_equal(fchownat(tree, MINIMAL "README", WORKER, WORKER, AT_SYMLINK_NOFOLLOW), 0);
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "is no plain file");
}

static void a_second_name_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(linkat(tree, MINIMAL "README", tree, MINIMAL "bin/README", 0), 0);
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "is no plain file");
}

static void what_is_somebody_elses_is_a_fault(void **state)
{
	struct fault f;
	struct stat status;

	(void)state;
	assert_int_equal(fchownat(tree, MINIMAL "README", 12, 12, 0), 0);
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "is not its own");
	assert_int_equal(fstatat(tree, MINIMAL "README", &status, 0), 0);
	assert_int_equal(status.st_uid, 12);
}

static void what_is_missing_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(tree, MINIMAL "README", 0), 0);
	MUST_FAIL(apply(&f), FAULT_SYSTEM, "2 files are there of 3");
	assert_false(unit_there(tree, MINIMAL "deep/link"));
}

static void what_cannot_be_looked_at_is_a_fault(void **state)
{
	struct fault f;

	(void)state;
	MUST_NOT_GUESS("README", apply(&f));
	assert_false(unit_there(tree, MINIMAL "second"));
}

/* --- owner and mode of a path ------------------------------------------------------------------------------------- */

static void owners_and_modes_come_from_the_policy(void **state)
{
	static const struct {
		const char *path;
		mode_t without, guide, strict;
		bool group;
	} files[] = {
		{ "bin/64/vtl", 0755, 0755, 0755, false },
		{ "libs/64/libCryptoki2.so", 0755, 0755, 0755, false },
		{ "plugins/libdpod.plugin", 0755, 0755, 0755, false },
		{ "openssl.cnf", 0644, 0644, 0644, false },
		{ "setenv", 0644, 0644, 0644, false },
		{ "cert/client/okvKey.pem", 0600, 0640, 0640, true },
		{ "Chrystoki.conf", 0600, 0640, 0640, true },
		{ "configData/token/001/token.db", 0600, 0640, 0640, true },
	};
	const struct client_ownership none = { .has_group = false }, guide = { .has_group = true, .group = 7 };
	const struct client_ownership strict = { .has_group = true, .group = 7, .strict = true };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(client_ownership_file(&none, files[i].path).mode, files[i].without);
		assert_int_equal(client_ownership_file(&none, files[i].path).gid, 0);
		assert_int_equal(client_ownership_file(&guide, files[i].path).mode, files[i].guide);
		assert_int_equal(client_ownership_file(&strict, files[i].path).mode, files[i].strict);
		assert_int_equal(client_ownership_file(&guide, files[i].path).gid, files[i].group ? 7 : 0);
		/* Made first with no more than it has in the end, before anybody owns it. */
		assert_int_equal(client_ownership_first_mode(files[i].path) & ~files[i].guide & 07777, 0);
	}
	assert_int_equal(client_ownership_directory(&none, "cert").mode, 0700);
	assert_int_equal(client_ownership_directory(&guide, "cert").mode, 02770);
	assert_int_equal(client_ownership_directory(&strict, "cert").mode, 02750);
	assert_int_equal(client_ownership_directory(&strict, "data").mode, 02770);
	assert_int_equal(client_ownership_directory(&guide, "bin").mode, 0755);
	assert_int_equal(client_ownership_conf(&none).mode, 0600);
	assert_int_equal(client_ownership_conf(&guide).mode, 0660);
	assert_int_equal(client_ownership_conf(&strict).mode, 0640);
}

static void programs_and_libraries_are_told_by_place_and_name(void **state)
{
	static const char *const code[] = { "bin/vtl", "share/bin/tool", "jsp/lib.so", "libs/64/libx.so.1",
					    "plugins/a.plugin" };
	static const char *const plain[] = { "bin", "README", "so", "x.sofa", "plugins/readme.txt", "binary/x" };

	(void)state;
	for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++)
		assert_int_equal(client_ownership_first_mode(code[i]), 0755);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_int_equal(client_ownership_first_mode(plain[i]), 0644);
}

static void nothing_is_for_others_to_write_or_runs_as_its_owner(void **state)
{
	static const char *const paths[] = { "bin/vtl", "cert/client/k", "data/x", "README", "Chrystoki.conf", "lib" };

	(void)state;
	for (int way = 0; way < 4; way++) {
		const struct client_ownership policy = { .group = 7, .has_group = way & 1, .strict = (way & 2) != 0 };
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			assert_int_equal(client_ownership_file(&policy, paths[i]).mode & 06022, 0);
			assert_int_equal(client_ownership_directory(&policy, paths[i]).mode & 04002, 0);
		}
		assert_int_equal(client_ownership_conf(&policy).mode & 07007, 0);
	}
}

#define APPLY(test) cmocka_unit_test_setup_teardown(test, tree_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		APPLY(everything_gets_owner_and_mode_of_the_policy),
		APPLY(a_hard_link_becomes_a_copy_and_links_are_made_last),
		APPLY(what_was_not_announced_is_a_fault),
		APPLY(a_file_under_the_name_of_a_link_was_not_announced_either),
		APPLY(another_size_than_announced_is_a_fault),
		APPLY(another_type_is_a_fault),
		APPLY(a_link_among_the_files_is_a_fault),
		APPLY(a_second_name_is_a_fault),
		APPLY(what_is_somebody_elses_is_a_fault),
		APPLY(what_is_missing_is_a_fault),
		APPLY(what_cannot_be_looked_at_is_a_fault),
		cmocka_unit_test(owners_and_modes_come_from_the_policy),
		cmocka_unit_test(programs_and_libraries_are_told_by_place_and_name),
		cmocka_unit_test(nothing_is_for_others_to_write_or_runs_as_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
