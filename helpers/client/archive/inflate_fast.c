#include "client/archive/inflate_fast.h"

#include <string.h>

#include "client/archive/inflate_table.h"

static inline uint64_t load_64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

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
	const unsigned char *const in_stop = z->input->end - INFLATE_FAST_INPUT;
	unsigned char *out = window + *ret_at;
	unsigned char *const out_stop = window + limit - INFLATE_FAST_OUTPUT;
	const uint32_t *const literals = z->literal_table, *const distances = z->distance_table;
	uint64_t bits = z->bits;
	unsigned count = z->bit_count;
	int result = 0;
	const char *damage = NULL;

#define FILL()        (bits |= load_64(in) << count, in += (63 - count) >> 3, count |= 56)
#define DROP(n)       (bits >>= (n)&63, count -= (n)&63)
#define LOW(value, n) ((value) & (((uint64_t)1 << (n)) - 1))
/* The extra bits of an entry that `from` begins with. */
#define EXTRA(from, entry) \
	(LOW((from), INFLATE_ENTRY_BITS(entry)) >> (INFLATE_ENTRY_BITS(entry) - INFLATE_ENTRY_EXTRA(entry)))

	FILL();
	uint32_t entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
	for (;;) {
		if ((entry & INFLATE_ENTRY_LITERAL) != 0) {
			DROP(entry);
			*out++ = (unsigned char)INFLATE_ENTRY_VALUE(entry);
			entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
			if ((entry & INFLATE_ENTRY_LITERAL) != 0) {
				DROP(entry);
				*out++ = (unsigned char)INFLATE_ENTRY_VALUE(entry);
				entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
				if ((entry & INFLATE_ENTRY_LITERAL) != 0) {
					DROP(entry);
					*out++ = (unsigned char)INFLATE_ENTRY_VALUE(entry);
					if (in > in_stop || out > out_stop)
						break;
					FILL();
					entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
					continue;
				}
			}
		}
		if ((entry & INFLATE_ENTRY_BASE) == 0) {
			if ((entry & INFLATE_ENTRY_LINK) != 0) {
				DROP(INFLATE_LITERAL_BITS);
				entry = literals[INFLATE_ENTRY_VALUE(entry) + LOW(bits, INFLATE_ENTRY_EXTRA(entry))];
			}
			if ((entry & INFLATE_ENTRY_LITERAL) != 0) {
				DROP(entry);
				*out++ = (unsigned char)INFLATE_ENTRY_VALUE(entry);
				if (in > in_stop || out > out_stop)
					break;
				FILL();
				entry = literals[LOW(bits, INFLATE_LITERAL_BITS)];
				continue;
			}
			if ((entry & INFLATE_ENTRY_END) != 0) {
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
		const size_t length = INFLATE_ENTRY_VALUE(entry) + (size_t)EXTRA(kept, entry);

		FILL();
		entry = distances[LOW(bits, INFLATE_DISTANCE_BITS)];
		if ((entry & INFLATE_ENTRY_LINK) != 0) {
			DROP(INFLATE_DISTANCE_BITS);
			entry = distances[INFLATE_ENTRY_VALUE(entry) + LOW(bits, INFLATE_ENTRY_EXTRA(entry))];
		}
		if (entry == 0) {
			damage = "the compressed data has a code that is none";
			break;
		}
		kept = bits;
		DROP(entry);
		const size_t distance = INFLATE_ENTRY_VALUE(entry) + (size_t)EXTRA(kept, entry);
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
	return damage != NULL ? fault_refused(f, "damaged: %s", damage) : result;
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

int inflate_fast(struct inflate *z, unsigned char *window, size_t *ret_at, size_t limit, struct fault *f)
{
	static int can = -1;

	if (can < 0)
		can = __builtin_cpu_supports("bmi2") != 0;
	return can ? symbols_bmi2(z, window, ret_at, limit, f) : symbols_plain(z, window, ret_at, limit, f);
}
#else
int inflate_fast(struct inflate *z, unsigned char *window, size_t *ret_at, size_t limit, struct fault *f)
{
	return symbols_plain(z, window, ret_at, limit, f);
}
#endif
