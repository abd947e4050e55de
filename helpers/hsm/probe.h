/*
 * hsm/probe: asks a PKCS#11 library for its slots, as OKV's user, within a time limit.
 *
 * Promise: only a worker (okv-luna-pkcs11, proc/child.h) loads the library.  Its memory holds nothing of ours but the
 * question; it runs with OKV's user and groups from the files below the root, no_new_privs, resource limits, exactly
 * the environment of okv_hsm_env, /dev/null as standard input, captured standard output and error, and its own session.
 * The library is checked before that (hsm/library.h); the dynamic linker finds its dependencies in the worker, which
 * reports what is missing and what was loaded (hsm/session.h).  Results come as messages, and are complete only with a
 * nonce at the end: a library that calls exit(0) has not answered.  At the deadline the worker and all processes that
 * it started are killed.
 *
 * With a root other than "/", library, OKV's files and accounts are those below the root, and the worker runs in a
 * chroot(2) there, with that tree's libraries and configuration.
 *
 * Zero slots is an answer, not a failure: a Luna client says so if it cannot read its key.  hsm/verdict.h decides
 * whether an answer is good enough.
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

/* The program that loads the library. */
#define HSM_WORKER "okv-luna-pkcs11"

/* Everything in a question is borrowed; 0 or NULL is the default. */

/* Log in to each token that matches, and search for this key. */
struct hsm_key_question {
	const char *label;
	char *pin; /* borrowed; the worker wipes its copy after the last C_Login */
	size_t pin_length;
};

/* What the answer must show; NULL or 0: no requirement. */
struct hsm_requirements {
	const char *label, *serial; /* of the token that OKV takes */
	uint64_t least;             /* number of usable slots that match the above; 0 counts as 1 */
	bool key;                   /* each of them must hold question->key (set by hsm_check) */
	bool any_groups;            /* do not compare the HA groups of Chrystoki.conf */
};

struct hsm_question {
	int root;                        /* the tree; "/" or another */
	const struct settings *settings; /* borrowed */
	struct report *report; /* gets warnings (skipped lines of okv_hsm_env, odd library behaviour); may be NULL */
	enum hsm_library_source source;
	const char *module;  /* this library instead of the source's; NULL: none */
	const char *user;    /* NULL: OKV_USER of the settings */
	uint64_t timeout_ms; /* 0: SLOT_TIMEOUT of the settings */
	bool load_only;      /* load the library, do not call it */
	bool unmanaged;      /* for a diagnosis: the client needs no group and no modes of ours (v6.x) */
	struct hsm_requirements required;
	int worker; /* descriptor of HSM_WORKER if its path does not exist in the present root; else 0 */
	const struct hsm_key_question *key; /* NULL: do not log in */
	const struct finding_list *checked; /* for a diagnosis: findings about CHRYSTOKI_CONF */
};

/*
 * 0 if a worker has loaded the library or tried to, whatever the result: see ret_answer->end.  -1 if it did not get
 * that far; then ret_answer->user is NULL: FAULT_NEGATIVE (no library is configured: ret_answer->module is NULL),
 * FAULT_ABSENT (no such library or user), FAULT_REFUSED (others can write to the file or a directory above it, or it is
 * not an ELF file for this machine), FAULT_SYSTEM.
 */
int hsm_probe(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f);

#endif
