#include "archive/inflate.h"

#include <string.h>

enum { CODE_BITS_MAX = 15, LITERAL_SYMBOLS = 288, DISTANCE_SYMBOLS = 32, PRECODE_SYMBOLS = 19, PRECODE_BITS = 7 };
enum { END_OF_BLOCK = 256, FIRST_LENGTH = 257, MATCH_MAX = 258 };

enum { STATE_HEADER, STATE_STORED, STATE_CODES, STATE_ENDED };

/*
 * A table entry:
 *   bits 0-5    how many bits of input it stands for at this level, extra bits included
 *   bits 8-11   how many of them are extra bits, which come last
 *   bits 12-15  what it is
 *   bits 16-31  the literal, the base of a length or distance, or where the second table begins
 * A LINK has in bits 8-11 the index width of its second table.  Zero is no code at all.
 */
enum { ENTRY_LITERAL = 1 << 12, ENTRY_BASE = 1 << 13, ENTRY_LINK = 1 << 14, ENTRY_END = 1 << 15 };

#define ENTRY(kind, value, extra) \
	((uint32_t)(value) << 16 | (uint32_t)(kind) | (uint32_t)(extra) << 8 | (uint32_t)(extra))
#define ENTRY_TO_TABLE(second, width) ((uint32_t)(second) << 16 | (uint32_t)ENTRY_LINK | (uint32_t)(width) << 8)
#define ENTRY_BITS(entry) ((entry) & 63)
#define ENTRY_EXTRA(entry) ((entry) >> 8 & 15)
#define ENTRY_VALUE(entry) ((entry) >> 16)

/* Base and number of extra bits of each symbol (RFC 1951, 3.2.5). */
static const uint16_t length_base[29] = {
	3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
	258,
};
static const uint8_t length_extra[29] = {
	0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
};
static const uint16_t distance_base[30] = {
	1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
	6145, 8193, 12289, 16385, 24577,
};
static const uint8_t distance_extra[30] = {
	0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
};

static int damaged(struct fault *f, const char *what)
{
	return fault_refused(f, "damaged: %s", what);
}

static uint32_t literal_entry(unsigned symbol)
{
	if (symbol < END_OF_BLOCK)
		return ENTRY(ENTRY_LITERAL, symbol, 0);
	if (symbol == END_OF_BLOCK)
		return ENTRY(ENTRY_END, 0, 0);
	if (symbol - FIRST_LENGTH < 29)
		return ENTRY(ENTRY_BASE, length_base[symbol - FIRST_LENGTH], length_extra[symbol - FIRST_LENGTH]);
	return 0;
}

static uint32_t distance_entry(unsigned symbol)
{
	return symbol < 30 ? ENTRY(ENTRY_BASE, distance_base[symbol], distance_extra[symbol]) : 0;
}

static uint32_t plain_entry(unsigned symbol)
{
	return ENTRY(ENTRY_LITERAL, symbol, 0);
}

static unsigned reversed(unsigned code, unsigned length)
{
	unsigned result = 0;

	for (; length > 0; length--, code >>= 1)
		result = result << 1 | (code & 1);
	return result;
}

/*
 * Makes the tables of a canonical code (RFC 1951, 3.2.2).  Codes longer than `width` go to second tables, one for
 * each beginning of `width` bits, as wide as its longest code.  False: more codes than there is room for, or
 * fewer, but for the one exception that real encoders use, a single code of one bit or none at all (`sparse`).
 */
