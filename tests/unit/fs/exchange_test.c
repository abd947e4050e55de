/* fs/exchange: both names or none; where there is no such call, that is the answer and nothing has changed. */
#include "unit_seccomp.h"

#include <errno.h>
#include <sys/syscall.h>

#include "fs/exchange.h"

static void two_names_change_places(void **state)
{
	const struct unit_place *place = *state;

	unit_write(place->dir, "one", "1", 0600);
	unit_dir(place->dir, "other", 0700);
	assert_int_equal(fs_exchange(place->dir, "one", place->dir, "other"), FS_EXCHANGED);
	unit_holds(place->dir, "other", "1");
	struct stat status;
	assert_int_equal(fstatat(place->dir, "one", &status, 0), 0);
	assert_true(S_ISDIR(status.st_mode));
}

static void a_name_that_is_not_there_fails_with_its_errno(void **state)
{
	const struct unit_place *place = *state;

	unit_write(place->dir, "one", "1", 0600);
	assert_int_equal(fs_exchange(place->dir, "one", place->dir, "other"), FS_EXCHANGE_FAILED);
	assert_int_equal(errno, ENOENT);
}

static int try_it(void *context)
{
	const struct unit_place *place = context;

	return (int)fs_exchange(place->dir, "one", place->dir, "other");
}

static void every_way_of_not_having_the_call_is_one_answer(void **state)
{
	const struct unit_place *place = *state;
	static const int ways[] = { ENOSYS, EINVAL, EPERM, EOPNOTSUPP };

	unit_write(place->dir, "one", "1", 0600);
	unit_write(place->dir, "other", "2", 0600);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		assert_int_equal(unit_with_denied(SYS_renameat2, ways[i], try_it, *state), FS_EXCHANGE_MISSING);
	assert_int_equal(unit_with_denied(SYS_renameat2, EIO, try_it, *state), FS_EXCHANGE_FAILED);
	unit_holds(place->dir, "one", "1");
	unit_holds(place->dir, "other", "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(two_names_change_places),
		UNIT_IN_PLACE(a_name_that_is_not_there_fails_with_its_errno),
		UNIT_IN_PLACE(every_way_of_not_having_the_call_is_one_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
