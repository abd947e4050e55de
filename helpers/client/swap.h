/*
 * client/swap: one client for another: the exchange, the way back, and the way on from wherever a run was cut off.
 *
 * Promise: one sync of the file system, one exchange of two names; a fault before it has changed nothing, one after it
 * is FAULT_INCOMPLETE.  Which tree is meant is noted durably before (client/staging has the names), so that the next
 * run either completes a swap whose new tree is in place, or throws the new tree away, and puts an old one back that
 * stands nowhere.
 */
#ifndef OKV_CLIENT_SWAP_H
#define OKV_CLIENT_SWAP_H

#include <stdbool.h>

#include "base/fault.h"
#include "client/staging.h"

/* Tidies up what a run that was killed has left; a roll-back that was put in place stays for client_rollback_finish. */
int client_swap_recover(struct client_staging *s, struct fault *f);
/* Puts new/tree/`top` in the client's place.  What was there is `previous` afterwards. */
int client_swap(struct client_staging *s, const char *top, struct fault *f);

/*
 * Exchanges the client with `previous`; FAULT_ABSENT without one.  The identity comes back with it; what has changed of
 * it since is told.  A roll-back that was cut off after the exchange is finished instead, and *ret_finished says so:
 * running it again never undoes what it had begun.
 */
int client_rollback_run(struct client_staging *s, bool *ret_finished, struct fault *f);
/* Only tells, and also of a staging directory that was only looked at. */
int client_rollback_plan(const struct client_staging *s, bool *ret_finished, struct fault *f);
/* Only what a roll-back that was cut off has left to do, where there was one. */
int client_rollback_finish(struct client_staging *s, struct fault *f);

#endif
