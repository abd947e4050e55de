/*
 * hsm/message: how the worker with the library in it and its parent talk.
 *
 * Promise: messages over one socket (proc/child.h), each of a kind with one length; the parent checks both and believes
 * neither texts nor counts, since a library may write into any descriptor it finds.  Only a message that repeats the
 * parent's random nonce says "that was all".  Before each write the worker looks whether the descriptor still is the
 * socket; when a library closed it (and perhaps opened something else in its place), nothing is written.
 *
 * Which call is under way is told before it is made, so that the parent can name it when nothing more comes.  Between
 * dlopen(3) and the first call into the library the worker waits: it has sent the path of every object that the loader
 * brought in, the parent looks at each (hsm/library.h), and unless root alone can write all of them, no call is made.
 * The PIN comes with the leave only.  Their constructors have run by then, as OKV's user, which is why the named
 * library itself is looked at before it is loaded.
 */
#ifndef OKV_HSM_MESSAGE_H
#define OKV_HSM_MESSAGE_H

#include <stdint.h>

#include "hsm/answer.h"
#include "proc/identity.h"

enum {
	HSM_NONCE_SIZE = 16,
	HSM_TEXT_SIZE = 512,
	HSM_OBJECTS_MAX = 512, /* that one library brings along */
	HSM_NOTES_MAX = 1024,
	HSM_BYTES_MAX = 64 * 1024 * 1024, /* of all messages */
	HSM_EXIT_LOST = 83,               /* the worker's status when it finds its socket closed */
};

enum hsm_message {
	HSM_MESSAGE_INFO = 1, /* struct cryptoki_info */
	HSM_MESSAGE_SLOT,     /* struct hsm_slot */
	HSM_MESSAGE_MEMBER,   /* struct hsm_member */
	HSM_MESSAGE_KEY,      /* struct hsm_key */
	HSM_MESSAGE_NOTE,     /* HSM_TEXT_SIZE bytes: a warning about the library's habits */
	HSM_MESSAGE_STOP,     /* struct hsm_stop_message */
	HSM_MESSAGE_ALL,      /* the nonce */
	HSM_MESSAGE_OBJECT,   /* the path of a shared object that dlopen(3) has loaded, with its NUL */
	HSM_MESSAGE_LOADED,   /* nothing: those were all; may the library be called? */
	HSM_MESSAGE_CALL,     /* uint32_t, an enum hsm_call: what comes now */
};

/* The other way, texts without a NUL. */
enum hsm_ask {
	HSM_ASK_LIBRARY = 1, /* its path, as the process will see it */
	HSM_ASK_VARIABLE,    /* "NAME=VALUE" of its environment, in order */
	HSM_ASK_LABEL,       /* of the token that is meant */
	HSM_ASK_SERIAL,      /* of it, too */
	HSM_ASK_KEY,         /* the label of the key that is wanted */
	HSM_ASK_BEGIN,       /* struct hsm_begin: that was all */
	HSM_ASK_GO_ON,       /* the PIN, or nothing: the library may be called */
	HSM_ASK_NO_FURTHER,  /* nothing: it may not */
};

struct hsm_begin {
	unsigned char nonce[HSM_NONCE_SIZE];
	struct proc_identity identity; /* to become */
	/* 0 or 1, and as wide as all before, so that there is no padding, which might hold what is not meant for it. */
	uint64_t by_okv_conf; /* OKV finds this library by okv_hsm.conf */
	uint64_t groups;      /* there are some: ask for the state of their members */
	uint64_t load_only;   /* not a call into it */
};

/* Why nothing can follow. */
struct hsm_stop_message {
	uint64_t end; /* enum hsm_end */
	uint64_t rv;
	char text[HSM_TEXT_SIZE]; /* a clause for the verdict, or what dlerror(3) says */
};

#endif
