#include "bundle/encoding.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(const char *digits, char digit)
{
	const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
	return found != NULL ? (int)(found - digits) : -1;
}

bool bundle_base64_parse(const char *string, unsigned char *out, size_t size, size_t *ret_length)
{
	const size_t length = strlen(string);
	size_t used = 0;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		const bool last = i + 4 == length;
		const size_t pads = !last || string[i + 3] != '=' ? 0 : string[i + 2] != '=' ? 1 : 2;
		uint32_t group = 0;
		for (size_t k = 0; k < 4; k++) {
			const int value = k < 4 - pads ? digit_value(alphabet, string[i + k]) : 0;
			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		/* Bits that stand for no byte must be zero: else many strings would mean the same bytes. */
		if ((group & ((UINT32_C(1) << 8 * pads) - 1)) != 0 || used + 3 - pads > size)
			return false;
		for (size_t k = 0; k < 3 - pads; k++)
			out[used++] = (unsigned char)(group >> (16 - 8 * k));
	}
	*ret_length = used;
	return true;
}

void bundle_base64_print(const unsigned char *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i += 3) {
		const size_t left = length - i;
		const uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				       (left > 2 ? bytes[i + 2] : 0);
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[group & 63] : '=';
	}
	*out = '\0';
}
