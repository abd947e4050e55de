/*
 * client/archive/limits: how much an archive may ask for.
 *
 * Promise: each limit is a number here and nowhere else; what passes one is FAULT_REFUSED, before it is written.
 */
#ifndef OKV_CLIENT_ARCHIVE_LIMITS_H
#define OKV_CLIENT_ARCHIVE_LIMITS_H

#include <stdint.h>

enum {
	LIMITS_PATH = 1023,     /* bytes of a member's whole name */
	LIMITS_COMPONENT = 255, /* bytes of one part of it: NAME_MAX */
	LIMITS_DEPTH = 32,      /* parts of it */
	LIMITS_LINKS = 8,       /* links that a link may pass until it ends at a file */
	LIMITS_LINK_COUNT = 4096,
	LIMITS_RATIO = 100, /* unpacked bytes for one packed byte, */
};
#define LIMITS_RATIO_FREE ((uint64_t)64 << 20) /* beyond what a small archive of zeros may have */

struct limits {
	uint64_t bytes;   /* unpacked, all in all */
	uint64_t entries; /* files, directories and links, those included that are only implied */
	uint64_t room;    /* what the file system can take; passing it is FAULT_SYSTEM */
};

#define LIMITS_DEFAULT \
	{ \
		.bytes = (uint64_t)4 << 30, .entries = 50000, .room = UINT64_MAX \
	}

#endif
