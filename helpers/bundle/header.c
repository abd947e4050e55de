#include "bundle/header.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/number.h"
#include "base/time.h"
#include "fs/libcrypto.h"

/* --- base64 (RFC 4648, section 4), by libcrypto ------------------------------------------------------------------- */

static int (*encode)(unsigned char *, const unsigned char *, int);
static int (*decode)(unsigned char *, const unsigned char *, int);

static int base64_find(struct fault *f)
{
	if (fs_libcrypto_find("EVP_EncodeBlock", &encode) && fs_libcrypto_find("EVP_DecodeBlock", &decode))
		return 0;
	return fault_absent(f, "nothing can be sealed or opened without libcrypto; install the package 'openssl-libs'");
}

/* Writes four characters for three bytes, and a NUL.  To be called, like base64_decode, only after base64_find. */
static void base64_encode(const unsigned char *bytes, size_t length, char *ret_string)
{
	(void)encode((unsigned char *)ret_string, bytes, (int)length);
}

/* Returns the length, including the bytes of the padding, or -1 if it is not base64. */
static int base64_decode(const char *string, unsigned char *ret_bytes)
{
	return decode(ret_bytes, (const unsigned char *)string, (int)strlen(string));
}

struct cursor {
	const char *at, *end;
};

static void blanks_skip(struct cursor *c)
{
	/* JSON also allows LF and CR, but a header is one line, which nobody has converted. */
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static bool token_read(struct cursor *c, char token)
{
	blanks_skip(c);
	if (c->at == c->end || *c->at != token)
		return false;
	c->at++;
	return true;
}

/* Returns the character that is escaped, or -1.  The backslash is read already; only printable ASCII is allowed. */
static int escape_read(struct cursor *c)
{
	int value = 0;

	if (c->at == c->end)
		return -1;
	const char kind = *c->at++;
	if (kind == '"' || kind == '\\' || kind == '/')
		return kind;
	if (kind != 'u' || c->end - c->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const int digit = hex_digit((char)tolower((unsigned char)*c->at++));
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value >= 0x20 && value < 0x7f ? value : -1;
}

static bool string_read(struct cursor *c, char *out, size_t size)
{
	size_t length = 0;

	if (!token_read(c, '"'))
		return false;
	while (c->at < c->end && *c->at != '"') {
		int value = (unsigned char)*c->at++;
		if (value == '\\')
			value = escape_read(c);
		else if (value < 0x20 || value >= 0x7f)
			value = -1;
		if (value < 0 || length + 1 >= size)
			return false;
		out[length++] = (char)value;
	}
	if (c->at == c->end)
		return false;
	c->at++;
	out[length] = '\0';
	return true;
}

/* A JSON integer without sign, fraction or exponent. */
static bool number_read(struct cursor *c, uint64_t least, uint64_t most, uint64_t *ret_value)
{
	uint64_t value;

	blanks_skip(c);
	const char *start = c->at;
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	/* What follows must end the number: not a fraction, not an exponent. */
	if (c->at < c->end && strchr(", }\t", *c->at) == NULL)
		return false;
	const size_t length = (size_t)(c->at - start);
	if ((length > 1 && *start == '0') || !number_digits(start, length, 10, most, &value) || value < least)
		return false;
	*ret_value = value;
	return true;
}

/* --- the members ------------------------------------------------------------------------------------------- */

enum { VALUE_SIZE = 512 };

/* Only base64 that encodes to the same text again: other padding or unused bits would give the same bytes. */
static bool base64_read(struct cursor *c, unsigned char *out, size_t size, size_t *ret_length)
{
	char value[VALUE_SIZE], again[VALUE_SIZE + 1];
	unsigned char bytes[VALUE_SIZE];

	if (!string_read(c, value, sizeof(value)))
		return false;
	const int pads = text_ends(value, "==") ? 2 : text_ends(value, "=") ? 1 : 0;
	const int length = base64_decode(value, bytes) - pads;
	if (length < 0 || (size_t)length > size)
		return false;
	base64_encode(bytes, (size_t)length, again);
	if (strcmp(again, value) != 0)
		return false;
	memcpy(out, bytes, (size_t)length);
	*ret_length = (size_t)length;
	return true;
}

static bool origin_read(struct cursor *c, struct bundle_header *h)
{
	return string_read(c, h->origin, sizeof(h->origin)) && h->origin[0] != '\0';
}

static bool created_read(struct cursor *c, struct bundle_header *h)
{
	char value[VALUE_SIZE];
	return string_read(c, value, sizeof(value)) && time_parse(value, strlen(value), &h->created);
}

static bool size_read(struct cursor *c, struct bundle_header *h)
{
	return number_read(c, 1, BUNDLE_SIZE_MOST, &h->size);
}

static bool sha256_read(struct cursor *c, struct bundle_header *h)
{
	char value[VALUE_SIZE];
	return string_read(c, value, sizeof(value)) && hex_decode(value, strlen(value), h->sha256, sizeof(h->sha256));
}

static bool word_read(struct cursor *c, const char *word)
{
	char value[VALUE_SIZE];
	return string_read(c, value, sizeof(value)) && strcmp(value, word) == 0;
}

static bool kdf_read(struct cursor *c, struct bundle_header *h)
{
	(void)h;
	return word_read(c, "pbkdf2-hmac-sha256");
}

static bool iterations_read(struct cursor *c, struct bundle_header *h)
{
	uint64_t value;
	if (!number_read(c, BUNDLE_ITERATIONS_LEAST, BUNDLE_ITERATIONS_MOST, &value))
		return false;
	h->iterations = (uint32_t)value;
	return true;
}

static bool salt_read(struct cursor *c, struct bundle_header *h)
{
	return base64_read(c, h->salt, sizeof(h->salt), &h->salt_length) && h->salt_length >= BUNDLE_SALT_LEAST;
}

static bool cipher_read(struct cursor *c, struct bundle_header *h)
{
	(void)h;
	return word_read(c, "aes-256-gcm");
}

static bool nonce_read(struct cursor *c, struct bundle_header *h)
{
	size_t length;
	return base64_read(c, h->nonce, sizeof(h->nonce), &length) && length == sizeof(h->nonce);
}

static const struct member {
	const char *name;
	bool (*read)(struct cursor *c, struct bundle_header *h);
	const char *rule;
} members[] = {
	{ "origin", origin_read, "a host name of 1 to 255 printable ASCII characters" },
	{ "created", created_read, "a time like 2026-01-31T23:59:59Z" },
	{ "size", size_read, "a number from 1 to 68719476704" },
	{ "sha256", sha256_read, "64 lower-case hex digits" },
	{ "kdf", kdf_read, "pbkdf2-hmac-sha256" },
	{ "iterations", iterations_read, "a number from 600000 to 10000000" },
	{ "salt", salt_read, "base64 of 16 to 64 bytes" },
	{ "cipher", cipher_read, "aes-256-gcm" },
	{ "nonce", nonce_read, "base64 of 12 bytes" },
};
enum { MEMBER_COUNT = sizeof(members) / sizeof(members[0]) };

static int object_parse(struct cursor *c, struct bundle_header *h, struct fault *f)
{
	unsigned seen = 0;

	if (!token_read(c, '{'))
		return fault_refused(f, "line 2 is not a JSON object");
	do {
		char name[VALUE_SIZE];
		size_t i = 0;
		if (!string_read(c, name, sizeof(name)) || !token_read(c, ':'))
			return fault_refused(f, "line 2 is not a JSON object of this format");
		while (i < MEMBER_COUNT && strcmp(members[i].name, name) != 0)
			i++;
		if (i == MEMBER_COUNT)
			return fault_refused(f, "the header has an unknown member '%s'", SHOWN(name));
		if ((seen & 1U << i) != 0)
			return fault_refused(f, "the header has '%s' twice", members[i].name);
		seen |= 1U << i;
		if (!members[i].read(c, h))
			return fault_refused(f, "'%s' in the header is not %s", members[i].name, members[i].rule);
	} while (token_read(c, ','));
	if (!token_read(c, '}'))
		return fault_refused(f, "line 2 is not a complete JSON object");
	blanks_skip(c);
	if (c->at != c->end)
		return fault_refused(f, "line 2 has more text after its JSON object");
	for (size_t i = 0; i < MEMBER_COUNT; i++)
		if ((seen & 1U << i) == 0)
			return fault_refused(f, "the header lacks '%s'", members[i].name);
	return 0;
}

/* The first line tells another version of the format from a file that is not sealed. */
static int magic_refuse(const char *bytes, size_t length, struct fault *f)
{
	const size_t stem = sizeof("OKVB") - 1;
	size_t digits = 0;

	if (length > stem && memcmp(bytes, BUNDLE_MAGIC, stem) == 0)
		while (stem + digits < length && bytes[stem + digits] >= '0' && bytes[stem + digits] <= '9')
			digits++;
	if (digits > 0 && stem + digits < length && bytes[stem + digits] == '\n')
		return fault_refused(
			f, "it is sealed in format version %s, and this okv-luna knows version 1; upgrade okv-luna",
			SHOWN_BYTES(bytes + stem, digits));
	return fault_refused(f, "it is not a sealed bundle: the first line is not 'OKVB1'");
}

int bundle_header_parse(const char *bytes, size_t length, struct bundle_header *ret_header, size_t *ret_length,
			struct fault *f)
{
	struct bundle_header header;

	if (base64_find(f) < 0)
		return -1;
	if (length < BUNDLE_MAGIC_SIZE || memcmp(bytes, BUNDLE_MAGIC, BUNDLE_MAGIC_SIZE) != 0)
		return magic_refuse(bytes, length, f);
	const char *line = bytes + BUNDLE_MAGIC_SIZE;
	const size_t rest = length - BUNDLE_MAGIC_SIZE;
	const char *end = memchr(line, '\n', rest < BUNDLE_LINE_MAX + 1 ? rest : BUNDLE_LINE_MAX + 1);
	if (end == NULL)
		return fault_refused(f, rest > BUNDLE_LINE_MAX ? "line 2 is longer than 4096 bytes"
							       : "it ends within its header");

	memset(&header, 0, sizeof(header));
	struct cursor c = { .at = line, .end = end };
	if (object_parse(&c, &header, f) < 0)
		return -1;
	*ret_header = header;
	*ret_length = (size_t)(end + 1 - bytes);
	return 0;
}

static void base64_add(struct json *j, const char *name, const unsigned char *bytes, size_t length)
{
	char value[VALUE_SIZE];

	base64_encode(bytes, length, value);
	json_string(j, name, value);
}

int bundle_header_print(const struct bundle_header *header, struct text *out, struct fault *f)
{
	char created[TIME_STAMP_SIZE], sha256[HEX_SIZE(BUNDLE_DIGEST_SIZE)];
	struct json j;

	if (base64_find(f) < 0)
		return -1;
	time_format(header->created, created);
	hex_encode(header->sha256, sizeof(header->sha256), sha256);
	text_add_string(out, BUNDLE_MAGIC);
	json_init(&j, out);
	json_object_begin(&j, NULL);
	json_string(&j, "origin", header->origin);
	json_string(&j, "created", created);
	json_unsigned(&j, "size", header->size);
	json_string(&j, "sha256", sha256);
	json_string(&j, "kdf", "pbkdf2-hmac-sha256");
	json_unsigned(&j, "iterations", header->iterations);
	base64_add(&j, "salt", header->salt, header->salt_length);
	json_string(&j, "cipher", "aes-256-gcm");
	base64_add(&j, "nonce", header->nonce, sizeof(header->nonce));
	json_object_end(&j);
	text_add_char(out, '\n');
	return text_check(out, f);
}

void bundle_header_show(const struct bundle_header *header, struct text *lines, struct json *j)
{
	char created[TIME_STAMP_SIZE], sha256[HEX_SIZE(BUNDLE_DIGEST_SIZE)];

	if (header->origin[0] != '\0') {
		time_format(header->created, created);
		text_add_format(lines, "  origin   %s\n  created  %s\n", SHOWN(header->origin), created);
		json_string(j, "origin", header->origin);
		json_string(j, "created", created);
	}
	hex_encode(header->sha256, sizeof(header->sha256), sha256);
	text_add_format(lines, "  size     %s bytes\n  sha256   %s\n", NUMBER_GROUPED(header->size), sha256);
	json_unsigned(j, "size", header->size);
	json_string(j, "sha256", sha256);
}
