/*
 * hsm/message: how the child with the library in it and its parent talk.
 *
 * Promise: messages over one pipe (proc/message.h), each of a kind with one length; the parent checks both and believes
 * neither texts nor counts, since a library may write into any descriptor it finds.  Only a message that repeats the
 * parent's random nonce says "that was all".  Before each write the child looks whether the descriptor still is the
 * pipe; when a library closed it (and perhaps opened something else in its place), nothing is written.
 *
 * Beside the pipe there is some shared memory.  It says which call is under way, so that the parent can name it when
 * nothing more comes.  And it holds the child back between dlopen(3) and the first call into the library: the child
 * sends the path of every object that the loader brought in, the parent looks at each (hsm/library.h), and unless root
 * alone can write all of them, no call is made and no PIN is used.  Their constructors have run by then, as OKV's user,
 * which is why the named library itself is looked at before it is loaded.
 */
#ifndef OKV_HSM_MESSAGE_H
#define OKV_HSM_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/report.h"
#include "hsm/answer.h"
#include "hsm/names.h"
#include "proc/child.h"

enum {
	HSM_NONCE_SIZE = 16,
	HSM_TEXT_SIZE = 512,
	HSM_OBJECTS_MAX = 512, /* that one library brings along */
	HSM_NOTES_MAX = 1024,
	HSM_BYTES_MAX = 64 * 1024 * 1024, /* of all messages */
};

enum hsm_message {
	HSM_MESSAGE_INFO = 1, /* struct cryptoki_info */
	HSM_MESSAGE_SLOT,     /* struct hsm_slot */
	HSM_MESSAGE_MEMBER,   /* struct hsm_member */
	HSM_MESSAGE_KEY,      /* struct hsm_key_message */
	HSM_MESSAGE_NOTE,     /* HSM_TEXT_SIZE bytes: a warning about the library's habits */
	HSM_MESSAGE_STOP,     /* struct hsm_stop_message */
	HSM_MESSAGE_ALL,      /* the nonce */
	HSM_MESSAGE_OBJECT,   /* the path of a shared object that dlopen(3) has loaded, with its NUL */
	HSM_MESSAGE_LOADED,   /* nothing: those were all; may the library be called? */
};

struct hsm_key_message {
	uint64_t slot, rv, call, found, type, length;
	uint64_t sensitive, extractable; /* 0 or 1: a bool may not hold what a stranger wrote */
};

/* Why nothing can follow. */
struct hsm_stop_message {
	uint64_t end; /* enum hsm_end */
	uint64_t rv;
	char text[HSM_TEXT_SIZE]; /* a clause for the verdict, or what dlerror(3) says */
};

enum hsm_permission { HSM_WAIT, HSM_GO_ON, HSM_GO_NO_FURTHER };

/* What both see. */
struct hsm_shared {
	volatile uint32_t call; /* enum hsm_call */
	volatile uint32_t lost; /* the pipe was not there any more */
	uint32_t permission;    /* enum hsm_permission; futex(2) */
};

/* In the child. */
struct hsm_sender {
	int fd;
	dev_t dev;
	ino_t ino;
	struct hsm_shared *shared;
};

bool hsm_sender_start(struct hsm_sender *s, int fd, struct hsm_shared *shared);
/* Ends the process when the pipe is lost: nobody would read it. */
void hsm_send(const struct hsm_sender *s, enum hsm_message kind, const void *body, size_t length);
/* Says HSM_MESSAGE_LOADED and waits; false: not a step further. */
bool hsm_send_and_wait(const struct hsm_sender *s);

/* In the parent. */
struct hsm_listener {
	/* Set by the caller. */
	unsigned char nonce[HSM_NONCE_SIZE];
	int root;                  /* the tree that objects are looked for in */
	struct report *report;     /* borrowed; gets the notes as they come; may be NULL */
	struct hsm_answer *answer; /* borrowed; slots, key and info are filled */
	struct hsm_shared *shared; /* borrowed */
	/* What has come. */
	size_t bytes, objects, notes;
	struct hsm_stop_message stop;
	bool stopped;          /* `stop` has come */
	struct fault distrust; /* FAULT_NONE, or what is wrong with an object that was loaded */
};

/* For proc/child.h; `listener` is a struct hsm_listener.  PROC_CHILD_ALL is for the nonce. */
enum proc_child_answer hsm_listen(void *listener, const struct proc_message *message);

#endif
