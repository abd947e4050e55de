#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_wipe(void *memory, size_t length)
{
	/* Volatile stores, because explicit_bzero(3) needs glibc 2.25 and we support 2.17. */
	volatile unsigned char *at = memory;
	while (length-- > 0)
		*at++ = 0;
}

void text_done(struct text *t)
{
	free(t->bytes);
	*t = (struct text){ 0 };
}

void text_done_secret(struct text *t)
{
	if (t->bytes != NULL)
		text_wipe(t->bytes, t->capacity);
	text_done(t);
}

void text_cut(struct text *t, size_t length)
{
	if (length < t->length)
		t->length = length;
	t->failed = false;
	if (t->bytes != NULL)
		t->bytes[t->length] = '\0';
}

bool text_reserve(struct text *t, size_t more)
{
	if (t->failed)
		return false;
	if (more < t->capacity - t->length)
		return true;

	size_t wanted = t->capacity > 0 ? t->capacity : 64;
	while (wanted - t->length <= more) {
		if (wanted > SIZE_MAX / 2) {
			t->failed = true;
			return false;
		}
		wanted *= 2;
	}
	char *grown = realloc(t->bytes, wanted);
	if (grown == NULL) {
		t->failed = true;
		return false;
	}
	t->bytes = grown;
	t->capacity = wanted;
	t->bytes[t->length] = '\0';
	return true;
}

void text_add(struct text *t, const void *bytes, size_t length)
{
	if (!text_reserve(t, length))
		return;
	if (length > 0)
		memcpy(t->bytes + t->length, bytes, length);
	t->length += length;
	t->bytes[t->length] = '\0';
}

void text_add_string(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}

void text_add_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}

void text_add_format(struct text *t, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	const int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0) {
		t->failed = true;
		return;
	}
	if (!text_reserve(t, (size_t)length))
		return;

	va_start(arguments, format);
	(void)vsnprintf(t->bytes + t->length, t->capacity - t->length, format, arguments);
	va_end(arguments);
	t->length += (size_t)length;
}

int text_check(const struct text *t, struct fault *f)
{
	return t->failed ? fault_memory(f) : 0;
}

const char *text_string(const struct text *t)
{
	return t->bytes != NULL ? t->bytes : "";
}

char *text_take(struct text *t)
{
	char *bytes = t->bytes;
	*t = (struct text){ 0 };
	return bytes;
}

size_t text_utf8_next(const void *bytes, size_t length, uint32_t *ret_character)
{
	const unsigned char *at = bytes;

	if (length == 0)
		return 0;
	if (at[0] < 0x80) {
		*ret_character = at[0];
		return 1;
	}

	size_t wanted;
	uint32_t value, least;
	if (at[0] >= 0xc2 && at[0] <= 0xdf) {
		wanted = 2;
		value = at[0] & 0x1fu;
		least = 0x80;
	} else if ((at[0] & 0xf0) == 0xe0) {
		wanted = 3;
		value = at[0] & 0x0fu;
		least = 0x800;
	} else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		wanted = 4;
		value = at[0] & 0x07u;
		least = 0x10000;
	} else {
		return 0;
	}
	if (length < wanted)
		return 0;
	for (size_t i = 1; i < wanted; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (at[i] & 0x3fu);
	}
	if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*ret_character = value;
	return wanted;
}

size_t text_print_length(const void *bytes, size_t length, char *ret_plain)
{
	static const struct {
		uint32_t first, last;
		char plain;
	} table[] = {
		{ 0xa0, 0xa0, ' ' },      { 0xab, 0xab, '"' },      { 0xad, 0xad, '\0' },     { 0xbb, 0xbb, '"' },
		{ 0x2000, 0x200a, ' ' },  { 0x200b, 0x200d, '\0' }, { 0x2010, 0x2011, '-' },  { 0x2018, 0x201b, '\'' },
		{ 0x201c, 0x201f, '"' },  { 0x202f, 0x202f, ' ' },  { 0x2039, 0x203a, '\'' }, { 0x205f, 0x205f, ' ' },
		{ 0x2060, 0x2060, '\0' }, { 0x3000, 0x3000, ' ' },  { 0xfeff, 0xfeff, '\0' },
	};
	uint32_t c;
	const size_t step = text_utf8_next(bytes, length, &c);

	for (size_t i = 0; step > 1 && i < sizeof(table) / sizeof(table[0]); i++) {
		if (c >= table[i].first && c <= table[i].last) {
			*ret_plain = table[i].plain;
			return step;
		}
	}
	return 0;
}

bool text_is_quote(char c)
{
	return c == '"' || c == '\'';
}

