/*
 * proc/ward: one function in a child, for code that nobody here answers for.
 *
 * Promise: the child has default signals, /dev/null as standard input, its standard output and error caught (up to
 * PROC_WARD_SAID_MAX bytes, the rest is read and dropped, so it never blocks on us), descriptor PROC_WARD_TELL to tell
 * results, no other descriptor, and a session of its own; no_new_privs, resource limits, umask 022 (what a person's
 * shell would have), and it dies with its parent.  It is chroot(2)ed below `root` and becomes `identity` before `work`
 * is called; what cannot be set up is a fault in the parent, and work is not called.
 *
 * At the deadline it is killed, and the end says so; the parent returns at most PROC_WARD_REAP_MS later.  When the
 * work ends, in whichever way, every process that came of it is killed, also those that left the session: meanwhile
 * the parent is the reaper of its orphans (proc/strays.h).
 */
#ifndef OKV_PROC_WARD_H
#define OKV_PROC_WARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"
#include "proc/identity.h"

enum {
	PROC_WARD_TELL = 3,
	PROC_WARD_SAID_MAX = 64 * 1024,
	PROC_WARD_REAP_MS = 80,
};

struct proc_ward {
	/* In the child; what it returns is the exit status. */
	int (*work)(void *context, int tell);
	void *context;
	/* In the parent, for what comes out of `tell`: true when that was all. */
	bool (*hear)(void *listener, const void *bytes, size_t length);
	void *listener;
	const struct proc_identity *identity; /* NULL: stay who we are */
	int root;                             /* directory to chroot into, or -1 */
	unsigned deadline_ms;                 /* more than 0 */
};

struct proc_ward_end {
	int status;         /* as waitpid(2) gives it */
	bool late;          /* killed at the deadline */
	bool heard_all;     /* hear() said so; this and `late` exclude each other */
	unsigned strays;    /* processes left behind that were killed */
	bool strays_left;   /* ... and some that could not be, in time */
	size_t said_length; /* bytes printed, those dropped included */
	struct text said;   /* standard output and error in order of arrival */
};

#define PROC_WARD_END_INIT \
	{ \
		.status = -1, .said = { 0 } \
	}

/*
 * `what` names the work in faults.  FAULT_SYSTEM when the child could not be made or set up; FAULT_INCOMPLETE when a
 * person interrupted (proc/interrupt.h): then the child is gone too.
 */
int proc_ward_run(const struct proc_ward *ward, const char *what, struct proc_ward_end *ret_end, struct fault *f);
void proc_ward_end_done(struct proc_ward_end *end);

#endif
