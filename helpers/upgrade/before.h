/*
 * upgrade/before: the state before the first pre-upgrade of an upgrade, so that it can be called off.
 *
 * Owners and modes of every preserved entry, whether the group was there and OKV's user in it, whether OKV's files were
 * wired and the unit armed: a snapshot (upgrade/snapshot.h) without digests, at SNAPSHOT_BEFORE_DIR.
 */
#ifndef OKV_UPGRADE_BEFORE_H
#define OKV_UPGRADE_BEFORE_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"
#include "perms/repair.h"

bool upgrade_before_exists(int root);
int upgrade_before_write(int root, const struct settings *settings, struct report *report, struct fault *f);

/*
 * Gives every entry that is still what it was (type and path) its owner, group and mode back, by a journal of the
 * repair room: narrow, owner, widen, and finished by the next run where it was killed.  New entries stay as they are.
 */
int upgrade_before_modes(int root, enum perms_act what, struct report *report, bool *ret_changed, struct fault *f);
/* Takes a membership or group away that was not there before, with the tree's own gpasswd(1) and groupdel(8). */
int upgrade_before_group(int root, const struct settings *settings, bool dry_run, struct report *report,
			 bool *ret_changed, struct fault *f);

#endif
