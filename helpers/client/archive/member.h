/*
 * client/archive/member: what an archive says about one of its members, before anybody has judged it.
 */
#ifndef OKV_CLIENT_ARCHIVE_MEMBER_H
#define OKV_CLIENT_ARCHIVE_MEMBER_H

#include <stddef.h>
#include <stdint.h>

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

#endif
