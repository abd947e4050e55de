#include "client/archive/inflate.h"

#include <string.h>

#include "client/archive/inflate_fast.h"
#include "client/archive/inflate_table.h"

enum { PRECODE_SYMBOLS = 19, PRECODE_BITS = 7 };

enum { STATE_HEADER, STATE_STORED, STATE_CODES, STATE_ENDED };

static int damaged(struct fault *f, const char *what)
{
	return fault_refused(f, "damaged: %s", what);
}

/* --- bits, one byte at a time: at the edges of input and output, and for headers ---------------------------------- */

static int more(struct stream *in, struct fault *f)
{
	if (stream_fill(in, f) < 0)
		return -1;
	return in->at < in->end ? 0 : damaged(f, "the compressed data ends too early");
}

static int byte_take(struct inflate *z, struct fault *f)
{
	struct stream *in = z->input;

	if (in->at == in->end && more(in, f) < 0)
		return -1;
	z->bits |= (uint64_t)*in->at++ << z->bit_count;
	z->bit_count += 8;
	return 0;
}

static int bits_take(struct inflate *z, unsigned count, unsigned *ret_value, struct fault *f)
{
	while (z->bit_count < count)
		if (byte_take(z, f) < 0)
			return -1;
	*ret_value = (unsigned)(z->bits & ((1U << count) - 1));
	z->bits >>= count;
	z->bit_count -= count;
	return 0;
}

/* Takes no more bytes than the code needs, so that nothing behind the stream's end is touched. */
static int code_take(struct inflate *z, const uint32_t *table, unsigned width, uint32_t *ret_entry, struct fault *f)
{
	for (;;) {
		uint32_t entry = table[z->bits & ((1U << width) - 1)];
		unsigned needed = INFLATE_ENTRY_BITS(entry) -
				  ((entry & INFLATE_ENTRY_LINK) != 0 ? 0 : INFLATE_ENTRY_EXTRA(entry));

		if ((entry & INFLATE_ENTRY_LINK) != 0 && needed <= z->bit_count) {
			entry = table[INFLATE_ENTRY_VALUE(entry) +
				      (z->bits >> width & ((1U << INFLATE_ENTRY_EXTRA(entry)) - 1))];
			needed = width + INFLATE_ENTRY_BITS(entry) - INFLATE_ENTRY_EXTRA(entry);
		}
		/* A hole in the code may be a code whose bits are not all here yet. */
		if (entry != 0 && needed <= z->bit_count) {
			z->bits >>= needed;
			z->bit_count -= needed;
			*ret_entry = entry;
			return 0;
		}
		if (z->bit_count >= INFLATE_CODE_BITS_MAX)
			return damaged(f, "the compressed data has a code that is none");
		if (byte_take(z, f) < 0)
			return -1;
	}
}

static int codes_read(struct inflate *z, struct fault *f)
{
	static const uint8_t order[PRECODE_SYMBOLS] = {
		16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15
	};
	uint8_t lengths[INFLATE_LITERAL_SYMBOLS + INFLATE_DISTANCE_SYMBOLS] = { 0 }, pre[PRECODE_SYMBOLS] = { 0 };
	uint32_t *const precode = z->distance_table; /* free until the code itself is made */
	unsigned literals, distances, pres;

	if (bits_take(z, 5, &literals, f) < 0 || bits_take(z, 5, &distances, f) < 0 || bits_take(z, 4, &pres, f) < 0)
		return -1;
	literals += INFLATE_FIRST_LENGTH;
	distances += 1;
	pres += 4;
	if (literals > 286 || distances > 30)
		return damaged(f, "a block has more codes than the format knows");
	for (unsigned i = 0; i < pres; i++) {
		unsigned length;
		if (bits_take(z, 3, &length, f) < 0)
			return -1;
		pre[order[i]] = (uint8_t)length;
	}
	if (!inflate_table_make(precode, INFLATE_DISTANCE_SIZE, PRECODE_BITS, pre, PRECODE_SYMBOLS,
				INFLATE_CODE_LENGTHS))
		return damaged(f, "a block's code of code lengths is not complete");

	for (unsigned i = 0; i < literals + distances;) {
		uint32_t entry;
		unsigned times = 1, value;

		if (code_take(z, precode, PRECODE_BITS, &entry, f) < 0)
			return -1;
		value = INFLATE_ENTRY_VALUE(entry);
		if (value == 16) {
			if (i == 0)
				return damaged(f, "a block's code lengths repeat what is not there");
			value = lengths[i - 1];
			if (bits_take(z, 2, &times, f) < 0)
				return -1;
			times += 3;
		} else if (value >= 17) {
			if (bits_take(z, value == 17 ? 3 : 7, &times, f) < 0)
				return -1;
			times += value == 17 ? 3 : 11;
			value = 0;
		}
		if (times > literals + distances - i)
			return damaged(f, "a block has more code lengths than codes");
		for (; times > 0; times--)
			lengths[i++] = (uint8_t)value;
	}
	if (lengths[INFLATE_END_OF_BLOCK] == 0)
		return damaged(f, "a block has no end");
	if (!inflate_table_make(z->literal_table, INFLATE_LITERAL_SIZE, INFLATE_LITERAL_BITS, lengths, literals,
				INFLATE_LITERALS) ||
	    !inflate_table_make(z->distance_table, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCE_BITS, lengths + literals,
				distances, INFLATE_DISTANCES))
		return damaged(f, "a block's code is not complete");
	return 0;
}

