#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

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
	size_t directory; /* number and inode of the one that held the entry before */
	ino_t inode;
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
	struct stat holder;
	assert_int_equal(fstat(entry->dir, &holder), 0);
	assert_int_equal(entry->directory == seen->directory, holder.st_ino == seen->inode);
	assert_true(entry->directory >= seen->directory && entry->directory > 0);
	seen->directory = entry->directory;
	seen->inode = holder.st_ino;
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

/* --- removal ------------------------------------------------------------------------------------------------------ */

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

static void a_directory_of_others_is_closed_before_it_is_emptied(void **state)
{
	const struct unit_place *place = *state;
	static const mode_t modes[] = { 0777, 0770, 01777, 0755 };
	struct fault f = { 0 };

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct stat status;
		unit_dir(place->dir, "t", 0700);
		unit_dir(place->dir, "t/theirs", modes[i]);
		if (modes[i] == 0755)
			assert_int_equal(fchownat(place->dir, "t/theirs", 54321, 54321, 0), 0);
		/* As somebody holds it who means to put another name into it, whatever is removed. */
		FS_AUTO int held = openat(place->dir, "t/theirs", O_PATH | O_DIRECTORY | O_CLOEXEC);
		MUST(fs_tree_remove(place->dir, "t", &f));
		assert_int_equal(fstat(held, &status), 0);
		assert_int_equal(status.st_nlink, 0);
		assert_int_equal(status.st_uid, 0);
		assert_int_equal(status.st_mode & 077, 0);
	}
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
		const int inner = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const int inside = openat(inner, "t/mounted/kept", O_WRONLY | O_CREAT, 0600);
		if (inside < 0 || fs_tree_remove(inner, "t", &f) == 0)
			_exit(3);
		if (f.kind != FAULT_REFUSED || strstr(f.text, "another file system") == NULL)
			_exit(4);
		/* The rest is gone. */
		_exit(unit_there(inner, "t/mounted/kept") && !unit_there(inner, "t/x") ? 0 : 5);
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
		UNIT_IN_PLACE(a_tree_is_removed_with_all_that_can_be_in_it),
		UNIT_IN_PLACE(a_directory_of_others_is_closed_before_it_is_emptied),
		UNIT_IN_PLACE(absence_is_success),
		UNIT_IN_PLACE(a_link_is_removed_and_never_followed),
		UNIT_IN_PLACE(a_single_file_is_a_tree),
		UNIT_IN_PLACE(another_file_system_is_not_removed),
		UNIT_IN_PLACE(what_lies_too_deep_is_refused_not_crashed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
