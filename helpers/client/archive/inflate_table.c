#include "client/archive/inflate_table.h"

#include <string.h>

/* Base and number of extra bits of each symbol (RFC 1951, 3.2.5). */
static const uint16_t length_base[29] = {
	3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23,  27,
	31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
};
static const uint8_t length_extra[29] = {
	0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
};
static const uint16_t distance_base[30] = {
	1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
	193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
};
static const uint8_t distance_extra[30] = {
	0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
};

static uint32_t literal_entry(unsigned symbol)
{
	if (symbol < INFLATE_END_OF_BLOCK)
		return INFLATE_ENTRY(INFLATE_ENTRY_LITERAL, symbol, 0);
	if (symbol == INFLATE_END_OF_BLOCK)
		return INFLATE_ENTRY(INFLATE_ENTRY_END, 0, 0);
	if (symbol - INFLATE_FIRST_LENGTH < 29)
		return INFLATE_ENTRY(INFLATE_ENTRY_BASE, length_base[symbol - INFLATE_FIRST_LENGTH],
				     length_extra[symbol - INFLATE_FIRST_LENGTH]);
	return 0;
}

static uint32_t distance_entry(unsigned symbol)
{
	return symbol < 30 ? INFLATE_ENTRY(INFLATE_ENTRY_BASE, distance_base[symbol], distance_extra[symbol]) : 0;
}

static uint32_t entry_of(enum inflate_alphabet alphabet, unsigned symbol)
{
	switch (alphabet) {
	case INFLATE_LITERALS:
		return literal_entry(symbol);
	case INFLATE_DISTANCES:
		return distance_entry(symbol);
	case INFLATE_CODE_LENGTHS:
		break;
	}
	return INFLATE_ENTRY(INFLATE_ENTRY_LITERAL, symbol, 0);
}

static unsigned reversed(unsigned code, unsigned length)
{
	unsigned result = 0;

	for (; length > 0; length--, code >>= 1)
		result = result << 1 | (code & 1);
	return result;
}

/*
 * Codes longer than `width` go to second tables, one for each beginning of `width` bits, as wide as its longest code.
 */
bool inflate_table_make(uint32_t *table, size_t size, unsigned width, const uint8_t *lengths, unsigned symbols,
			enum inflate_alphabet alphabet)
{
	uint16_t count[INFLATE_CODE_BITS_MAX + 1] = { 0 }, start[INFLATE_CODE_BITS_MAX + 2],
					       sorted[INFLATE_LITERAL_SYMBOLS];

	for (unsigned symbol = 0; symbol < symbols; symbol++)
		count[lengths[symbol]]++;
	const unsigned used = symbols - count[0];
	count[0] = 0;

	int left = 1;
	start[1] = 0;
	for (unsigned length = 1; length <= INFLATE_CODE_BITS_MAX; length++) {
		left = left * 2 - count[length];
		if (left < 0)
			return false;
		start[length + 1] = (uint16_t)(start[length] + count[length]);
	}
	const bool sparse = used == 0 || (used == 1 && count[1] == 1);
	if (left > 0 && (alphabet == INFLATE_CODE_LENGTHS || !sparse))
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
		const uint32_t entry = entry_of(alphabet, sorted[i]);

		if (length <= width) {
			for (size_t at = index; at < (size_t)1 << width; at += (size_t)1 << length)
				table[at] = entry != 0 ? entry + length : 0;
		} else {
			if ((index & ((1U << width) - 1)) != prefix) {
				prefix = index & ((1U << width) - 1);
				/* As many bits as the codes that begin here fill up completely. */
				second_width = length - width;
				int room = (1 << second_width) - (int)of_length;
				while (room > 0 && second_width + width < INFLATE_CODE_BITS_MAX) {
					second_width++;
					room = room * 2 - count[second_width + width];
				}
				second = filled;
				filled += (size_t)1 << second_width;
				if (filled > size)
					return false;
				table[prefix] = INFLATE_ENTRY_TO_TABLE(second, second_width) | width;
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
