/*
 * hsm/tree: what follows from a question before anything is asked.
 */
#ifndef OKV_HSM_TREE_H
#define OKV_HSM_TREE_H

#include <stdint.h>

#include "base/fault.h"
#include "hsm/probe.h"

/*
 * The descriptor to chroot(2) into, or -1 where the tree is the system's own: "/" needs no chroot, and what a process
 * without one sees is what OKV sees.
 */
int hsm_tree_root(int root, int *ret_root, struct fault *f);
/* The question's own, else that of the settings. */
uint64_t hsm_timeout_ms(const struct hsm_question *question);

#endif
