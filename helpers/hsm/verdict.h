/*
 * hsm/verdict: is what the library showed good enough?
 *
 * Promise: one verdict for one answer, as one fault sentence.  FAULT_NEGATIVE (exit 1): no usable slot, fewer than
 * wanted, no token of that label or serial number, a slot that OKV takes and cannot use, a key that is not exactly one
 * or not what it should be, HA groups that are not as Chrystoki.conf has them.  FAULT_REFUSED (3): a key was asked for,
 * and not on which of several tokens.  A conversation that was not whole keeps the fault of
 * the probe: FAULT_LATE (7), FAULT_SYSTEM (5: crash, exit, error, broken rules), FAULT_ABSENT (6) or FAULT_REFUSED (3:
 * not loadable).
 *
 * Each HA group of Chrystoki.conf must be among the slots, HAOnly must be on and hide its members, and no member may be
 * away.  With HAOnly off a member shows as a slot of its own; behind it, only the library's CA_GetHAState tells, where
 * it has that call.  Members that nothing tells of are named in a warning, and count neither way.  A token that was
 * asked for by its label or serial number, and that is neither a group nor a member of one, needs none of this.
 *
 * A slot counts as usable when its token is initialised and opens a session; a slot that is merely free does not.
 */
#ifndef OKV_HSM_VERDICT_H
#define OKV_HSM_VERDICT_H

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"
#include "hsm/probe.h"

/* The question as the settings put it: TOKEN_LABEL, MIN_SLOTS, SLOT_TIMEOUT, OKV_USER. */
struct hsm_question hsm_question_of(int root, const struct settings *settings, struct report *report);
/*
 * Asked and evaluated.  0: OKV can use its HSM, and where a key was asked for, the key.  -1: *f is the verdict.
 * *ret_answer is filled in both cases (empty when no worker ran); end with hsm_answer_done.
 */
int hsm_check(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f);

#endif
