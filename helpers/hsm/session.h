/*
 * hsm/session: in the child, load the library, talk PKCS#11 with it, and report what it says.
 *
 * Promise: what this user cannot read of OKV's files, OKV cannot either: without okv_hsm.conf there is no library, and
 * without okv_hsm_env no environment.  What is missing is reported in the words of dlerror(3); what was loaded, before
 * the first call, which the parent must permit (hsm/message.h).
 *
 * The calls come in the order a careful client makes them, each written into the shared memory before it is made; a
 * call that answers with an error is reported, and ends the session only where nothing can follow (no function list, no
 * C_Initialize, no slot list).  C_GetSlotList is asked for the count, which makes a library look anew at its slots,
 * and then for so many; where there are more by then, again.  On each token that is initialised a read-only session is
 * opened and closed.
 */
#ifndef OKV_HSM_SESSION_H
#define OKV_HSM_SESSION_H

#include "hsm/message.h"
#include "hsm/question.h"

struct hsm_session {
	const struct hsm_question *question;
	const char *path; /* of the library, as the process sees it */
	const struct hsm_environment *environment;
	bool groups; /* there are some: ask the library for the state of their members */
	struct hsm_shared *shared;
	unsigned char nonce[HSM_NONCE_SIZE];
};

/* For proc/child.h: context is a struct hsm_session. */
int hsm_session_work(void *context, int pipe, struct fault *f);

#endif
