#include <dirent.h>

#include "base/text.h"
#include "fs/walk.h"
#include "unit.h"

static int dir = -1;

static int scratch_make(void **state)
{
	(void)unit_place_make(state);
	dir = ((const struct unit_place *)*state)->dir;
	return 0;
}

static void made(const char *path)
{
	assert_int_equal(mkdirat(dir, path, 0700), 0);
}

static void touched(const char *path)
{
	FS_AUTO int fd = openat(dir, path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

/* What a walk saw, and what it is to do on the way. */
struct seen {
	unsigned directories, untold; /* by the types that the choice was told */
	struct text paths;            /* one a line */
	struct text missed;
	const char *skip; /* name of a directory not to enter */
	const char *swap; /* name of a directory to exchange for a link once it was looked at */
	size_t count, open;
};

static int visit(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct seen *seen = context;
	const unsigned *depth = state;

	(void)f;
	if (seen->count < 200)
		text_add_format(&seen->paths, "%u %s\n", *depth, entry->path);
	seen->count++;
	seen->open += entry->in_open;
	assert_int_equal(strlen(entry->path), entry->path_length);
	if (seen->swap != NULL && strcmp(entry->name, seen->swap) == 0) {
		assert_int_equal(renameat(entry->dir, entry->name, entry->dir, "away"), 0);
		assert_int_equal(symlinkat("away", entry->dir, entry->name), 0);
	}
	return seen->skip != NULL && strcmp(entry->name, seen->skip) == 0 ? FS_WALK_PASS : FS_WALK_ENTER;
}

static void enter(void *context, const void *state, const char *name, void *ret_state)
{
	(void)context;
	(void)name;
	*(unsigned *)ret_state = *(const unsigned *)state + 1;
}

static void miss(void *context, const char *path, const struct fault *trouble)
{
	struct seen *seen = context;

	text_add_format(&seen->missed, "%s: %s\n", path, trouble->text);
}

static bool wants(void *context, const void *state, const char *name, unsigned char type)
{
	struct seen *seen = context;

	(void)state;
	seen->directories += type == DT_DIR;
	seen->untold += type == DT_UNKNOWN;
	return name[0] != 'n';
}

static void seen_done(struct seen *seen)
{
	text_done(&seen->paths);
	text_done(&seen->missed);
}

#define SEEN_AUTO __attribute__((cleanup(seen_done))) struct seen

static void walk(struct seen *seen, const char *leaf)
{
	const unsigned depth = 1;
	const struct fs_walk w = {
		.context = seen,
		.state_size = sizeof(depth),
		.visit = visit,
		.enter = enter,
		.miss = miss,
		.wants = wants,
	};
	struct fault f = { 0 };
	char path[64];

	(void)snprintf(path, sizeof(path), "/%s", leaf);
	if (fs_walk(dir, leaf, path, &depth, &w, &f) < 0)
		fail_msg("%s", f.text);
}

static void a_directorys_own_entries_come_before_what_lies_below(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .count = 0 };

	made("t");
	made("t/d");
	touched("t/d/g");
	made("t/d/e");
	touched("t/d/e/h");
	touched("t/nothing");
	walk(&seen, "t");
	const char *said = text_string(&seen.paths);
	assert_int_equal(seen.count, 5);
	assert_true(text_starts(said, "1 /t\n2 /t/d\n3 /t/d/"));
	assert_true(text_ends(said, "4 /t/d/e/h\n"));
	assert_int_equal(seen.missed.length, 0);
}

static void a_file_as_start_is_seen_and_an_absent_one_is_absent(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .count = 0 };
	const struct fs_walk w = { .context = &seen, .visit = visit, .miss = miss };
	struct fault f = { 0 };
	const unsigned depth = 0;

	touched("t");
	walk(&seen, "t");
	assert_int_equal(seen.count, 1);
	assert_int_equal(fs_walk(dir, "u", "/u", &depth, &w, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
}

static void no_link_is_followed(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .count = 0 };

	made("t");
	made("other");
	touched("other/x");
	assert_int_equal(symlinkat("../other", dir, "t/l"), 0);
	walk(&seen, "t");
	assert_string_equal(text_string(&seen.paths), "1 /t\n2 /t/l\n");
}

static void a_directory_exchanged_meanwhile_is_not_entered(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .swap = "d" };

	made("t");
	made("t/d");
	touched("t/d/x");
	walk(&seen, "t");
	assert_null(strstr(text_string(&seen.paths), "/x"));
	assert_non_null(strstr(text_string(&seen.missed), "'/t/d'"));
}

static void a_directory_that_is_passed_is_not_entered(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .skip = "d" };

	made("t");
	made("t/d");
	touched("t/d/x");
	walk(&seen, "t");
	assert_int_equal(seen.count, 2);
}

static void it_tells_where_others_can_make_names(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .count = 0 };

	made("t");
	made("t/d");
	touched("t/d/x");
	touched("t/d/y");
	assert_int_equal(fchmodat(dir, "t/d", 0720, 0), 0);
	walk(&seen, "t");
	assert_int_equal(seen.open, 2);
}

static void more_levels_than_the_limit_are_missed_and_the_rest_is_walked(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .count = 0 };
	FS_AUTO int at = dup(dir);

	made("t");
	for (int i = 0; i < FS_WALK_DEPTH_MAX + 3; i++) {
		const int next = i == 0 ? openat(at, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
					: openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fs_close(&at);
		at = next;
		assert_int_equal(mkdirat(at, "d", 0700), 0);
	}
	touched("t/z");
	walk(&seen, "t");
	assert_int_equal(seen.count, FS_WALK_DEPTH_MAX + 2);
	assert_non_null(strstr(text_string(&seen.missed), "more than 512 directories deep"));
	/* fs_tree_remove has the same limit. */
	for (int i = 0; i < 8; i++) {
		assert_int_equal(renameat(dir, "t/d", dir, "u"), 0);
		assert_int_equal(renameat(dir, "u/d", dir, "v"), 0);
		assert_int_equal(unlinkat(dir, "u", AT_REMOVEDIR), 0);
		assert_int_equal(renameat(dir, "v", dir, "t/d"), 0);
	}
}

static void more_entries_than_one_block_holds_are_all_seen(void **state)
{
	(void)state;
	SEEN_AUTO seen = { .count = 0 };
	char name[64];

	made("t");
	for (int i = 0; i < 1500; i++) {
		(void)snprintf(name, sizeof(name), "t/a-file-with-quite-a-long-name-%04d", i);
		if (i % 3 == 0)
			made(name);
		else
			touched(name);
	}
	walk(&seen, "t");
	assert_int_equal(seen.count, 1501);
	assert_int_equal(seen.directories + seen.untold, seen.untold > 0 ? 1500 : 500);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(a_directorys_own_entries_come_before_what_lies_below),
		in_scratch(a_file_as_start_is_seen_and_an_absent_one_is_absent),
		in_scratch(no_link_is_followed),
		in_scratch(a_directory_exchanged_meanwhile_is_not_entered),
		in_scratch(a_directory_that_is_passed_is_not_entered),
		in_scratch(it_tells_where_others_can_make_names),
		in_scratch(more_levels_than_the_limit_are_missed_and_the_rest_is_walked),
		in_scratch(more_entries_than_one_block_holds_are_all_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
