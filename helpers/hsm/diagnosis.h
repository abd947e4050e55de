/*
 * hsm/diagnosis: finds out why the user does not see the HSM.
 *
 * Promise: looks at all that a Luna client reads: Chrystoki.conf where okv_hsm_env points, each path that these two
 * name, the client's certificates, token directory and plug-ins.  A child with the user's id and groups tests access
 * below the root, so that ACLs, link targets and mount options count as they do for OKV.  Each path is tested from the
 * top; the cause names the first component that fails, with its owner and mode.
 *
 * Other causes: the HSM group is missing or does not list the user (reported once, with a path that this denies);
 * findings in question->checked, and servers and HA groups of Chrystoki.conf, that hide a slot; the dynamic linker
 * cannot load the library (hsm/loader.h).  If the library was called and nothing is wrong on this machine, it says what
 * to check elsewhere, according to how far the calls came.  Nothing is changed; finding no cause is not a failure.
 */
#ifndef OKV_HSM_DIAGNOSIS_H
#define OKV_HSM_DIAGNOSIS_H

#include <stddef.h>

#include "base/fault.h"
#include "hsm/probe.h"

/*
 * `answer` comes from hsm_check.  `without_group`: number of running processes of the user that started before it was
 * in the HSM group.  Fails only without memory or processes, or if there is no such user.
 */
int hsm_diagnose(const struct hsm_question *question, const struct hsm_answer *answer, size_t without_group,
		 struct hsm_causes *ret_causes, struct fault *f);

#endif
