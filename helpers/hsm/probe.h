/*
 * hsm/probe: ask a PKCS#11 library for its slots, as the user who needs them, and come back in time.
 *
 * Promise: the library is loaded by a worker only (okv-luna-pkcs11, proc/child.h), in whose memory is nothing of ours
 * but the question: with OKV's user and groups as the files under the root know them, no_new_privs, resource limits,
 * exactly the environment of okv_hsm_env, /dev/null as standard input, standard output and error caught, a session of
 * its own.  Before that the file is looked at (hsm/library.h); what it needs is found by the loader in the worker,
 * which tells what is missing and what was loaded (hsm/session.h).  What it learns comes back as messages and counts as
 * whole only with a nonce at its end, so a library that calls exit(0) has not answered.  At the deadline the worker and
 * all that it started are killed.
 *
 * With a root other than "/" the module, OKV's files and the accounts are those below the root, and the worker is
 * chroot(2)ed there: a library from another tree runs against that tree's libraries and configuration only.
 *
 * Zero slots is an answer, not a failure: a Luna client says so when it cannot read its key (facts of the client).
 * Whether an answer is good enough is for hsm/verdict.h.
 */
#ifndef OKV_HSM_PROBE_H
#define OKV_HSM_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/finding.h"
#include "conf/settings.h"
#include "hsm/answer.h"

/* Everything in a question is borrowed, and 0 or NULL is the default. */

/* The program that loads the library. */
#define HSM_WORKER "okv-luna-pkcs11"

/* What to do with the key whose label is given, on each token that matches. */
struct hsm_key_question {
	const char *label;
	char *pin; /* borrowed; the worker wipes its own after the last C_Login */
	size_t pin_length;
};

/* What the answer must show; NULL or 0: does not matter. */
struct hsm_requirements {
	const char *label, *serial; /* of the token that OKV takes */
	uint64_t least;             /* usable slots that match all the above; 0 counts as 1 */
	bool key;                   /* each of them must hold the key that was asked for (hsm_check sets it) */
	bool any_groups;            /* however the HA groups of Chrystoki.conf show */
};

struct hsm_question {
	int root;                        /* the tree; "/" or another */
	const struct settings *settings; /* borrowed */
	struct report *report; /* hears warnings (skipped environment lines, odd library habits); may be NULL */
	enum hsm_library_source source;
	const char *module;  /* instead of the source's; NULL: none */
	const char *user;    /* NULL: OKV_USER of the settings */
	uint64_t timeout_ms; /* 0: SLOT_TIMEOUT of the settings */
	bool load_only;      /* not a call into it, so no slots */
	bool unmanaged;      /* for a diagnosis: the client needs no group and no modes of ours (v6.x) */
	struct hsm_requirements required;
	int worker; /* HSM_WORKER, open, where its path leads nowhere in the present root; else 0 */
	const struct hsm_key_question *key; /* of every token that matches; NULL: do not log in */
	const struct finding_list *checked; /* for a diagnosis: what is wrong with Chrystoki.conf of the settings */
};

/*
 * 0 when a worker loaded the library or tried to, however that ended: see ret_answer->end.  -1 before that, with
 * ret_answer->user NULL: FAULT_NEGATIVE (OKV loads none: ret_answer->module is NULL), FAULT_ABSENT (no module, no
 * user), FAULT_REFUSED (the file or a directory above it can be written by others, is no ELF file of this machine),
 * FAULT_SYSTEM.
 */
int hsm_probe(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f);

#endif
