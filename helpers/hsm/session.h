/*
 * hsm/session: runs in a worker: loads the library, makes PKCS#11 calls, and reports the results.
 *
 * Promise: if this user cannot read OKV's files, OKV cannot either: without okv_hsm.conf there is no library, and
 * without okv_hsm_env no environment.  A failure to load is reported with the text of dlerror(3); the objects that were
 * loaded are reported before the first call, which the parent must permit (hsm/message.h).
 *
 * Each call is announced before it is made.  A call that returns an error is reported; it ends the session only if
 * nothing can follow (no function list, no C_Initialize, no slot list).  C_GetSlotList is called for the count, which
 * makes a library refresh its slots, then for the list; again if there are more by then.  On each initialised token a
 * read-only session is opened and closed.
 *
 * To search for a key, C_Login is called at most once per token, since a wrong PIN counts against the partition; a
 * token whose flags say that its PIN is locked, or has one try left, is not tried.  Nothing is created, and the key is
 * not used.  The PIN is wiped after the last C_Login.
 */
#ifndef OKV_HSM_SESSION_H
#define OKV_HSM_SESSION_H

/* The whole program; returns the exit status for _exit(2). */
int hsm_session_serve(void);

#endif
