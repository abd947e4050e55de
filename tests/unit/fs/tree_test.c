/* fs/tree: removes a tree, and nothing but it. */
#include "unit.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static void a_tree_is_removed_with_all_that_can_be_in_it(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	unit_dir(place->dir, "t", 0755);
	unit_dir(place->dir, "t/closed", 0000);
	unit_dir(place->dir, "t/deep", 0755);
	unit_dir(place->dir, "t/deep/er", 0755);
	unit_write(place->dir, "t/deep/er/x", "x", 0400);
	assert_int_equal(mkfifoat(place->dir, "t/fifo", 0600), 0);
	assert_int_equal(linkat(place->dir, "t/deep/er/x", place->dir, "t/hard", 0), 0);
	for (int i = 0; i < 300; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "t/deep/%d", i);
		unit_write(place->dir, name, "", 0600);
	}
	MUST(fs_tree_remove(place->dir, "t", &f));
	assert_false(unit_there(place->dir, "t"));
}

static void absence_is_success(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	MUST(fs_tree_remove(place->dir, "nothing", &f));
}

static void a_link_is_removed_and_never_followed(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	unit_dir(place->dir, "precious", 0755);
	unit_write(place->dir, "precious/x", "x", 0600);
	unit_dir(place->dir, "t", 0755);
	assert_int_equal(symlinkat("../precious", place->dir, "t/link"), 0);
	assert_int_equal(symlinkat("precious", place->dir, "direct"), 0);
	MUST(fs_tree_remove(place->dir, "t", &f));
	MUST(fs_tree_remove(place->dir, "direct", &f));
	assert_false(unit_there(place->dir, "t"));
	assert_false(unit_there(place->dir, "direct"));
	unit_holds(place->dir, "precious/x", "x");
}

static void a_single_file_is_a_tree(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	unit_write(place->dir, "x", "x", 0600);
	MUST(fs_tree_remove(place->dir, "x", &f));
	assert_false(unit_there(place->dir, "x"));
}

/* In a mount namespace of a child, so that nothing stays mounted whatever happens. */
static void another_file_system_is_not_removed(void **state)
{
	const struct unit_place *place = *state;
	int status = 0;

	unit_dir(place->dir, "t", 0755);
	unit_dir(place->dir, "t/mounted", 0755);
	unit_write(place->dir, "t/x", "x", 0600);
	const pid_t child = fork();
	if (child == 0) {
		struct fault f = { 0 };
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/t/mounted", place->path);
		if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", path, "tmpfs", 0, NULL) < 0)
			_exit(2);
		/* The old descriptor leads into the old namespace. */
		const int dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const int inside = openat(dir, "t/mounted/kept", O_WRONLY | O_CREAT, 0600);
		if (inside < 0 || fs_tree_remove(dir, "t", &f) == 0)
			_exit(3);
		if (f.kind != FAULT_REFUSED || strstr(f.text, "another file system") == NULL)
			_exit(4);
		/* The rest is gone. */
		_exit(unit_there(dir, "t/mounted/kept") && !unit_there(dir, "t/x") ? 0 : 5);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_lies_too_deep_is_refused_not_crashed_on(void **state)
{
	enum { DEPTH = 600 };
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	FS_AUTO int at = dup(place->dir);
	for (int i = 0; i < DEPTH; i++) {
		unit_dir(at, "d", 0755);
		const int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fs_close(&at);
		at = next;
	}
	MUST_FAIL(fs_tree_remove(place->dir, "d", &f), FAULT_REFUSED, "more than 512 directories deep");
	/* From half way down it can be removed, and then from the top. */
	fs_close(&at);
	at = dup(place->dir);
	for (int i = 0; i < DEPTH / 2; i++) {
		const int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fs_close(&at);
		at = next;
	}
	MUST(fs_tree_remove(at, "d", &f));
	MUST(fs_tree_remove(place->dir, "d", &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_tree_is_removed_with_all_that_can_be_in_it),
		UNIT_IN_PLACE(absence_is_success),
		UNIT_IN_PLACE(a_link_is_removed_and_never_followed),
		UNIT_IN_PLACE(a_single_file_is_a_tree),
		UNIT_IN_PLACE(another_file_system_is_not_removed),
		UNIT_IN_PLACE(what_lies_too_deep_is_refused_not_crashed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