static int codes_fixed(struct inflate *z, struct fault *f)
{
	uint8_t lengths[INFLATE_LITERAL_SYMBOLS];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	bool fine = inflate_table_make(z->literal_table, INFLATE_LITERAL_SIZE, INFLATE_LITERAL_BITS, lengths,
				       INFLATE_LITERAL_SYMBOLS, INFLATE_LITERALS);
	memset(lengths, 5, INFLATE_DISTANCE_SYMBOLS);
	fine = inflate_table_make(z->distance_table, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCE_BITS, lengths,
				  INFLATE_DISTANCE_SYMBOLS, INFLATE_DISTANCES) &&
	       fine;
	return fine ? 0 : fault_system(f, 0, "the fixed code cannot be made");
}

static int padding_check(struct inflate *z, struct fault *f)
{
	if (z->bits != 0)
		return damaged(f, "the bits that fill up a byte are not zero");
	z->bit_count = 0;
	return 0;
}

static int block_start(struct inflate *z, struct fault *f)
{
	unsigned last, kind;

	if (bits_take(z, 1, &last, f) < 0 || bits_take(z, 2, &kind, f) < 0)
		return -1;
	z->last_block = last != 0;
	switch (kind) {
	case 0: {
		unsigned length, inverse;
		if (padding_check(z, f) < 0 || bits_take(z, 16, &length, f) < 0 || bits_take(z, 16, &inverse, f) < 0)
			return -1;
		if (length != (~inverse & 0xffff))
			return damaged(f, "a stored block contradicts its own length");
		z->stored = length;
		z->state = STATE_STORED;
		return 0;
	}
	case 1:
		z->state = STATE_CODES;
		return codes_fixed(z, f);
	case 2:
		z->state = STATE_CODES;
		return codes_read(z, f);
	default:
		return damaged(f, "a block is of no known kind");
	}
}

static int block_end(struct inflate *z, struct fault *f)
{
	z->state = STATE_HEADER;
	if (!z->last_block)
		return 0;
	z->state = STATE_ENDED;
	return padding_check(z, f);
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static int stored_copy(struct inflate *z, unsigned char *window, size_t *at, size_t limit, struct fault *f)
{
	struct stream *in = z->input;

	while (z->stored > 0 && *at < limit) {
		if (in->at == in->end && more(in, f) < 0)
			return -1;
		size_t length = (size_t)(in->end - in->at);
		length = length < z->stored ? length : z->stored;
		length = length < limit - *at ? length : limit - *at;
		memcpy(window + *at, in->at, length);
		in->at += length;
		*at += length;
		z->stored -= (uint32_t)length;
	}
	return 0;
}

/* The rest of a match, as far as there is room. */
static void match_copy(struct inflate *z, unsigned char *window, size_t *at, size_t limit)
{
	for (; z->match_length > 0 && *at < limit; z->match_length--, (*at)++)
		window[*at] = window[*at - z->match_distance];
}

/* One symbol; *ret_ended with the end of the block. */
static int symbol_slow(struct inflate *z, unsigned char *window, size_t *at, size_t limit, bool *ret_ended,
		       struct fault *f)
{
	uint32_t entry;
	unsigned extra;

	if (code_take(z, z->literal_table, INFLATE_LITERAL_BITS, &entry, f) < 0)
		return -1;
	if ((entry & INFLATE_ENTRY_LITERAL) != 0) {
		window[(*at)++] = (unsigned char)INFLATE_ENTRY_VALUE(entry);
		return 0;
	}
	if ((entry & INFLATE_ENTRY_END) != 0) {
		*ret_ended = true;
		return 0;
	}
	if (bits_take(z, INFLATE_ENTRY_EXTRA(entry), &extra, f) < 0)
		return -1;
	const uint32_t length = INFLATE_ENTRY_VALUE(entry) + extra;
	if (code_take(z, z->distance_table, INFLATE_DISTANCE_BITS, &entry, f) < 0 ||
	    bits_take(z, INFLATE_ENTRY_EXTRA(entry), &extra, f) < 0)
		return -1;
	const uint32_t distance = INFLATE_ENTRY_VALUE(entry) + extra;
	if (distance > *at)
		return damaged(f, "a match reaches back before the beginning");
	z->match_length = length;
	z->match_distance = distance;
	match_copy(z, window, at, limit);
	return 0;
}

void inflate_start(struct inflate *z, struct stream *input)
{
	z->input = input;
	z->bits = 0;
	z->bit_count = 0;
	z->state = STATE_HEADER;
	z->last_block = false;
	z->stored = z->match_length = z->match_distance = 0;
}

bool inflate_ended(const struct inflate *z)
{
	return z->state == STATE_ENDED;
}

int inflate_run(struct inflate *z, unsigned char *window, size_t *at, size_t limit, struct fault *f)
{
	match_copy(z, window, at, limit);
	while (z->state != STATE_ENDED) {
		switch (z->state) {
		case STATE_HEADER:
			if (block_start(z, f) < 0)
				return -1;
			continue;
		case STATE_STORED:
			if (stored_copy(z, window, at, limit, f) < 0)
				return -1;
			if (z->stored > 0)
				return 0;
			if (block_end(z, f) < 0)
				return -1;
			continue;
		default:
			break;
		}

		bool ended = false;
		if (limit - *at >= INFLATE_FAST_OUTPUT && z->input->end - z->input->at >= INFLATE_FAST_INPUT) {
			const int r = inflate_fast(z, window, at, limit, f);
			if (r < 0)
				return -1;
			ended = r > 0;
		}
		if (!ended) {
			if (*at == limit)
				return 0;
			if (symbol_slow(z, window, at, limit, &ended, f) < 0)
				return -1;
		}
		if (ended && block_end(z, f) < 0)
			return -1;
	}
	return 0;
}
