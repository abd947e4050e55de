/*
 * client/archive/inflate: decodes DEFLATE (RFC 1951), a part at a time.
 *
 * Promise: gives exactly the bytes the format defines or says what is wrong, never reads past the input it was
 * given nor writes past the output, whatever the input is.  Stricter than it need be where damage would otherwise
 * go unseen: the bits that pad the last byte must be zero, and so must those before a stored block.
 *
 * Why not zlib's: it is what libarchive runs, and libarchive does not look at what gzip says about the result; and
 * decoding takes most of the time of an installation.  `make bench` prints both.
 */
#ifndef OKV_CLIENT_ARCHIVE_INFLATE_H
#define OKV_CLIENT_ARCHIVE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/archive/stream.h"
#include "base/fault.h"

enum {
	INFLATE_WINDOW = 32768,    /* how far back a match may reach */
	INFLATE_LITERAL_BITS = 11, /* index of the first table of literals and lengths */
	INFLATE_DISTANCE_BITS = 8,
	INFLATE_LITERAL_SIZE = 2400, /* no code of 288 symbols of at most 15 bits needs more than 2342 */
	INFLATE_DISTANCE_SIZE = 416, /* nor one of 32 symbols more than 402 */
};

struct inflate {
	struct stream *input; /* borrowed */
	uint64_t bits;
	unsigned bit_count; /* at most 7 between calls */
	int state;
	bool last_block;
	uint32_t stored;       /* bytes left of a stored block */
	uint32_t match_length; /* left of a match that the output had no room for */
	uint32_t match_distance;
	uint32_t literal_table[INFLATE_LITERAL_SIZE];
	uint32_t distance_table[INFLATE_DISTANCE_SIZE];
};

/* Begins at the input's present place, which must be the first byte of a DEFLATE stream. */
void inflate_start(struct inflate *z, struct stream *input);
/*
 * Decodes into window[*at..limit), whose bytes before *at are the output so far, or the last INFLATE_WINDOW bytes
 * of it, and moves *at.  Comes back when the room is full or the stream has ended (inflate_ended); the input then
 * stands at the byte behind it.  FAULT_REFUSED says what is wrong with the stream.
 */
int inflate_run(struct inflate *z, unsigned char *window, size_t *at, size_t limit, struct fault *f);
bool inflate_ended(const struct inflate *z);

#endif
