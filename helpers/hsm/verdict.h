/*
 * hsm/verdict: decides whether the library's answer is good enough.
 *
 * Promise: one verdict per answer, as one sentence in a fault.  FAULT_NEGATIVE (exit 1): no usable slot, fewer than
 * required, no token with that label or serial number, OKV takes a slot that cannot be used, not exactly one key or a
 * key with wrong attributes, HA groups that differ from Chrystoki.conf.  FAULT_REFUSED (3): a key is to be searched
 * for, and it is not clear on which of several tokens.  If the library did not answer everything, the probe's fault
 * stays: FAULT_LATE (7), FAULT_SYSTEM (5: crash, exit, error, broken rules), FAULT_ABSENT (6) or FAULT_REFUSED (3: not
 * loadable).
 *
 * Each HA group of Chrystoki.conf must be among the slots, HAOnly must be on and hide the members, and every member
 * must be available.  With HAOnly off, members have slots of their own; with HAOnly on, only the library's
 * CA_GetHAState reports them, if it has that call.  Members that cannot be seen are a warning and do not change the
 * verdict.  None of this applies if a label or serial number was given that is neither a group's nor a member's.
 *
 * A slot is usable if its token is initialised and a session can be opened.
 */
#ifndef OKV_HSM_VERDICT_H
#define OKV_HSM_VERDICT_H

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"
#include "hsm/probe.h"

/* The question according to the settings: TOKEN_LABEL, MIN_SLOTS, SLOT_TIMEOUT, OKV_USER. */
struct hsm_question hsm_question_of(int root, const struct settings *settings, struct report *report);
/*
 * Asks and evaluates.  0: OKV can use its HSM and, if one is asked for, the key.  -1: *f is the verdict.  *ret_answer
 * is set in both cases (empty if no worker ran); release it with hsm_answer_done.
 */
int hsm_check(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f);

#endif
