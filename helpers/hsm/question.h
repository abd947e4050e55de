/*
 * hsm/question: what a PKCS#11 library is asked, and what its answer must show.
 *
 * Everything is borrowed, and 0 or NULL is the default.
 */
#ifndef OKV_HSM_QUESTION_H
#define OKV_HSM_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/report.h"
#include "conf/settings.h"
#include "hsm/library.h"

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
	struct hsm_requirements required;
	int worker; /* HSM_WORKER, open, where its path leads nowhere in the present root; else 0 */
	const struct hsm_key_question *key; /* of every token that matches; NULL: do not log in */
};

#endif
