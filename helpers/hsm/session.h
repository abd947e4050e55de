/*
 * hsm/session: in a worker, load the library, talk PKCS#11 with it, and report what it says.
 *
 * Promise: what this user cannot read of OKV's files, OKV cannot either: without okv_hsm.conf there is no library, and
 * without okv_hsm_env no environment.  What is missing is reported in the words of dlerror(3); what was loaded, before
 * the first call, which the parent must permit (hsm/message.h).
 *
 * The calls come in the order a careful client makes them, each reported before it is made; a call that answers with an
 * error is reported, and ends the session only where nothing can follow (no function list, no C_Initialize, no slot
 * list).  C_GetSlotList is asked for the count, which makes a library look anew at its slots, and then for so many;
 * where there are more by then, again.  On each token that is initialised a read-only session is opened and closed.
 *
 * For a key, C_Login is called at most once on a token and with the PIN that was given, since a wrong one counts
 * against the partition; whose flags say that the last try is near, or that it is locked, is not tried.  Nothing is
 * created, and the key is not used.  The PIN is wiped behind the last C_Login.
 */
#ifndef OKV_HSM_SESSION_H
#define OKV_HSM_SESSION_H

/* All that the program does; its exit status, for _exit(2). */
int hsm_session_serve(void);

#endif
