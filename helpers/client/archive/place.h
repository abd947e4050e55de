/*
 * client/archive/place: files, directories and links come into being below the new tree.
 *
 * Promise: works below one directory that nobody but root reaches.  What is made has its owner (root) and its mode from
 * the first instant; a file that turns out to hold a secret is 0600 when it is finished.  Nothing that is there already
 * is opened (O_EXCL), so no two members share a file; links come last, so nothing is written through one.  With tree -1
 * nothing is made, and all else is the same.
 *
 * A secret is a private key in PEM or the cloud service's client secret.  Programs and libraries, which know these
 * words without a secret behind them, are not looked at (their first bytes tell), nor is what lies beyond the first
 * megabyte, more than any file of settings or keys has.
 */
#ifndef OKV_CLIENT_ARCHIVE_PLACE_H
#define OKV_CLIENT_ARCHIVE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"
#include "fs/sha256.h"

enum { PLACE_SECRET_MODE = 0600 };

struct place {
	int tree; /* borrowed; -1: only look */
	/* Of the present file: */
	int fd;
	mode_t mode;
	struct fs_sha256 digest;
	uint64_t size;    /* so far */
	struct text look; /* its first bytes: what it is */
};

#define PLACE_INIT(tree_) \
	{ \
		.tree = (tree_), .fd = -1, .digest = SHA256_INIT \
	}
#define PLACE_AUTO __attribute__((cleanup(place_done))) struct place

/* What a file turned out to be. */
struct place_seen {
	unsigned char sha256[SHA256_SIZE];
	uint16_t machine; /* of a 64-bit shared library, its ELF machine; 0 (EM_NONE) of anything else */
	mode_t mode;
	bool secret;
};

void place_done(struct place *p);
/* Made with all above it, where they are missing. */
int place_directory(struct place *p, const char *path, struct fault *f);
/* With path NULL only the digest is taken of what place_file_add brings until place_file_end. */
int place_file_begin(struct place *p, const char *path, mode_t mode, struct fault *f);
int place_file_add(struct place *p, const char *path, const void *bytes, size_t length, struct fault *f);
int place_file_end(struct place *p, const char *path, struct place_seen *ret_seen, struct fault *f);
/* A second file with the content of `from`. */
int place_copy(struct place *p, const char *path, const char *from, mode_t mode, struct fault *f);
int place_link(struct place *p, const char *path, const char *target, struct fault *f);

#endif
