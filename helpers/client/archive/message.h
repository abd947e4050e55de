/*
 * client/archive/message: what the process that reads an archive tells the one that judges and writes.
 *
 * Messages of proc/message, in this order: a format; then members, each of a file followed by its content in pieces,
 * as many bytes as its size says; MESSAGE_END as the last.  A member of type MEMBER_ARCHIVE has no content of its own:
 * a format and the members that it holds follow, up to MESSAGE_INNER_END.  A fault is told as every worker's
 * (proc/worker), at any place, and ends all.
 *
 * Promise: whoever takes a message apart believes no number in it; what is malformed is no message (-1).
 */
#ifndef OKV_CLIENT_ARCHIVE_MESSAGE_H
#define OKV_CLIENT_ARCHIVE_MESSAGE_H

#include "client/archive/member.h"
#include "base/text.h"
#include "proc/message.h"

enum message_kind {
	MESSAGE_FORMAT = 1, /* "tar.gz" */
	MESSAGE_MEMBER,
	MESSAGE_CONTENT,
	MESSAGE_INNER_END,
	MESSAGE_END,
};

/* Appends the message.  A name beyond the limit is sent cut, but longer than it, so that it is refused for that. */
void message_add_member(struct text *out, const struct member *member);
/* Name and target point into the message. */
int message_take_member(const struct proc_message *message, struct member *ret_member);

#endif
