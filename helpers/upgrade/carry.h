/*
 * upgrade/carry: a part of one tree copied into another, with the directories above it, as OKV's upgrade carries over
 * what is preserved: owner, mode, attributes, links as links, holes as holes.
 *
 * Promise: what is preserved is others' to change at any moment, so everything goes by descriptors: no FIFO and no
 * lease (fcntl(2)) holds it up, and no exchanged name leads out of the tree.  FIFOs, sockets, devices, leased files and
 * what lies deeper than a path can name are left out.  A file with more than one name becomes more than one file.  What
 * others may write (settings_is_scratch) is empty.  Mount points are entered.  What is in the way in `to` is replaced,
 * except a directory.
 */
#ifndef OKV_UPGRADE_CARRY_H
#define OKV_UPGRADE_CARRY_H

#include "base/fault.h"
#include "conf/settings.h"

struct carry {
	int from, to; /* the roots of both trees; nobody else changes that of `to` */
	const struct settings *settings;
};

/*
 * FAULT_ABSENT, FAULT_REFUSED: nothing is there.  FAULT_SYSTEM, FAULT_INCOMPLETE: the first that could not be copied or
 * was exchanged meanwhile; all else was copied.
 */
int carry_copy(const struct carry *carry, const char *path, struct fault *f);

#endif
