/*
 * upgrade/phase: the three acts of an upgrade, each a constant table of steps.
 *
 * Promise: each act can be run again at any time and after being killed anywhere, finishes what was begun, and
 * changes nothing where nothing is to do.  The caller holds the lock of the product, or says in run->unlocked why it
 * cannot.  The answer is in the run: upgrade_run_verdict.  Where it cannot be written down, it is not a good one.
 */
#ifndef OKV_UPGRADE_PHASE_H
#define OKV_UPGRADE_PHASE_H

#include "base/fault.h"
#include "upgrade/run.h"

enum {
	UPGRADE_PRE_BOUND_MS = 30 * 60 * 1000, /* a big client tree is read whole */
	UPGRADE_MID_BOUND_MS = 60 * 1000,
	UPGRADE_POST_BOUND_MS = 180 * 1000, /* the boot waits for it; SLOT_TIMEOUT comes on top */
};

/*
 * Config check, wiring, free space, group and membership, snapshot, owners and modes, slots, arming.  All is written
 * to the journal, the answer last ("go", or "no" and why).
 */
int upgrade_pre_upgrade(struct upgrade_run *run, struct fault *f);
/* Everything as it was before the first pre-upgrade since the last upgrade; nothing where none is open. */
int upgrade_pre_abort(struct upgrade_run *run, struct fault *f);
/*
 * Inside OKV's upgrade, possibly on a new OS: group, membership, files with the old id, wiring, arming.  A journal
 * that cannot be written does not keep it from its work.
 */
int upgrade_mid_upgrade(struct upgrade_run *run, struct fault *f);
/* Group, wiring, owners and modes, slots, comparison with the snapshot; then disarms. */
int upgrade_post_upgrade(struct upgrade_run *run, struct fault *f);
/* Every check of the product, nothing changed. */
int upgrade_status(struct upgrade_run *run, struct fault *f);

#endif
