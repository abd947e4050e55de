/*
 * client/staging: the directory beside the client's where a new one is made and the old one kept, and the swap of one
 * for the other.
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
 * A swap is one sync of the file system and one exchange of two names; a fault before it has changed nothing, one after
 * it is FAULT_INCOMPLETE.  Which tree is meant is noted durably before, so that the next run either completes a swap
 * whose new tree is in place, or throws the new tree away, and puts an old one back that stands nowhere.
 */
#ifndef OKV_CLIENT_STAGING_H
#define OKV_CLIENT_STAGING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"
#include "fs/root.h"

enum client_staging_use {
	CLIENT_STAGING_LOOK, /* makes and changes nothing */
	CLIENT_STAGING_INSTALL,
	CLIENT_STAGING_ROLLBACK,
};

struct client_staging {
	int root; /* the three of them borrowed */
	const char *client_dir;
	struct report *report;
	enum client_staging_use use;
	int parent;              /* directory of the client's directory; -1 where there is none */
	int dir;                 /* the staging directory itself; -1 where there is none */
	char leaf[FS_NAME_SIZE]; /* of the client's directory */
	char name[FS_NAME_SIZE]; /* of the staging directory */
	size_t made;             /* length of the first directory in client_dir that was made; 0 for none */
	bool has_previous;       /* when it was opened */
	bool back;               /* then, too: a roll-back that was cut off after the previous client was back */
};

#define CLIENT_STAGING_INIT(root_, client_dir_, report_) \
	{ \
		.root = (root_), .client_dir = (client_dir_), .report = (report_), .parent = -1, .dir = -1 \
	}
#define CLIENT_STAGING_AUTO __attribute__((cleanup(client_staging_close))) struct client_staging

/*
 * Looked at, or, for the other uses, made where it is missing, and what a run that was killed has left tidied up.  A
 * roll-back that was cut off after the exchange is completed first by whoever installs.
 */
int client_staging_open(struct client_staging *s, enum client_staging_use use, struct fault *f);
/*
 * At the end of a run: new/ goes, a staging directory in which nothing is kept, and directories on the way that were
 * made for it.
 */
void client_staging_close(struct client_staging *s);

/* new/tree, empty, to unpack into. */
int client_staging_tree(struct client_staging *s, int *ret_tree, struct fault *f);
/* The client's directory; -1 where there is none, FAULT_REFUSED where something else stands under its name. */
int client_staging_present(const struct client_staging *s, int *ret_dir, struct fault *f);
/* Puts the directory `from` of new/ in the client's place.  What was there is `previous` afterwards. */
int client_staging_swap(struct client_staging *s, const char *from, struct fault *f);
/*
 * Exchanges the client with `previous`; FAULT_ABSENT without one.  The identity comes back with it; what has changed of
 * it since is told.  One that was cut off after the exchange is finished instead: running it again never undoes what it
 * had begun.  Where the directory is only looked at, only tells.
 */
int client_staging_rollback(struct client_staging *s, struct fault *f);

#endif
