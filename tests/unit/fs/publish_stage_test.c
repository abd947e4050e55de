/* fs/publish in pieces: what may be seen under the name, and what is left behind. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/publish.h"
#include "fs/read.h"
#include "fs/walk.h"

struct place {
	char path[32];
	int dir;
};

static int place_make(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	strcpy(place->path, "/tmp/stage-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->dir >= 0);
	*state = place;
	return 0;
}

static int place_remove(void **state)
{
	struct place *place = *state;
	struct fault f = { 0 };

	assert_int_equal(fs_tree_remove(AT_FDCWD, place->path, &f), 0);
	fs_close(&place->dir);
	free(place);
	return 0;
}

static void assert_content(int dir, const char *leaf, const char *expected)
{
	TEXT_AUTO text = { 0 };
	struct fault f = { 0 };

	if (fs_read_file(dir, leaf, FS_NOFOLLOW, 4096, &text, NULL, &f) < 0)
		fail_msg("%s", f.text);
	assert_string_equal(text_string(&text), expected);
}

static void old_bytes_stand_until_commit(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0640);
	struct fs_stage stage = FS_STAGE_INIT;
	struct stat status;

	assert_int_equal(fs_publish_at(place->dir, "file", "old", 3, &how, &f), 0);
	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &stage, &f), 0);
	assert_int_equal(fs_write(stage.fd, "file", "new", 3, &f), 0);
	assert_content(place->dir, "file", "old");
	assert_int_equal(fstat(stage.fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(fs_stage_commit(&stage, &f), 0);
	assert_content(place->dir, "file", "new");
	assert_int_equal(stage.fd, -1);
}

static void cancel_leaves_the_old_file_and_no_stage(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fs_stage stage = FS_STAGE_INIT;
	struct stat status;
	char name[FS_NAME_SIZE];

	assert_int_equal(fs_publish_at(place->dir, "file", "old", 3, &how, &f), 0);
	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &stage, &f), 0);
	memcpy(name, stage.name, sizeof(name));
	assert_int_equal(fstatat(place->dir, name, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fs_write(stage.fd, "file", "new", 3, &f), 0);
	fs_stage_cancel(&stage);
	fs_stage_cancel(&stage);
	assert_content(place->dir, "file", "old");
	assert_int_equal(fstatat(place->dir, name, &status, AT_SYMLINK_NOFOLLOW), -1);
}

static void a_stage_goes_also_after_its_directory_was_closed(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fs_stage stage = FS_STAGE_INIT;
	struct stat status;
	int dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[FS_NAME_SIZE];

	assert_int_equal(fs_stage_begin(dir, "file", &how, &stage, &f), 0);
	memcpy(name, stage.name, sizeof(name));
	fs_close(&dir);
	fs_stage_cancel(&stage);
	assert_int_equal(stage.dir, -1);
	assert_int_equal(fstatat(place->dir, name, &status, AT_SYMLINK_NOFOLLOW), -1);
}

static void owner_and_mode_stand_before_the_first_byte(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = { .mode = 0640, .uid = 1234, .gid = 4321, .force = true };
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	struct stat status;

	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &stage, &f), 0);
	assert_int_equal(fs_stage_own(&stage, &f), 0);
	assert_int_equal(fstat(stage.fd, &status), 0);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(status.st_uid, 1234);
	assert_int_equal(status.st_gid, 4321);
	assert_int_equal(status.st_mode & 07777, 0640);
}

static void stage_of_a_killed_run_is_swept(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct fs_stage killed = FS_STAGE_INIT;
	struct stat status;

	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &killed, &f), 0);
	/* As it is given away before it takes its name. */
	assert_int_equal(fchown(killed.fd, 1001, 1001), 0);
	fs_close(&killed.fd);
	assert_int_equal(fstatat(place->dir, killed.name, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fs_stage_sweep(place->dir, "file", &f), 0);
	assert_int_equal(fstatat(place->dir, killed.name, &status, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fs_stage_sweep(place->dir, "file", &f), 0);
	fs_close(&killed.dir);
}

static void a_stage_is_told_by_its_name(void **state)
{
	(void)state;
	assert_true(fs_stage_named(".file.0123456789abcdef.okv-luna-new", "file"));
	assert_true(fs_stage_named(".file.okv-luna-new", "file"));
	assert_true(fs_stage_named(".file.okv-luna-new", NULL));
	assert_false(fs_stage_named(".file.a.0123456789abcdef.okv-luna-new", "file"));
	assert_false(fs_stage_named(".file.0123456789abcde.okv-luna-new", "file"));
	assert_false(fs_stage_named(".file.0123456789abcdeg.okv-luna-new", "file"));
	assert_false(fs_stage_named(".files.okv-luna-new", "file"));
	assert_false(fs_stage_named("file.okv-luna-new", "file"));
	assert_false(fs_stage_named(".file.okv-luna-new.bak", NULL));
}

static void two_stages_of_one_file_have_two_names(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	FS_STAGE_AUTO first = FS_STAGE_INIT;
	FS_STAGE_AUTO second = FS_STAGE_INIT;

	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &first, &f), 0);
	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &second, &f), 0);
	assert_string_not_equal(first.name, second.name);
}

static void link_under_the_name_is_refused(void **state)
{
	const struct place *place = *state;
	struct fault f = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	FS_STAGE_AUTO stage = FS_STAGE_INIT;

	assert_int_equal(symlinkat("elsewhere", place->dir, "file"), 0);
	assert_int_equal(fs_stage_begin(place->dir, "file", &how, &stage, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_int_equal(stage.fd, -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_make, place_remove)
	const struct CMUnitTest tests[] = {
		TEST(old_bytes_stand_until_commit),
		TEST(cancel_leaves_the_old_file_and_no_stage),
		TEST(a_stage_goes_also_after_its_directory_was_closed),
		TEST(owner_and_mode_stand_before_the_first_byte),
		TEST(stage_of_a_killed_run_is_swept),
		TEST(a_stage_is_told_by_its_name),
		TEST(two_stages_of_one_file_have_two_names),
		TEST(link_under_the_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
