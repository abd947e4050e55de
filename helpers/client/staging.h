/*
 * client/staging: the directory next to the client's, in which a new client is prepared and the old one kept, and their
 * swap.
 *
 * Promise: /usr/safenet/.lunaclient.okv-luna for /usr/safenet/lunaclient: on the same file system, so that a tree is
 * put in place by rename; root's alone (0700), so that nobody can reach an unfinished tree.  It is not in
 * /opt/okv-luna/var, which may be another file system.  It contains
 *
 *	  new/       what is being prepared; worthless after its process has ended
 *	  next       the finished new tree, about to be put in place; afterwards the tree it replaced
 *	  previous   the client before this one, for --rollback
 *	  outgoing   only without RENAME_EXCHANGE: the old client between two renames
 *	  swap       identifies the tree that was `next`, while it is put in place
 *	  back       identifies the tree that was `previous`, from before a roll-back until that is complete
 *	  kept       the identity, while rpm is at work (client/identity)
 *
 * A swap is one sync of the file system and one exchange of two names; a fault before the exchange has changed nothing,
 * one after it is FAULT_INCOMPLETE.  The tree is noted durably before the exchange, so the next run either completes a
 * swap whose new tree is in place, or discards the new tree and restores an old one that was between two renames.
 */
#ifndef OKV_CLIENT_STAGING_H
#define OKV_CLIENT_STAGING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"
#include "fs/root.h"

enum client_staging_use {
	CLIENT_STAGING_LOOK, /* changes nothing */
	CLIENT_STAGING_INSTALL,
	CLIENT_STAGING_ROLLBACK,
};

struct client_staging {
	int root; /* these three are borrowed */
	const char *client_dir;
	struct report *report;
	enum client_staging_use use;
	int parent;              /* parent of the client's directory; -1 if there is none */
	int dir;                 /* the staging directory; -1 if there is none */
	char leaf[FS_NAME_SIZE]; /* file name of the client's directory */
	char name[FS_NAME_SIZE]; /* file name of the staging directory */
	size_t made;             /* length of the first directory of client_dir that we created; 0: none */
	bool has_previous;       /* at the time of open */
	bool back;               /* at the time of open: a roll-back was interrupted after its exchange */
};

#define CLIENT_STAGING_INIT(root_, client_dir_, report_) \
	{ \
		.root = (root_), .client_dir = (client_dir_), .report = (report_), .parent = -1, .dir = -1 \
	}
#define CLIENT_STAGING_AUTO __attribute__((cleanup(client_staging_close))) struct client_staging

/*
 * CLIENT_STAGING_LOOK only looks; the other uses create the directory if it is missing and clean up after a killed run.
 * CLIENT_STAGING_INSTALL first completes a roll-back that was interrupted after the exchange.
 */
int client_staging_open(struct client_staging *s, enum client_staging_use use, struct fault *f);
/* Removes new/, the staging directory if nothing is kept in it, and directories that were created for it. */
void client_staging_close(struct client_staging *s);

/* Creates new/tree, to unpack into. */
int client_staging_tree(struct client_staging *s, int *ret_tree, struct fault *f);
/* Opens the client's directory; -1 if there is none, FAULT_REFUSED if the name is something else. */
int client_staging_present(const struct client_staging *s, int *ret_dir, struct fault *f);
/* Puts the directory `from` of new/ in the client's place; the old client becomes `previous`. */
int client_staging_swap(struct client_staging *s, const char *from, struct fault *f);
/*
 * Exchanges the client with `previous`; FAULT_ABSENT without one.  Its identity comes back with it; changes made since
 * are reported.  A roll-back that was interrupted after the exchange is finished instead: running it again never undoes
 * it.  With CLIENT_STAGING_LOOK it only reports.
 */
int client_staging_rollback(struct client_staging *s, struct fault *f);

#endif
