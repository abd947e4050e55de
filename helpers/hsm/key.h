/*
 * hsm/key: in the child, log in and look at one key.
 *
 * Promise: C_Login is called at most once on a token and with the PIN that was given, since a wrong one counts against
 * the partition; whose flags say that the last try is near, or that it is locked, is not tried.  Nothing is created,
 * and the key is not used.  The caller wipes the PIN.
 */
#ifndef OKV_HSM_KEY_H
#define OKV_HSM_KEY_H

#include "hsm/cryptoki.h"
#include "hsm/question.h"
#include "hsm/message.h"

/* Whether a wrong PIN would lock it, if it is not locked already. */
bool hsm_key_is_near_lock(const struct hsm_slot *slot);
/* The outcome; what ended it early is in rv and call. */
struct hsm_key_message hsm_key_test(const struct cryptoki_functions *functions, struct hsm_shared *shared,
				    const struct hsm_slot *slot, const struct hsm_key_question *question);

#endif
