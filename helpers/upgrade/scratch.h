/*
 * upgrade/scratch: a root directory as the next operating system would have it, for one process.
 *
 * It has this system's programs and libraries (/bin, /lib, /sbin and those of /usr), /etc, OKV's own directories, the
 * basic devices, empty directories, and account files without the HSM group, whose id another group has taken.  It has
 * no /opt, /usr/local (but OKV's), /usr/safenet, homes or data below /var, and no file that was added to the system.
 * PRESERVED_FILES are then carried over (upgrade/carry.h); directories that others may write are empty.
 *
 * Promise: scratch_enter() is for a process that ends afterwards.  Its mounts are in a mount namespace of its own:
 * nobody else sees them, and they vanish with the process, however it ends.  Everything is in memory (tmpfs), or has a
 * layer in memory above this system's files (overlayfs).  The real root is detached, so it cannot be reached any more.
 * Without overlayfs the system's files are bind-mounted read-only, and files that were added to them cannot be hidden.
 */
#ifndef OKV_UPGRADE_SCRATCH_H
#define OKV_UPGRADE_SCRATCH_H

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"

/* OKV's three generic files in the scratch root. */
enum scratch_generic {
	SCRATCH_CARRIED, /* as they are here */
	SCRATCH_STOCK,   /* as a new release delivers them */
};

struct scratch {
	const char *root_path; /* the tree */
	int root;              /* the same, open */
	const struct settings *settings;
	enum scratch_generic generic;
	struct report *report; /* gets what could not be carried over; may be NULL */
};

/* Makes the scratch root "/" of this process.  FAULT_SYSTEM: not possible here, and why. */
int scratch_enter(const struct scratch *scratch, struct fault *f);

#endif
