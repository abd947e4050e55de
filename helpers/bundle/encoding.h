/*
 * bundle/encoding: the three encodings of the header: base64, hex and time.
 *
 * Promise: each parser takes the one canonical form and nothing else, so that no two headers mean the same: base64
 * of RFC 4648 section 4 with its padding and zero filling bits; hex in lower case; RFC 3339 times of an existing
 * day in UTC, written with "Z", with or without a fraction (which is dropped).
 */
#ifndef OKV_BUNDLE_ENCODING_H
#define OKV_BUNDLE_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the base64 of so many bytes, with its NUL. */
#define BUNDLE_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

bool bundle_base64_parse(const char *string, unsigned char *out, size_t size, size_t *ret_length);
void bundle_base64_print(const unsigned char *bytes, size_t length, char *out);
/* Exactly `size` bytes. */
bool bundle_hex_parse(const char *string, unsigned char *out, size_t size);
/* 2 * length + 1 bytes. */
void bundle_hex_print(const unsigned char *bytes, size_t length, char *out);
/* Seconds since 1970; years 1970 to 9999. */
bool bundle_time_parse(const char *string, int64_t *ret_seconds);
/* "2026-01-31T23:59:59Z" with its NUL. */
enum { BUNDLE_TIME_SIZE = 32 };
void bundle_time_print(int64_t seconds, char ret_time[BUNDLE_TIME_SIZE]);

#endif
