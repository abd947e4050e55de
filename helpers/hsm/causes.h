/*
 * hsm/causes: sentences that say why, each with what fixes it.
 *
 * Promise: a sentence has no full stop.  The command can be typed as it stands and removes the cause; where only a
 * person can do that, there is none, and the sentence says what to do.
 */
#ifndef OKV_HSM_CAUSES_H
#define OKV_HSM_CAUSES_H

#include <stddef.h>

#include "base/fault.h"

struct hsm_cause {
	char *sentence; /* owned */
	char *command;  /* owned; may be NULL */
};

struct hsm_causes {
	struct hsm_cause *items; /* owned */
	size_t count;            /* the likeliest first */
};

#define HSM_CAUSES_AUTO __attribute__((cleanup(hsm_causes_done))) struct hsm_causes

void hsm_causes_done(struct hsm_causes *causes);
/* Fails for lack of memory only. */
int hsm_causes_add(struct hsm_causes *causes, const char *command, struct fault *f, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
