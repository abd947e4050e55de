#include "conf/pem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void pem_done(struct pem *p)
{
	text_done(&p->public_part);
}

/* --- DER ---------------------------------------------------------------------------------------------------------- */

enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_OCTETS = 0x04, DER_SEQUENCE = 0x30, DER_OPTION_0 = 0xa0 };
#define DER_OPTION_1 (DER_OPTION_0 + 1)

struct der {
	const unsigned char *at;
	size_t length;
};

/* Takes the next element off `from`; false at the end, or where it is none. */
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

/* The next element that bears the tag; those before it are passed over. */
static bool der_find(struct der *from, unsigned tag, struct der *ret_content)
{
	unsigned here;

	while (der_next(from, &here, ret_content))
		if (here == tag)
			return true;
	return false;
}

/* The modulus, which RSAPublicKey begins with; or the point as it stands. */
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
static void certificate_public(struct der whole, struct text *out)
{
	struct der certificate, tbs, field, bits;

	if (!der_find(&whole, DER_SEQUENCE, &certificate) || !der_find(&certificate, DER_SEQUENCE, &tbs))
		return;
	for (unsigned i = 0; i < 5; i++)
		if (!der_find(&tbs, DER_SEQUENCE, &field))
			return;
	if (der_find(&field, DER_BITS, &bits))
		public_add(bits, out);
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

/* Adds the bytes of a line; false where it is none of base64.  *bits holds what is left over, with a 1 before it. */
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

/* The rest, of one or two bytes. */
static void base64_end(uint32_t bits, struct text *out)
{
	if (bits >= 1u << 18)
		text_add_char(out, (char)(bits >> 10));
	if (bits >= 1u << 18)
		text_add_char(out, (char)(bits >> 2));
	else if (bits >= 1u << 12)
		text_add_char(out, (char)(bits >> 4));
}

/* "-----BEGIN X-----": X, or NULL. */
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
	static const char key[] = "PRIVATE KEY", certificate[] = "CERTIFICATE";
	const size_t k = strlen(key), c = strlen(certificate);

	if (length >= k && memcmp(label + length - k, key, k) == 0)
		return PEM_KEY;
	return length >= c && memcmp(label + length - c, certificate, c) == 0 ? PEM_CERTIFICATE : PEM_OTHER;
}

/* The lines of one block, *at behind its first; its bytes, unless they are encrypted. */
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

int pem_read(struct pem *ret_pem, const char *bytes, size_t length, enum pem_kind kind, struct fault *f)
{
	PEM_AUTO p = { .cut = false };
	struct text_line line;

	for (size_t at = 0; text_line_next(bytes, length, &at, &line);) {
		__attribute__((cleanup(text_done_secret))) struct text body = { 0 };
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
