/*
 * proc/child: every process that we start; nobody else calls fork(2).
 *
 * A child is a program (no shell, no search path: argv[0] is a full path) or a function of ours.  Promise, for both:
 * default signals, none of them blocked; it is killed when its deadline passes, with its whole process group; and when
 * we die first, the kernel kills it, unless it is to outlive us.  A program gets a closed environment (PATH, LC_ALL=C
 * and what `environment` adds) and no descriptor of ours but the three standard ones.  A function tells its results as
 * messages (proc/message.h), and fails as any function of ours: what it leaves in its fault arrives in the parent's.
 *
 * A worker is a program of ours that runs foreign code or takes foreign bytes apart.  It does so in memory of its own,
 * since a function's process has a copy of all that is in ours.  It has an empty environment, its output captured, and
 * no descriptor but the standard ones, PROC_CHILD_TELL for messages in both directions, and PROC_CHILD_ROOT where
 * `root` is one.  It still is who we are: it gives that up itself (proc/worker.h), because a process that does so can
 * be traced by nobody else of its new user, and one that is executed afterwards can.
 *
 * A confined one, worker or function, has a session of its own, captured output, umask 022 (what a person's shell would
 * have), no_new_privs, limits of processor time, memory and cores, and of descriptors what a worker has.  When it ends,
 * in whichever way, every process that came of it is killed, also those that left the session (proc/reaper.h); the
 * parent is back at the latest PROC_CHILD_CONFINED_REAP_MS after the deadline.  Only one at a time.
 *
 * Captured output is kept up to PROC_CHILD_OUTPUT_MAX bytes; the rest is read and dropped, so that the child never
 * blocks on us.  A killed one that the kernel still holds (a dead disk, a dead file server) is given up after
 * PROC_CHILD_REAP_MS.
 */
#ifndef OKV_PROC_CHILD_H
#define OKV_PROC_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"
#include "proc/identity.h"
#include "proc/message.h"
#include "proc/reaper.h"

enum {
	PROC_CHILD_TELL =
		3, /* a worker's or confined function's descriptor for messages; others are given some number */
	PROC_CHILD_ROOT = 4, /* a worker's */
	PROC_CHILD_STAY = -2,
	PROC_CHILD_OUTPUT_MAX = 256 * 1024,
	PROC_CHILD_REAP_MS = 1000,
	PROC_CHILD_CONFINED_REAP_MS = 80,
	PROC_CHILDREN_MAX = 64,
	PROC_CHILD_KINDS = 1 << 16, /* a function's kinds of messages are below; these two are proc/child's own */
	PROC_CHILD_STARTED = PROC_CHILD_KINDS,
	PROC_CHILD_FAILED,
};

enum proc_child_output {
	PROC_CHILD_CAPTURED,  /* standard output and error come to us; standard input is `input` */
	PROC_CHILD_INHERITED, /* all three are ours */
};

enum proc_child_group {
	PROC_CHILD_OWN_GROUP, /* killed as a whole; a ^C does not reach it */
	PROC_CHILD_OUR_GROUP, /* so that it may ask on the terminal */
};

enum proc_child_life {
	PROC_CHILD_DIES_WITH_US,
	PROC_CHILD_OUTLIVES_US,
};

/* What a listener makes of a message. */
enum proc_child_answer {
	PROC_CHILD_MORE,
	PROC_CHILD_ALL,     /* that was all: at the deadline it is not late any more */
	PROC_CHILD_GARBLED, /* no message of mine */
};

/* How whoever started us would have started the program. */
struct proc_caller {
	char **environment; /* ends with NULL */
	mode_t umask;
	struct rlimit core;
};

struct proc_child_options {
	/* One of the two. */
	const char *const *argv; /* ends with NULL */
	/* In the child: 0, or -1 and the fault. */
	int (*work)(void *context, int tell, struct fault *f);
	void *context;
	const char *what; /* names it in faults; of a program it may be NULL: argv[0] */
	/* In the parent, for each message of the function's. */
	enum proc_child_answer (*on_message)(void *listener, const struct proc_message *message);
	void *listener;

