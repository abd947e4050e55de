/*
 * proc/message: whole messages over a pipe: what every child of ours tells its parent by.
 *
 * On the wire: kind and length (32 bits each, as the machine stores them; both sides are this process or its child),
 * then `length` bytes, at most PROC_MESSAGE_MAX.
 *
 * Promise: a writer sends a whole message or fails; a reader is given the bytes in whatever pieces they come, hands
 * out each message once it is whole, and believes nothing that the other side says: with a length beyond the limit the
 * stream is broken for good.  What the bytes mean, and whether a NUL is among them, is the caller's to check.
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
	const void *bytes; /* borrowed from the reader until its next call, and not aligned: memcpy(3) what is in it */
};

/* 0, or -1 and errno: EMSGSIZE when it is too long (nothing is sent), or what write(2) says. */
int proc_message_write(int fd, uint32_t kind, const void *bytes, size_t length);

/* Appends it to what the caller writes later; one that is too long marks the text as failed. */
void proc_message_add(struct text *text, uint32_t kind, const void *bytes, size_t length);

/* Starts as { 0 }. */
struct proc_message_reader {
	struct text pending;
	size_t used; /* bytes of `pending` that were handed out */
	bool broken;
};

void proc_message_reader_add(struct proc_message_reader *reader, const void *bytes, size_t length);
/* 1: *ret_message is the next one; 0: it takes more bytes; -1: the stream is broken, or memory ran out. */
int proc_message_reader_next(struct proc_message_reader *reader, struct proc_message *ret_message);
void proc_message_reader_done(struct proc_message_reader *reader);

#endif
