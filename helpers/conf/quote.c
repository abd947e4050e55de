#include "conf/quote.h"

char quote_plain_of(const char *bytes, size_t length)
{
	if (length < QUOTE_CURLY_LENGTH || (unsigned char)bytes[0] != 0xe2 || (unsigned char)bytes[1] != 0x80)
		return 0;
	switch ((unsigned char)bytes[2]) {
	case 0x98:
	case 0x99:
		return '\'';
	case 0x9c:
	case 0x9d:
		return '"';
	default:
		return 0;
	}
}

bool quote_has_curly(const char *bytes, size_t length)
{
	for (; length >= QUOTE_CURLY_LENGTH; bytes++, length--)
		if (quote_plain_of(bytes, length) != 0)
			return true;
	return false;
}

void quote_straighten(const char *bytes, size_t length, struct text *out)
{
	while (length > 0) {
		const char plain = quote_plain_of(bytes, length);
		const size_t step = plain != 0 ? QUOTE_CURLY_LENGTH : 1;
		text_add_char(out, plain != 0 ? plain : bytes[0]);
		bytes += step;
		length -= step;
	}
}
