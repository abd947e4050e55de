#include "fs/sha256.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/each.h"
#include "fs/handle.h"

/* libcrypto's EVP interface, as far as it is the same from 1.0.2 to 3.x; types after its manual pages. */
static struct {
	void *(*context_new)(void);
	void (*context_free)(void *);
	const void *(*algorithm)(void);
	int (*init)(void *, const void *, void *);
	int (*update)(void *, const void *, size_t);
	int (*final)(void *, unsigned char *, unsigned *);
} evp;

/* Full paths only: LD_LIBRARY_PATH decides nothing here. */
static const char *const directories[] = { "/usr/lib64", "/lib64", "/usr/lib/x86_64-linux-gnu",
					   "/usr/lib/aarch64-linux-gnu", "/usr/lib" };

/* POSIX lets a data pointer from dlsym stand for a function; ISO C wants it copied. */
static bool symbol(void *library, const char *name, void *target)
{
	void *address = dlsym(library, name);

	memcpy(target, &address, sizeof(address));
	return address != NULL;
}

static bool evp_resolve(void *library)
{
	return (symbol(library, "EVP_MD_CTX_new", &evp.context_new) ||
		symbol(library, "EVP_MD_CTX_create", &evp.context_new)) &&
	       (symbol(library, "EVP_MD_CTX_free", &evp.context_free) ||
		symbol(library, "EVP_MD_CTX_destroy", &evp.context_free)) &&
	       symbol(library, "EVP_sha256", &evp.algorithm) && symbol(library, "EVP_DigestInit_ex", &evp.init) &&
	       symbol(library, "EVP_DigestUpdate", &evp.update) && symbol(library, "EVP_DigestFinal_ex", &evp.final);
}

/* The first in that directory that can be loaded, whatever its soname: the next OS major's is not known yet. */
static bool libcrypto_find(const char *directory)
{
	FS_AUTO int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault ignored = { 0 };

	if (dir < 0 || fs_each_open(dir, directory, &each, &ignored) < 0)
		return false;
	while (fs_each_next(&each, &entry, &ignored) > 0) {
		char path[PATH_MAX];
		if (!text_starts(entry.name, "libcrypto.so"))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", directory, entry.name);
		void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (library != NULL && evp_resolve(library))
			return true;
		if (library != NULL)
			(void)dlclose(library);
	}
	return false;
}

static bool libcrypto_open(void)
{
	static bool opened;

	/* A program that is linked to one has no use for a second. */
	opened = opened || evp_resolve(RTLD_DEFAULT);
	for (size_t i = 0; !opened && i < sizeof(directories) / sizeof(directories[0]); i++)
		opened = libcrypto_find(directories[i]);
	return opened;
}

void fs_sha256_done(struct fs_sha256 *d)
{
	if (d->state != NULL)
		evp.context_free(d->state);
	d->state = NULL;
}

int fs_sha256_start(struct fs_sha256 *d, struct fault *f)
{
	if (!libcrypto_open())
		return fault_absent(f, "there is no libcrypto here to take a SHA-256; install openssl-libs");
	if (d->state == NULL)
		d->state = evp.context_new();
	return d->state != NULL && evp.init(d->state, evp.algorithm(), NULL) == 1
		       ? 0
		       : fault_system(f, 0, "libcrypto does not give SHA-256");
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
