#include "proc/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
enum { WATCHED_COUNT = sizeof(watched) / sizeof(watched[0]) };

static volatile sig_atomic_t pending;
static int64_t (*clock_set)(void);

int64_t proc_clock_ms(void)
{
	struct timespec now;

	if (clock_set != NULL)
		return clock_set();
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void proc_clock_set(int64_t (*clock)(void))
{
	clock_set = clock;
}

static void on_signal(int number)
{
	if (pending == 0)
		pending = number;
}

void proc_interrupt_watch(void)
{
	struct sigaction action;

	/* Without SA_RESTART, so that a read from the terminal or a wait for a child returns. */
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < WATCHED_COUNT; i++) {
		struct sigaction before;
		/* A signal that our caller ignores stays ignored (nohup(1)). */
		if (sigaction(watched[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(watched[i], &action, NULL);
	}
}

int proc_interrupt_pending(void)
{
	return pending;
}

int proc_interrupt_check(struct fault *f)
{
	if (pending == 0)
		return 0;
	return fault_incomplete(f, "interrupted by signal %d; what was begun has been undone", (int)pending);
}

static void on_child_end(int number)
{
	(void)number;
}

void proc_interrupt_hold(struct proc_interrupt_hold *ret_hold)
{
	/* ppoll(2) returns for a signal only if it has a handler; SIGCHLD is ignored by default. */
	const struct sigaction wake = { .sa_handler = on_child_end, .sa_flags = SA_RESTART };
	sigset_t held;

	(void)sigemptyset(&held);
	(void)sigaddset(&held, SIGCHLD);
	for (size_t i = 0; i < WATCHED_COUNT; i++)
		(void)sigaddset(&held, watched[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &ret_hold->before);
	(void)sigaction(SIGCHLD, &wake, &ret_hold->child);
	/* Our caller may have blocked SIGCHLD.  Other signals that it blocked stay blocked. */
	ret_hold->asleep = ret_hold->before;
	(void)sigdelset(&ret_hold->asleep, SIGCHLD);
}

int proc_interrupt_sleep(const struct proc_interrupt_hold *hold, struct pollfd *waits, size_t count,
			 int64_t patience_ms)
{
	const struct timespec patience = { .tv_sec = (time_t)(patience_ms / 1000),
					   .tv_nsec = (long)(patience_ms % 1000) * 1000000L };

	return ppoll(waits, (nfds_t)count, patience_ms < 0 ? NULL : &patience, &hold->asleep);
}

void proc_interrupt_release(const struct proc_interrupt_hold *hold)
{
	(void)sigaction(SIGCHLD, &hold->child, NULL);
	(void)sigprocmask(SIG_SETMASK, &hold->before, NULL);
}

int proc_interrupt_await(int fd, struct fault *f)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct proc_interrupt_hold hold;
	int r;

	proc_interrupt_hold(&hold);
	while ((r = proc_interrupt_check(f)) == 0 && proc_interrupt_sleep(&hold, &wait, 1, -1) < 0 && errno == EINTR)
		;
	proc_interrupt_release(&hold);
	return r;
}

void proc_interrupt_end(void)
{
	for (size_t i = 0; i < WATCHED_COUNT; i++) {
		struct sigaction now;
		if (sigaction(watched[i], NULL, &now) == 0 && now.sa_handler == on_signal)
			(void)signal(watched[i], SIG_DFL);
	}
	if (pending != 0)
		(void)raise(pending);
}
