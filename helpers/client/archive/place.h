/*
 * client/archive/place: creates files, directories and links in the new tree.
 *
 * Promise: works below a directory that only root can reach.  Everything is created with its owner (root) and mode; a
 * file that turns out to contain a secret is 0600 when it is finished.  Existing files are never opened (O_EXCL), so no
 * two members share a file; links are created last, so nothing is written through one.  With tree -1 nothing is
 * created, and everything else is the same.
 *
 * A secret is a PEM private key or the cloud service's client secret.  Programs and libraries (recognized by their
 * first bytes) are not searched, because they contain these words without a secret; nor is a file searched beyond its
 * first megabyte, which is larger than any file of settings or keys.
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
	int tree; /* borrowed; -1: create nothing */
	/* Of the current file: */
	int fd;
	mode_t mode;
	struct fs_sha256 digest;
	uint64_t size;    /* bytes so far */
	struct text look; /* its first bytes, to find out what it is */
};

#define PLACE_INIT(tree_) \
	{ \
		.tree = (tree_), .fd = -1, .digest = SHA256_INIT \
	}
#define PLACE_AUTO __attribute__((cleanup(place_done))) struct place

/* What was found about a file. */
struct place_seen {
	unsigned char sha256[SHA256_SIZE];
	uint16_t machine; /* ELF machine of a 64-bit shared library, 0 (EM_NONE) for anything else */
	mode_t mode;
	bool secret;
};

void place_done(struct place *p);
/* Creates the directory and its missing parents. */
int place_directory(struct place *p, const char *path, struct fault *f);
/* With path NULL only computes the digest of what place_file_add gets until place_file_end. */
int place_file_begin(struct place *p, const char *path, mode_t mode, struct fault *f);
int place_file_add(struct place *p, const char *path, const void *bytes, size_t length, struct fault *f);
int place_file_end(struct place *p, const char *path, struct place_seen *ret_seen, struct fault *f);
/* Creates a copy of the file `from`. */
int place_copy(struct place *p, const char *path, const char *from, mode_t mode, struct fault *f);
int place_link(struct place *p, const char *path, const char *target, struct fault *f);

#endif
