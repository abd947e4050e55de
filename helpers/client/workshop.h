/*
 * client/workshop: the directory beside the client's where a new one is made and the old one kept.
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
 *   kept       the identity, while rpm is at work (client/keep)
 *
 * A run that was killed at any instant is tidied up by the next: client_workshop_open either completes a swap whose new
 * tree is in place, or throws the new tree away, and puts an old one back that stands nowhere.
 */
#ifndef OKV_CLIENT_WORKSHOP_H
#define OKV_CLIENT_WORKSHOP_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/report.h"
#include "fs/root.h"

struct client_workshop {
	int parent;              /* directory of the client's directory */
	int dir;                 /* the workshop itself */
	char leaf[FS_NAME_SIZE]; /* of the client's directory */
	char name[FS_NAME_SIZE]; /* of the workshop */
	char made[PATH_MAX];     /* the first directory on the way that was made, below the root; "" for none */
};

#define CLIENT_WORKSHOP_INIT \
	{ \
		.parent = -1, .dir = -1 \
	}
#define CLIENT_WORKSHOP_AUTO __attribute__((cleanup(client_workshop_done))) struct client_workshop

void client_workshop_done(struct client_workshop *w);
/* Opens the workshop of the client's directory, made where it is missing, and tidies it up. */
int client_workshop_open(int root, const char *client_dir, struct report *report, struct client_workshop *ret_workshop,
			 struct fault *f);
/*
 * Only looks: *ret_workshop has dir -1 where there is none, parent -1 where there is not even its place.  Nothing is
 * tidied up.
 */
int client_workshop_look(int root, const char *client_dir, struct client_workshop *ret_workshop, struct fault *f);

/* Part of client_workshop_open: completes the swap of a run that was killed, or throws its tree away. */
int client_workshop_recover(struct client_workshop *w, struct report *report, struct fault *f);

/* new/tree, empty, for the unpacking processes to write into as uid:gid. */
int client_workshop_stage(struct client_workshop *w, uid_t uid, gid_t gid, int *ret_tree, struct fault *f);
/* Removes new/ with all in it. */
int client_workshop_clear(struct client_workshop *w, struct fault *f);
/* At the end of a run: a workshop in which nothing is kept goes, and so do directories on the way that were made for
 * it. */
void client_workshop_close(struct client_workshop *w, int root, const char *client_dir);
/* The client's directory; -1 where there is none, FAULT_REFUSED where something else stands under its name. */
int client_workshop_present(const struct client_workshop *w, int *ret_dir, struct fault *f);

/*
 * Puts new/tree/`top` in the client's place, durably: one sync of the file system, one rename.  What was there is
 * `previous` afterwards.  A fault before the rename has changed nothing; one after it is FAULT_INCOMPLETE, and the next
 * client_workshop_open ends the work.
 */
int client_workshop_swap(struct client_workshop *w, const char *top, struct report *report, struct fault *f);
int client_workshop_has_previous(const struct client_workshop *w, bool *ret_has, struct fault *f);
/* Opens it; FAULT_ABSENT without one. */
int client_workshop_previous(const struct client_workshop *w, int *ret_dir, struct fault *f);
/*
 * Exchanges the client with `previous`; FAULT_ABSENT without one.  What is meant is noted durably before, and stays
 * noted until client_workshop_rollback_end: whoever finds client_workshop_is_back has to finish that roll-back, and
 * must not begin another, which would undo it.  A fault after the exchange is FAULT_INCOMPLETE.
 */
int client_workshop_rollback(struct client_workshop *w, struct report *report, struct fault *f);
/* Is the client in its place one that was put back there, and never finished?  Works on a workshop only looked at. */
int client_workshop_is_back(const struct client_workshop *w, bool *ret_back, struct fault *f);
int client_workshop_rollback_end(struct client_workshop *w, struct report *report, struct fault *f);

#endif
