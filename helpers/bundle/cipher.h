/*
 * bundle/cipher: libcrypto, and all of it that this project uses to seal: PBKDF2-HMAC-SHA-256 (NIST SP 800-132),
 * AES-256-GCM (FIPS 197, SP 800-38D) and the random generator.  Each goes through the EVP interface that OpenSSL
 * 1.1.1 and 3.x share, so a FIPS-mode system answers with its own validated module.  SHA-256 is fs/sha256's, which
 * takes it from this same library (fs/libcrypto).  Where there is none, FAULT_ABSENT with the
 * package.
 *
 * Promise: bytes that bundle_cipher_update gives out while opening are not yet proven; only after
 * bundle_cipher_finish has returned 0 are they what was sealed.  A tag that does not fit is FAULT_REFUSED.
 * Keys are copied into libcrypto's context only, which wipes itself in bundle_cipher_done.
 */
#ifndef OKV_BUNDLE_CIPHER_H
#define OKV_BUNDLE_CIPHER_H

#include <stddef.h>

#include "base/fault.h"
#include "bundle/header.h"

enum bundle_direction { BUNDLE_OPEN, BUNDLE_SEAL };

struct bundle_cipher {
	void *context;
	enum bundle_direction direction;
};

#define BUNDLE_CIPHER_AUTO __attribute__((cleanup(bundle_cipher_done))) struct bundle_cipher

int bundle_key_derive(const void *passphrase, size_t length, const unsigned char *salt, size_t salt_length,
		      unsigned iterations, unsigned char ret_key[BUNDLE_KEY_SIZE], struct fault *f);
int bundle_random(void *bytes, size_t length, struct fault *f);

/* `aad`: the additional authenticated data, all of it. */
int bundle_cipher_start(struct bundle_cipher *c, enum bundle_direction direction,
			const unsigned char key[BUNDLE_KEY_SIZE], const unsigned char nonce[BUNDLE_NONCE_SIZE],
			const void *aad, size_t aad_length, struct fault *f);
/* As many bytes out as in; `in` and `out` are the same or do not overlap. */
int bundle_cipher_update(struct bundle_cipher *c, const unsigned char *in, size_t length, unsigned char *out,
			 struct fault *f);
/* Opening: proves the tag.  Sealing: gives it. */
int bundle_cipher_finish(struct bundle_cipher *c, unsigned char tag[BUNDLE_TAG_SIZE], struct fault *f);
void bundle_cipher_done(struct bundle_cipher *c);

/* "OpenSSL 3.0.2 15 Mar 2022", for -v. */
const char *bundle_library(void);

#endif
