/*
 * hsm/message: the messages between the worker that loads the library and its parent.
 *
 * Promise: messages use one socket (proc/child.h), and each kind has one length; the parent checks both and trusts
 * neither texts nor counts, since a library may write to any descriptor it finds.  Only a message that repeats the
 * parent's random nonce marks the end.  Before each write the worker checks that the descriptor is still the socket; if
 * a library has closed it (and perhaps opened something else in its place), nothing is written.
 *
 * Each call is announced before it is made, so that the parent can name it if it never returns.  After dlopen(3) the
 * worker sends the path of every object that was loaded, and waits.  The parent checks each (hsm/library.h), and if
 * users other than root can write to one of them, the library is not called.  The PIN is sent with the permission to
 * call it.  Constructors have run by then, as OKV's user; hence the library itself is checked before it is loaded.
 */
#ifndef OKV_HSM_MESSAGE_H
#define OKV_HSM_MESSAGE_H

#include <stdint.h>

#include "hsm/answer.h"
#include "proc/identity.h"

enum {
	HSM_NONCE_SIZE = 16,
	HSM_TEXT_SIZE = 512,
	HSM_OBJECTS_MAX = 512, /* shared objects loaded with the library */
	HSM_NOTES_MAX = 1024,
	HSM_BYTES_MAX = 64 * 1024 * 1024, /* of all messages */
	HSM_EXIT_LOST = 83,               /* the worker's exit status if it finds its socket closed */
};

enum hsm_message {
	HSM_MESSAGE_INFO = 1, /* struct cryptoki_info */
	HSM_MESSAGE_SLOT,     /* struct hsm_slot */
	HSM_MESSAGE_MEMBER,   /* struct hsm_member */
	HSM_MESSAGE_KEY,      /* struct hsm_key */
	HSM_MESSAGE_NOTE,     /* HSM_TEXT_SIZE bytes: a warning about the library's behaviour */
	HSM_MESSAGE_STOP,     /* struct hsm_stop_message */
	HSM_MESSAGE_ALL,      /* the nonce */
	HSM_MESSAGE_OBJECT,   /* the path of a shared object that dlopen(3) has loaded, with its NUL */
	HSM_MESSAGE_LOADED,   /* empty: those were all; may the library be called? */
	HSM_MESSAGE_CALL,     /* uint32_t, an enum hsm_call: the call that comes next */
};

/* From the parent to the worker; texts without a NUL. */
enum hsm_ask {
	HSM_ASK_LIBRARY = 1, /* its path, as the worker sees it */
	HSM_ASK_VARIABLE,    /* "NAME=VALUE" of its environment, in order */
	HSM_ASK_LABEL,       /* of the token that OKV takes */
	HSM_ASK_SERIAL,      /* of that token */
	HSM_ASK_KEY,         /* label of the key to search for */
	HSM_ASK_BEGIN,       /* struct hsm_begin: the question is complete */
	HSM_ASK_GO_ON,       /* the library may be called; the PIN, or empty */
	HSM_ASK_NO_FURTHER,  /* empty: the library must not be called */
};

struct hsm_begin {
	unsigned char nonce[HSM_NONCE_SIZE];
	struct proc_identity identity; /* of OKV's user */
	/* 0 or 1; wide, so that the struct has no padding, which could leak memory of the parent. */
	uint64_t by_okv_conf; /* okv_hsm.conf names this library */
	uint64_t groups;      /* there are HA groups: ask for the state of their members */
	uint64_t load_only;   /* do not call the library */
};

/* Why the worker stops early. */
struct hsm_stop_message {
	uint64_t end; /* enum hsm_end */
	uint64_t rv;
	char text[HSM_TEXT_SIZE]; /* part of the verdict's sentence, or the text of dlerror(3) */
};

#endif
