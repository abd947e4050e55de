/*
 * base/json: writes one JSON value (RFC 8259) into a text, piece by piece.
 *
 * Promise: commas, quotes and escapes are right whatever the bytes: bytes that are no UTF-8 become U+FFFD, so
 * the output is always valid JSON.  `key` is NULL inside arrays and for the outermost value.  Nesting is limited
 * to JSON_DEPTH_MAX; memory failure shows in text_check of the target.
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
	bool filled[JSON_DEPTH_MAX + 1]; /* something stands already at this depth */
};

void json_init(struct json *j, struct text *target);
void json_object_begin(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array_begin(struct json *j, const char *key);
void json_array_end(struct json *j);
/* value NULL writes null */
void json_string(struct json *j, const char *key, const char *value);
/* An array of the lines of a text. */
void json_lines(struct json *j, const char *key, const struct text *lines);
void json_string_bytes(struct json *j, const char *key, const void *bytes, size_t length);
void json_number(struct json *j, const char *key, int64_t value);
void json_unsigned(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* "kind" and "text" of a fault, as an object. */
void json_fault(struct json *j, const char *key, const struct fault *f);
/* A mode as the string "0640": JSON has no octal. */
void json_mode(struct json *j, const char *key, unsigned mode);

#endif
