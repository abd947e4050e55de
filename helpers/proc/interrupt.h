/*
 * proc/interrupt: a person's ^C, a hang-up or a kill(1) as a value, so that what was begun is cleaned up first.
 *
 * Promise: after proc_interrupt_watch(), SIGINT, SIGTERM, SIGHUP and SIGQUIT end nothing by themselves: blocking
 * calls return EINTR and proc_interrupt_pending() names the first signal that came.  Rooms that work in a loop ask
 * at each turn; proc/child ends its children.  proc_interrupt_end() dies by that signal at last, as the
 * caller's shell expects.  Without a watch nothing is ever pending.
 */
#ifndef OKV_PROC_INTERRUPT_H
#define OKV_PROC_INTERRUPT_H

#include "base/fault.h"

void proc_interrupt_watch(void);
/* The signal's number, or 0. */
int proc_interrupt_pending(void);
/* 0, or -1 with FAULT_INCOMPLETE "interrupted" when a signal is pending. */
int proc_interrupt_check(struct fault *f);
/* Gives the watched signals their default action back; with one pending it does not return. */
void proc_interrupt_end(void);

#endif
