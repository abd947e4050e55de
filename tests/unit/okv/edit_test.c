/* okv/edit: one edit of one file, against exactly what was read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tree.h"
#include "okv/edit.h"

enum { RACE_ROUNDS = 2000, PAUSE_AFTER = 16 };

#define FILE_PATH "/etc/edited"

static struct okv_job job_of(const struct tree *t, enum okv_mode mode)
{
	return (struct okv_job){ .root = t->root, .settings = &t->settings, .mode = mode };
}

struct appending {
	const struct tree *tree;
	const char *line;
	unsigned meddle; /* how many times somebody else is to come between */
	unsigned calls, announced;
};

static int append_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	struct appending *a = context;

	(void)f;
	a->calls++;
	if (a->meddle > 0) {
		TEXT_AUTO theirs = { 0 };
		a->meddle--;
		text_add(&theirs, text_string(now), now->length);
		text_add_format(&theirs, "theirs %u\n", a->meddle);
		tree_write(a->tree, FILE_PATH, &theirs);
	}
	text_add(ret_text, text_string(now), now->length);
	text_add_string(ret_text, a->line);
	return 0;
}

static int announce(void *context, const struct text *now, const struct text *next, struct fault *f)
{
	struct appending *a = context;

	(void)f;
	assert_true(next->length > now->length);
	a->announced++;
	return 0;
}

static int edit(const struct tree *t, struct appending *a, enum okv_mode mode, bool *ret_changed, struct fault *f)
{
	const struct okv_job job = job_of(t, mode);
	const struct okv_edit e = { .path = FILE_PATH, .change = append_change, .announce = announce, .context = a };

	a->tree = t;
	return okv_edit(&job, &e, ret_changed, f);
}

static size_t backups_count(const struct tree *t)
{
	struct fault f = { 0 };
	int fd = -1;
	size_t count = 0;

	if (fs_dir_open(t->root, OKV_BACKUP, FS_NOFOLLOW, &fd, &f) < 0)
		return 0;
	DIR *listing = fdopendir(fd);
	assert_non_null(listing);
	for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
		count += entry->d_name[0] != '.';
	(void)closedir(listing);
	return count;
}

static void assert_content(const struct tree *t, const char *wanted)
{
	TEXT_AUTO now = tree_read(t, FILE_PATH);

	assert_string_equal(text_string(&now), wanted);
}

static void a_file_changed_meanwhile_is_read_again(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "ours\n", .meddle = 2 };
	struct fault f = { 0 };
	bool changed;

	(void)state;
	tree_put(&t, FILE_PATH, "first\n");
	assert_int_equal(edit(&t, &a, OKV_APPLY, &changed, &f), 0);
	assert_true(changed);
	assert_int_equal(a.calls, 3);
	assert_content(&t, "first\ntheirs 1\ntheirs 0\nours\n");
	tree_done(&t);
}

static void a_file_that_never_rests_is_given_up_after_some_tries(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "ours\n", .meddle = 100 };
	struct fault f = { 0 };
	bool changed = false;

	(void)state;
	tree_put(&t, FILE_PATH, "first\n");
	assert_int_equal(edit(&t, &a, OKV_APPLY, &changed, &f), -1);
	assert_int_equal(f.kind, FAULT_INCOMPLETE);
	assert_false(changed);
	assert_int_equal(a.calls, EDIT_TRIES);
	TEXT_AUTO now = tree_read(&t, FILE_PATH);
	assert_null(strstr(now.bytes, "ours"));
	tree_done(&t);
}

static void bytes_that_stay_the_same_are_not_written(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "" };
	struct fault f = { 0 };
	struct stat before, after;
	bool changed = true;

	(void)state;
	tree_put(&t, FILE_PATH, "first\n");
	assert_int_equal(fs_status(t.root, FILE_PATH, FS_NOFOLLOW, &before, &f), 0);
	assert_int_equal(edit(&t, &a, OKV_APPLY, &changed, &f), 0);
	assert_false(changed);
	assert_int_equal(fs_status(t.root, FILE_PATH, FS_NOFOLLOW, &after, &f), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(a.announced, 0);
	assert_int_equal(backups_count(&t), 0);
	tree_done(&t);
}

static void showing_writes_nothing(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "ours\n" };
	struct fault f = { 0 };
	bool changed = false;

	(void)state;
	tree_put(&t, FILE_PATH, "first\n");
	assert_int_equal(edit(&t, &a, OKV_PLAN, &changed, &f), 0);
	assert_true(changed);
	assert_int_equal(a.announced, 0);
	assert_content(&t, "first\n");
	assert_false(fs_exists(t.root, SETTINGS_VAR));
	tree_done(&t);
}

static void the_old_bytes_are_kept_once(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "ours\n" };
	struct fault f = { 0 };
	struct stat status;
	bool changed;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		tree_put(&t, FILE_PATH, "first\n");
		assert_int_equal(edit(&t, &a, OKV_APPLY, &changed, &f), 0);
	}
	assert_int_equal(backups_count(&t), 1);
	assert_int_equal(a.announced, 3);
	assert_int_equal(fs_status(t.root, OKV_BACKUP, FS_NOFOLLOW, &status, &f), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	tree_done(&t);
}

