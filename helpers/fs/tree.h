/*
 * fs/tree: remove a tree that nobody else may be trusted about.
 *
 * Promise: walks by descriptors, follows no link, does not cross into another file system, and removes nothing
 * outside `leaf`.  Absence is success.  What could not be removed is named in the fault; the rest is gone.
 */
#ifndef OKV_FS_TREE_H
#define OKV_FS_TREE_H

#include "base/fault.h"

int fs_tree_remove(int dir, const char *leaf, struct fault *f);

#endif
