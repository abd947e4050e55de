/*
 * base/hex: bytes as lower-case hexadecimal digits and back.
 *
 * Promise: only one spelling is accepted (no upper case, blanks, sign or odd digit), so different strings never decode
 * to the same bytes.
 */
#ifndef OKV_BASE_HEX_H
#define OKV_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Buffer size for the digits of that many bytes and a NUL. */
#define HEX_SIZE(bytes) (2 * (bytes) + 1)

/* 0 to 15, or -1. */
int hex_digit(char c);
/* Writes HEX_SIZE(length) bytes. */
void hex_encode(const void *bytes, size_t length, char *ret_string);
/* False, and nothing is written, unless these are exactly the digits of `size` bytes. */
bool hex_decode(const char *string, size_t length, void *ret_bytes, size_t size);

#endif
