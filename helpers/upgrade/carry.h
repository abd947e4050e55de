/*
 * upgrade/carry: copies a path and its parent directories into another tree, as OKV's upgrade carries over preserved
 * files: with owner, mode and extended attributes, links as links, holes as holes.
 *
 * Promise: others may change the source at any moment, so everything is opened by descriptors.  No FIFO and no lease
 * (fcntl(2)) can block us, and no replaced name leads out of the tree.  Left out: FIFOs, sockets, devices, leased
 * files, and paths longer than PATH_MAX.  Hard links become separate files.  Directories that others may write
 * (settings_is_scratch) are copied empty.  Mount points are entered.  Anything in `to` but a directory is replaced.
 */
#ifndef OKV_UPGRADE_CARRY_H
#define OKV_UPGRADE_CARRY_H

#include "base/fault.h"
#include "conf/settings.h"

struct carry {
	int from, to; /* the roots of both trees; nobody else may change the tree of `to` */
	const struct settings *settings;
};

/*
 * FAULT_ABSENT, FAULT_REFUSED: there is nothing to copy.  FAULT_SYSTEM, FAULT_INCOMPLETE: the first entry that could
 * not be copied, or was replaced meanwhile; all others were copied.
 */
int carry_copy(const struct carry *carry, const char *path, struct fault *f);

#endif
