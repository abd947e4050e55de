/*
 * client/archive/inflate_fast: decodes symbols as long as neither end of input or output is near.
 *
 * Promise: gives what decoding symbol by symbol would give.  Reads no byte behind input->end, and writes none at or
 * behind `limit`; bytes between *at and `limit` may be written over.
 */
#ifndef OKV_CLIENT_ARCHIVE_INFLATE_FAST_H
#define OKV_CLIENT_ARCHIVE_INFLATE_FAST_H

#include <stddef.h>

#include "client/archive/inflate.h"
#include "client/archive/inflate_table.h"
#include "base/fault.h"

/* Room for output and input at hand, without which it must not be called: copies write 16 bytes, loads read 8. */
enum { INFLATE_FAST_OUTPUT = 3 + INFLATE_MATCH_MAX + 32, INFLATE_FAST_INPUT = 24 };

/* 1: the block has ended; 0: an end is near; -1: damage. */
int inflate_fast(struct inflate *z, unsigned char *window, size_t *at, size_t limit, struct fault *f);

#endif
