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

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "proc/message.h"

/* --- what an archive says about one of its members, before anybody has judged it ---------------------------------- */

enum member_type {
	MEMBER_FILE,
	MEMBER_ARCHIVE, /* a file that is read through: the cloud client's own inner tar */
	MEMBER_DIRECTORY,
	MEMBER_LINK, /* symbolic */
	MEMBER_HARD_LINK,
	MEMBER_DEVICE,
	MEMBER_FIFO,
	MEMBER_SOCKET,
	MEMBER_SPARSE,
	MEMBER_UNKNOWN, /* the last one */
};

struct member {
	enum member_type type;
	const unsigned char *name; /* any bytes; borrowed until the next member */
	size_t name_length;
	const unsigned char *target; /* of links; of a file that may have been one, its content; else none */
	size_t target_length;
	uint64_t size; /* of a file's content */
	unsigned mode; /* as the archive has it: judged, never used */
};

/* --- messages ----------------------------------------------------------------------------------------------------- */

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
