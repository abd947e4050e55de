/*
 * okv/library: is the PKCS#11 library there, and is it another vendor's?
 *
 * Promise: looks and never loads.  The first two say no where they cannot look; another vendor's library is one that is
 * there, or may be there by a name that only the loader can follow, so that it is not taken away by mistake.
 */
#ifndef OKV_OKV_LIBRARY_H
#define OKV_OKV_LIBRARY_H

#include <stdbool.h>

#include "base/fault.h"
#include "okv/job.h"

/* Is there a file that begins as a library does (ELF), through links if need be? */
bool okv_library_is_there(int root, const char *path);
/* Does okv_hsm.conf name another vendor's library, which is there?  A file that is not there names none. */
int okv_vendor_find(const struct okv_job *job, bool *ret_other, struct fault *f);

#endif
