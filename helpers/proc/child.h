/*
 * proc/child: several children at once, each bounded and observed like the one of proc/run.
 *
 * Promise: a child that was started is waited for or killed: proc_child_wait hands over the outcome of one that
 * ended, proc_child_kill ends one with its whole process group.  A pending interrupt (proc/interrupt) ends the
 * wait with FAULT_INCOMPLETE; the children live until they are killed.
 */
#ifndef OKV_PROC_CHILD_H
#define OKV_PROC_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "proc/run.h"

enum { PROC_CHILDREN_MAX = 64 };

struct proc_child {
	pid_t pid;        /* 0: none */
	int output;       /* reading end, -1 when nothing is captured or its end was reached */
	int64_t deadline; /* monotonic milliseconds, 0: none */
	bool own_group;
	struct text said;
};

#define PROC_CHILD_INIT \
	{ \
		.pid = 0, .output = -1, .said = { 0 } \
	}

/* Faults as proc_run.  `run` may go away afterwards. */
int proc_child_start(const struct proc_run *run, struct proc_child *ret_child, struct fault *f);
/*
 * Waits until one of the children has ended or passed its deadline (then it is killed), and tells which.  The
 * caller ends *ret_outcome with proc_outcome_done.  At least one of them must have been started; `count` is at most
 * PROC_CHILDREN_MAX.
 */
int proc_child_wait(struct proc_child *const children[], size_t count, size_t *ret_which,
		    struct proc_outcome *ret_outcome, struct fault *f);
/* Kills and forgets it; nothing to do for one that was never started or was waited for. */
void proc_child_kill(struct proc_child *child);

#endif
