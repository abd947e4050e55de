#include "base/hex.h"

static const char digits[] = "0123456789abcdef";

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void hex_encode(const void *bytes, size_t length, char *ret_string)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < length; i++) {
		*ret_string++ = digits[byte[i] >> 4];
		*ret_string++ = digits[byte[i] & 15];
	}
	*ret_string = '\0';
}

bool hex_decode(const char *string, size_t length, void *ret_bytes, size_t size)
{
	unsigned char *byte = ret_bytes;

	if (length % 2 != 0 || length / 2 != size)
		return false;
	for (size_t i = 0; i < length; i++)
		if (hex_digit(string[i]) < 0)
			return false;
	for (size_t i = 0; i < size; i++)
		byte[i] = (unsigned char)(hex_digit(string[2 * i]) << 4 | hex_digit(string[2 * i + 1]));
	return true;
}
