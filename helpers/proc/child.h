/*
 * proc/child: start processes; nothing else calls fork(2).
 *
 * A child is a program (no shell, no PATH search: argv[0] is a full path) or a function of ours.  Promise, for both:
 * all signals are at their defaults and none is blocked; at its deadline it is killed, with its process group if it has
 * its own; if we die first, the kernel kills it, unless it is meant to outlive us.  A program gets a clean environment
 * (PATH, LC_ALL=C and what `environment` adds) and only the three standard descriptors.  A function sends its results
 * as messages (proc/message.h); the fault that it fills on failure arrives in the parent's.
 *
 * A worker is a program of ours that runs foreign code or parses foreign bytes.  It is executed, not only forked,
 * because a forked child has a copy of our memory.  It has an empty environment, captured output and the standard
 * descriptors, plus PROC_CHILD_TELL for messages in both directions and PROC_CHILD_ROOT if `root` is a descriptor.  It
 * starts with our privileges and drops them itself (proc/worker.h): a process that does so cannot be traced by others
 * of its new user, but one that is executed afterwards can.
 *
 * A confined child, worker or function, has its own session, captured output, umask 022 (as in a login shell),
 * no_new_privs, limits on CPU time, memory and core size, and the descriptors of a worker.  When it ends, for whatever
 * reason, all its descendants are killed, also those that left the session (proc/reaper.h); the parent is back at the
 * latest PROC_CHILD_CONFINED_REAP_MS after the deadline.  Only one at a time.
 *
 * Up to PROC_CHILD_OUTPUT_MAX bytes of captured output are kept; the rest is read and dropped, so that the child never
 * blocks on us.  If the kernel cannot end a killed child (dead disk or file server), we stop waiting for it after
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
	PROC_CHILD_TELL = 3, /* message descriptor of a worker or confined function */
	PROC_CHILD_ROOT = 4, /* the `root` of a worker */
	PROC_CHILD_STAY = -2,
	PROC_CHILD_OUTPUT_MAX = 256 * 1024,
	PROC_CHILD_REAP_MS = 1000,
	PROC_CHILD_CONFINED_REAP_MS = 80,
	PROC_CHILDREN_MAX = 64,
	PROC_CHILD_KINDS = 1 << 16, /* message kinds of callers are below; the next two are proc/child's own */
	PROC_CHILD_STARTED = PROC_CHILD_KINDS,
	PROC_CHILD_FAILED,
};

enum proc_child_output {
	PROC_CHILD_CAPTURED,  /* standard output and error are piped to us; standard input is `input` */
	PROC_CHILD_INHERITED, /* all three are inherited */
};

enum proc_child_group {
	PROC_CHILD_OWN_GROUP, /* killed as a group; ^C does not reach it */
	PROC_CHILD_OUR_GROUP, /* so that it can prompt on the terminal */
};

enum proc_child_life {
	PROC_CHILD_DIES_WITH_US,
	PROC_CHILD_OUTLIVES_US,
};

/* What on_message answers. */
enum proc_child_answer {
	PROC_CHILD_MORE,
	PROC_CHILD_ALL,     /* that was the last; the deadline no longer counts as missed */
	PROC_CHILD_GARBLED, /* not a valid message */
};

/* What our caller's shell would have given the program. */
struct proc_caller {
	char **environment; /* ends with NULL */
	mode_t umask;
	struct rlimit core;
};

struct proc_child_options {
	/* Exactly one of argv and work. */
	const char *const *argv; /* ends with NULL */
	/* Runs in the child; 0, or -1 and the fault. */
	int (*work)(void *context, int tell, struct fault *f);
	void *context;
	const char *what; /* its name in faults; NULL: argv[0], of a program only */
	/* Runs in the parent, for each message of a function or worker. */
	enum proc_child_answer (*on_message)(void *listener, const struct proc_message *message);
	void *listener;

