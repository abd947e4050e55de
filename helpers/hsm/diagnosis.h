/*
 * hsm/diagnosis: why does the user not see the HSM?
 *
 * Promise: looks, as that user and through no eyes but the kernel's (hsm/reach.h), at everything a Luna client
 * reads: Chrystoki.conf where okv_hsm_env points, each path it names, the client's certificates, token directory and
 * plug-ins; then whether the HSM group exists, lists the user and is in effect in running processes; whether the HA
 * groups add up and their members show.  Each cause is one sentence and one command that mends it, the likeliest
 * first.  It changes nothing, and no cause found is an answer too.
 */
#ifndef OKV_HSM_DIAGNOSIS_H
#define OKV_HSM_DIAGNOSIS_H

#include <stddef.h>

#include "base/fault.h"
#include "conf/settings.h"
#include "hsm/probe.h"

struct hsm_cause {
	char *sentence; /* owned; without a full stop */
	char *command;  /* owned; what mends it */
};

struct hsm_causes {
	struct hsm_cause *items; /* owned */
	size_t count;
};

#define HSM_CAUSES_AUTO __attribute__((cleanup(hsm_causes_done))) struct hsm_causes

void hsm_causes_done(struct hsm_causes *causes);
/* Adds one at the end. */
int hsm_cause_add(struct hsm_causes *causes, const char *command, struct fault *f, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * `user` NULL: OKV_USER.  `answer` NULL or empty: nothing was shown, so members are not looked for.  Fails only for
 * lack of memory or processes, and where there is no such user.
 */
int hsm_diagnose(int root, const struct settings *settings, const char *user, const struct hsm_answer *answer,
		 struct hsm_causes *ret_causes, struct fault *f);

#endif
