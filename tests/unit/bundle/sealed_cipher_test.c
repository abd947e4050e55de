/*
 * bundle/sealed: published test vectors, sealed and opened in pieces of every size.
 *
 * AES-256-GCM: test cases 13 to 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), those with a nonce of 12
 * bytes.  PBKDF2-HMAC-SHA-256: RFC 7914, section 11.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "bundle/sealed.c"

enum { BYTES_MAX = 80 };

#define KEY_ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define KEY_FE   "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define P60 \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5" \
	"aa0de657ba637b39"
#define C60 \
	"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e63" \
	"93ba7a0abcc9f662"

static const struct vector {
	const char *key, *nonce, *aad, *plain, *cipher, *tag;
} vectors[] = {
	{ KEY_ZERO, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ KEY_ZERO, "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
	{ KEY_FE, "cafebabefacedbaddecaf888", "", P60 "1aafd255", C60 "898015ad", "b094dac5d93471bdec1a502270e3cc6c" },
	{ KEY_FE, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", P60, C60,
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
};
enum { VECTOR_COUNT = sizeof(vectors) / sizeof(vectors[0]) };

static size_t bytes_of(const char *hex, unsigned char bytes[BYTES_MAX])
{
	const size_t length = strlen(hex) / 2;

	assert_true(length <= BYTES_MAX);
	assert_true(hex_decode(hex, strlen(hex), bytes, length));
	return length;
}

/* Opens or seals in pieces of `piece` bytes, in place. */
static int vector_run(const struct vector *v, enum direction direction, size_t piece, unsigned char *bytes,
		      size_t length, unsigned char tag[BUNDLE_TAG_SIZE], struct fault *f)
{
	CIPHER_AUTO c = { 0 };
	unsigned char key[BYTES_MAX], nonce[BYTES_MAX], aad[BYTES_MAX];
	const size_t aad_length = bytes_of(v->aad, aad);

	assert_int_equal(bytes_of(v->key, key), BUNDLE_KEY_SIZE);
	assert_int_equal(bytes_of(v->nonce, nonce), BUNDLE_NONCE_SIZE);
	assert_int_equal(cipher_start(&c, direction, key, nonce, aad, aad_length, f), 0);
	for (size_t at = 0; at < length; at += piece) {
		const size_t now = length - at < piece ? length - at : piece;
		assert_int_equal(cipher_update(&c, bytes + at, now, bytes + at, f), 0);
	}
	return cipher_finish(&c, tag, f);
}

static void published_gcm_vectors_open_and_seal(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		for (size_t piece = 1; piece <= BYTES_MAX; piece++) {
			struct fault f = { 0 };
			unsigned char plain[BYTES_MAX], bytes[BYTES_MAX], cipher[BYTES_MAX], tag[BYTES_MAX],
				made[BUNDLE_TAG_SIZE];
			const size_t length = bytes_of(vectors[i].plain, plain);
			assert_int_equal(bytes_of(vectors[i].cipher, cipher), length);
			assert_int_equal(bytes_of(vectors[i].tag, tag), BUNDLE_TAG_SIZE);

			memcpy(bytes, cipher, length);
			assert_int_equal(vector_run(&vectors[i], OPEN, piece, bytes, length, tag, &f), 0);
			assert_memory_equal(bytes, plain, length);

			assert_int_equal(vector_run(&vectors[i], SEAL, piece, bytes, length, made, &f), 0);
			assert_memory_equal(bytes, cipher, length);
			assert_memory_equal(made, tag, BUNDLE_TAG_SIZE);
		}
	}
}

static void any_changed_bit_is_refused(void **state)
{
	const struct vector *v = &vectors[3];
	unsigned char cipher[BYTES_MAX], tag[BYTES_MAX], bytes[BYTES_MAX];
	const size_t length = bytes_of(v->cipher, cipher);

	(void)state;
	(void)bytes_of(v->tag, tag);
	for (size_t bit = 0; bit < 8 * (length + BUNDLE_TAG_SIZE); bit++) {
		struct fault f = { 0 };
		unsigned char *at = bit / 8 < length ? &cipher[bit / 8] : &tag[bit / 8 - length];
		*at ^= (unsigned char)(1U << bit % 8);
		memcpy(bytes, cipher, length);
		assert_int_equal(vector_run(v, OPEN, 16, bytes, length, tag, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
		*at ^= (unsigned char)(1U << bit % 8);
	}
	for (size_t digit = 0; digit < strlen(v->aad); digit++) {
		struct fault f = { 0 };
		struct vector other = *v;
		char aad[2 * BYTES_MAX];
		strcpy(aad, v->aad);
		aad[digit] = aad[digit] == '0' ? '1' : '0';
		other.aad = aad;
		memcpy(bytes, cipher, length);
		assert_int_equal(vector_run(&other, OPEN, 16, bytes, length, tag, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
	}
}

static void published_pbkdf2_vectors(void **state)
{
	static const struct {
		const char *passphrase, *salt;
		unsigned iterations;
		const char *key;
	} known[] = {
		{ "passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" },
		{ "Password", "NaCl", 80000, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct fault f = { 0 };
		unsigned char key[BUNDLE_KEY_SIZE], expected[BYTES_MAX];
		assert_int_equal(key_derive(known[i].passphrase, strlen(known[i].passphrase),
					    (const unsigned char *)known[i].salt, strlen(known[i].salt),
					    known[i].iterations, key, &f),
				 0);
		(void)bytes_of(known[i].key, expected);
		assert_memory_equal(key, expected, sizeof(key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_gcm_vectors_open_and_seal),
		cmocka_unit_test(any_changed_bit_is_refused),
		cmocka_unit_test(published_pbkdf2_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
