/*
 * okv/library: does the PKCS#11 library exist, and is it another vendor's?
 *
 * Promise: loads nothing.  If in doubt, a library counts as another vendor's, so that wiring does not replace it by
 * mistake: also one whose name only the loader can resolve.
 */
#ifndef OKV_OKV_LIBRARY_H
#define OKV_OKV_LIBRARY_H

#include <stdbool.h>

#include "base/fault.h"
#include "okv/job.h"

/*
 * What keeps OKV from loading the library, links followed: "is not there", "leads to '/b', which is not there", "is not
 * a regular file", or a flaw of conf/elf.  Adds nothing where nothing that can be seen is against it.
 */
void okv_library_flaw_add(int root, const char *path, struct text *out);
/* Does okv_hsm.conf name another vendor's library that exists?  Without okv_hsm.conf: no. */
int okv_vendor_find(const struct okv_job *job, bool *ret_other, struct fault *f);

#endif
