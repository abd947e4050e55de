/*
 * client/archive/crc32: the checksum of gzip and zip (RFC 1952, section 8).
 *
 * Promise: crc32_add(crc32_add(0, a), b) is the CRC of a and b in a row; 0 is the CRC of nothing.  The result does
 * not depend on the processor: where it can multiply without carries that is used, elsewhere tables are.
 */
#ifndef OKV_CLIENT_ARCHIVE_CRC32_H
#define OKV_CLIENT_ARCHIVE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t length);
/* The same by tables only: what the tests compare with. */
uint32_t crc32_add_portable(uint32_t crc, const void *bytes, size_t length);

#endif
