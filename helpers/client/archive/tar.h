/*
 * client/archive/tar: reads tar archives (POSIX ustar and pax, GNU, and the old format without a magic).
 *
 * Promise: gives each member's name, link target and size exactly as the archive defines them, or FAULT_REFUSED.
 * Nothing is repaired or guessed: where two readers could understand a header differently (a GNU long name and a
 * pax path for one member, bytes behind the end of a name, a size on something that has no content, numbers that
 * are none, a header checksum that is wrong) there is no member.  The archive must end with two blocks of zeros
 * and have nothing but zeros after them; so must each member after its content.
 *
 * Why not libarchive's reader: it passes over most of these, and in the C locale it cannot give names that are
 * not ASCII.
 */
#ifndef OKV_CLIENT_ARCHIVE_TAR_H
#define OKV_CLIENT_ARCHIVE_TAR_H

#include <stdbool.h>

#include "client/archive/limits.h"
#include "client/archive/member.h"
#include "client/archive/stream.h"
#include "base/fault.h"

enum { TAR_BLOCK = 512, TAR_EXTENDED_MAX = 65536 };

struct tar {
	struct stream *source; /* borrowed */
	uint64_t content_left; /* of the present member; its reader takes it through tar_content */
	unsigned padding;      /* zeros that follow it */
	unsigned extended_in_a_row;
	bool named; /* `name` is that of the coming member already, and not of the one before */
	size_t name_length, target_length;
	unsigned char name[LIMITS_PATH + 2];
	unsigned char target[LIMITS_PATH + 2];
	unsigned char extended[TAR_EXTENDED_MAX];
};

void tar_start(struct tar *tar, struct stream *source);
/* Is this a first block of a tar archive? */
bool tar_recognise(const unsigned char block[TAR_BLOCK]);
/*
 * The next member: 1, or 0 at the end, which has then been read to its very last byte; -1.  Skips what is left of
 * the one before.  A name longer than the limit is given cut, but longer than the limit, so that it is refused.
 */
int tar_next(struct tar *tar, struct member *ret_member, struct fault *f);
/* The next piece of the member's content, borrowed until the next call; length 0 at its end. */
int tar_content(struct tar *tar, const unsigned char **ret_bytes, size_t *ret_length, struct fault *f);

#endif
