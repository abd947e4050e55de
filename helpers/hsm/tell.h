/*
 * hsm/tell: how the child with the library in it and its parent talk.
 *
 * Promise: records over one pipe, each with its kind and length; the parent checks both and believes neither texts nor
 * counts, since a library may write into any descriptor it finds.  Only a record that repeats the parent's random
 * token says "that was all".  Beside the pipe there is one shared page, the board: which call is under way, so that
 * the parent can name it when nothing more is said.  Before each write the child looks whether the descriptor still
 * is the pipe; when a library closed it (and perhaps opened something else in its place), nothing is written.
 */
#ifndef OKV_HSM_TELL_H
#define OKV_HSM_TELL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "hsm/names.h"
#include "hsm/probe.h"
#include "proc/child.h"

enum {
	TELL_TOKEN_SIZE = 16,
	TELL_TEXT_SIZE = 256,
	TELL_LENGTH_MAX = 2048,            /* of one record */
	TELL_TOTAL_MAX = 64 * 1024 * 1024, /* of all */
};

enum tell_kind { TELL_INFO = 1, TELL_SLOT, TELL_MECHANISM, TELL_INTERFACE, TELL_KEY, TELL_NOTE, TELL_STOP, TELL_ALL };

struct hsm_board {
	volatile uint32_t call; /* enum hsm_call */
	volatile uint32_t lost; /* the pipe was not there any more */
};

/* Bodies that are not a struct of hsm/probe.h or hsm/cryptoki.h as it stands. */
struct tell_mechanism {
	uint64_t slot_index;
	struct hsm_mechanism mechanism;
};

struct tell_key {
	uint64_t slot, rv, call, found, type, length;
	uint64_t sensitive, extractable, tried, encrypted; /* 0 or 1: a bool may not hold what a stranger wrote */
};

struct tell_stop {
	uint64_t end; /* enum hsm_end */
	uint64_t rv;
	char text[TELL_TEXT_SIZE]; /* a clause for the verdict */
};

/* In the child. */
struct teller {
	int fd;
	dev_t dev;
	ino_t ino;
	struct hsm_board *board; /* shared */
};

bool hsm_teller_start(struct teller *t, int fd, struct hsm_board *board);
/* Ends the process when the pipe is lost: nobody could hear us. */
void hsm_teller_tell(const struct teller *t, enum tell_kind kind, const void *body, size_t length);

/* In the parent. */
struct tell_listener {
	unsigned char token[TELL_TOKEN_SIZE]; /* set by the caller */
	struct hsm_answer *answer;            /* borrowed; slots, key, info and interfaces are filled */
	size_t total;
	struct tell_stop stop;
	bool stopped;      /* `stop` was told */
	struct text notes; /* lines; warnings about the library's habits */
};

/* For proc/child.h; `listener` is a struct tell_listener.  All is told when the token came. */
enum proc_child_answer hsm_tell_hear(void *listener, const struct proc_message *message);
void hsm_tell_listener_done(struct tell_listener *l);

#endif
