/*
 * proc/interrupt: ^C, hang-up and kill(1) as a value, so that work in progress is cleaned up first.
 *
 * Promise: after proc_interrupt_watch(), SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end the process: blocking calls
 * return EINTR, and proc_interrupt_pending() gives the first signal that came.  Loops check it at each turn; proc/child
 * ends its children.  At the end proc_interrupt_end() dies by that signal, as the calling shell expects.  Without
 * proc_interrupt_watch() no signal is ever pending.
 *
 * The clock for deadlines is here, too.
 */
#ifndef OKV_PROC_INTERRUPT_H
#define OKV_PROC_INTERRUPT_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

/* Milliseconds of CLOCK_MONOTONIC, so setting the date moves no deadline. */
int64_t proc_clock_ms(void);
/* For tests that would otherwise have to wait: replaces the clock; NULL restores the real one. */
void proc_clock_set(int64_t (*clock)(void));

void proc_interrupt_watch(void);
/* The signal's number, or 0. */
int proc_interrupt_pending(void);
/* 0, or -1 with FAULT_INCOMPLETE "interrupted" when a signal is pending. */
int proc_interrupt_check(struct fault *f);
/*
 * Waits until a read of `fd` would not block; 0, or -1 as proc_interrupt_check.  Checking for a signal and then calling
 * read(2) would miss a signal that comes in between: signal(7), ppoll(2).
 */
int proc_interrupt_await(int fd, struct fault *f);

/*
 * The same for callers that have more to check.  From hold to release the watched signals and SIGCHLD are blocked,
 * except inside proc_interrupt_sleep, which any of them ends: so no signal is lost between a check and the sleep.
 */
struct proc_interrupt_hold {
	sigset_t before, asleep;
	struct sigaction child;
};
void proc_interrupt_hold(struct proc_interrupt_hold *ret_hold);
/* As poll(2), in milliseconds, -1: no limit.  A signal is -1 and EINTR. */
int proc_interrupt_sleep(const struct proc_interrupt_hold *hold, struct pollfd *waits, size_t count,
			 int64_t patience_ms);
void proc_interrupt_release(const struct proc_interrupt_hold *hold);

/* Restores the default action of the watched signals, and raises the pending one: then it does not return. */
void proc_interrupt_end(void);

#endif
