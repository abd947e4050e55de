#include "client/archive/tar_field.h"

#include <string.h>

#include "client/archive/tar.h"

bool tar_field_zero(const unsigned char *bytes, size_t length)
{
	return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

bool tar_field_number(const unsigned char *field, size_t size, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i = 0;

	if (field[0] == 0x80) {
		for (i = 1; i < size; i++) {
			if (value >> 55 != 0)
				return false;
			value = value << 8 | field[i];
		}
		*ret_value = value;
		return true;
	}
	while (i < size && field[i] == ' ')
		i++;
	size_t digits = 0;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++, digits++) {
		if (value >> 60 != 0)
			return false;
		value = value << 3 | (field[i] - '0');
	}
	for (; i < size; i++)
		if (field[i] != ' ' && field[i] != '\0')
			return false;
	*ret_value = value;
	return digits > 0 || field[0] == '\0';
}

bool tar_field_checksum(const unsigned char *block)
{
	uint64_t said, sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= TAR_CHECKSUM_AT && i < TAR_CHECKSUM_AT + TAR_CHECKSUM_SIZE ? ' ' : block[i];
	return tar_field_number(block + TAR_CHECKSUM_AT, TAR_CHECKSUM_SIZE, &said) && said == sum;
}

bool tar_field_text(unsigned char *to, size_t *length, const unsigned char *field, size_t size)
{
	const unsigned char *nul = memchr(field, '\0', size);
	const size_t used = nul != NULL ? (size_t)(nul - field) : size;

	if (!tar_field_zero(field + used, size - used))
		return false;
	memcpy(to + *length, field, used);
	*length += used;
	return true;
}
