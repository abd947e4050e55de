/*
 * base/json: writes one JSON value (RFC 8259) into a text, piece by piece.
 *
 * Promise: the output is valid JSON for any bytes: invalid UTF-8 becomes U+FFFD.  `key` is NULL inside arrays and for
 * the outermost value.  At most JSON_DEPTH_MAX levels; if memory runs out, text_check of the target fails.
 */
#ifndef OKV_BASE_JSON_H
#define OKV_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

enum { JSON_DEPTH_MAX = 16 };

struct json {
	struct text *target; /* borrowed */
	unsigned depth;
	bool filled[JSON_DEPTH_MAX + 1]; /* this level has a value already */
};

void json_init(struct json *j, struct text *target);
void json_object_begin(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array_begin(struct json *j, const char *key);
void json_array_end(struct json *j);
/* A NULL value is written as null. */
void json_string(struct json *j, const char *key, const char *value);
/* Writes the lines of a text as an array of strings. */
void json_lines(struct json *j, const char *key, const struct text *lines);
void json_string_bytes(struct json *j, const char *key, const void *bytes, size_t length);
void json_number(struct json *j, const char *key, int64_t value);
void json_unsigned(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* Writes a fault as an object with "kind" and "text". */
void json_fault(struct json *j, const char *key, const struct fault *f);
/* Writes a mode as the string "0640", because JSON has no octal numbers. */
void json_mode(struct json *j, const char *key, unsigned mode);

#endif
