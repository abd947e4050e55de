/*
 * token/diagnosis: why does the user not see the HSM?
 *
 * Promise: looks, as that user and through no eyes but the kernel's, at everything a Luna client reads: Chrystoki.conf,
 * each path it names, the client's certificate, key, CA file and token directory; whether the HSM group exists, lists
 * the user and is in effect in running processes; whether the HA members add up.  Each cause is one sentence and one
 * command that mends it, the likeliest first.  It changes nothing, and no cause found is an answer too.
 */
#ifndef OKV_TOKEN_DIAGNOSIS_H
#define OKV_TOKEN_DIAGNOSIS_H

#include <stddef.h>

#include "base/fault.h"
#include "conf/settings.h"

struct token_cause {
	char *sentence; /* owned; without a full stop */
	char *command;	/* owned; what mends it */
};

struct token_causes {
	struct token_cause *items; /* owned */
	size_t count;
};

#define TOKEN_CAUSES_INIT { .items = NULL, .count = 0 }
#define TOKEN_CAUSES_AUTO __attribute__((cleanup(token_causes_done))) struct token_causes

void token_causes_done(struct token_causes *causes);
/* `user` NULL: OKV_USER.  Fails only for lack of memory, processes or a user of that name. */
int token_diagnose(int root, const struct settings *settings, const char *user, struct token_causes *ret_causes,
		   struct fault *f);

#endif
