/*
 * client/archive/tar_field: the fields of a tar header.
 *
 * Promise: a field is exactly what the format defines, or it is not taken.
 */
#ifndef OKV_CLIENT_ARCHIVE_TAR_FIELD_H
#define OKV_CLIENT_ARCHIVE_TAR_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the fields of a header lie (POSIX.1-2017, pax, "ustar Interchange Format"). */
enum {
	TAR_NAME_AT = 0,
	TAR_NAME_SIZE = 100,
	TAR_MODE_AT = 100,
	TAR_MODE_SIZE = 8,
	TAR_SIZE_AT = 124,
	TAR_SIZE_SIZE = 12,
	TAR_CHECKSUM_AT = 148,
	TAR_CHECKSUM_SIZE = 8,
	TAR_TYPE_AT = 156,
	TAR_TARGET_AT = 157,
	TAR_TARGET_SIZE = 100,
	TAR_MAGIC_AT = 257,
	TAR_MAGIC_SIZE = 8,
	TAR_PREFIX_AT = 345,
	TAR_PREFIX_SIZE = 155,
};

bool tar_field_zero(const unsigned char *bytes, size_t length);
/* Octal with blanks or zeros before and a blank or NUL behind, or base-256 with its first bit set (GNU). */
bool tar_field_number(const unsigned char *field, size_t size, uint64_t *ret_value);
/* Of a whole header block. */
bool tar_field_checksum(const unsigned char *block);
/* Adds a text, which ends at its first NUL or is full, to `to`; false where something hides behind the NUL. */
bool tar_field_text(unsigned char *to, size_t *length, const unsigned char *field, size_t size);

#endif
