#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void json_init(struct json *j, struct text *target)
{
	*j = (struct json){ .target = target };
}

static void string_add(struct text *t, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	text_add_char(t, '"');
	while (length > 0) {
		uint32_t character;
		const size_t step = text_utf8_next(at, length, &character);
		if (step == 0) {
			text_add_string(t, "\xef\xbf\xbd");
			at++;
			length--;
			continue;
		}
		if (at[0] == '"' || at[0] == '\\')
			text_add_format(t, "\\%c", at[0]);
		else if (text_is_deceptive(character) && character > 0xffff)
			text_add_format(t, "\\u%04x\\u%04x", 0xd7c0 + (character >> 10), 0xdc00 + (character & 0x3ff));
		else if (text_is_deceptive(character))
			text_add_format(t, "\\u%04x", character);
		else
			text_add(t, at, step);
		at += step;
		length -= step;
	}
	text_add_char(t, '"');
}

/* Adds what comes before a value: a comma after the previous one, and the key. */
static void value_begin(struct json *j, const char *key)
{
	if (j->filled[j->depth])
		text_add_char(j->target, ',');
	j->filled[j->depth] = true;
	if (key != NULL) {
		string_add(j->target, key, strlen(key));
		text_add_char(j->target, ':');
	}
}

static void begin(struct json *j, const char *key, char bracket)
{
	value_begin(j, key);
	text_add_char(j->target, bracket);
	assert(j->depth < JSON_DEPTH_MAX);
	j->depth++;
	j->filled[j->depth] = false;
}

static void end(struct json *j, char bracket)
{
	assert(j->depth > 0);
	j->depth--;
	text_add_char(j->target, bracket);
}

void json_object_begin(struct json *j, const char *key)
{
	begin(j, key, '{');
}

void json_object_end(struct json *j)
{
	end(j, '}');
}

void json_array_begin(struct json *j, const char *key)
{
	begin(j, key, '[');
}

void json_array_end(struct json *j)
{
	end(j, ']');
}

void json_string_bytes(struct json *j, const char *key, const void *bytes, size_t length)
{
	value_begin(j, key);
	string_add(j->target, bytes, length);
}

void json_string(struct json *j, const char *key, const char *value)
{
	if (value != NULL) {
		json_string_bytes(j, key, value, strlen(value));
	} else {
		value_begin(j, key);
		text_add_string(j->target, "null");
	}
}

void json_number(struct json *j, const char *key, int64_t value)
{
	value_begin(j, key);
	text_add_format(j->target, "%" PRId64, value);
}

void json_unsigned(struct json *j, const char *key, uint64_t value)
{
	value_begin(j, key);
	text_add_format(j->target, "%" PRIu64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	value_begin(j, key);
	text_add_string(j->target, value ? "true" : "false");
}

void json_mode(struct json *j, const char *key, unsigned mode)
{
	value_begin(j, key);
	text_add_format(j->target, "\"%04o\"", mode);
}

void json_lines(struct json *j, const char *key, const struct text *lines)
{
	struct text_line line;

	json_array_begin(j, key);
	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);)
		json_string_bytes(j, NULL, line.bytes, line.length);
	json_array_end(j);
}

void json_fault(struct json *j, const char *key, const struct fault *f)
{
	json_object_begin(j, key);
	json_string(j, "kind", fault_kind_name(f->kind));
	json_string(j, "text", f->text);
	json_object_end(j);
}
