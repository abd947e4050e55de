/*
 * bundle/encoding: base64 of RFC 4648 section 4.
 *
 * Promise: the one canonical form is read and nothing else, with its padding and zero filling bits, so that no two
 * headers mean the same.
 */
#ifndef OKV_BUNDLE_ENCODING_H
#define OKV_BUNDLE_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the base64 of so many bytes, with its NUL. */
#define BUNDLE_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

bool bundle_base64_parse(const char *string, unsigned char *out, size_t size, size_t *ret_length);
void bundle_base64_print(const unsigned char *bytes, size_t length, char *out);

#endif
