/*
 * proc/trace: run a function in a child, and learn which files its own children asked for in vain.
 *
 * Promise: a file is told with its full path and the errno that the asker got (ENOENT, ENOTDIR, EACCES, EPERM), in the
 * order of the questions, as often as it was asked for, and PROC_TRACE_MAX at most.  What the child itself asks for is
 * left out; its children and theirs are watched from their first instruction.  They notice nothing but that calls take
 * longer, and that nobody else can trace them.
 *
 * By ptrace(2).  Where the system forbids that, where somebody traces them already, and on another machine than x86-64,
 * whose calls are not known here, the function runs and nothing is told.
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
