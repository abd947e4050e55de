/*
 * hsm/loader: why would the loader not have the library?
 *
 * Promise: read from the words of dlerror(3) and what the file system says, below the root.  A library that is not
 * there is told with its package on Enterprise Linux, where that is known.  One that may not be loaded is told with the
 * mount (noexec) or the policy that forbids it: fapolicyd refuses with EPERM, SELinux with EACCES, and whether they are
 * at work is read from /run, from selinuxfs and from the file's label.  One that is damaged, no PKCS#11 library, or
 * made for a newer system, is told with what a person does then.  Nothing is changed.
 */
#ifndef OKV_HSM_LOADER_H
#define OKV_HSM_LOADER_H

#include "conf/settings.h"
#include "hsm/answer.h"

/* `said` by the loader; NULL: nothing, and then nothing is added. */
void hsm_loader_explain(int root, const struct settings *settings, const char *said, struct hsm_causes *causes);

#endif
