/* fs/lock: one instance at a time, for as long as it lives. */
#include "unit.h"

#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/lock.h"

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A child that holds the lock until it is told to end; returns when it has it. */
static pid_t holder_start(int dir)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	const pid_t child = fork();
	if (child == 0) {
		struct fault f = { 0 };
		int fd = -1;
		if (fs_lock_take(dir, "lock", 0, &fd, &f) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return child;
}

/* Not on every file system does the kernel's list have the device that stat(2) tells. */
static bool is_listed(int dir, pid_t holder)
{
	struct stat status;
	char wanted[96], line[256];
	bool found = false;

	assert_int_equal(fstatat(dir, "lock", &status, 0), 0);
	(void)snprintf(wanted, sizeof(wanted), " %ld %02x:%02x:%lu ", (long)holder, major(status.st_dev),
		       minor(status.st_dev), (unsigned long)status.st_ino);
	FILE *locks = fopen("/proc/locks", "re");
	while (locks != NULL && fgets(line, sizeof(line), locks) != NULL)
		found = found || strstr(line, wanted) != NULL;
	if (locks != NULL)
		(void)fclose(locks);
	return found;
}

static void the_second_is_told_who_holds_it_after_its_patience(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	char words[64] = "another okv-luna command is running; wait";
	int fd = -7;

	const pid_t holder = holder_start(place->dir);
	const int64_t start = now_ms();
	if (is_listed(place->dir, holder))
		(void)snprintf(words, sizeof(words), "another okv-luna command is running (process %ld)", (long)holder);
	MUST_FAIL(fs_lock_take(place->dir, "lock", 200, &fd, &f), FAULT_LATE, words);
	assert_int_equal(fd, -7);
	assert_true(now_ms() - start >= 200);
	(void)kill(holder, SIGKILL);
	(void)waitpid(holder, NULL, 0);
}

static void the_lock_ends_with_its_process_however_it_ends(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	FS_AUTO int fd = -1;

	const pid_t holder = holder_start(place->dir);
	(void)kill(holder, SIGKILL);
	(void)waitpid(holder, NULL, 0);
	MUST(fs_lock_take(place->dir, "lock", 0, &fd, &f));
	/* Taking it writes nothing: a command with nothing to do changes nothing. */
	unit_holds(place->dir, "lock", "");
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void the_patient_one_gets_it_when_it_is_free(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	FS_AUTO int fd = -1;

	const pid_t holder = holder_start(place->dir);
	const pid_t killer = fork();
	if (killer == 0) {
		const struct timespec pause = { .tv_nsec = 150000000L };
		(void)nanosleep(&pause, NULL);
		(void)kill(holder, SIGKILL);
		_exit(0);
	}
	MUST(fs_lock_take(place->dir, "lock", 20000, &fd, &f));
	(void)waitpid(holder, NULL, 0);
	(void)waitpid(killer, NULL, 0);
}

static void what_is_no_file_of_ours_is_refused(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	int fd = -7;

	unit_write(place->dir, "target", "theirs", 0600);
	assert_int_equal(symlinkat("target", place->dir, "link"), 0);
	assert_int_equal(mkfifoat(place->dir, "fifo", 0600), 0);
	MUST_FAIL(fs_lock_take(place->dir, "link", 0, &fd, &f), FAULT_REFUSED, "cannot open the lock 'link'");
	MUST_FAIL(fs_lock_take(place->dir, "fifo", 0, &fd, &f), FAULT_REFUSED, "is not a regular file");
	MUST_FAIL(fs_lock_take(place->dir, "none/lock", 0, &fd, &f), FAULT_ABSENT, "cannot open the lock");
	assert_int_equal(fd, -7);
	unit_holds(place->dir, "target", "theirs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(the_second_is_told_who_holds_it_after_its_patience),
		UNIT_IN_PLACE(the_lock_ends_with_its_process_however_it_ends),
		UNIT_IN_PLACE(the_patient_one_gets_it_when_it_is_free),
		UNIT_IN_PLACE(what_is_no_file_of_ours_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
