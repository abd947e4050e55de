/*
 * proc/run: the system's own tools as children, bounded and observed.
 *
 * Promise: no shell, no search path: argv[0] is a full path.  The child gets a closed environment (PATH, LC_ALL=C
 * and what `environment` adds), default signals, /dev/null or the given descriptor as standard input, no other
 * descriptor, its own process group.  At the deadline the whole group is killed, and *ret_outcome says so; if we die
 * first, the child is killed by the kernel (except with `terminal`).  With `root` other than -1 it runs chroot(2)ed
 * there.  Output is captured up to PROC_OUTPUT_MAX bytes (the rest is read and dropped, so the child never blocks on
 * us).
 */
#ifndef OKV_PROC_RUN_H
#define OKV_PROC_RUN_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/text.h"
#include "proc/identity.h"

enum { PROC_OUTPUT_MAX = 256 * 1024 };

struct proc_run {
	const char *const *argv;              /* ends with NULL */
	const char *const *environment;       /* "NAME=VALUE", ends with NULL; may be NULL */
	const struct proc_identity *identity; /* NULL: stay who we are */
	int root;                             /* directory to chroot into, or -1 */
	int input;                            /* descriptor for standard input, or -1 for /dev/null */
	unsigned deadline_ms;                 /* 0: none */
	bool stay;       /* keep working directory and root: paths in the arguments are our caller's */
	bool foreground; /* keep our process group, so that the child itself may ask on the terminal */
	bool terminal;   /* keep our standard input, output and error and our process group; nothing is captured */
};

#define PROC_RUN_INIT \
	{ \
		.argv = NULL, .root = -1, .input = -1 \
	}

struct proc_outcome {
	int status;         /* exit status, or 128 + signal */
	bool late;          /* killed at the deadline */
	struct text output; /* standard output and error in order of arrival; text_done it */
};

#define PROC_OUTCOME_INIT \
	{ \
		.status = -1, .output = { 0 } \
	}

/*
 * 0 when the child ran and ended, however; FAULT_ABSENT when argv[0] is not there, FAULT_SYSTEM when it could not
 * be started.
 */
int proc_run(const struct proc_run *run, struct proc_outcome *ret_outcome, struct fault *f);
/* As proc_run, and anything but status 0 is a fault that quotes the line of its output that tells the reason. */
int proc_run_expect(const struct proc_run *run, struct fault *f);
void proc_outcome_done(struct proc_outcome *outcome);

#endif
