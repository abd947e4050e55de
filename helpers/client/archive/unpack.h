/*
 * client/archive/unpack: the keeper, who is root and reads no archive.
 *
 * Promise: starts a decoder and two placers in sandboxes, hears them to the end and believes nothing twice: what was
 * announced was placed, each note is well formed, links are judged again.  When one fails, all are ended and the
 * first fault is told.  No process outlives the call.  The tree then holds directories and plain files, owned
 * by the sandbox's ids; links and owners are the caller's work.
 */
#ifndef OKV_CLIENT_ARCHIVE_UNPACK_H
#define OKV_CLIENT_ARCHIVE_UNPACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/archive/limits.h"
#include "client/archive/pipe.h"
#include "base/fault.h"
#include "base/text.h"

enum { UNPACK_ARCHIVES = 16 }; /* at most, in one run */

struct unpack_entry {
	const char *path;   /* both live as long as the unpack they are of */
	const char *target; /* of links, else NULL */
	enum pipe_entry type;
	uint16_t machine; /* of a file that is a 64-bit shared library: its ELF machine; 0 of any other */
	uint64_t size;
	unsigned char sha256[SHA256_SIZE]; /* of files */
};

struct unpack_request {
	const int *archives;
	const char *const *names;
	size_t archive_count;
	int tree;        /* an empty directory to place into, owned by uid; any when `judge_only` */
	bool judge_only; /* read and judge everything, and place nothing */
	uid_t uid;
	gid_t gid;
	struct limits limits;
	mode_t (*mode_of)(const char *path);
	/* Told now and then; may be NULL. */
	void (*progress)(void *context, uint64_t read, uint64_t placed, uint64_t files);
	void *context;
};

struct unpack {
	struct unpack_entry *entries; /* once it has succeeded, in the order of text_path_compare */
	size_t count, capacity;
	uint64_t files, bytes;
	struct text format;             /* "zip; tar, gzip" */
	struct text covered;            /* paths, each with a line feed */
	struct unpack_strings *strings; /* owned; where the paths lie */
};

void unpack_done(struct unpack *u);
int unpack_run(const struct unpack_request *request, struct unpack *ret_unpack, struct fault *f);
/* NULL where the path is not among the entries. */
const struct unpack_entry *unpack_find(const struct unpack *u, const char *path);

#endif
