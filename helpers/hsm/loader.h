/*
 * hsm/loader: explains why the dynamic linker did not load the library.
 *
 * Promise: uses the text of dlerror(3) and the file system below the root.  For a missing library it names the package
 * of Enterprise Linux, if known.  For one that may not be loaded it names the mount (noexec) or the policy: fapolicyd
 * refuses with EPERM, SELinux with EACCES; whether they are active is read from /run, selinuxfs and the file's label.
 * For one that is damaged, not a PKCS#11 library, or made for a newer system, it says what to do.  Nothing is changed.
 */
#ifndef OKV_HSM_LOADER_H
#define OKV_HSM_LOADER_H

#include "conf/settings.h"
#include "hsm/answer.h"

/* `said` is the text of dlerror(3); NULL adds nothing. */
void hsm_loader_explain(int root, const struct settings *settings, const char *said, struct hsm_causes *causes);

#endif
