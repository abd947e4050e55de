/*
 * okv/leftovers: every copy of OKV's hsmbundle on this node: in its place, carried here, or left by a killed run.
 *
 * Promise: looks at each regular file in the bundle's own directory, SETTINGS_VAR, /tmp, /var/tmp, /dev/shm, /root,
 * /home, /opt, /srv, /images (OKV's upgrades), the homes of root, support and OKV's user, and all below them.
 * Content decides, whatever the name: a copy has the bytes of the bundle in its place, or begins with the first line
 * of a sealed one; besides, what has the name of a bundle, as copying leaves it, or of a stage of ours is one.  A
 * copy that has further names is looked for on the whole of its file system; where only its name made it one, or a
 * file of somebody else was linked to the bundle's place, these are unseen ones, for a neighbour may have given
 * /etc/shadow that name.  No link is followed; nothing but regular files is opened.
 *
 * What cannot be looked at (a directory or a file that cannot be opened or read, a mount point, a further
 * name that was not found) is an item too, OKV_LEFTOVER_UNSEEN, up to a hundred of them:
 * only where there are no items is the node clean.
 */
#ifndef OKV_OKV_LEFTOVERS_H
#define OKV_OKV_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/settings.h"

enum okv_leftover_kind {
	OKV_LEFTOVER_NONE,   /* of no item */
	OKV_LEFTOVER_BUNDLE, /* the bundle in its place */
	OKV_LEFTOVER_PLAIN,  /* an unsealed copy elsewhere */
	OKV_LEFTOVER_SEALED, /* a sealed copy */
	OKV_LEFTOVER_STAGE,  /* what a killed run left */
	OKV_LEFTOVER_UNSEEN, /* what may be a copy, or hold one */
};

enum { OKV_LEFTOVER_TEXT_SIZE = 256 };

struct okv_leftover {
	char *path; /* below root; owned */
	enum okv_leftover_kind kind;
	struct stat status;                  /* not of an unseen one */
	ino_t holder;                        /* of the directory, which lies on the same device */
	bool called;                         /* a bundle by its name or place alone: its other names are not */
	char origin[OKV_LEFTOVER_TEXT_SIZE]; /* the node that a sealed one names, unproven; or "" */
	char why[OKV_LEFTOVER_TEXT_SIZE];    /* printable; of an unseen one "could not be looked at: ..." */
};

struct okv_leftovers {
	struct okv_leftover *items;
	size_t count;
};

#define OKV_LEFTOVERS_AUTO __attribute__((cleanup(okv_leftovers_done))) struct okv_leftovers

/* The bundle in its place first, then by path.  Fails for lack of memory, or interrupted. */
int okv_leftovers_find(int root, const struct settings *settings, struct okv_leftovers *ret_leftovers, struct fault *f);
void okv_leftovers_done(struct okv_leftovers *leftovers);
/* Removes that very file, as fs_file_remove_at; an unseen one is FAULT_INCOMPLETE. */
int okv_leftover_remove(int root, const struct okv_leftover *leftover, struct fault *f);
/* Adds what it is: "a sealed copy from okv1, 1,234 bytes of 2026-01-31T23:59:59Z", "could not be looked at: ...". */
void okv_leftover_describe(const struct okv_leftover *leftover, struct text *out);

#endif
