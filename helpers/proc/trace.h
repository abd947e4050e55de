/*
 * proc/trace: run a function in a child, and learn which files that child's own children failed to find or open.
 *
 * Promise: each file is reported with its full path and the errno of the call (ENOENT, ENOTDIR, EACCES, EPERM), in
 * order, as often as it was tried, at most PROC_TRACE_MAX times.  Calls of the child itself are not reported; its
 * descendants are traced from their first instruction.  They only notice that calls take longer and that nobody else
 * can trace them.
 *
 * This uses ptrace(2).  If the system forbids it, if they are traced already, or on other machines than x86-64 (whose
 * system calls are not known here), the function runs and nothing is reported.
 */
#ifndef OKV_PROC_TRACE_H
#define OKV_PROC_TRACE_H

#include "base/fault.h"
#include "proc/child.h"

enum { PROC_TRACE_MAX = 2000 };

struct proc_trace {
	const struct proc_child_options *child; /* a function, not confined */
	void (*on_missed)(void *context, const char *path, int errnum);
	void *context;
};

/* As proc_child_run. */
int proc_trace_run(const struct proc_trace *trace, struct proc_outcome *ret_outcome, struct fault *f);

#endif
