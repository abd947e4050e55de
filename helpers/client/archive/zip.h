/*
 * client/archive/zip: reads zip archives from their central directory, and believes it only where all else agrees.
 *
 * Promise: every byte of the file is accounted for.  The members lie one after the other from the first byte to the
 * central directory, each local header says the same as its directory entry, the directory ends where the end
 * record begins and the end record (with its comment) where the file ends.  So there is one way to read it, and
 * whatever reads the other half (streaming unzippers) would see the same.  Stored and deflated members only; no
 * encryption, no zip64, no second disk (PKWARE APPNOTE 6.3.10).
 */
#ifndef OKV_CLIENT_ARCHIVE_ZIP_H
#define OKV_CLIENT_ARCHIVE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/archive/limits.h"
#include "client/archive/member.h"
#include "client/archive/stream.h"
#include "base/fault.h"

/* Where a member's packed bytes lie: all that is needed to unpack it somewhere else. */
struct zip_place {
	uint64_t offset, packed, size;
	uint32_t crc;
	int method; /* 0 stored, 8 deflated */
};

struct zip {
	int fd;                                       /* borrowed */
	uint64_t directory_at, directory_end, end_at; /* offsets in the file */
	uint64_t at;                                  /* of the next directory entry */
	uint64_t local_at;                            /* where the next member must begin */
	unsigned entries, entries_read;
	unsigned char name[65536];
	unsigned char target[LIMITS_PATH + 2];
};

/* Finds and checks the end record. */
int zip_start(struct zip *zip, int fd, struct fault *f);
/* The next member, 1; 0 when all agreed to the end; -1.  A symbolic link's target is read here. */
int zip_next(struct zip *zip, struct member *ret_member, struct zip_place *ret_place, struct fault *f);
/* Goes back to the first member. */
void zip_rewind(struct zip *zip);
/* Its content, by a descriptor of the same file; checked at its end. */
int zip_open(int fd, const struct zip_place *place, struct stream **ret_stream, struct stream **ret_inner,
	     struct fault *f);

#endif
