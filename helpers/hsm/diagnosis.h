/*
 * hsm/diagnosis: why does the user not see the HSM?
 *
 * Promise: looks at everything a Luna client reads: Chrystoki.conf where okv_hsm_env points, each path that these two
 * name, the client's certificates, token directory and plug-ins.  The kernel is asked by a child that is that user,
 * with its groups and below the root, so access lists, link targets and mount options count as they will count for OKV;
 * each path is walked from the top, and the first component that fails is named, with its owner and mode.
 *
 * Then whether the HSM group exists and lists the user, told once, with what it bars; what question->checked and the
 * servers and HA groups of Chrystoki.conf say that hides a slot; and why the loader would not have the library
 * (hsm/loader.h).  Where the library was called and there is no cause here, it says what to ask outside, by the stage
 * that was reached.  Nothing is changed, and no cause is an answer too.
 */
#ifndef OKV_HSM_DIAGNOSIS_H
#define OKV_HSM_DIAGNOSIS_H

#include <stddef.h>

#include "base/fault.h"
#include "hsm/probe.h"

/*
 * `answer` as hsm_check has left it; `without_group`: running processes of the user that started before it was in the
 * HSM group.  Fails only for lack of memory or processes, and where there is no such user.
 */
int hsm_diagnose(const struct hsm_question *question, const struct hsm_answer *answer, size_t without_group,
		 struct hsm_causes *ret_causes, struct fault *f);

#endif
