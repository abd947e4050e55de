/*
 * hsm/probe: ask a PKCS#11 library for its slots, as the user who needs them, and come back in time.
 *
 * Promise: the library is loaded by a worker only (okv-luna-pkcs11, proc/child.h), in whose memory is nothing of ours
 * but the question: with OKV's user and groups as the files under the root know them, no_new_privs, resource limits,
 * exactly the environment of okv_hsm_env, /dev/null as standard input, standard output and error caught, a session of
 * its own.  Before that the file is looked at (hsm/library.h); what it needs is found by the loader in the worker,
 * which tells what is missing and what was loaded (hsm/session.h).  What it learns comes back as messages and counts as
 * whole only with a nonce at its end, so a library that calls exit(0) has not answered.  At the deadline the worker and
 * all that it started are killed.
 *
 * With a root other than "/" the module, OKV's files and the accounts are those below the root, and the worker is
 * chroot(2)ed there: a library from another tree runs against that tree's libraries and configuration only.
 *
 * Zero slots is an answer, not a failure: a Luna client says so when it cannot read its key (facts of the client).
 * Whether an answer is good enough is for hsm/verdict.h.
 */
#ifndef OKV_HSM_PROBE_H
#define OKV_HSM_PROBE_H

#include "base/fault.h"
#include "hsm/answer.h"
#include "hsm/question.h"

/*
 * 0 when a worker loaded the library or tried to, however that ended: see ret_answer->end.  -1 before that, with
 * ret_answer->user NULL: FAULT_NEGATIVE (OKV loads none: ret_answer->module is NULL), FAULT_ABSENT (no module, no
 * user), FAULT_REFUSED (the file or a directory above it can be written by others, is no ELF file of this machine),
 * FAULT_SYSTEM.
 */
int hsm_probe(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f);

#endif
