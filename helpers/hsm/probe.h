/*
 * hsm/probe: ask a PKCS#11 library for its slots, as the user who needs them, and come back in time.
 *
 * Promise: the library is loaded in a child only: with OKV's user and groups as the files under the root know them,
 * no_new_privs, resource limits, exactly the environment of okv_hsm_env, /dev/null as standard input, standard output
 * and error caught, a session of its own.  Before that the file is looked at (hsm/library.h); what it needs is found by
 * the loader in the child, which tells what is missing and what was loaded (hsm/session.h).  What the child learns
 * comes back over a pipe and counts as whole only with a nonce at its end, so a library that calls exit(0) has not
 * answered.  At the deadline the child and all it started are killed (proc/child.h).
 *
 * With a root other than "/" the module, OKV's files and the accounts are those below the root, and the child is
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
#include "conf/settings.h"
#include "hsm/answer.h"
#include "hsm/library.h"

/* What to do with the key whose label is given, on each token that matches. */
struct hsm_key_question {
	const char *label;
	char *pin; /* borrowed; the child wipes its copy of the memory after the last C_Login */
	size_t pin_length;
	bool encrypt; /* one AES-CBC-PAD round trip with it */
};

/* What the answer must show; NULL or 0: does not matter. */
struct hsm_requirements {
	const char *label, *serial; /* of the token that OKV takes */
	uint64_t least;             /* usable slots that match all the above; 0 counts as 1 */
	bool mechanisms;            /* each of them must offer what OKV needs */
	bool key;                   /* each of them must hold the key that was asked for (hsm_check sets it) */
};

struct hsm_question {
	int root;                        /* the tree; "/" or another */
	const struct settings *settings; /* borrowed */
	struct report *report; /* hears warnings (skipped environment lines, odd library habits); may be NULL */
	enum hsm_library_source source;
	const char *module;  /* instead of the source's; NULL: none */
	const char *user;    /* NULL: OKV_USER of the settings */
	uint64_t timeout_ms; /* 0: SLOT_TIMEOUT of the settings */
	bool all;            /* slots without a token too */
	bool load_only;      /* not a call into it, so no slots */
	bool interfaces;     /* read the PKCS#11 3.x interface list, where the library has one */
	struct hsm_requirements required;
	const struct hsm_key_question *key; /* of every token that matches; NULL: do not log in */
};

/*
 * 0 when a child loaded the library or tried to, however that ended: see ret_answer->end.  -1 before that, with
 * ret_answer->user NULL: FAULT_NEGATIVE (OKV loads none: ret_answer->module is NULL), FAULT_ABSENT (no module, no
 * user), FAULT_REFUSED (the file or a directory above it can be written by others, is no ELF file of this machine),
 * FAULT_SYSTEM.
 */
int hsm_probe(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f);

#endif
