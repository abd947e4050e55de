/*
 * okv/leftovers: finds every copy of OKV's hsmbundle on this node: in its place, copied here, or left by a killed run.
 *
 * Promise: looks at each regular file in or below the bundle's own directory, SETTINGS_VAR, /tmp, /var/tmp, /dev/shm,
 * /root, /home, /opt, /srv, /images (OKV's upgrades) and the homes of root, support and OKV's user.  Content decides,
 * whatever the name: a copy has the bytes of the bundle in its place, or begins with the first line of a sealed one.  A
 * file with a bundle's name, as copying makes it, or with the name of one of our temporary files counts, too.  Further
 * hard links of a copy are searched for on its whole file system.  If only the name made it a copy, or another user's
 * file is linked to the bundle's place, they are reported as OKV_LEFTOVER_UNSEEN: a local user may have given
 * /etc/shadow that name.  No symbolic link is followed; only regular files are opened.
 *
 * What cannot be looked at (a directory or file that cannot be opened or read, a mount point, a hard link that was not
 * found) is an item, too: OKV_LEFTOVER_UNSEEN, at most about a hundred.  The node is clean only if there are no items.
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
	OKV_LEFTOVER_NONE,   /* not a copy; no item has it */
	OKV_LEFTOVER_BUNDLE, /* the bundle in its place */
	OKV_LEFTOVER_PLAIN,  /* an unsealed copy elsewhere */
	OKV_LEFTOVER_SEALED, /* a sealed copy */
	OKV_LEFTOVER_STAGE,  /* a temporary file of a killed run */
	OKV_LEFTOVER_UNSEEN, /* may be a copy or contain one */
};

enum { OKV_LEFTOVER_TEXT_SIZE = 256 };

struct okv_leftover {
	char *path; /* below root; owned */
	enum okv_leftover_kind kind;
	struct stat status;                  /* unset for OKV_LEFTOVER_UNSEEN */
	ino_t holder;                        /* inode of its directory, on the same device */
	bool named_only;                     /* only name or place make it a copy, so its other names are none */
	char origin[OKV_LEFTOVER_TEXT_SIZE]; /* the node that a sealed copy names, not verified; or "" */
	char why[OKV_LEFTOVER_TEXT_SIZE];    /* printable, such as "could not be looked at: ..." */
};

struct okv_leftovers {
	struct okv_leftover *items;
	size_t count;
};

#define OKV_LEFTOVERS_AUTO __attribute__((cleanup(okv_leftovers_done))) struct okv_leftovers

/* Sorted by path, the bundle in its place first.  Fails only without memory or if interrupted. */
int okv_leftovers_find(int root, const struct settings *settings, struct okv_leftovers *ret_leftovers, struct fault *f);
void okv_leftovers_done(struct okv_leftovers *leftovers);
/* Removes exactly this file (fs_name_remove); OKV_LEFTOVER_UNSEEN is FAULT_INCOMPLETE. */
int okv_leftover_remove(int root, const struct okv_leftover *leftover, struct fault *f);
/* Adds a description: "a sealed copy from okv1, 1,234 bytes of 2026-01-31T23:59:59Z", "could not be looked at: ...". */
void okv_leftover_describe(const struct okv_leftover *leftover, struct text *out);

#endif
