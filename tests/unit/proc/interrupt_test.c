/* proc/interrupt: no signal is slept through, whenever it comes. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/interrupt.h"
#include "proc/interrupt.h"

enum { ROUNDS = 500, PATIENCE_MS = 20000, ENDED_BY_INTERRUPT = 7 };

/* Says that it is about to wait, and waits for what never comes. */
static void waiter(volatile bool *about_to, int silent)
{
	struct fault f = { 0 };

	proc_interrupt_watch();
	*about_to = true;
	_exit(proc_interrupt_await(silent, &f) < 0 && f.kind == FAULT_INCOMPLETE ? ENDED_BY_INTERRUPT : 2);
}

/* The exit status of `pid`, or -1 if it had to be killed. */
static int bounded_wait(pid_t pid)
{
	const int64_t until = proc_clock_ms() + PATIENCE_MS;
	const struct timespec pause = { .tv_nsec = 100000L };
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (proc_clock_ms() > until) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return -1;
		}
		(void)nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void spin(long nanoseconds)
{
	struct timespec from, now;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	do
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < nanoseconds);
}

static void a_signal_at_any_moment_ends_the_wait(void **state)
{
	/* Memory, not a pipe: a reader that has to be woken would always be too late. */
	volatile bool *about_to =
		mmap(NULL, sizeof(*about_to), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int silent[2];

	(void)state;
	assert_true(about_to != MAP_FAILED);
	assert_int_equal(pipe(silent), 0);
	for (long round = 0; round < ROUNDS; round++) {
		*about_to = false;
		const pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			waiter(about_to, silent[0]);
		while (!*about_to)
			(void)sched_yield();
		/* 0 to 5 microseconds: before the look, between look and wait, in the wait. */
		spin(round * 10);
		assert_int_equal(kill(pid, SIGTERM), 0);
		assert_int_equal(bounded_wait(pid), ENDED_BY_INTERRUPT);
	}
	(void)close(silent[0]);
	(void)close(silent[1]);
	(void)munmap((void *)(uintptr_t)about_to, sizeof(*about_to));
}

static void what_can_be_read_ends_the_wait(void **state)
{
	struct fault f = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(proc_interrupt_await(ends[0], &f), 0);
	assert_int_equal(read(ends[0], &(char){ 0 }, 1), 1);
	/* So does the end. */
	(void)close(ends[1]);
	assert_int_equal(proc_interrupt_await(ends[0], &f), 0);
	(void)close(ends[0]);
	/* And what is no descriptor is for read(2) to tell. */
	assert_int_equal(proc_interrupt_await(ends[0], &f), 0);
}

static void a_child_that_ended_between_hold_and_sleep_ends_the_sleep(void **state)
{
	struct proc_interrupt_hold hold;
	sigset_t all, before, after;
	struct sigaction action;

	(void)state;
	/* Even if a caller had all signals blocked. */
	for (int blocked = 0; blocked < 2; blocked++) {
		(void)sigfillset(&all);
		(void)sigprocmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &all, &before);
		proc_interrupt_hold(&hold);
		const pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(0);
		siginfo_t ended;
		assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
		const int64_t from = proc_clock_ms();
		assert_int_equal(proc_interrupt_sleep(&hold, NULL, 0, PATIENCE_MS), -1);
		assert_int_equal(errno, EINTR);
		assert_true(proc_clock_ms() - from < PATIENCE_MS);
		proc_interrupt_release(&hold);
		assert_int_equal(bounded_wait(pid), 0);
		/* All is as it was. */
		assert_int_equal(sigaction(SIGCHLD, NULL, &action), 0);
		assert_true(action.sa_handler == SIG_DFL);
		(void)sigprocmask(SIG_SETMASK, &before, &after);
		assert_int_equal(sigismember(&after, SIGTERM), blocked);
		assert_int_equal(sigismember(&after, SIGCHLD), blocked);
	}
}

static void the_sleep_ends_with_its_patience(void **state)
{
	struct proc_interrupt_hold hold;

	(void)state;
	proc_interrupt_hold(&hold);
	const int64_t from = proc_clock_ms();
	assert_int_equal(proc_interrupt_sleep(&hold, NULL, 0, 30), 0);
	assert_true(proc_clock_ms() - from >= 29);
	proc_interrupt_release(&hold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_at_any_moment_ends_the_wait),
		cmocka_unit_test(what_can_be_read_ends_the_wait),
		cmocka_unit_test(a_child_that_ended_between_hold_and_sleep_ends_the_sleep),
		cmocka_unit_test(the_sleep_ends_with_its_patience),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
