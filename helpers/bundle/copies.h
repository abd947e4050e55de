/*
 * bundle/copies: every copy of a bundle on this node: in its place, carried here, or left by a killed run.
 *
 * Promise: looks at the bundle's place, at our own stages, and at the directories where scp and people put such
 * files (/tmp, /var/tmp, the home directories of root, support and OKV's user; not below them).  A file there is
 * a copy when it is called "hsmbundle", has one of our stage names, or begins with the first line of a sealed file.
 * No link is followed; nothing but regular files is opened or removed; others are passed over.
 */
#ifndef OKV_BUNDLE_COPIES_H
#define OKV_BUNDLE_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "bundle/header.h"
#include "conf/settings.h"

enum bundle_copy_kind {
	BUNDLE_COPY_BUNDLE, /* the bundle in its place */
	BUNDLE_COPY_PLAIN,  /* an unsealed copy elsewhere */
	BUNDLE_COPY_SEALED,
	BUNDLE_COPY_STAGE, /* what a killed run left */
};

struct bundle_copy {
	char *path; /* below root */
	enum bundle_copy_kind kind;
	struct stat status;
	char origin[BUNDLE_ORIGIN_SIZE]; /* of a sealed one with a header that can be read; unproven */
};

struct bundle_copies {
	struct bundle_copy *items;
	size_t count;
};

#define BUNDLE_COPIES_AUTO __attribute__((cleanup(bundle_copies_done))) struct bundle_copies

/* In the order: bundle, stages, then directory by directory by name. */
int bundle_copies_find(int root, const struct settings *settings, struct bundle_copies *ret_copies, struct fault *f);
void bundle_copies_done(struct bundle_copies *copies);
/* Removes that very file; absence is success, another file under its name is FAULT_INCOMPLETE. */
int bundle_copy_remove(int root, const struct bundle_copy *copy, struct fault *f);
/* "bundle", "plain", "sealed", "stage" */
const char *bundle_copy_kind_name(enum bundle_copy_kind kind);

/* The private file of `send`, below SETTINGS_VAR; unlinked as soon as it is open. */
#define BUNDLE_OUTGOING "outgoing.okvb"

#endif