static void backups_do_not_pile_up_for_ever_and_the_oldest_stays(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "ours\n" };
	struct fault f = { 0 };
	struct dirent **names;
	bool changed;

	(void)state;
	tree_put(&t, FILE_PATH, "the very first\n");
	for (unsigned i = 0; i < 2 * BACKUPS_KEPT; i++)
		assert_int_equal(edit(&t, &a, OKV_APPLY, &changed, &f), 0);
	assert_int_equal(backups_count(&t), BACKUPS_KEPT + 1);

	TEXT_AUTO path = { 0 };
	text_add_format(&path, "%s%s", t.path, OKV_BACKUP);
	const int count = scandir(text_string(&path), &names, NULL, alphasort);
	assert_true(count > 2);
	TEXT_AUTO oldest = { 0 };
	text_add_format(&oldest, "%s/%s", OKV_BACKUP, names[2]->d_name);
	TEXT_AUTO bytes = tree_read(&t, text_string(&oldest));
	assert_string_equal(text_string(&bytes), "the very first\n");
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	tree_done(&t);
}

static void a_fault_begins_with_the_name_of_the_file(void **state)
{
	struct tree t = tree_make();
	struct appending a = { .line = "ours\n" };
	struct fault f = { 0 };
	bool changed;

	(void)state;
	assert_int_equal(edit(&t, &a, OKV_APPLY, &changed, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_non_null(strstr(f.text, "edited"));
	tree_done(&t);
}

/* --- somebody else edits all the time, without asking for the lock -------------------------------------------------
 */

/* Their lines of the file, copied to `to`; true where the last of them is that of the round before. */
static bool their_lines(const char *path, FILE *to, unsigned round)
{
	FILE *from = fopen(path, "r");
	char line[64], last[64] = "", wanted[64] = "";

	if (from == NULL)
		_exit(1);
	if (round > 0)
		(void)snprintf(wanted, sizeof(wanted), "t%u\n", round - 1);
	/* Our own lines are dropped, so that the file stays short: only theirs are counted. */
	while (fgets(line, sizeof(line), from) != NULL)
		if (line[0] == 't') {
			(void)fputs(line, to);
			(void)strcpy(last, line);
		}
	if (fclose(from) != 0)
		_exit(1);
	return strcmp(last, wanted) == 0;
}

/*
 * Read, append a line, write beside, rename: what any decent editor does.  After every PAUSE_AFTER rounds it pauses until
 * one more of our edits got through, since on an idle machine it would be done before ten of ours were.
 *
 * Where an edit of ours comes too late, its bytes are in the file's place until they are exchanged back.  This editor is
 * so fast that it can read just then, and would lose its own line by itself: it reads again until its line is there,
 * and ends with 2 where it stays away.
 */
static void other_editor(const char *root, const volatile unsigned *ours)
{
	char path[128], beside[128];

	(void)snprintf(path, sizeof(path), "%s%s", root, FILE_PATH);
	(void)snprintf(beside, sizeof(beside), "%s%s.theirs", root, FILE_PATH);
	for (unsigned i = 0; i < RACE_ROUNDS; i++) {
		for (unsigned tries = 0;; tries++) {
			FILE *to = fopen(beside, "w");
			if (to == NULL)
				_exit(1);
			const bool there = their_lines(path, to, i);
			(void)fprintf(to, "t%u\n", i);
			if (fclose(to) != 0)
				_exit(1);
			if (there)
				break;
			if (tries == 50000)
				_exit(2);
			(void)usleep(100);
		}
		if (rename(beside, path) != 0)
			_exit(1);
		for (const unsigned seen = *ours; i % PAUSE_AFTER == PAUSE_AFTER - 1 && *ours == seen;)
			(void)usleep(100);
	}
	_exit(0);
}

static void no_edit_of_somebody_else_is_ever_lost(void **state)
{
	struct tree t = tree_make();
	volatile unsigned *ours = mmap(NULL, sizeof(*ours), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;

	(void)state;
	assert_true(ours != MAP_FAILED);
	tree_put(&t, FILE_PATH, "");
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		other_editor(t.path, ours);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct appending a = { .line = "ours\n" };
		struct fault f = { 0 };
		bool changed;

		if (edit(&t, &a, OKV_APPLY, &changed, &f) == 0)
			(*ours)++;
		else
			assert_int_equal(f.kind, FAULT_INCOMPLETE);
	}
	assert_int_equal(status, 0);
	assert_true(*ours > 10);

	TEXT_AUTO now = tree_read(&t, FILE_PATH);
	const char *at = now.bytes;
	for (unsigned i = 0; i < RACE_ROUNDS; i++) {
		char line[24];
		(void)snprintf(line, sizeof(line), "t%u\n", i);
		while (strncmp(at, "ours\n", 5) == 0)
			at += 5;
		if (strncmp(at, line, strlen(line)) != 0)
			fail_msg("'%.*s' was lost; %u edits of ours", (int)strlen(line) - 1, line, *ours);
		at += strlen(line);
	}
	assert_int_equal(munmap((void *)(uintptr_t)ours, sizeof(*ours)), 0);
	tree_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_changed_meanwhile_is_read_again),
		cmocka_unit_test(a_file_that_never_rests_is_given_up_after_some_tries),
		cmocka_unit_test(bytes_that_stay_the_same_are_not_written),
		cmocka_unit_test(showing_writes_nothing),
		cmocka_unit_test(the_old_bytes_are_kept_once),
		cmocka_unit_test(backups_do_not_pile_up_for_ever_and_the_oldest_stays),
		cmocka_unit_test(a_fault_begins_with_the_name_of_the_file),
		cmocka_unit_test(no_edit_of_somebody_else_is_ever_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
