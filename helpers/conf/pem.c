#include "conf/pem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

void pem_done(struct pem *p)
{
	text_done(&p->public_part);
}

/* --- DER ---------------------------------------------------------------------------------------------------------- */

enum {
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OBJECT = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERAL_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_OPTION_0 = 0xa0
};
#define DER_OPTION_1 (DER_OPTION_0 + 1)

struct der {
	const unsigned char *at;
	size_t length;
};

/* Takes the next element off `from`; false at the end, or if it is malformed. */
static bool der_next(struct der *from, unsigned *ret_tag, struct der *ret_content)
{
	size_t head = 2, length;

	if (from->length < 2)
		return false;
	*ret_tag = from->at[0];
	length = from->at[1];
	if (length >= 0x80) {
		const size_t bytes = length & 0x7f;
		if (bytes == 0 || bytes > 4 || from->length < 2 + bytes)
			return false;
		length = 0;
		for (size_t i = 0; i < bytes; i++)
			length = length << 8 | from->at[2 + i];
		head += bytes;
	}
	if (length > from->length - head)
		return false;
	*ret_content = (struct der){ from->at + head, length };
	from->at += head + length;
	from->length -= head + length;
	return true;
}

/* Takes the next element with that tag, and drops those before it. */
static bool der_find(struct der *from, unsigned tag, struct der *ret_content)
{
	unsigned here;

	while (der_next(from, &here, ret_content))
		if (here == tag)
			return true;
	return false;
}

/* Adds the modulus, which is first in an RSAPublicKey, or else the whole elliptic curve point. */
static void public_add(struct der bits, struct text *out)
{
	struct der inner, modulus;

	if (bits.length < 2 || bits.at[0] != 0)
		return;
	bits = (struct der){ bits.at + 1, bits.length - 1 };
	const struct der point = bits;
	if (der_find(&bits, DER_SEQUENCE, &inner) && der_find(&inner, DER_INTEGER, &modulus))
		text_add(out, modulus.at, modulus.length);
	else if (point.at[0] == 4)
		text_add(out, point.at, point.length);
}

/* Certificate { tbs { [0] version, serial, algorithm, issuer, validity, subject, key { algorithm, bits } } } */
enum certificate_field { FIELD_ALGORITHM, FIELD_ISSUER, FIELD_VALIDITY, FIELD_SUBJECT, FIELD_KEY, FIELDS };

static bool certificate_fields(struct der whole, struct der ret_fields[FIELDS])
{
	struct der certificate, tbs;

	if (!der_find(&whole, DER_SEQUENCE, &certificate) || !der_find(&certificate, DER_SEQUENCE, &tbs))
		return false;
	for (unsigned i = 0; i < FIELDS; i++)
		if (!der_find(&tbs, DER_SEQUENCE, &ret_fields[i]))
			return false;
	return true;
}

static void certificate_public(struct der whole, struct text *out)
{
	struct der fields[FIELDS], bits;

	if (certificate_fields(whole, fields) && der_find(&fields[FIELD_KEY], DER_BITS, &bits))
		public_add(bits, out);
}

/* "491231235959Z" (RFC 5280: below 50 it is 20xx) or "20491231235959Z". */
static bool time_read(struct der *validity, int64_t *ret_seconds)
{
	struct der content;
	unsigned tag;
	char stamp[TIME_STAMP_SIZE];

	if (!der_next(validity, &tag, &content))
		return false;
	const bool is_short = tag == DER_UTC_TIME;
	if ((!is_short && tag != DER_GENERAL_TIME) || content.length != (is_short ? 13 : 15))
		return false;
	const char *digits = (const char *)content.at + (is_short ? 2 : 4), *year = (const char *)content.at;
	(void)snprintf(stamp, sizeof(stamp), "%s%.*s-%.2s-%.2sT%.2s:%.2s:%.3s",
		       !is_short       ? ""
		       : year[0] < '5' ? "20"
				       : "19",
		       is_short ? 2 : 4, year, digits, digits + 2, digits + 4, digits + 6, digits + 8);
	return time_parse(stamp, strlen(stamp), ret_seconds);
}

/* Name { set { attribute { object, string } } ... }; the common name is object 2.5.4.3. */
static void name_read(struct der subject, char ret_name[PEM_NAME_SIZE])
{
	static const unsigned char common_name[] = { 0x55, 0x04, 0x03 };
	struct der set, attribute, object, string;
	unsigned tag;

	while (der_find(&subject, DER_SET, &set))
		while (der_find(&set, DER_SEQUENCE, &attribute)) {
			if (!der_find(&attribute, DER_OBJECT, &object) || object.length != sizeof(common_name) ||
			    memcmp(object.at, common_name, sizeof(common_name)) != 0 ||
			    !der_next(&attribute, &tag, &string))
				continue;
			(void)snprintf(ret_name, PEM_NAME_SIZE, "%.*s",
				       (int)(string.length < PEM_NAME_SIZE ? string.length : PEM_NAME_SIZE - 1),
				       (const char *)string.at);
		}
}

bool pem_certificate_read(const void *der, size_t length, struct pem_certificate *ret_certificate)
{
	const struct der whole = { der, length };
	struct pem_certificate certificate = { .name = "" };
	struct der fields[FIELDS];

	if (!certificate_fields(whole, fields) || !time_read(&fields[FIELD_VALIDITY], &certificate.begins) ||
	    !time_read(&fields[FIELD_VALIDITY], &certificate.ends))
		return false;
	name_read(fields[FIELD_SUBJECT], certificate.name);
	*ret_certificate = certificate;
	return true;
}

