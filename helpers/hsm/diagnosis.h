/*
 * hsm/diagnosis: why does the user not see the HSM?
 *
 * Promise: looks, as that user and by asking the kernel (hsm/reach.h), at everything a Luna client reads:
 * Chrystoki.conf where okv_hsm_env points, each path that these two name, the client's certificates, token directory
 * and plug-ins; then whether the HSM group exists and lists the user; why the loader was refused (hsm/refusal.h);
 * whether the servers and HA groups of Chrystoki.conf add up.  With no slot and no cause here, it says what to ask
 * outside.  Running processes without the group were counted by the caller (okv/group.h).  Nothing is changed, and no
 * cause is an answer too.
 */
#ifndef OKV_HSM_DIAGNOSIS_H
#define OKV_HSM_DIAGNOSIS_H

#include <stddef.h>

#include "base/fault.h"
#include "hsm/probe.h"

struct hsm_case {
	const struct hsm_question *question;
	const struct hsm_answer *answer; /* as hsm_probe has left it */
	size_t without_group;            /* running processes of the user that started before it was in the HSM group */
};

/* Fails only for lack of memory or processes, and where there is no such user. */
int hsm_diagnose(const struct hsm_case *about, struct hsm_causes *ret_causes, struct fault *f);

#endif
