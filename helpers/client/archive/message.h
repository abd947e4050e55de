/*
 * client/archive/message: what the process that reads an archive tells the one that judges and writes.
 *
 * Messages of proc/message, in this order: a format; then members, each of a file followed by its content in pieces,
 * as many bytes as its size says; MESSAGE_END as the last.  A member of type MEMBER_ARCHIVE has no content of its own:
 * a format and the members that it holds follow, up to MESSAGE_INNER_END.  A fault may come at any place and ends all.
 *
 * Promise: whoever takes a message apart believes no number in it; what is malformed is no message (-1).
 */
#ifndef OKV_CLIENT_ARCHIVE_MESSAGE_H
#define OKV_CLIENT_ARCHIVE_MESSAGE_H

#include "client/archive/member.h"
#include "base/fault.h"
#include "base/text.h"
#include "proc/message.h"

enum message_kind {
	MESSAGE_FORMAT = 1, /* "tar.gz" */
	MESSAGE_MEMBER,
	MESSAGE_CONTENT,
	MESSAGE_INNER_END,
	MESSAGE_END,
	MESSAGE_FAULT,
};

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Gathers messages, so that a small file costs no call of its own. */
struct message_writer {
	int fd; /* borrowed */
	struct text gathered;
};

int message_send(struct message_writer *w, enum message_kind kind, const void *bytes, size_t length, struct fault *f);
/* Names beyond the limit are sent cut, but longer than the limit, so that they are refused for it. */
int message_send_member(struct message_writer *w, const struct member *member, struct fault *f);
int message_flush(struct message_writer *w, struct fault *f);
/* The last thing that is said; what was gathered goes before it.  Cannot fail: nobody would hear of it. */
void message_send_fault(struct message_writer *w, const struct fault *fault);

/* --- receiving ---------------------------------------------------------------------------------------------------- */

/* Name and target point into the message. */
int message_take_member(const struct proc_message *message, struct member *ret_member);
/* Fills *f with what the other side said. */
int message_take_fault(const struct proc_message *message, struct fault *f);

#endif
