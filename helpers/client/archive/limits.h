/*
 * client/archive/limits: limits for the contents of an archive.
 *
 * Promise: every limit is defined here and nowhere else; exceeding one is FAULT_REFUSED, before anything is written.
 */
#ifndef OKV_CLIENT_ARCHIVE_LIMITS_H
#define OKV_CLIENT_ARCHIVE_LIMITS_H

#include <stdint.h>

enum {
	LIMITS_PATH = 1023,     /* bytes of a member's name */
	LIMITS_COMPONENT = 255, /* bytes of one component: NAME_MAX */
	LIMITS_DEPTH = 32,      /* components */
	LIMITS_LINKS = 8,       /* links between a link and its file */
	LIMITS_LINK_COUNT = 4096,
	LIMITS_RATIO = 100, /* unpacked bytes per packed byte */
};
#define LIMITS_RATIO_FREE ((uint64_t)64 << 20) /* unpacked bytes allowed whatever the ratio */

struct limits {
	uint64_t bytes;   /* unpacked, in total */
	uint64_t entries; /* files, directories and links, including implied directories */
	uint64_t room;    /* free space of the file system; exceeding it is FAULT_SYSTEM */
};

#define LIMITS_DEFAULT \
	{ \
		.bytes = (uint64_t)4 << 30, .entries = 50000, .room = UINT64_MAX \
	}

#endif
