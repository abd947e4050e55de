/*
 * fs/sha256: SHA-256 (FIPS 180-4) without linking a library that an OS upgrade can remove.
 *
 * Promise: libcrypto computes it (fs/libcrypto), so it is the approved implementation in FIPS mode.  FAULT_ABSENT if
 * there is no libcrypto.
 */
#ifndef OKV_FS_SHA256_H
#define OKV_FS_SHA256_H

#include <stddef.h>

#include "base/fault.h"
#include "base/hex.h"

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = HEX_SIZE(SHA256_SIZE) };

struct fs_sha256 {
	void *state; /* EVP_MD_CTX */
};

#define SHA256_INIT \
	{ \
		.state = NULL \
	}
#define SHA256_AUTO __attribute__((cleanup(fs_sha256_done))) struct fs_sha256

/* Begins a new digest; may be called again on the same object. */
int fs_sha256_start(struct fs_sha256 *d, struct fault *f);
int fs_sha256_add(struct fs_sha256 *d, const void *bytes, size_t length, struct fault *f);
/* Call fs_sha256_start before the next use. */
int fs_sha256_finish(struct fs_sha256 *d, unsigned char ret_digest[SHA256_SIZE], struct fault *f);
void fs_sha256_done(struct fs_sha256 *d);

/* Digest of everything from the descriptor's current offset to the end; `name` is for the fault. */
int fs_sha256_descriptor(int fd, const char *name, unsigned char ret_digest[SHA256_SIZE], struct fault *f);

#endif
