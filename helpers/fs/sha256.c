#include "fs/sha256.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/libcrypto.h"

/* The part of EVP that is the same from 1.0.2 to 3.x, with the types of its manual pages. */
static struct {
	void *(*context_new)(void);
	void (*context_free)(void *);
	const void *(*algorithm)(void);
	int (*init)(void *, const void *, void *);
	int (*update)(void *, const void *, size_t);
	int (*final)(void *, unsigned char *, unsigned *);
} evp;

static bool evp_find(void)
{
	return (fs_libcrypto_find("EVP_MD_CTX_new", &evp.context_new) ||
		fs_libcrypto_find("EVP_MD_CTX_create", &evp.context_new)) &&
	       (fs_libcrypto_find("EVP_MD_CTX_free", &evp.context_free) ||
		fs_libcrypto_find("EVP_MD_CTX_destroy", &evp.context_free)) &&
	       fs_libcrypto_find("EVP_sha256", &evp.algorithm) && fs_libcrypto_find("EVP_DigestInit_ex", &evp.init) &&
	       fs_libcrypto_find("EVP_DigestUpdate", &evp.update) &&
	       fs_libcrypto_find("EVP_DigestFinal_ex", &evp.final);
}

void fs_sha256_done(struct fs_sha256 *d)
{
	if (d->state != NULL)
		evp.context_free(d->state);
	d->state = NULL;
}

int fs_sha256_start(struct fs_sha256 *d, struct fault *f)
{
	if (evp.final == NULL && !evp_find())
		return fault_absent(f, "there is no libcrypto to compute a SHA-256; install openssl-libs");
	if (d->state == NULL)
		d->state = evp.context_new();
	return d->state != NULL && evp.init(d->state, evp.algorithm(), NULL) == 1
		       ? 0
		       : fault_system(f, 0, "libcrypto does not support SHA-256");
}

int fs_sha256_add(struct fs_sha256 *d, const void *bytes, size_t length, struct fault *f)
{
	return evp.update(d->state, bytes, length) == 1 ? 0 : fault_system(f, 0, "libcrypto failed in SHA-256");
}

int fs_sha256_finish(struct fs_sha256 *d, unsigned char ret_digest[SHA256_SIZE], struct fault *f)
{
	unsigned length = SHA256_SIZE;

	return evp.final(d->state, ret_digest, &length) == 1 && length == SHA256_SIZE
		       ? 0
		       : fault_system(f, 0, "libcrypto failed in SHA-256");
}

int fs_sha256_descriptor(int fd, const char *name, unsigned char ret_digest[SHA256_SIZE], struct fault *f)
{
	SHA256_AUTO d = SHA256_INIT;
	char block[65536];

	if (fs_sha256_start(&d, f) < 0)
		return -1;
	for (;;) {
		const ssize_t got = read(fd, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(name));
		if (got == 0)
			return fs_sha256_finish(&d, ret_digest, f);
		if (fs_sha256_add(&d, block, (size_t)got, f) < 0)
			return -1;
	}
}
