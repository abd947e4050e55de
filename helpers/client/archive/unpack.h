/*
 * client/archive/unpack: unpacks archives into a tree, without parsing them in this process.
 *
 * Promise: each archive is read by its own process (okv-luna-unarchive, client/archive/unarchive), which is not
 * trusted: every member that it sends is judged here before it is written, and what is written is what was judged.
 * Files and directories belong to root and have the mode of the caller's policy from their creation; hard links become
 * copies.  Metadata files of macOS and Windows are skipped and reported.  A refused archive is FAULT_REFUSED with the
 * names of archive and member and the rule's sentence; a missing library of the reading process is FAULT_ABSENT with
 * the package; an interrupt (proc/interrupt) FAULT_INCOMPLETE.  No process outlives the call.  After a fault the caller
 * removes the tree's contents.
 */
#ifndef OKV_CLIENT_ARCHIVE_UNPACK_H
#define OKV_CLIENT_ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/archive/judge.h"
#include "client/archive/limits.h"
#include "base/fault.h"
#include "base/text.h"
#include "fs/sha256.h"

enum { UNPACK_ARCHIVES = 16 }; /* at most in one run */

enum unpack_type { UNPACK_FILE, UNPACK_DIRECTORY, UNPACK_LINK, UNPACK_HARD_LINK };

struct unpack_entry {
	char *path;   /* both owned by struct unpack */
	char *target; /* of a link, else NULL */
	enum unpack_type type;
	/* Of files, and of hard links, which become files: */
	uint16_t machine; /* ELF machine of a 64-bit shared library, else 0 */
	uint16_t mode;    /* as created */
	bool secret;      /* it contains a secret (client/archive/place) */
	uint64_t size;
	unsigned char sha256[SHA256_SIZE];
};

struct unpack_request {
	const char *program; /* full path of okv-luna-unarchive */
	const int *archives; /* regular files */
	const char *const *names;
	size_t archive_count;
	int tree;               /* an empty directory; -1: read and judge everything, but write nothing */
	uid_t id;               /* user and group id of the reading process */
	const char *client_dir; /* where the client will be: judge.own_place */
	struct limits limits;
	mode_t (*mode_of)(const char *path); /* mode to create a file with: at most its final mode */
	/* Called from time to time; may be NULL. */
	void (*progress)(void *context, uint64_t read, uint64_t placed, uint64_t files);
	void *context;
};

struct unpack {
	struct unpack_entry *entries; /* after success, in the order of text_path_compare */
	size_t count;
	uint64_t files, bytes;
	struct text format;            /* "zip; tar" */
	struct text covered, left_out; /* paths, each with a line feed */
	struct judge judge;
};

void unpack_done(struct unpack *u);
int unpack_run(const struct unpack_request *request, struct unpack *ret_unpack, struct fault *f);
/* Judges all links together, when it is known what the client's paths begin with, and creates them. */
int unpack_links(struct unpack *u, const struct unpack_request *request, const char *top, struct fault *f);
/* NULL if there is no such path. */
const struct unpack_entry *unpack_find(const struct unpack *u, const char *path);

#endif
