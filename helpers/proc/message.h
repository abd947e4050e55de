/*
 * proc/message: framed messages over a pipe, between a child and its parent.
 *
 * On the wire: kind and length (32 bits each, in host byte order, since both ends are on this machine), then `length`
 * bytes, at most PROC_MESSAGE_MAX.
 *
 * Promise: a writer sends a whole message or fails.  A reader is fed bytes in any pieces and hands out each message
 * once it is complete.  It trusts nothing from the other side: a length over the limit breaks the stream for good.
 * What the bytes mean, and whether a string in them ends with a NUL, is for the caller to check.
 */
#ifndef OKV_PROC_MESSAGE_H
#define OKV_PROC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { PROC_MESSAGE_MAX = 16 * 1024 };

struct proc_message {
	uint32_t kind;
	size_t length;
	const void *bytes; /* the reader's, valid until its next call; not aligned: use memcpy(3) */
};

/* 0, or -1 and errno: EMSGSIZE if it is too long (nothing is sent), or that of write(2). */
int proc_message_write(int fd, uint32_t kind, const void *bytes, size_t length);

/* Appends a message to `text`, to be written later; a message that is too long marks the text as failed. */
void proc_message_add(struct text *text, uint32_t kind, const void *bytes, size_t length);

/* Starts as { 0 }. */
struct proc_message_reader {
	struct text pending;
	size_t used; /* bytes of `pending` that have been handed out */
	bool broken;
};

void proc_message_reader_add(struct proc_message_reader *reader, const void *bytes, size_t length);
/* 1: *ret_message is the next message; 0: more bytes are needed; -1: the stream is broken, or no memory. */
int proc_message_reader_next(struct proc_message_reader *reader, struct proc_message *ret_message);
void proc_message_reader_done(struct proc_message_reader *reader);

#endif
