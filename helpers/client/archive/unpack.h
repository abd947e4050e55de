/*
 * client/archive/unpack: from archives to a tree below one directory, by a process that reads no archive.
 *
 * Promise: each archive is read by a process of its own (okv-luna-unarchive, client/archive/unarchive), of which
 * nothing is believed: every member that it tells of is judged here before it is written, and what is written is what
 * was judged.  Files and directories are root's, with the mode that the caller's policy gives, from their first
 * instant; hard links become copies.  The side files of macOS and Windows are left out and told.  A refused archive is
 * FAULT_REFUSED with its name, the member's and the rule's sentence; a library that the reading process needs and that
 * is not there, FAULT_ABSENT with the package; an interrupt (proc/interrupt) FAULT_INCOMPLETE.  No process outlives the
 * call.  What is in the tree after a fault is the caller's to remove.
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

enum { UNPACK_ARCHIVES = 16 }; /* at most, in one run */

enum unpack_type { UNPACK_FILE, UNPACK_DIRECTORY, UNPACK_LINK, UNPACK_HARD_LINK };

struct unpack_entry {
	char *path;   /* both owned by the unpack they are of */
	char *target; /* of links, else NULL */
	enum unpack_type type;
	/* Of files, and of hard links, which become files: */
	uint16_t machine; /* of a 64-bit shared library, its ELF machine; 0 of any other */
	uint16_t mode;    /* as it was made */
	bool secret;      /* it holds one (client/archive/place) */
	uint64_t size;
	unsigned char sha256[SHA256_SIZE];
};

struct unpack_request {
	const char *program; /* that reads: okv-luna-unarchive by its full path */
	const int *archives; /* plain files */
	const char *const *names;
	size_t archive_count;
	int tree;               /* an empty directory; -1: read and judge everything, and write nothing */
	uid_t id;               /* whom the reading process becomes */
	const char *client_dir; /* where the client will lie: judge.own_place */
	struct limits limits;
	mode_t (*mode_of)(const char *path); /* of files; at most what the path gets in the end */
	/* Told now and then; may be NULL. */
	void (*progress)(void *context, uint64_t read, uint64_t placed, uint64_t files);
	void *context;
};

struct unpack {
	struct unpack_entry *entries; /* once it has succeeded, in the order of text_path_compare */
	size_t count;
	uint64_t files, bytes;
	struct text format;            /* "zip; tar" */
	struct text covered, left_out; /* paths, each with a line feed */
	struct judge judge;
};

void unpack_done(struct unpack *u);
int unpack_run(const struct unpack_request *request, struct unpack *ret_unpack, struct fault *f);
/* Judges all links together, once it is known what the client's paths begin with, and makes them in the tree. */
int unpack_links(struct unpack *u, const struct unpack_request *request, const char *top, struct fault *f);
/* NULL where the path is not among the entries. */
const struct unpack_entry *unpack_find(const struct unpack *u, const char *path);

#endif
