#include "bundle/cipher.h"

#include <stdbool.h>

#include "fs/libcrypto.h"

/* EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG, OPENSSL_VERSION: the same in every release. */
enum { GET_TAG = 0x10, SET_TAG = 0x11, VERSION = 0 };

/* What is used of libcrypto, the same from 1.1.0 to 3.x; types after its manual pages. */
static struct {
	unsigned long (*get_error)(void);
	void (*clear_error)(void);
	const char *(*reason)(unsigned long);
	int (*random)(unsigned char *, int);
	int (*pbkdf2)(const char *, int, const unsigned char *, int, int, const void *, int, unsigned char *);
	const void *(*sha256)(void);
	const void *(*aes)(void);
	void *(*context_new)(void);
	void (*context_free)(void *);
	int (*control)(void *, int, int, void *);
	int (*init)(void *, const void *, void *, const unsigned char *, const unsigned char *, int);
	int (*update)(void *, unsigned char *, int *, const unsigned char *, int);
	int (*final)(void *, unsigned char *, int *);
	const char *(*version)(int);
} lib;

static int library_find(struct fault *f)
{
	static const struct {
		const char *name;
		void *function;
	} names[] = {
		{ "ERR_get_error", &lib.get_error },
		{ "ERR_clear_error", &lib.clear_error },
		{ "ERR_reason_error_string", &lib.reason },
		{ "RAND_bytes", &lib.random },
		{ "PKCS5_PBKDF2_HMAC", &lib.pbkdf2 },
		{ "EVP_sha256", &lib.sha256 },
		{ "EVP_aes_256_gcm", &lib.aes },
		{ "EVP_CIPHER_CTX_new", &lib.context_new },
		{ "EVP_CIPHER_CTX_free", &lib.context_free },
		{ "EVP_CIPHER_CTX_ctrl", &lib.control },
		{ "EVP_CipherInit_ex", &lib.init },
		{ "EVP_CipherUpdate", &lib.update },
		{ "EVP_CipherFinal_ex", &lib.final },
		{ "OpenSSL_version", &lib.version },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!fs_libcrypto_find(names[i].name, names[i].function))
			return fault_absent(
				f,
				"nothing can be sealed or opened without libcrypto (%s); install the package "
				"'openssl-libs'",
				names[i].name);
	return 0;
}

/* A call into the library failed; its own reason helps where a FIPS module said no. */
static int library_fault(struct fault *f, const char *act)
{
	const unsigned long code = lib.get_error();
	const char *reason = code != 0 ? lib.reason(code) : NULL;

	lib.clear_error();
	return fault_system(f, 0, "libcrypto cannot %s%s%s", act, reason != NULL ? ": " : "",
			    reason != NULL ? reason : "");
}

int bundle_key_derive(const void *passphrase, size_t length, const unsigned char *salt, size_t salt_length,
		      unsigned iterations, unsigned char ret_key[BUNDLE_KEY_SIZE], struct fault *f)
{
	if (library_find(f) < 0)
		return -1;
	if (lib.pbkdf2(passphrase, (int)length, salt, (int)salt_length, (int)iterations, lib.sha256(), BUNDLE_KEY_SIZE,
		       ret_key) != 1)
		return library_fault(f, "derive a key by PBKDF2-HMAC-SHA-256");
	return 0;
}

int bundle_random(void *bytes, size_t length, struct fault *f)
{
	if (library_find(f) < 0)
		return -1;
	if (lib.random(bytes, (int)length) != 1)
		return library_fault(f, "give random bytes");
	return 0;
}

int bundle_cipher_start(struct bundle_cipher *c, enum bundle_direction direction,
			const unsigned char key[BUNDLE_KEY_SIZE], const unsigned char nonce[BUNDLE_NONCE_SIZE],
			const void *aad, size_t aad_length, struct fault *f)
{
	int written;

	if (library_find(f) < 0)
		return -1;
	bundle_cipher_done(c);
	c->direction = direction;
	c->context = lib.context_new();
	if (c->context == NULL)
		return fault_memory(f);
	/* The nonce length of GCM is 12 unless it is set. */
	if (lib.init(c->context, lib.aes(), NULL, key, nonce, direction == BUNDLE_SEAL) != 1 ||
	    (aad_length > 0 && lib.update(c->context, NULL, &written, aad, (int)aad_length) != 1))
		return library_fault(f, "start AES-256-GCM");
	return 0;
}

int bundle_cipher_update(struct bundle_cipher *c, const unsigned char *in, size_t length, unsigned char *out,
			 struct fault *f)
{
	int written;

	if (lib.update(c->context, out, &written, in, (int)length) != 1 || written != (int)length)
		return library_fault(f, c->direction == BUNDLE_SEAL ? "encrypt" : "decrypt");
	return 0;
}

int bundle_cipher_finish(struct bundle_cipher *c, unsigned char tag[BUNDLE_TAG_SIZE], struct fault *f)
{
	const bool opening = c->direction == BUNDLE_OPEN;
	unsigned char nothing[BUNDLE_TAG_SIZE];
	int written;

	if (opening && lib.control(c->context, SET_TAG, BUNDLE_TAG_SIZE, tag) != 1)
		return library_fault(f, "take the tag");
	if (lib.final(c->context, nothing, &written) != 1) {
		if (!opening)
			return library_fault(f, "make the tag");
		lib.clear_error();
		return fault_refused(f, "the passphrase is wrong, or the file was changed");
	}
	if (!opening && lib.control(c->context, GET_TAG, BUNDLE_TAG_SIZE, tag) != 1)
		return library_fault(f, "make the tag");
	return 0;
}

void bundle_cipher_done(struct bundle_cipher *c)
{
	/* Wipes the key schedule. */
	if (c->context != NULL)
		lib.context_free(c->context);
	c->context = NULL;
}

const char *bundle_library(void)
{
	struct fault ignored = { 0 };

	return library_find(&ignored) == 0 ? lib.version(VERSION) : "without libcrypto";
}
