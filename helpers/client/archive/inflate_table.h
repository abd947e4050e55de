/*
 * client/archive/inflate_table: a canonical code (RFC 1951, 3.2.2) as a table to look symbols up in.
 *
 * Promise: a table is made only of a code that is complete, so that every input is a symbol, but for the one exception
 * that real encoders use: a single code of one bit, or none at all, for literals or distances.  It takes no more room
 * than it was given.
 */
#ifndef OKV_CLIENT_ARCHIVE_INFLATE_TABLE_H
#define OKV_CLIENT_ARCHIVE_INFLATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A table entry:
 *   bits 0-5    how many bits of input it stands for at this level, extra bits included
 *   bits 8-11   how many of them are extra bits, which come last
 *   bits 12-15  what it is
 *   bits 16-31  the literal, the base of a length or distance, or where the second table begins
 * A LINK has in bits 8-11 the index width of its second table.  Zero is no code at all.
 */
enum {
	INFLATE_ENTRY_LITERAL = 1 << 12,
	INFLATE_ENTRY_BASE = 1 << 13,
	INFLATE_ENTRY_LINK = 1 << 14,
	INFLATE_ENTRY_END = 1 << 15
};

#define INFLATE_ENTRY(kind, value, extra) \
	((uint32_t)(value) << 16 | (uint32_t)(kind) | (uint32_t)(extra) << 8 | (uint32_t)(extra))
#define INFLATE_ENTRY_TO_TABLE(second, width) \
	((uint32_t)(second) << 16 | (uint32_t)INFLATE_ENTRY_LINK | (uint32_t)(width) << 8)
#define INFLATE_ENTRY_BITS(entry)  ((entry)&63)
#define INFLATE_ENTRY_EXTRA(entry) ((entry) >> 8 & 15)
#define INFLATE_ENTRY_VALUE(entry) ((entry) >> 16)

enum {
	INFLATE_CODE_BITS_MAX = 15,
	INFLATE_LITERAL_SYMBOLS = 288,
	INFLATE_DISTANCE_SYMBOLS = 32,
	INFLATE_END_OF_BLOCK = 256,
	INFLATE_FIRST_LENGTH = 257,
	INFLATE_MATCH_MAX = 258,
};

enum inflate_alphabet {
	INFLATE_LITERALS, /* and lengths of matches, and the end of the block */
	INFLATE_DISTANCES,
	INFLATE_CODE_LENGTHS, /* what a block's own codes are told in */
};

/* `lengths` of `symbols` codes, 0 for one that is not used; the first table is indexed by `width` bits. */
bool inflate_table_make(uint32_t *table, size_t size, unsigned width, const uint8_t *lengths, unsigned symbols,
			enum inflate_alphabet alphabet);

#endif
