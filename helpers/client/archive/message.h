/*
 * client/archive/message: messages from the process that reads an archive to the one that judges and writes.
 *
 * Messages of proc/message, in this order: a format; then members, each file followed by its content in pieces, as many
 * bytes as its size says; finally MESSAGE_END.  A member of type MEMBER_ARCHIVE has no content: a format and its
 * members follow, up to MESSAGE_INNER_END.  A fault can come at any place, in the same way as from every worker
 * (proc/worker), and ends the stream.
 *
 * Promise: decoding trusts no number in a message; a malformed one is -1.
 */
#ifndef OKV_CLIENT_ARCHIVE_MESSAGE_H
#define OKV_CLIENT_ARCHIVE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "proc/message.h"

/* --- a member as the archive describes it, before it is judged ---------------------------------------------------- */

enum member_type {
	MEMBER_FILE,
	MEMBER_ARCHIVE, /* a file whose members are sent: the cloud client's inner tar */
	MEMBER_DIRECTORY,
	MEMBER_LINK, /* symbolic link */
	MEMBER_HARD_LINK,
	MEMBER_DEVICE,
	MEMBER_FIFO,
	MEMBER_SOCKET,
	MEMBER_SPARSE,
	MEMBER_UNKNOWN, /* must be last */
};

struct member {
	enum member_type type;
	const unsigned char *name; /* any bytes; valid until the next member */
	size_t name_length;
	const unsigned char *target; /* of links; of a file that may be a damaged link, its content; else none */
	size_t target_length;
	uint64_t size; /* of a file */
	unsigned mode; /* as in the archive: checked, but never applied */
};

/* --- messages ----------------------------------------------------------------------------------------------------- */

enum message_kind {
	MESSAGE_FORMAT = 1, /* "tar.gz" */
	MESSAGE_MEMBER,
	MESSAGE_CONTENT,
	MESSAGE_INNER_END,
	MESSAGE_END,
};

/* Appends the message.  A name over the limit is truncated to one that is still over it, and so still refused. */
void message_add_member(struct text *out, const struct member *member);
/* Decodes a member; name and target point into the message. */
int message_take_member(const struct proc_message *message, struct member *ret_member);

#endif