	bool worker; /* a program of ours; `environment` and `identity` are NULL */
	/* A worker's executable, open, for one whose path leads nowhere in the present root; 0: it is at argv[0]. */
	int program;
	bool confined;                  /* a function or a worker; `deadline_ms` is not 0 */
	const char *const *environment; /* of a program: "NAME=VALUE", ends with NULL; may be NULL */
	/*
	 * Of a program that is to run as if typed at our caller's prompt: with that environment, umask and limit, and
	 * with the ignored signals and open descriptors that we were given.
	 */
	const struct proc_caller *caller;
	const struct proc_identity *identity; /* NULL: stay who we are */
	/*
	 * chroot(2) there; -1: only the working directory becomes "/"; PROC_CHILD_STAY: not even that, since paths in
	 * the arguments are our caller's.
	 */
	int root;
	int input;            /* a program's standard input where output is captured; -1: /dev/null */
	unsigned deadline_ms; /* 0: none */
	enum proc_child_output output;
	enum proc_child_group group;
	enum proc_child_life life;
};

#define PROC_CHILD_OPTIONS_INIT \
	{ \
		.argv = NULL, .root = -1, .input = -1 \
	}

/* A function that stays where we are, with our standard descriptors, and tells its messages to `context`, too. */
struct proc_child_options proc_child_function(int (*work)(void *context, int tell, struct fault *f), void *context,
					      const char *what,
					      enum proc_child_answer (*on_message)(void *listener,
										   const struct proc_message *message));

struct proc_outcome {
	int status;           /* exit status, or 128 + signal; of a function 0 or 1, unless foreign code ended it */
	int signal;           /* that ended it, or 0 */
	bool late;            /* killed at the deadline */
	bool answered;        /* on_message said PROC_CHILD_ALL; never together with `late` */
	bool garbled;         /* what came was no message, or none of the listener's */
	struct fault fault;   /* of a function that failed; else FAULT_NONE */
	unsigned orphans;     /* of a confined one: processes left behind that were killed */
	bool orphans_left;    /* ... and some that could not be in time */
	size_t output_length; /* bytes printed, those dropped included */
	struct text output;   /* standard output and error in order of arrival */
};

#define PROC_OUTCOME_INIT \
	{ \
		.status = -1, .output = { 0 } \
	}

void proc_outcome_done(struct proc_outcome *outcome);

/* Starts as { 0 }. */
struct proc_child {
	pid_t pid; /* 0: none */
	/* What follows is proc/child's own. */
	struct proc_child_options how; /* what its pointers but `listener` point to may be gone */
	int output, tell;              /* reading ends; -1: none, or its end was reached */
	int64_t deadline;              /* of proc_clock_ms; 0: none */
	bool started;
	struct proc_message_reader reader;
	struct proc_reaper reaper;
	struct proc_outcome outcome; /* so far */
};

/* FAULT_SYSTEM when there is no process to be had.  The options may go away afterwards. */
int proc_child_start(const struct proc_child_options *options, struct proc_child *ret_child, struct fault *f);
/*
 * Waits until one of the children has ended or was killed at its deadline, and tells which; the caller ends
 * *ret_outcome with proc_outcome_done.  A program has ended when its output has, too.  At most PROC_CHILDREN_MAX, of
 * which one at least was started.
 *
 * FAULT_ABSENT when argv[0] is not there, FAULT_SYSTEM when it cannot be run or the child cannot be made ready.
 * FAULT_INCOMPLETE when a person interrupted (proc/interrupt.h): the children live until they are killed.
 */
int proc_child_wait(struct proc_child *const children[], size_t count, size_t *ret_which,
		    struct proc_outcome *ret_outcome, struct fault *f);
/* Messages (proc_message_add) for a worker that is there to read them.  One that has ended is no fault here. */
int proc_child_send(const struct proc_child *child, const struct text *messages, struct fault *f);
/* Kills and forgets it; nothing to do for one that was never started or was waited for. */
void proc_child_kill(struct proc_child *child);

/* Starts one and waits for it; on a fault there is no child any more. */
int proc_child_run(const struct proc_child_options *options, struct proc_outcome *ret_outcome, struct fault *f);
/*
 * As proc_child_run, and anything but a good end is a fault: the function's own, or one that quotes the line of the
 * program's output that tells the reason.
 */
int proc_child_expect(const struct proc_child_options *options, struct fault *f);

/* The path of a program of ours in libexec/, beside this one or below SETTINGS_PREFIX; "" where it is too long. */
void proc_child_program(const char *name, char ret_path[PATH_MAX]);
/* The same, open for `program` of the options, whose owner closes it. */
int proc_child_program_open(const char *name, int *ret_fd, struct fault *f);

/*
 * Closes every descriptor above 2 but those of `keep` (ends with -1), whatever its number.  By close_range(2) where
 * the kernel has it, else what /proc lists.  Async-signal-safe.
 */
void proc_child_close_others(const int *keep);

#endif
