/*
 * repair/label: SELinux labels of what was touched.
 *
 * Promise: where SELinux is enabled for the tree (its selinuxfs is mounted), the system's own restorecon(8) is run
 * once over exactly the entries of the journal; anywhere else nothing happens and nothing is said.
 */
#ifndef OKV_REPAIR_LABEL_H
#define OKV_REPAIR_LABEL_H

#include "repair/journal.h"
#include "repair/repair.h"

/* A failure of restorecon is told as a warning and counted as failed. */
int repair_labels_restore(int root, struct repair_journal *journal, struct report *report, struct repair_tally *tally,
			  struct fault *f);

#endif
