/*
 * upgrade/snapshot: the state that an upgrade must not lose, in plain files below var/.
 *
 *	snapshot/system          NAME="VALUE" lines: when, machine, OS, OKV release, group with id and
 *	                         members, names of ids, manifest's digest
 *	snapshot/manifest.mtree  every preserved file and directory with owner, mode and SHA-256, as mtree(5):
 *	                         `mtree -e -p / -f manifest.mtree` and `bsdtar -tvf manifest.mtree` read it
 *	snapshot/slots           one line per slot: slot, label, serial number, model; at its head the digest of those
 *
 * Promise: a snapshot is written under another name and exchanged as a whole, so a killed run leaves the old one or the
 * new one.  A snapshot with a wrong digest, or that others can write, is FAULT_REFUSED.  It has no secrets: of file
 * contents only digests.
 *
 * A machine is identified by its DMI UUID if both sides have one, else by its host name; not by /etc/machine-id,
 * because a new operating system has a new one.  A clone has another UUID or another name.  A UUID whose digits are all
 * the same is a placeholder of the board's vendor and does not count.
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

/* Owned; "" if not known; printable ASCII without double quotes. */
struct machine {
	char *uuid, *host;
	char *os;  /* PRETTY_NAME of os-release */
	char *okv; /* OKV's release */
};

#define MACHINE_AUTO __attribute__((cleanup(snapshot_machine_done))) struct machine

void snapshot_machine_done(struct machine *m);
/* Fails only without memory. */
int snapshot_machine_find(int root, struct machine *ret_machine, struct fault *f);
/*
 * True if the UUIDs are equal, or if one is not known, the host names; also if neither side has any of them.  If false,
 * *out completes the sentence "the snapshot is ...": "of another machine ('okv1'), ...".
 */
bool snapshot_machine_same(const struct machine *before, const struct machine *now, struct text *out);
/* True if the operating system or OKV is another one now; *out: "this server runs 'B' now, and ran 'A' when ...". */
bool snapshot_machine_upgraded(const struct machine *before, const struct machine *now, struct text *out);
/* A copy that is fit for NAME="VALUE", for the caller to free; NULL: out of memory. */
char *snapshot_machine_value(const struct text *t);

struct snapshot {
	int64_t taken; /* seconds since 1970 */
	struct machine machine;
	char *group; /* owned */
	bool group_there;
	gid_t group_id;
	char *members; /* owned; separated by commas */
	/* Owned; the names of the ids in the manifest at that time: "0=root,54321=oracle". */
	char *users, *groups;
	bool member; /* OKV's user was a member of the group */
	bool wired;  /* OKV's generic files were wired */
	bool armed;  /* the post-upgrade unit was enabled */
	struct manifest manifest;
	bool slots_known; /* false: taken before the HSM was asked */
	/* Owned; usable slots; only id, label, serial and model are set. */
	struct hsm_slot *slots;
	size_t slot_count;
};

#define SNAPSHOT_AUTO __attribute__((cleanup(snapshot_done))) struct snapshot

void snapshot_done(struct snapshot *s);
/* Writes or replaces the snapshot at `place` (SNAPSHOT_DIR or SNAPSHOT_BEFORE_DIR); creates missing parents. */
int snapshot_write(int root, const char *place, const struct snapshot *s, struct fault *f);
/* Writes the usable slots into the snapshot at SNAPSHOT_DIR. */
int snapshot_add_slots(int root, const struct hsm_answer *answer, struct fault *f);
enum snapshot_part {
	SNAPSHOT_HEAD,  /* without slots and manifest */
	SNAPSHOT_SLOTS, /* without manifest */
	SNAPSHOT_WHOLE,
};
/* Reads that part of the snapshot and checks its digests.  FAULT_ABSENT: there is none. */
int snapshot_read(int root, const char *place, enum snapshot_part part, struct snapshot *ret_snapshot, struct fault *f);
/* Removes it atomically, and what a killed run left of one; absence is success. */
int snapshot_remove(int root, const char *place, struct fault *f);
/* The name of an id in `users` or `groups`; false: not known. */
bool snapshot_name(const char *names, uint32_t id, struct text *ret_name);
/* The id of a name. */
bool snapshot_id(const char *names, const char *name, uint32_t *ret_id);
/*
 * True after 24 hours, because the administrator may have made changes since, and if it is dated in the future: then
 * the clock was changed, and its age is not known.
 */
bool snapshot_is_stale(const struct snapshot *s, int64_t now);

/* A slot of the snapshot that is not usable now (by label and serial number), or NULL. */
const struct hsm_slot *snapshot_slot_lost(const struct snapshot *old, const struct hsm_answer *now);

#endif
