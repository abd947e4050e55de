/*
 * upgrade/scratch: a root directory as the next operating system would have it, for a process of its own.
 *
 * What is there: this system's programs and libraries (/bin, /lib, /sbin, and what a system has in /usr), /etc, OKV's
 * own directories, account files without the HSM group and with its number taken by another one, the devices that every
 * process needs, and empty directories.  What is not: /opt, /usr/local, /usr/safenet, homes, data below /var, and what
 * was not brought by the system.  Then PRESERVED_FILES is carried over (upgrade/carry.h), and what others may write is
 * empty.
 *
 * Promise: scratch_enter is for a process that is thrown away afterwards.  It gets a mount namespace of its own, which
 * goes with it, however it ends: no mount and no file is seen by anybody else or left behind.  All is in memory
 * (tmpfs), or this system's files under a layer in memory (overlayfs), and the real tree is out of reach afterwards:
 * its root is detached.  Where no overlay is to be had the system's files are there read-only instead, and what was
 * not brought by the system cannot be hidden among them.
 */
#ifndef OKV_UPGRADE_SCRATCH_H
#define OKV_UPGRADE_SCRATCH_H

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"

/* OKV's three generic files on the other side. */
enum scratch_generic {
	SCRATCH_CARRIED, /* as they are here */
	SCRATCH_STOCK,   /* as the new release brings them */
};

struct scratch {
	const char *root_path; /* the tree */
	int root;              /* the same, open */
	const struct settings *settings;
	enum scratch_generic generic;
	struct report *report; /* hears what could not be carried over; may be NULL */
};

/* FAULT_SYSTEM: not to be had here, and why.  Afterwards "/" is the scratch root. */
int scratch_enter(const struct scratch *scratch, struct fault *f);

#endif
