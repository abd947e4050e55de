/*
 * hsm/diagnosis: why does the user not see the HSM?
 *
 * Promise: looks, as that user and by asking the kernel (hsm/reach.h), at everything a Luna client reads:
 * Chrystoki.conf where okv_hsm_env points, each path it names, the client's certificates, token directory and plug-ins;
 * then whether the HSM group exists and lists the user; whether the HA groups add up and, where HAOnly lets them, their
 * members show.  Running processes without the group were counted by the caller (okv/group.h).  Each cause is one
 * sentence and one command that fixes it, the likeliest first.  Nothing is changed, and no cause is an answer too.
 */
#ifndef OKV_HSM_DIAGNOSIS_H
#define OKV_HSM_DIAGNOSIS_H

#include <stddef.h>

#include "base/fault.h"
#include "conf/settings.h"
#include "hsm/answer.h"

struct hsm_cause {
	char *sentence; /* owned; without a full stop */
	char *command;  /* owned; what fixes it */
};

struct hsm_causes {
	struct hsm_cause *items; /* owned */
	size_t count;
};

#define HSM_CAUSES_AUTO __attribute__((cleanup(hsm_causes_done))) struct hsm_causes

void hsm_causes_done(struct hsm_causes *causes);

struct hsm_case {
	int root;
	const struct settings *settings;
	const char *user;                /* NULL: OKV_USER */
	const struct hsm_answer *answer; /* NULL or empty: nothing was shown, so members are not looked for */
	size_t without_group;            /* running processes of the user that started before it was in the HSM group */
};

/* Fails only for lack of memory or processes, and where there is no such user. */
int hsm_diagnose(const struct hsm_case *about, struct hsm_causes *ret_causes, struct fault *f);

#endif