static bool table_make(uint32_t *table, size_t size, unsigned width, const uint8_t *lengths, unsigned symbols,
		       uint32_t (*entry_of)(unsigned), bool sparse)
{
	uint16_t count[CODE_BITS_MAX + 1] = { 0 }, start[CODE_BITS_MAX + 2], sorted[LITERAL_SYMBOLS];

	for (unsigned symbol = 0; symbol < symbols; symbol++)
		count[lengths[symbol]]++;
	const unsigned used = symbols - count[0];
	count[0] = 0;

	int left = 1;
	start[1] = 0;
	for (unsigned length = 1; length <= CODE_BITS_MAX; length++) {
		left = left * 2 - count[length];
		if (left < 0)
			return false;
		start[length + 1] = (uint16_t)(start[length] + count[length]);
	}
	if (left > 0 && !(sparse && (used == 0 || (used == 1 && count[1] == 1))))
		return false;
	for (unsigned symbol = 0; symbol < symbols; symbol++)
		if (lengths[symbol] != 0)
			sorted[start[lengths[symbol]]++] = (uint16_t)symbol;

	size_t filled = (size_t)1 << width;
	if (left > 0)
		memset(table, 0, filled * sizeof(*table));

	unsigned code = 0, length = 1, of_length = count[1];
	size_t second = 0;
	unsigned second_width = 0, prefix = ~0U;
	for (unsigned i = 0; i < used; i++) {
		while (of_length == 0) {
			of_length = count[++length];
			code <<= 1;
		}
		const unsigned index = reversed(code, length);
		const uint32_t entry = entry_of(sorted[i]);

		if (length <= width) {
			for (size_t at = index; at < (size_t)1 << width; at += (size_t)1 << length)
				table[at] = entry != 0 ? entry + length : 0;
		} else {
			if ((index & ((1U << width) - 1)) != prefix) {
				prefix = index & ((1U << width) - 1);
				/* As many bits as the codes that begin here fill up completely. */
				second_width = length - width;
				int room = (1 << second_width) - (int)of_length;
				while (room > 0 && second_width + width < CODE_BITS_MAX) {
					second_width++;
					room = room * 2 - count[second_width + width];
				}
				second = filled;
				filled += (size_t)1 << second_width;
				if (filled > size)
					return false;
				table[prefix] = ENTRY_TO_TABLE(second, second_width) | width;
			}
			for (size_t at = index >> width; at < (size_t)1 << second_width;
			     at += (size_t)1 << (length - width))
				table[second + at] = entry != 0 ? entry + (length - width) : 0;
		}
		code++;
		of_length--;
	}
	return true;
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
		unsigned needed = ENTRY_BITS(entry) - ((entry & ENTRY_LINK) != 0 ? 0 : ENTRY_EXTRA(entry));

		if ((entry & ENTRY_LINK) != 0 && needed <= z->bit_count) {
			entry = table[ENTRY_VALUE(entry) + (z->bits >> width & ((1U << ENTRY_EXTRA(entry)) - 1))];
			needed = width + ENTRY_BITS(entry) - ENTRY_EXTRA(entry);
		}
		/* A hole in the code may be a code whose bits are not all here yet. */
		if (entry != 0 && needed <= z->bit_count) {
			z->bits >>= needed;
			z->bit_count -= needed;
			*ret_entry = entry;
			return 0;
		}
		if (z->bit_count >= CODE_BITS_MAX)
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
	uint8_t lengths[LITERAL_SYMBOLS + DISTANCE_SYMBOLS] = { 0 }, pre[PRECODE_SYMBOLS] = { 0 };
	uint32_t *const precode = z->distance_table; /* free until the code itself is made */
	unsigned literals, distances, pres;

	if (bits_take(z, 5, &literals, f) < 0 || bits_take(z, 5, &distances, f) < 0 || bits_take(z, 4, &pres, f) < 0)
		return -1;
	literals += FIRST_LENGTH;
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
	if (!table_make(precode, INFLATE_DISTANCE_SIZE, PRECODE_BITS, pre, PRECODE_SYMBOLS, plain_entry, false))
		return damaged(f, "a block's code of code lengths is not complete");

	for (unsigned i = 0; i < literals + distances;) {
		uint32_t entry;
		unsigned times = 1, value;

		if (code_take(z, precode, PRECODE_BITS, &entry, f) < 0)
			return -1;
		value = ENTRY_VALUE(entry);
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
	if (lengths[END_OF_BLOCK] == 0)
		return damaged(f, "a block has no end");
	if (!table_make(z->literal_table, INFLATE_LITERAL_SIZE, INFLATE_LITERAL_BITS, lengths, literals, literal_entry,
			true) ||
	    !table_make(z->distance_table, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCE_BITS, lengths + literals, distances,
			distance_entry, true))
		return damaged(f, "a block's code is not complete");
	return 0;
}

static int codes_fixed(struct inflate *z, struct fault *f)
{
	uint8_t lengths[LITERAL_SYMBOLS];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	bool fine = table_make(z->literal_table, INFLATE_LITERAL_SIZE, INFLATE_LITERAL_BITS, lengths, LITERAL_SYMBOLS,
			       literal_entry, false);
	memset(lengths, 5, DISTANCE_SYMBOLS);
	fine = table_make(z->distance_table, INFLATE_DISTANCE_SIZE, INFLATE_DISTANCE_BITS, lengths, DISTANCE_SYMBOLS,
			  distance_entry, false) && fine;
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
	if ((entry & ENTRY_LITERAL) != 0) {
		window[(*at)++] = (unsigned char)ENTRY_VALUE(entry);
		return 0;
	}
	if ((entry & ENTRY_END) != 0) {
		*ret_ended = true;
		return 0;
	}
	if (bits_take(z, ENTRY_EXTRA(entry), &extra, f) < 0)
		return -1;
	const uint32_t length = ENTRY_VALUE(entry) + extra;
	if (code_take(z, z->distance_table, INFLATE_DISTANCE_BITS, &entry, f) < 0 ||
	    bits_take(z, ENTRY_EXTRA(entry), &extra, f) < 0)
		return -1;
	const uint32_t distance = ENTRY_VALUE(entry) + extra;
	if (distance > *at)
		return damaged(f, "a match reaches back before the beginning");
	z->match_length = length;
	z->match_distance = distance;
	match_copy(z, window, at, limit);
	return 0;
}

static inline uint64_t load_64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

/* Room that the copies of the fast loop may write beyond a match, and input that it may load. */
enum { FAST_OUTPUT = 3 + MATCH_MAX + 32, FAST_INPUT = 24 };

/*
 * As long as neither edge is near: no look at the input's end, 8 bytes at once.  Ends the block (1), comes near an
 * edge (0) or finds damage (-1).
 *
 * At the top there are at least 56 bits, and the entry for the next ones is looked up already.  Three literals of the
 * first table take 33; a length takes at most 20 after two of them; then the register is filled again, and a distance
 * takes at most 28, which leaves enough for the entry of the next round.
 */
static inline __attribute__((always_inline)) int symbols_fast(struct inflate *z, unsigned char *window, size_t *ret_at,
							      size_t limit, struct fault *f)
{
	const unsigned char *in = z->input->at;
	const unsigned char *const in_stop = z->input->end - FAST_INPUT;
	unsigned char *out = window + *ret_at;
	unsigned char *const out_stop = window + limit - FAST_OUTPUT;
	const uint32_t *const literals = z->literal_table, *const distances = z->distance_table;
	uint64_t bits = z->bits;
	unsigned count = z->bit_count;
	int result = 0;
	const char *damage = NULL;

#define FILL() (bits |= load_64(in) << count, in += (63 - count) >> 3, count |= 56)
#define DROP(n) (bits >>= (n) & 63, count -= (n) & 63)
#define LOW(value, n) ((value) & (((uint64_t)1 << (n)) - 1))
/* The extra bits of an entry that `from` begins with. */
#define EXTRA(from, entry) (LOW((from), ENTRY_BITS(entry)) >> (ENTRY_BITS(entry) - ENTRY_EXTRA(entry)))

	FILL();
	uint32_t entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
	for (;;) {
		if ((entry & ENTRY_LITERAL) != 0) {
			DROP(entry);
			*out++ = (unsigned char)ENTRY_VALUE(entry);
			entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
			if ((entry & ENTRY_LITERAL) != 0) {
				DROP(entry);
				*out++ = (unsigned char)ENTRY_VALUE(entry);
				entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
				if ((entry & ENTRY_LITERAL) != 0) {
					DROP(entry);
					*out++ = (unsigned char)ENTRY_VALUE(entry);
					if (in > in_stop || out > out_stop)
						break;
					FILL();
					entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
					continue;
				}
			}
		}
		if ((entry & ENTRY_BASE) == 0) {
			if ((entry & ENTRY_LINK) != 0) {
				DROP(INFLATE_LITERAL_BITS);
				entry = literals[ENTRY_VALUE(entry) + LOW(bits, ENTRY_EXTRA(entry))];
			}
			if ((entry & ENTRY_LITERAL) != 0) {
				DROP(entry);
				*out++ = (unsigned char)ENTRY_VALUE(entry);
				if (in > in_stop || out > out_stop)
					break;
				FILL();
				entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
				continue;
			}
			if ((entry & ENTRY_END) != 0) {
				DROP(entry);
				result = 1;
				break;
			}
			if (entry == 0) {
				damage = "the compressed data has a code that is none";
				break;
			}
		}
		uint64_t kept = bits;
		DROP(entry);
		const size_t length = ENTRY_VALUE(entry) + (size_t)EXTRA(kept, entry);

		FILL();
		entry = distances[LOW(bits, INFLATE_DISTANCE_BITS)];
		if ((entry & ENTRY_LINK) != 0) {
			DROP(INFLATE_DISTANCE_BITS);
			entry = distances[ENTRY_VALUE(entry) + LOW(bits, ENTRY_EXTRA(entry))];
		}
		if (entry == 0) {
			damage = "the compressed data has a code that is none";
			break;
		}
		kept = bits;
		DROP(entry);
		const size_t distance = ENTRY_VALUE(entry) + (size_t)EXTRA(kept, entry);
		if (distance > (size_t)(out - window)) {
			damage = "a match reaches back before the beginning";
			break;
		}

		const unsigned char *from = out - distance;
		unsigned char *const end = out + length;
		const bool more = in <= in_stop && end <= out_stop;
		/* What comes next is looked up before the copy, which takes longer. */
		if (more) {
			FILL();
			entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
		}
		if (distance >= 16) {
			/* Up to 15 bytes too many, which the next symbols write over. */
			do {
				memcpy(out, from, 16);
				out += 16;
				from += 16;
			} while (out < end);
		} else if (distance >= 8) {
			do {
				memcpy(out, from, 8);
				out += 8;
				from += 8;
			} while (out < end);
		} else if (distance == 1) {
			memset(out, *from, length);
		} else {
			do
				*out++ = *from++;
			while (out < end);
		}
		out = end;
		if (!more)
			break;
	}
#undef FILL
#undef DROP
#undef LOW
#undef EXTRA

	/* Whole bytes that were loaded but not used go back: all of them came from this piece of input. */
	z->input->at = in - (count >> 3);
	z->bit_count = count & 7;
	z->bits = bits & ((1U << (count & 7)) - 1);
	*ret_at = (size_t)(out - window);
	return damage != NULL ? damaged(f, damage) : result;
}

/* The same code twice: shifts and masks by a variable are one instruction each where BMI2 is. */
static int symbols_plain(struct inflate *z, unsigned char *window, size_t *ret_at, size_t limit, struct fault *f)
{
	return symbols_fast(z, window, ret_at, limit, f);
}

#if defined(__x86_64__)
__attribute__((target("bmi,bmi2"))) static int symbols_bmi2(struct inflate *z, unsigned char *window, size_t *ret_at,
							     size_t limit, struct fault *f)
{
	return symbols_fast(z, window, ret_at, limit, f);
}

static int symbols(struct inflate *z, unsigned char *window, size_t *ret_at, size_t limit, struct fault *f)
{
	static int can = -1;

	if (can < 0)
		can = __builtin_cpu_supports("bmi2") != 0;
	return can ? symbols_bmi2(z, window, ret_at, limit, f) : symbols_plain(z, window, ret_at, limit, f);
}
#else
#define symbols symbols_plain
#endif

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
		if (limit - *at >= FAST_OUTPUT && z->input->end - z->input->at >= FAST_INPUT) {
			const int r = symbols(z, window, at, limit, f);
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
