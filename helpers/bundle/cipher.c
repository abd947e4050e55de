#include "bundle/cipher.h"

#include <stdbool.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

/* A call into the library failed; its own reason helps where a FIPS module said no. */
static int library_fault(struct fault *f, const char *act)
{
	const unsigned long code = ERR_get_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return fault_system(f, 0, "libcrypto cannot %s%s%s", act, reason != NULL ? ": " : "",
			    reason != NULL ? reason : "");
}

int bundle_key_derive(const void *passphrase, size_t length, const unsigned char *salt, size_t salt_length,
		      unsigned iterations, unsigned char ret_key[BUNDLE_KEY_SIZE], struct fault *f)
{
	if (PKCS5_PBKDF2_HMAC(passphrase, (int)length, salt, (int)salt_length, (int)iterations, EVP_sha256(),
			      BUNDLE_KEY_SIZE, ret_key) != 1)
		return library_fault(f, "derive a key by PBKDF2-HMAC-SHA-256");
	return 0;
}

int bundle_random(void *bytes, size_t length, struct fault *f)
{
	if (RAND_bytes(bytes, (int)length) != 1)
		return library_fault(f, "give random bytes");
	return 0;
}

int bundle_cipher_start(struct bundle_cipher *c, enum bundle_direction direction,
			const unsigned char key[BUNDLE_KEY_SIZE], const unsigned char nonce[BUNDLE_NONCE_SIZE],
			const void *aad, size_t aad_length, struct fault *f)
{
	int written;

	bundle_cipher_done(c);
	c->direction = direction;
	c->context = EVP_CIPHER_CTX_new();
	if (c->context == NULL)
		return fault_memory(f);
	/* The nonce length of GCM is 12 unless it is set. */
	if (EVP_CipherInit_ex(c->context, EVP_aes_256_gcm(), NULL, key, nonce, direction == BUNDLE_SEAL) != 1 ||
	    (aad_length > 0 && EVP_CipherUpdate(c->context, NULL, &written, aad, (int)aad_length) != 1))
		return library_fault(f, "start AES-256-GCM");
	return 0;
}

int bundle_cipher_update(struct bundle_cipher *c, const unsigned char *in, size_t length, unsigned char *out,
			 struct fault *f)
{
	int written;

	if (EVP_CipherUpdate(c->context, out, &written, in, (int)length) != 1 || written != (int)length)
		return library_fault(f, c->direction == BUNDLE_SEAL ? "encrypt" : "decrypt");
	return 0;
}

int bundle_cipher_finish(struct bundle_cipher *c, unsigned char tag[BUNDLE_TAG_SIZE], struct fault *f)
{
	const bool opening = c->direction == BUNDLE_OPEN;
	unsigned char nothing[BUNDLE_TAG_SIZE];
	int written;

	if (opening && EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_AEAD_SET_TAG, BUNDLE_TAG_SIZE, tag) != 1)
		return library_fault(f, "take the tag");
	if (EVP_CipherFinal_ex(c->context, nothing, &written) != 1) {
		if (!opening)
			return library_fault(f, "make the tag");
		ERR_clear_error();
		return fault_refused(f, "the passphrase is wrong, or the file was changed");
	}
	if (!opening && EVP_CIPHER_CTX_ctrl(c->context, EVP_CTRL_AEAD_GET_TAG, BUNDLE_TAG_SIZE, tag) != 1)
		return library_fault(f, "make the tag");
	return 0;
}

void bundle_cipher_done(struct bundle_cipher *c)
{
	/* Wipes the key schedule. */
	EVP_CIPHER_CTX_free(c->context);
	c->context = NULL;
}

const char *bundle_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}