bool text_is_deceptive(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x0, 0x1f },        { 0x7f, 0x9f },       { 0xad, 0xad },       { 0x34f, 0x34f },
		{ 0x61c, 0x61c },     { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
		{ 0x200b, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* "; fix: " introduces a command in our messages. */
static bool is_remedy_mark(const unsigned char *at, size_t length)
{
	static const char mark[] = "; fix:";

	return length >= sizeof(mark) - 1 && memcmp(at, mark, sizeof(mark) - 1) == 0;
}

const char *text_show_bytes(struct text_shown *storage, const void *bytes, size_t length)
{
	/* Leaves room for the "..." and the NUL. */
	const size_t limit = sizeof(storage->bytes) - 3 - 1;
	const unsigned char *at = bytes;
	size_t used = 0;

	while (length > 0) {
		char piece[5];
		uint32_t character;
		size_t step = text_utf8_next(at, length, &character);
		int size;

		if (step == 0 || text_is_deceptive(character) || is_remedy_mark(at, length)) {
			step = 1;
			size = snprintf(piece, sizeof(piece), "\\x%02x", at[0]);
		} else if (at[0] == '\\' || at[0] == '\'') {
			size = snprintf(piece, sizeof(piece), "\\%c", at[0]);
		} else {
			size = snprintf(piece, sizeof(piece), "%.*s", (int)step, (const char *)at);
		}
		if (used + (size_t)size > limit) {
			memcpy(storage->bytes + used, "...", 3);
			used += 3;
			break;
		}
		memcpy(storage->bytes + used, piece, (size_t)size);
		used += (size_t)size;
		at += step;
		length -= step;
	}
	storage->bytes[used] = '\0';
	return storage->bytes;
}

const char *text_show(struct text_shown *storage, const char *string)
{
	return string != NULL ? text_show_bytes(storage, string, strlen(string)) : "(none)";
}

const char *text_type(struct text_typed *storage, const char *string)
{
	const char *shown = SHOWN(string);

	(void)snprintf(storage->bytes, sizeof(storage->bytes), "%s'%s'", strcmp(shown, string) != 0 ? "$" : "", shown);
	return storage->bytes;
}

static size_t kept_length(const char *at, const char *const *kept)
{
	if (at[0] == '\n')
		return 1;
	for (size_t i = 0; at[0] == '\033' && kept != NULL && kept[i] != NULL; i++)
		if (text_starts(at, kept[i]))
			return strlen(kept[i]);
	return 0;
}

void text_add_printable(struct text *t, const char *string, const char *const *kept)
{
	const char *const end = string + strlen(string);
	const char *from = string; /* start of what is still to be added unchanged */

	for (const char *at = string; at < end;) {
		uint32_t character;
		size_t step = kept_length(at, kept);
		if (step == 0) {
			step = text_utf8_next(at, (size_t)(end - at), &character);
			if (step == 0 || text_is_deceptive(character)) {
				text_add(t, from, (size_t)(at - from));
				text_add_format(t, "\\x%02x", (unsigned char)*at);
				step = 1;
				from = at + 1;
			}
		}
		at += step;
	}
	text_add(t, from, (size_t)(end - from));
}

bool text_line_next(const void *bytes, size_t length, size_t *at, struct text_line *ret_line)
{
	if (*at >= length)
		return false;
	const char *start = (const char *)bytes + *at;
	const char *feed = memchr(start, '\n', length - *at);
	*ret_line = (struct text_line){ .bytes = start,
					.length = feed != NULL ? (size_t)(feed - start) : length - *at,
					.ended = feed != NULL };
	*at += ret_line->length + ret_line->ended;
	return true;
}

bool text_same(const struct text *a, const struct text *b)
{
	return a->length == b->length && memcmp(text_string(a), text_string(b), a->length) == 0;
}

bool text_equal(const char *bytes, size_t length, const char *string)
{
	return strlen(string) == length && memcmp(bytes, string, length) == 0;
}

bool text_is_one_of(const char *bytes, size_t length, const char *const *words)
{
	while (*words != NULL && !text_equal(bytes, length, *words))
		words++;
	return *words != NULL;
}

bool text_starts(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *string, const char *suffix)
{
	const size_t length = strlen(string), tail = strlen(suffix);
	return length >= tail && memcmp(string + length - tail, suffix, tail) == 0;
}

const char *text_leaf(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

bool text_path_is_plain(const char *path)
{
	for (;; path++) {
		const size_t length = strcspn(path, "/");
		if (length == 0 || text_equal(path, length, ".") || text_equal(path, length, ".."))
			return false;
		path += length;
		if (*path == '\0')
			return true;
	}
}

int text_path_compare(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	/* The end sorts first, then the slash, then all other bytes. */
	const int left = *a == '/' ? 1 : *a == '\0' ? 0 : 1 + (unsigned char)*a;
	const int right = *b == '/' ? 1 : *b == '\0' ? 0 : 1 + (unsigned char)*b;
	return left - right;
}
