/*
 * hsm/needed: are all the libraries there that a library needs?
 *
 * Promise: every DT_NEEDED name of the file, and of what it leads to, is looked for where ld.so(8) would look below
 * the root: what is loaded in this process already, the run path of the file that needs it ($ORIGIN included),
 * etc/ld.so.cache, the system's directories.  LD_LIBRARY_PATH has no say: it is read at the start of a program only.
 * The first that is missing is FAULT_ABSENT and named with who needs it; one that others could write is
 * FAULT_REFUSED, as the library itself would be (hsm/file.h).
 */
#ifndef OKV_HSM_NEEDED_H
#define OKV_HSM_NEEDED_H

#include "base/fault.h"
#include "hsm/elf.h"

/* `path` is where the library lies below root, free of links. */
int hsm_needed_check(int root, const char *path, const struct hsm_elf *elf, struct fault *f);

#endif