/* RSAPrivateKey { version, modulus }, ECPrivateKey { version, octets, [1] { bits } }, either in PKCS #8's octets. */
static void key_public(struct der whole, struct text *out)
{
	struct der key, field;
	unsigned tag;

	for (unsigned wrapped = 0; wrapped < 2; wrapped++) {
		if (!der_find(&whole, DER_SEQUENCE, &key) || !der_find(&key, DER_INTEGER, &field) ||
		    !der_next(&key, &tag, &field))
			return;
		if (tag == DER_INTEGER)
			text_add(out, field.at, field.length);
		else if (tag == DER_OCTETS && der_find(&key, DER_OPTION_1, &field) &&
			 der_find(&field, DER_BITS, &whole))
			public_add(whole, out);
		if (tag != DER_SEQUENCE || !der_find(&key, DER_OCTETS, &whole))
			return;
	}
}

/* --- PEM ---------------------------------------------------------------------------------------------------------- */

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* Decodes one line; false if it is not base64.  *bits holds the remaining bits, below a leading 1. */
static bool base64_add(const struct text_line *line, uint32_t *bits, struct text *out)
{
	for (size_t i = 0; i < line->length; i++) {
		const char c = line->bytes[i];
		const int digit = base64_digit(c);

		if (digit < 0 && strchr("= \t\r", c) == NULL)
			return false;
		if (digit < 0)
			continue;
		*bits = *bits << 6 | (uint32_t)digit;
		if (*bits >= 1u << 24) {
			const char three[] = { (char)(*bits >> 16), (char)(*bits >> 8), (char)*bits };
			text_add(out, three, sizeof(three));
			*bits = 1;
		}
	}
	return true;
}

/* Adds the one or two bytes that remain. */
static void base64_end(uint32_t bits, struct text *out)
{
	if (bits >= 1u << 18)
		text_add_char(out, (char)(bits >> 10));
	if (bits >= 1u << 18)
		text_add_char(out, (char)(bits >> 2));
	else if (bits >= 1u << 12)
		text_add_char(out, (char)(bits >> 4));
}

/* Returns X of "-----BEGIN X-----", or NULL. */
static const char *label_find(const struct text_line *line, const char *mark, size_t *ret_length)
{
	const size_t n = strlen(mark);
	const char *end = line->length > n ? memmem(line->bytes + n, line->length - n, "-----", 5) : NULL;

	if (end == NULL || memcmp(line->bytes, mark, n) != 0)
		return NULL;
	*ret_length = (size_t)(end - line->bytes) - n;
	return line->bytes + n;
}

static enum pem_kind kind_of(const char *label, size_t length)
{
	static const char key[] = "PRIVATE KEY", certificate[] = "CERTIFICATE", ssh[] = "OPENSSH PRIVATE KEY";
	const size_t k = strlen(key), c = strlen(certificate);

	/* A different format, which no TLS library reads. */
	if (text_equal(label, length, ssh))
		return PEM_OTHER;
	if (length >= k && memcmp(label + length - k, key, k) == 0)
		return PEM_KEY;
	return length >= c && memcmp(label + length - c, certificate, c) == 0 ? PEM_CERTIFICATE : PEM_OTHER;
}

/* Reads a block from the line after its BEGIN; `body` stays empty if it is encrypted. */
static bool block_read(const char *bytes, size_t length, size_t *at, struct text *body)
{
	struct text_line line;
	bool plain = true;
	uint32_t bits = 1;
	size_t n;

	while (text_line_next(bytes, length, at, &line)) {
		if (label_find(&line, "-----END ", &n) != NULL) {
			base64_end(bits, body);
			if (!plain)
				text_cut(body, 0);
			return true;
		}
		/* "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-256-CBC,..." */
		if (memchr(line.bytes, ':', line.length) != NULL)
			plain = false;
		else if (!base64_add(&line, &bits, body))
			return false;
	}
	return false;
}

bool pem_certificate_next(const char *bytes, size_t length, size_t *at, struct text *ret_der)
{
	struct text_line line;

	while (text_line_next(bytes, length, at, &line)) {
		size_t n;
		const char *label = label_find(&line, "-----BEGIN ", &n);

		if (label == NULL || kind_of(label, n) != PEM_CERTIFICATE)
			continue;
		text_cut(ret_der, 0);
		if (block_read(bytes, length, at, ret_der) && ret_der->length > 0)
			return true;
	}
	return false;
}

int pem_read(struct pem *ret_pem, const char *bytes, size_t length, enum pem_kind kind, struct fault *f)
{
	PEM_AUTO p = { .cut = false };
	struct text_line line;

	for (size_t at = 0; text_line_next(bytes, length, &at, &line);) {
		TEXT_SECRET_AUTO body = { 0 };
		size_t n;
		const char *label = label_find(&line, "-----BEGIN ", &n);

		if (label == NULL)
			continue;
		const enum pem_kind here = kind_of(label, n);
		if (p.other[0] == '\0')
			(void)snprintf(p.other, sizeof(p.other), "%s", SHOWN_BYTES(label, n < 60 ? n : 60));
		if (!block_read(bytes, length, &at, &body))
			p.cut = true;
		if (here == kind && !p.held[here] && !p.cut && body.length > 0) {
			const struct der whole = { (const unsigned char *)body.bytes, body.length };
			if (here == PEM_CERTIFICATE)
				certificate_public(whole, &p.public_part);
			else
				key_public(whole, &p.public_part);
		}
		p.held[here] = true;
		if (body.failed)
			return fault_memory(f);
	}
	p.held[PEM_NONE] = p.other[0] == '\0';
	if (text_check(&p.public_part, f) < 0)
		return -1;
	*ret_pem = p;
	p = (struct pem){ .cut = false };
	return 0;
}
