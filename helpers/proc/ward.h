/*
 * proc/ward: one function in a child process that is bounded, observed and cleaned up after.
 *
 * Promise: the child has default signals, /dev/null or the given descriptor as standard input, its standard output
 * and error caught (up to PROC_SAID_MAX bytes, the rest is read and dropped, so it never blocks on us), descriptor
 * PROC_WARD_TELL to tell results, no other descriptor, and a session of its own.  It is chroot(2)ed below `root` and
 * becomes `identity` before `work` is called; what cannot be set up is a fault in the parent, and work is not called.
 * At the deadline it is killed, and the end says so; the parent returns at most PROC_WARD_REAP_MS later.
 *
 * PROC_WARD_FOREIGN is for code that nobody here answers for: also no_new_privs, resource limits, death with its
 * parent, umask 022 (what a person's shell would have); and when the work ends, in whichever way, every process that
 * came of it is killed, also those that left the session: meanwhile the parent is the reaper of its orphans
 * (PR_SET_CHILD_SUBREAPER in prctl(2)).  PROC_WARD_SYSTEM leaves alone what a system tool started, unless it is late.
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
	PROC_SAID_MAX = 256 * 1024,
	PROC_WARD_REAP_MS = 80,
};

enum proc_ward_care { PROC_WARD_SYSTEM, PROC_WARD_FOREIGN };

struct proc_ward {
	/* In the child; what it returns is the exit status.  `tell` closes on exec. */
	int (*work)(void *context, int tell);
	void *context;
	/* In the parent, for what comes out of `tell`: true when that was all; may be NULL. */
	bool (*hear)(void *listener, const void *bytes, size_t length);
	void *listener;
	enum proc_ward_care care;
	const struct proc_identity *identity; /* NULL: stay who we are */
	int root;			      /* directory to chroot into, or -1 */
	int input;			      /* descriptor for standard input, or -1 for /dev/null */
	unsigned deadline_ms;		      /* 0: none */
	bool terminal; /* keep our standard input, output and error and our session; nothing is caught */
};

#define PROC_WARD_INIT { .care = PROC_WARD_SYSTEM, .root = -1, .input = -1 }

struct proc_ward_end {
	int status;	    /* as waitpid(2) gives it */
	bool late;	    /* killed at the deadline */
	bool heard_all;	    /* hear() said so; this and `late` exclude each other */
	unsigned strays;    /* processes left behind that were killed */
	bool strays_left;   /* ... and some that could not be, in time */
	size_t said_length; /* bytes printed, those dropped included */
	struct text said;   /* standard output and error in order of arrival */
};

#define PROC_WARD_END_INIT { .status = -1, .said = TEXT_INIT }

/* `what` names the work in faults.  FAULT_SYSTEM when the child could not be made or set up. */
int proc_ward_run(const struct proc_ward *child, const char *what, struct proc_ward_end *ret_end, struct fault *f);
void proc_ward_end_done(struct proc_ward_end *end);

#endif