	bool worker; /* argv is a worker; `environment` and `identity` are NULL */
	/* Descriptor of a worker's executable, if its path is not valid in the current root; 0: use argv[0]. */
	int program;
	bool confined;                  /* a function or a worker; needs a deadline */
	const char *const *environment; /* of a program: "NAME=VALUE", ends with NULL; may be NULL */
	/*
	 * For a program to run as if typed at our caller's prompt: with that environment, umask and core limit, and
	 * with the ignored signals and open descriptors that we inherited.
	 */
	const struct proc_caller *caller;
	const struct proc_identity *identity; /* NULL: keep our user */
	/*
	 * Directory to chroot(2) to; -1: only chdir("/"); PROC_CHILD_STAY: keep the working directory, since arguments
	 * may be relative paths from our caller.
	 */
	int root;
	int input;            /* standard input of a program with captured output; -1: /dev/null */
	unsigned deadline_ms; /* 0: none */
	enum proc_child_output output;
	enum proc_child_group group;
	enum proc_child_life life;
};

#define PROC_CHILD_OPTIONS_INIT \
	{ \
		.argv = NULL, .root = -1, .input = -1 \
	}

/* Options for a function that keeps our working directory and standard descriptors; `context` is its listener, too. */
struct proc_child_options proc_child_function(int (*work)(void *context, int tell, struct fault *f), void *context,
					      const char *what,
					      enum proc_child_answer (*on_message)(void *listener,
										   const struct proc_message *message));

struct proc_outcome {
	int status;           /* exit status, or 128 + signal; of a function 0 or 1, unless foreign code called exit */
	int signal;           /* the signal that ended it, or 0 */
	bool late;            /* killed at the deadline */
	bool answered;        /* on_message said PROC_CHILD_ALL; never together with `late` */
	bool garbled;         /* it sent something that is not a message, or that on_message rejected */
	struct fault fault;   /* that of a function or worker that failed; else FAULT_NONE */
	unsigned orphans;     /* of a confined child: descendants that were killed */
	bool orphans_left;    /* some could not be killed in time */
	size_t output_length; /* bytes printed, including those dropped */
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
	/* The rest is private to proc/child. */
	struct proc_child_options how; /* its pointers, except `listener`, may dangle after start */
	int output, tell;              /* read ends; -1: none, or at end of file */
	int64_t deadline;              /* of proc_clock_ms; 0: none */
	bool started;
	struct proc_message_reader reader;
	struct proc_reaper reaper;
	struct proc_outcome outcome;
};

/* FAULT_SYSTEM if no process can be created.  The options are not needed afterwards. */
int proc_child_start(const struct proc_child_options *options, struct proc_child *ret_child, struct fault *f);
/*
 * Waits until one of the children has ended or was killed at its deadline; *ret_which is its index.  The caller frees
 * *ret_outcome with proc_outcome_done.  A program has ended only when its output has, too.  At most PROC_CHILDREN_MAX
 * children, at least one of them started.
 *
 * FAULT_ABSENT if argv[0] does not exist, FAULT_SYSTEM if it cannot be executed or the child could not be set up.
 * FAULT_INCOMPLETE if we were interrupted (proc/interrupt.h): the children run on until proc_child_kill.
 */
int proc_child_wait(struct proc_child *const children[], size_t count, size_t *ret_which,
		    struct proc_outcome *ret_outcome, struct fault *f);
/* Sends messages (proc_message_add) to a worker.  0 also if the worker has ended: proc_child_wait tells. */
int proc_child_send(const struct proc_child *child, const struct text *messages, struct fault *f);
/* Kills and reaps it; does nothing if it was never started or has been waited for. */
void proc_child_kill(struct proc_child *child);

/* Starts a child and waits for it; on a fault it is killed. */
int proc_child_run(const struct proc_child_options *options, struct proc_outcome *ret_outcome, struct fault *f);
/*
 * As proc_child_run, but any failure of the child is a fault: the function's own, or one that quotes the line of the
 * program's output that gives the reason.
 */
int proc_child_expect(const struct proc_child_options *options, struct fault *f);

/* The path of a program of ours in libexec/ of this program's prefix, else of SETTINGS_PREFIX; "" if it is too long. */
void proc_child_program(const char *name, char ret_path[PATH_MAX]);
/* The same, opened for the option `program`; the caller closes it. */
int proc_child_program_open(const char *name, int *ret_fd, struct fault *f);

/*
 * Closes every descriptor above 2 except those of `keep` (ends with -1), by close_range(2) or, on older kernels, as
 * /proc lists them.  Async-signal-safe.
 */
void proc_child_close_others(const int *keep);

#endif
