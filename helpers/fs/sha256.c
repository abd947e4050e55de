#include "fs/sha256.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/if_alg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

/* libcrypto's EVP interface, as far as it is the same from 1.0.2 to 3.x; types after its manual pages. */
static struct {
	void *(*context_new)(void);
	void (*context_free)(void *);
	const void *(*algorithm)(void);
	int (*init)(void *, const void *, void *);
	int (*update)(void *, const void *, size_t);
	int (*final)(void *, unsigned char *, unsigned *);
} evp;

static enum { PROVIDER_UNKNOWN, PROVIDER_LIBCRYPTO, PROVIDER_KERNEL, PROVIDER_NONE } provider;
static const char *forbidden;

/* Full paths only: LD_LIBRARY_PATH decides nothing here. */
static const char *const directories[] = { "/usr/lib64", "/lib64", "/usr/lib/x86_64-linux-gnu",
					   "/usr/lib/aarch64-linux-gnu", "/usr/lib" };
static const char *const sonames[] = { "libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so.10", "libcrypto.so.1.0.2",
				       "libcrypto.so.4" };

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

static bool libcrypto_open(void)
{
	/* A program that is linked to one has no use for a second. */
	if (evp_resolve(RTLD_DEFAULT))
		return true;
	for (size_t s = 0; s < sizeof(sonames) / sizeof(sonames[0]); s++) {
		for (size_t d = 0; d < sizeof(directories) / sizeof(directories[0]); d++) {
			char path[128];
			(void)snprintf(path, sizeof(path), "%s/%s", directories[d], sonames[s]);
			void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
			if (library == NULL)
				continue;
			if (evp_resolve(library))
				return true;
			(void)dlclose(library);
		}
	}
	return false;
}

/* A descriptor that takes bytes by send(2) and gives the digest by read(2); -1 when the kernel has none. */
static int kernel_open(void)
{
	struct sockaddr_alg address = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
	const int listener = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int fd = -1;

	if (listener < 0)
		return -1;
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0)
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	(void)close(listener);
	return fd;
}

static bool allowed(const char *name)
{
	return forbidden == NULL || strcmp(forbidden, name) != 0;
}

static void provider_choose(void)
{
	if (provider != PROVIDER_UNKNOWN)
		return;
	provider = PROVIDER_NONE;
	if (allowed("libcrypto") && libcrypto_open()) {
		provider = PROVIDER_LIBCRYPTO;
	} else if (allowed("kernel")) {
		const int fd = kernel_open();
		if (fd >= 0) {
			(void)close(fd);
			provider = PROVIDER_KERNEL;
		}
	}
}

void fs_sha256_forbid(const char *name)
{
	forbidden = name;
	provider = PROVIDER_UNKNOWN;
}

void fs_sha256_done(struct fs_sha256 *d)
{
	if (d->state != NULL)
		evp.context_free(d->state);
	if (d->socket >= 0)
		(void)close(d->socket);
	*d = (struct fs_sha256)SHA256_INIT;
}

int fs_sha256_start(struct fs_sha256 *d, struct fault *f)
{
	provider_choose();
	switch (provider) {
	case PROVIDER_LIBCRYPTO:
		if (d->state == NULL)
			d->state = evp.context_new();
		if (d->state == NULL || evp.init(d->state, evp.algorithm(), NULL) != 1)
			return fault_system(f, 0, "libcrypto does not give SHA-256");
		return 0;
	case PROVIDER_KERNEL:
		if (d->socket >= 0)
			(void)close(d->socket);
		d->socket = kernel_open();
		if (d->socket < 0)
			return fault_system(f, errno, "the kernel does not give SHA-256");
		return 0;
	case PROVIDER_UNKNOWN:
	case PROVIDER_NONE:
		break;
	}
	return fault_absent(f, "no SHA-256 here: neither libcrypto nor the kernel's AF_ALG; install openssl-libs");
}

int fs_sha256_add(struct fs_sha256 *d, const void *bytes, size_t length, struct fault *f)
{
	if (provider == PROVIDER_LIBCRYPTO)
		return evp.update(d->state, bytes, length) == 1 ? 0 : fault_system(f, 0, "libcrypto failed in SHA-256");

	const char *at = bytes;
	while (length > 0) {
		const ssize_t sent = send(d->socket, at, length < 65536 ? length : 65536, MSG_MORE);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return fault_system(f, errno, "the kernel failed in SHA-256");
		at += sent;
		length -= (size_t)sent;
	}
	return 0;
}

int fs_sha256_finish(struct fs_sha256 *d, unsigned char ret_digest[SHA256_SIZE], struct fault *f)
{
	unsigned length = SHA256_SIZE;

	if (provider == PROVIDER_LIBCRYPTO)
		return evp.final(d->state, ret_digest, &length) == 1 && length == SHA256_SIZE
			       ? 0
			       : fault_system(f, 0, "libcrypto failed in SHA-256");
	if (send(d->socket, NULL, 0, 0) < 0 || read(d->socket, ret_digest, SHA256_SIZE) != SHA256_SIZE)
		return fault_system(f, errno, "the kernel failed in SHA-256");
	return 0;
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
