#include "client/archive/crc32.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0xEDB88320U /* reflected */

enum { SLICES = 8 };

static uint32_t table[SLICES][256];
static bool table_ready;

static void table_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int slice = 1; slice < SLICES; slice++)
			table[slice][i] = (table[slice - 1][i] >> 8) ^ table[0][table[slice - 1][i] & 255];
	table_ready = true;
}

/* On the inverted register, as all inner parts are. */
static uint32_t by_tables(uint32_t crc, const unsigned char *at, size_t length)
{
	if (!table_ready)
		table_make();
	for (; length >= 8; at += 8, length -= 8) {
		const uint32_t low =
			crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
		crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
		      table[3][at[4]] ^ table[2][at[5]] ^ table[1][at[6]] ^ table[0][at[7]];
	}
	for (; length > 0; at++, length--)
		crc = (crc >> 8) ^ table[0][(crc ^ *at) & 255];
	return crc;
}

uint32_t crc32_add_portable(uint32_t crc, const void *bytes, size_t length)
{
	return ~by_tables(~crc, bytes, length);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CARRYLESS __attribute__((target("pclmul,sse4.1")))

/*
 * x times the two constants of `by`, added to `next`: moves 128 bits of message forward over the message that
 * lies between them.  The constants are powers of x modulo the polynomial, reflected (Gopal et al., "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", 2009).
 */
CARRYLESS static inline __m128i fold(__m128i x, __m128i by, __m128i next)
{
	return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), next);
}

CARRYLESS static uint32_t by_carryless(uint32_t crc, const unsigned char *at, size_t length)
{
	const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
	const __m128i by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
	const __m128i *block = (const void *)at;
	__m128i lane[4];

	for (int i = 0; i < 4; i++)
		lane[i] = _mm_loadu_si128(block + i);
	lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)crc));
	for (block += 4, length -= 64; length >= 64; block += 4, length -= 64)
		for (int i = 0; i < 4; i++)
			lane[i] = fold(lane[i], by_64, _mm_loadu_si128(block + i));

	__m128i x = fold(lane[0], by_16, lane[1]);
	x = fold(x, by_16, lane[2]);
	x = fold(x, by_16, lane[3]);
	for (; length >= 16; block++, length -= 16)
		x = fold(x, by_16, _mm_loadu_si128(block));

	/* What is left is a message of 16 bytes with the same remainder, and then the tail itself. */
	unsigned char rest[16];
	_mm_storeu_si128((__m128i *)(void *)rest, x);
	return by_tables(by_tables(0, rest, sizeof(rest)), (const void *)block, length);
}

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t length)
{
	static int can = -1;

	if (can < 0)
		can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
	if (can && length >= 128)
		return ~by_carryless(~crc, bytes, length);
	return crc32_add_portable(crc, bytes, length);
}
#else
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t length)
{
	return crc32_add_portable(crc, bytes, length);
}
#endif
