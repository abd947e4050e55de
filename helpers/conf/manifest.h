/*
 * conf/manifest: the contents of a tree as an mtree(5) specification.
 *
 * Promise: manifest_print writes what standard tools read (mtree of NetBSD and FreeBSD, bsdtar): paths that begin with
 * "./", one entry per line, a directory before its contents.  manifest_parse reads that back to an equal manifest.  It
 * refuses, with its number, any line that manifest_print would not write, so a damaged file is never half believed.  It
 * opens nothing.
 *
 * Names and link targets can have any byte but NUL: blanks, control bytes, '#', '\\', glob characters and bytes above
 * 0x7e are written as \ooo (vis(3), octal).
 */
#ifndef OKV_CONF_MANIFEST_H
#define OKV_CONF_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"

enum manifest_type { MANIFEST_FILE, MANIFEST_DIR, MANIFEST_LINK, MANIFEST_OTHER };

enum { MANIFEST_DIGEST_SIZE = 32 };

struct manifest_entry {
	char *path;   /* owned; below the root, without a leading slash; "" for the root itself */
	char *target; /* owned; link target, else NULL */
	enum manifest_type type;
	/* False for a directory that is only on the way to others: uid, gid and mode are then not set. */
	bool has_attributes;
	bool has_digest; /* of a file */
	uid_t uid;
	gid_t gid;
	mode_t mode;                                /* permission bits */
	uint64_t size;                              /* of a file */
	unsigned char digest[MANIFEST_DIGEST_SIZE]; /* SHA-256 */
};

struct manifest {
	struct manifest_entry *entries; /* owned */
	size_t count;
};

#define MANIFEST_AUTO __attribute__((cleanup(manifest_done))) struct manifest

void manifest_done(struct manifest *m);
/* Adds an entry with copies of path and target (NULL: none); the pointer is valid until the next one is added. */
struct manifest_entry *manifest_add(struct manifest *m, const char *path, const char *target, struct fault *f);
/* Sorts by path, a directory before its contents; a duplicate path is FAULT_REFUSED. */
int manifest_sort(struct manifest *m, struct fault *f);
/* The manifest must be sorted; NULL if it does not have the path. */
const struct manifest_entry *manifest_find(const struct manifest *m, const char *path);
/* `comment` (may be NULL) goes first, each line after "# ". */
void manifest_print(const struct manifest *m, const char *comment, struct text *out);
/* The same in pieces, for a manifest that is not held in memory: the head, then each entry in order. */
void manifest_head_print(const char *comment, struct text *out);
void manifest_entry_print(const struct manifest_entry *e, struct text *out);
/* `name` is for the fault.  The result is sorted. */
int manifest_parse(struct manifest *ret_manifest, const char *name, const char *bytes, size_t length, struct fault *f);

/* Adds a name, with \ooo for characters that are special in mtree(5); and the reverse (false: malformed). */
void manifest_name_add(struct text *out, const char *name);
bool manifest_name_read(struct text *ret_name, const char *bytes, size_t length);

#endif
