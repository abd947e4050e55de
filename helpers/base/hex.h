/*
 * base/hex: bytes as lower-case hexadecimal digits and back.
 *
 * Promise: one spelling.  Upper-case digits, blanks, a sign and an odd digit are not read, so two strings never mean
 * the same bytes.
 */
#ifndef OKV_BASE_HEX_H
#define OKV_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the digits of so many bytes, with their NUL. */
#define HEX_SIZE(bytes) (2 * (bytes) + 1)

/* 0 to 15, or -1. */
int hex_digit(char c);
/* Writes HEX_SIZE(length) bytes. */
void hex_encode(const void *bytes, size_t length, char *ret_string);
/* `length` digits are exactly `size` bytes; false, and nothing written, when they are not. */
bool hex_decode(const char *string, size_t length, void *ret_bytes, size_t size);

#endif
