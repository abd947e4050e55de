/*
 * hsm/refusal: why the loader would not have a library.
 *
 * Promise: the words of dlerror(3) and what the file system says are all that is asked.  A library that is not there is
 * told with its package on Enterprise Linux, where that is known; one that may not be loaded with the mount (noexec) or
 * the kind of policy (fapolicyd refuses with EPERM, SELinux with EACCES) that forbids it.
 */
#ifndef OKV_HSM_REFUSAL_H
#define OKV_HSM_REFUSAL_H

#include "base/fault.h"
#include "hsm/causes.h"

/* Adds one cause, or none.  `loader` is what dlerror(3) said, or NULL. */
int hsm_refusal_explain(int root, const char *loader, struct hsm_causes *causes, struct fault *f);

#endif
