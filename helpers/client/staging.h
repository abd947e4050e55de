/*
 * client/staging: the directory beside the client's where a new one is made and the old one kept.
 *
 * Promise: /usr/safenet/.lunaclient.okv-luna for /usr/safenet/lunaclient: on the same file system, so that putting a
 * tree in its place is a rename; root's alone (0700), so that nobody reaches what is half made.  Beside and not in
 * /opt/okv-luna/var, which may be another file system.  In it
 *
 *   new/       what is being made; of no worth after its process has ended
 *   next       the finished new tree, about to be put in place; after that the one that was in its place
 *   previous   the client before this one, for --rollback
 *   outgoing   only where the kernel cannot exchange: the old client between two renames
 *   swap       which tree `next` was, while it is being put in place
 *   back       which tree `previous` was, from before a roll-back until all that belongs to it is done
 *   kept       the identity, while rpm is at work (client/identity)
 *
 * What a run that was killed has left in it is for client_swap_recover, before anything else is done.
 */
#ifndef OKV_CLIENT_STAGING_H
#define OKV_CLIENT_STAGING_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/report.h"
#include "fs/root.h"

struct client_staging {
	int root; /* the three of them borrowed */
	const char *client_dir;
	struct report *report;
	int parent;              /* directory of the client's directory */
	int dir;                 /* the staging directory itself */
	char leaf[FS_NAME_SIZE]; /* of the client's directory */
	char name[FS_NAME_SIZE]; /* of the staging directory */
	char made[PATH_MAX];     /* the first directory on the way that was made, below the root; "" for none */
};

#define CLIENT_STAGING_INIT \
	{ \
		.root = -1, .parent = -1, .dir = -1 \
	}
#define CLIENT_STAGING_AUTO __attribute__((cleanup(client_staging_done))) struct client_staging

void client_staging_done(struct client_staging *s);
/* Opens that of the client's directory, made where it is missing. */
int client_staging_open(int root, const char *client_dir, struct report *report, struct client_staging *ret_staging,
			struct fault *f);
/* Makes nothing: *ret_staging has dir -1 where there is none, parent -1 where there is not even its place. */
int client_staging_look(int root, const char *client_dir, struct report *report, struct client_staging *ret_staging,
			struct fault *f);
/*
 * At the end of a run: new/ goes, a staging directory in which nothing is kept, and directories on the way that were
 * made for it.
 */
void client_staging_close(struct client_staging *s);

/* new/tree, empty, to unpack into. */
int client_staging_tree(struct client_staging *s, int *ret_tree, struct fault *f);

/* The client's directory; -1 where there is none, FAULT_REFUSED where something else stands under its name. */
int client_staging_present(const struct client_staging *s, int *ret_dir, struct fault *f);
/* `previous`; -1 where there is none. */
int client_staging_previous(const struct client_staging *s, int *ret_dir, struct fault *f);

#endif
