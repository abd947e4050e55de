/*
 * client/archive/decode: the decoder reads archives, judges every member and hands out the work.
 *
 * Promise: runs in a sandbox that lets it open nothing.  Every archive is read to its true end and every checksum in
 * it is compared, by it or by a placer.  Archives inside are read as streams.  Directories, links and
 * totals are noted to the keeper; files are sent to the placers, whole and each to one.
 */
#ifndef OKV_CLIENT_ARCHIVE_DECODE_H
#define OKV_CLIENT_ARCHIVE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "client/archive/dispatch.h"
#include "client/archive/limits.h"
#include "client/archive/pipe.h"
#include "base/fault.h"

struct decode {
	const int *archives;      /* descriptors, */
	const char *const *names; /* and what to call them */
	size_t archive_count;
	int placers[DISPATCH_PLACERS]; /* job pipes */
	struct pipe_writer *notes;
	struct limits limits;
	mode_t (*mode_of)(const char *path); /* the policy for files */
};

int decode_run(const struct decode *decode, struct fault *f);

#endif
