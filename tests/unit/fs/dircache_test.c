#include "base/text.h"
#include "fs/dircache.h"
#include "unit.h"

static int dir = -1;

static int scratch_make(void **state)
{
	(void)unit_place_make(state);
	dir = ((const struct unit_place *)*state)->dir;
	return 0;
}

static void the_cache_gives_the_directory_of_each_path(void **state)
{
	(void)state;
	FS_DIRCACHE_AUTO cache = { .root = dir };
	struct fault f = { 0 };
	static const char *const paths[] = { "/a/b/x", "/a/b/y", "/a/bb/x", "/a/x", "/x", "/a/b/x" };
	const char *leaf;
	bool open_to_others;
	struct stat status, wanted;
	int at;

	unit_dir(dir, "a", 0700);
	unit_dir(dir, "a/b", 0700);
	unit_dir(dir, "a/bb", 0700);
	assert_int_equal(fchmodat(dir, "a/bb", 0777, 0), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (fs_dircache_parent(&cache, paths[i], &at, &leaf, &open_to_others, &f) < 0)
			fail_msg("%s", f.text);
		char parent[64] = ".";
		(void)snprintf(parent + 1, sizeof(parent) - 1, "%s", paths[i]);
		*strrchr(parent, '/') = '\0';
		assert_int_equal(fstat(at, &status), 0);
		assert_int_equal(fstatat(dir, parent, &wanted, 0), 0);
		assert_int_equal(status.st_ino, wanted.st_ino);
		assert_string_equal(leaf, strrchr(paths[i], '/') + 1);
		assert_int_equal(open_to_others, i == 2);
	}
	assert_int_equal(fs_dircache_parent(&cache, "/a/none/x", &at, &leaf, &open_to_others, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_int_equal(fs_dircache_parent(&cache, "/a/b/x", &at, &leaf, &open_to_others, &f), 0);
}

static void it_follows_only_links_that_root_alone_could_have_made(void **state)
{
	(void)state;
	FS_DIRCACHE_AUTO cache = { .root = dir };
	struct fault f = { 0 };
	const char *leaf;
	bool open_to_others;
	int at;

	unit_dir(dir, "a", 0700);
	unit_dir(dir, "a/b", 0700);
	unit_dir(dir, "open", 0700);
	assert_int_equal(symlinkat("a", dir, "l"), 0);
	assert_int_equal(symlinkat("../a", dir, "open/l"), 0);
	assert_int_equal(fs_dircache_parent(&cache, "/l/b/x", &at, &leaf, &open_to_others, &f), 0);
	assert_int_equal(fs_dircache_parent(&cache, "/open/l/x", &at, &leaf, &open_to_others, &f), 0);
	assert_int_equal(fchmodat(dir, "open", 0777, 0), 0);
	assert_int_equal(fs_dircache_parent(&cache, "/l/x", &at, &leaf, &open_to_others, &f), 0);
	assert_int_equal(fs_dircache_parent(&cache, "/open/l/x", &at, &leaf, &open_to_others, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(the_cache_gives_the_directory_of_each_path),
		IN_SCRATCH(it_follows_only_links_that_root_alone_could_have_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
