/*
 * hsm/session: in the child, load the library, talk PKCS#11 with it, and report what it says.
 *
 * Promise: what is missing is reported in the words of dlerror(3); what was loaded, before the first call, which the
 * parent must permit (hsm/message.h).
 *
 * The calls come in the order a careful client makes them, each written into the shared memory before it is made; a
 * call that answers with an error is reported, and ends the session only where nothing can follow (no function list, no
 * C_Initialize, no slot list).  C_GetSlotList is asked twice, first for the count, which makes a library look anew at
 * its slots; the second answer counts, read into room for HSM_SLOTS_MAX.
 */
#ifndef OKV_HSM_SESSION_H
#define OKV_HSM_SESSION_H

#include "hsm/library.h"
#include "hsm/message.h"
#include "hsm/probe.h"

struct hsm_session {
	const struct hsm_question *question;
	const char *path; /* of the library, as the process sees it */
	const struct hsm_environment *environment;
	struct hsm_shared *shared;
	unsigned char nonce[HSM_NONCE_SIZE];
};

/* For proc/child.h: context is a struct hsm_session. */
int hsm_session_work(void *context, int pipe, struct fault *f);

#endif
