/*
 * conf/manifest: what a tree holds, as an mtree(5) specification.
 *
 * Promise: manifest_print writes what stock tools read (mtree of NetBSD and FreeBSD, bsdtar): full paths that begin
 * with "./", one entry a line, the directories above an entry before it.  manifest_parse reads that back to an
 * equal manifest, and refuses with the line number whatever manifest_print would not write, so a damaged file is
 * never half believed.  It opens nothing.
 *
 * Names and link targets may hold any byte but NUL: blanks, control bytes, '#', '\\', glob characters and bytes
 * above 0x7e are written as \ooo (vis(3), octal).
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
	char *path;   /* owned; below the root, without a leading slash; "" is the root itself */
	char *target; /* owned; of a link, else NULL */
	enum manifest_type type;
	/* A directory that is only passed through has none of what follows: whose it is, is not our affair. */
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
/* Adds a blank entry that owns copies of path and target (NULL: none); valid until the next one is added. */
struct manifest_entry *manifest_add(struct manifest *m, const char *path, const char *target, struct fault *f);
/* Orders the entries by path, a directory before what is in it; a path named twice is FAULT_REFUSED. */
int manifest_sort(struct manifest *m, struct fault *f);
/* In a sorted manifest; NULL where the path is not in it. */
const struct manifest_entry *manifest_find(const struct manifest *m, const char *path);
/* `comment` (lines of text for people) stands at the head, each line after "# "; may be NULL. */
void manifest_print(const struct manifest *m, const char *comment, struct text *out);
/* The same in pieces, for one that is not held in memory as a text: the head, then each entry in its order. */
void manifest_head_print(const char *comment, struct text *out);
void manifest_entry_print(const struct manifest_entry *e, struct text *out);
/* `name` is for the fault.  The result is sorted. */
int manifest_parse(struct manifest *ret_manifest, const char *name, const char *bytes, size_t length, struct fault *f);

/* Adds a name with \ooo for what mtree(5) would take for something else, and the way back (false: malformed). */
void manifest_name_add(struct text *out, const char *name);
bool manifest_name_read(struct text *ret_name, const char *bytes, size_t length);

#endif
