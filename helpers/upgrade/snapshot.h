/*
 * upgrade/snapshot: the state that an upgrade must not lose, in plain files below var/.
 *
 *	snapshot/system          NAME="VALUE" lines: when, machine, OS, OKV release, group with id and
 *	                         members, names of ids, manifest's digest
 *	snapshot/manifest.mtree  every preserved file and directory with owner, mode and SHA-256, as mtree(5):
 *	                         `mtree -e -p / -f manifest.mtree` and `bsdtar -tvf manifest.mtree` read it
 *	snapshot/slots           one line per slot: slot, label, serial number, model; at its head the digest of those
 *
 * Promise: a snapshot is written beside and exchanged whole, so a run that is killed leaves the old one or the new
 * one; a snapshot whose digests do not fit, or that others can write, is FAULT_REFUSED, never half believed.  Nothing
 * in it is secret: file contents are there as digests only.
 *
 * A machine is told by its DMI UUID where both sides know one, otherwise by its host name; /etc/machine-id does not
 * count, since a new operating system brings a new one.  A clone has another UUID, or another name.  Values that boards
 * give which have none (all digits the same) are none.
 */
#ifndef OKV_UPGRADE_SNAPSHOT_H
#define OKV_UPGRADE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/manifest.h"
#include "conf/settings.h"
#include "hsm/answer.h"

#define SNAPSHOT_DIR        SETTINGS_VAR "/snapshot"
#define SNAPSHOT_BEFORE_DIR SETTINGS_BEFORE
#define SNAPSHOT_MANIFEST   "manifest.mtree"

/* All owned; "" where it is not known; printable ASCII without a double quote. */
struct machine {
	char *uuid, *host;
	char *os;  /* PRETTY_NAME of os-release */
	char *okv; /* OKV's release */
};

#define MACHINE_AUTO __attribute__((cleanup(snapshot_machine_done))) struct machine

void snapshot_machine_done(struct machine *m);
/* Fails for lack of memory only. */
int snapshot_machine_find(int root, struct machine *ret_machine, struct fault *f);
/*
 * By the UUID where both have one, else by the host name; what only one side has is no match, what neither has is one.
 * False: *out is why, as what follows "the snapshot is": "of another machine ('okv1'), ...".
 */
bool snapshot_machine_same(const struct machine *before, const struct machine *now, struct text *out);
/* Has it another operating system or OKV now?  Then what, as a sentence: "this server runs 'B' now, and ran 'A'". */
bool snapshot_machine_upgraded(const struct machine *before, const struct machine *now, struct text *out);
/* A value fit for NAME="VALUE": NULL for lack of memory. */
char *snapshot_machine_value(const struct text *t);

struct snapshot {
	int64_t taken; /* seconds since 1970 */
	struct machine machine;
	char *group; /* owned */
	bool group_there;
	gid_t group_id;
	char *members; /* owned; separated by commas */
	/* Owned; the names that the ids in the manifest had: "0=root,54321=oracle". */
	char *users, *groups;
	bool member; /* OKV's user was in it */
	bool wired;  /* OKV's generic files had our wiring */
	bool armed;  /* post-upgrade would have run at the next boot */
	struct manifest manifest;
	bool slots_known; /* false: taken before the slots were asked */
	/* Owned; usable ones, of which id, label, serial and model are known. */
	struct hsm_slot *slots;
	size_t slot_count;
};

#define SNAPSHOT_AUTO __attribute__((cleanup(snapshot_done))) struct snapshot

void snapshot_done(struct snapshot *s);
/*
 * Writes it under `place` (SNAPSHOT_DIR or SNAPSHOT_BEFORE_DIR), instead of one that is there.  The directories above
 * are made where they are missing.
 */
int snapshot_write(int root, const char *place, const struct snapshot *s, struct fault *f);
/* Adds the usable slots to the snapshot that is there. */
int snapshot_add_slots(int root, const struct hsm_answer *answer, struct fault *f);
enum snapshot_part {
	SNAPSHOT_HEAD,  /* neither slots nor manifest */
	SNAPSHOT_SLOTS, /* no manifest */
	SNAPSHOT_WHOLE,
};
/* Reads and proves as much of it as is asked for.  FAULT_ABSENT where none is there. */
int snapshot_read(int root, const char *place, enum snapshot_part part, struct snapshot *ret_snapshot, struct fault *f);
/* Gone in one step, also for a run that is killed; it need not be there, and what a killed run left of one goes too. */
int snapshot_remove(int root, const char *place, struct fault *f);
/* The name that an id had, from `users` or `groups`; false where none is known. */
bool snapshot_name(const char *names, uint32_t id, struct text *ret_name);
/* And the id that a name had. */
bool snapshot_id(const char *names, const char *name, uint32_t *ret_id);
/* Older than 24 hours: what has changed since may be the administrator's own doing. */
bool snapshot_is_stale(const struct snapshot *s, int64_t now);

/* One of the snapshot's that is not among the usable ones of now (label and serial number), or NULL. */
const struct hsm_slot *snapshot_slot_lost(const struct snapshot *old, const struct hsm_answer *now);

#endif
