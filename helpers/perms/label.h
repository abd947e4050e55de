/*
 * perms/label: SELinux labels of what was touched.
 *
 * Promise: where SELinux is enabled for the tree (its selinuxfs is mounted), the system's own restorecon(8) is run
 * once over exactly the entries of the journal; anywhere else nothing happens and nothing is said.
 */
#ifndef OKV_PERMS_LABEL_H
#define OKV_PERMS_LABEL_H

#include "perms/journal.h"
#include "perms/repair.h"

/* A failure of restorecon is told as a warning and counted as failed. */
int perms_labels_restore(int root, struct perms_journal *journal, struct report *report, struct perms_tally *tally,
			 struct fault *f);

#endif
