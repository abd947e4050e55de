#include "perms/apply.c"
#include "unit.h"

static int dir = -1;

static int scratch_make(void **state)
{
	(void)unit_place_make(state);
	dir = ((const struct unit_place *)*state)->dir;
	return 0;
}

static struct perms_owned owned(uid_t uid, gid_t gid, mode_t mode)
{
	return (struct perms_owned){ .uid = uid, .gid = gid, .mode = mode };
}

static void file_make(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	FS_AUTO int fd = openat(dir, name, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static struct stat look(const char *name)
{
	struct stat status;

	assert_int_equal(fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status;
}

static struct perms_record record_of(const char *name, struct perms_owned to)
{
	const struct stat status = look(name);

	return (struct perms_record){
		.path = name,
		.type = status.st_mode & S_IFMT,
		.device = status.st_dev,
		.inode = status.st_ino,
		.from = perms_owned_of(&status),
		.to = to,
	};
}

static void assert_is(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	const struct stat status = look(name);

	assert_int_equal(status.st_uid, uid);
	assert_int_equal(status.st_gid, gid);
	assert_int_equal(status.st_mode & 07777, mode);
}

/* All combinations of modes, for files and directories, with and without a change of owner and group. */
static void between_grants_no_more_than_the_old_state_and_no_more_than_the_wanted_one(void **state)
{
	(void)state;
	for (mode_t old = 0; old <= 07777; old = old * 5 + 3)
		for (mode_t new = 0; new <= 07777; new ++)
			for (unsigned who = 0; who < 4; who++) {
				const struct perms_owned from = owned(1, 1, old);
				const struct perms_owned to = owned(1 + (who & 1), 1 + (who >> 1), new);
				const mode_t between = entry_narrowed(&from, &to, S_IFREG);
				assert_int_equal(between & ~(old & new), 0);
				if (from.uid != to.uid) {
					assert_int_equal(between & 0700, 0);
					assert_int_equal(between >> 3 & 7 & ~(old >> 6 & new >> 6), 0);
					assert_int_equal(between & 7 & ~(old >> 6 & new >> 6), 0);
				}
				if (from.gid != to.gid) {
					assert_int_equal(between & 0070, 0);
					assert_int_equal(between & 7 & ~(old >> 3 & new >> 3), 0);
				}
				assert_int_equal(entry_narrowed(&from, &to, S_IFDIR) & ~(old & new), 0);
				/* The bits that chown(2) clears on a file are gone before it is called. */
				if (who != 0)
					assert_int_equal(between & 06000, 0);
			}
}

static void where_only_one_state_is_sticky_nobody_removes_names_in_between(void **state)
{
	(void)state;
	const struct perms_owned sticky = owned(0, 0, 01777), plain = owned(0, 0, 0777);

	assert_int_equal(entry_narrowed(&sticky, &plain, S_IFDIR), 0755);
	assert_int_equal(entry_narrowed(&plain, &sticky, S_IFDIR), 0755);
	assert_int_equal(entry_narrowed(&sticky, &sticky, S_IFDIR), 01777);
}

static void an_entry_is_brought_to_the_wanted_state_with_its_set_ids(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("f", 0, 0, 0644);
	const struct perms_record record = record_of("f", owned(0, 986, 02770));
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	assert_is("f", 0, 986, 02770);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_UNCHANGED);
}

static void narrowing_is_only_the_first_act(void **state)
{
	int errnum = 0;

	(void)state;
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_int_equal(fchmodat(dir, "d", 0755, 0), 0);
	const struct perms_record record = record_of("d", owned(0, 986, 02770));
	assert_int_equal(entry_set(dir, "d", false, &record, STEP_NARROW, &errnum), ENTRY_CHANGED);
	assert_is("d", 0, 0, 0700);
	assert_int_equal(entry_set(dir, "d", false, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	assert_is("d", 0, 986, 02770);
}

static void states_on_the_way_are_finished_and_others_left_alone(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("f", 0, 0, 0664);
	const struct perms_record record = record_of("f", owned(0, 986, 0640));
	/* Narrowed; narrowed with its new owner. */
	assert_int_equal(fchmodat(dir, "f", 0600, 0), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	assert_is("f", 0, 986, 0640);
	assert_int_equal(fchmodat(dir, "f", 0600, 0), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	assert_is("f", 0, 986, 0640);
	/* Changed by somebody else. */
	assert_int_equal(fchmodat(dir, "f", 0604, 0), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
	assert_int_equal(fchownat(dir, "f", 5, 986, 0), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
	assert_is("f", 5, 986, 0604);
}

static void another_inode_under_the_name_is_left_alone(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("f", 0, 0, 0644);
	file_make("g", 0, 0, 0644);
	const struct perms_record record = record_of("f", owned(0, 986, 0640));
	assert_int_equal(renameat(dir, "g", dir, "f"), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
	assert_is("f", 0, 0, 0644);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_ABSENT);
	file_make("target", 0, 0, 0644);
	assert_int_equal(symlinkat("target", dir, "f"), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
	assert_is("target", 0, 0, 0644);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	assert_int_equal(mkfifoat(dir, "f", 0644), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	assert_int_equal(mkdirat(dir, "f", 0755), 0);
	assert_int_equal(entry_set(dir, "f", false, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
}

static void a_file_with_a_second_name_is_refused(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("f", 0, 0, 0644);
	assert_int_equal(linkat(dir, "f", dir, "g", 0), 0);
	const struct perms_record record = record_of("f", owned(0, 986, 0640));
	assert_int_equal(entry_set(dir, "f", true, &record, STEP_FINISH, &errnum), ENTRY_LINKED);
	assert_is("g", 0, 0, 0644);
}

static void where_others_make_names_a_name_like_a_removed_one_is_not_trusted(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("f", 0, 0, 0644);
	file_make("g (deleted)", 0, 0, 0644);
	struct perms_record record = record_of("f", owned(0, 986, 0640));
	assert_int_equal(entry_set(dir, "f", true, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	record = record_of("g (deleted)", owned(0, 986, 0640));
	assert_int_equal(entry_set(dir, "g (deleted)", true, &record, STEP_FINISH, &errnum), ENTRY_REPLACED);
	assert_int_equal(entry_set(dir, "g (deleted)", false, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
}

/* An owner can set his file's mode until it belongs to somebody else. */
static void the_mode_of_a_file_taken_from_another_owner_is_set_last(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("f", 5, 0, 0);
	const struct perms_record record = record_of("f", owned(0, 0, 0));
	assert_int_equal(entry_set(dir, "f", true, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	assert_is("f", 0, 0, 0);
}

static void a_link_gets_an_owner_and_is_not_followed(void **state)
{
	int errnum = 0;

	(void)state;
	file_make("target", 0, 0, 0644);
	assert_int_equal(symlinkat("target", dir, "l"), 0);
	const struct perms_record record = record_of("l", owned(0, 986, look("l").st_mode & 07777));
	assert_int_equal(entry_set(dir, "l", true, &record, STEP_NARROW, &errnum), ENTRY_UNCHANGED);
	assert_int_equal(entry_set(dir, "l", true, &record, STEP_FINISH, &errnum), ENTRY_CHANGED);
	assert_int_equal(look("l").st_gid, 986);
	assert_is("target", 0, 0, 0644);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_grants_no_more_than_the_old_state_and_no_more_than_the_wanted_one),
		cmocka_unit_test(where_only_one_state_is_sticky_nobody_removes_names_in_between),
		in_scratch(an_entry_is_brought_to_the_wanted_state_with_its_set_ids),
		in_scratch(narrowing_is_only_the_first_act),
		in_scratch(states_on_the_way_are_finished_and_others_left_alone),
		in_scratch(another_inode_under_the_name_is_left_alone),
		in_scratch(a_file_with_a_second_name_is_refused),
		in_scratch(where_others_make_names_a_name_like_a_removed_one_is_not_trusted),
		in_scratch(the_mode_of_a_file_taken_from_another_owner_is_set_last),
		in_scratch(a_link_gets_an_owner_and_is_not_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
