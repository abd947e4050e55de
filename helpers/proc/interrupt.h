/*
 * proc/interrupt: a person's ^C, a hang-up or a kill(1) as a value, so that what was begun is cleaned up first.
 *
 * Promise: after proc_interrupt_watch(), SIGINT, SIGTERM, SIGHUP and SIGQUIT end nothing by themselves: blocking
 * calls return EINTR and proc_interrupt_pending() names the first signal that came.  Rooms that work in a loop ask
 * at each turn; proc/child ends its children.  proc_interrupt_end() dies by that signal at last, as the
 * caller's shell expects.  Without a watch nothing is ever pending.
 *
 * Here, too, is the clock that deadlines go by.
 */
#ifndef OKV_PROC_INTERRUPT_H
#define OKV_PROC_INTERRUPT_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

/* Milliseconds of CLOCK_MONOTONIC: they only go forward, and no step of the date moves a deadline. */
int64_t proc_clock_ms(void);
/* For tests that would only wait for time: another clock, or with NULL the real one again. */
void proc_clock_set(int64_t (*clock)(void));

void proc_interrupt_watch(void);
/* The signal's number, or 0. */
int proc_interrupt_pending(void);
/* 0, or -1 with FAULT_INCOMPLETE "interrupted" when a signal is pending. */
int proc_interrupt_check(struct fault *f);
/*
 * Waits until a read of `fd` would return at once; 0, or -1 as proc_interrupt_check.  A look at what is pending and
 * then a blocking read would sleep through a signal that comes between the two: signal(7), ppoll(2).
 */
int proc_interrupt_await(int fd, struct fault *f);

/*
 * The same for more than one thing to look at.  Between hold and release the watched signals and SIGCHLD wait, and come
 * in proc_interrupt_sleep only: whatever comes after hold ends the sleep, so a look between the two misses nothing.
 */
struct proc_interrupt_hold {
	sigset_t before, asleep;
	struct sigaction child;
};
void proc_interrupt_hold(struct proc_interrupt_hold *ret_hold);
/* As poll(2), with milliseconds, -1 for without end; a signal is -1 and EINTR. */
int proc_interrupt_sleep(const struct proc_interrupt_hold *hold, struct pollfd *waits, size_t count,
			 int64_t patience_ms);
void proc_interrupt_release(const struct proc_interrupt_hold *hold);

/* Gives the watched signals their default action back; with one pending it does not return. */
void proc_interrupt_end(void);

#endif
