/*
 * okv/labels: SELinux labels, by the system's own restorecon(8).
 *
 * Promise: the tree's own one runs, inside the tree, and only over what it is given; ours would go by another system's
 * policy.
 */
#ifndef OKV_OKV_LABELS_H
#define OKV_OKV_LABELS_H

#include "base/fault.h"

/* The paths in the file `list`, each ended by NUL.  FAULT_ABSENT: the tree has no restorecon. */
int okv_labels_restore(int root, int list, struct fault *f);

#endif
