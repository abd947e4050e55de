/*
 * okv/wiring: OKV's three generic files, brought to our settings and back.
 *
 * Promise: okv_wiring_apply makes okv_hsm.conf name VENDOR_NAME, PKCS11_LIB_LOC and, in PRESERVED_FILES, the union of
 * what stood there, the client, Chrystoki.conf, this product and its links outside OKV's directory; makes okv_hsm_env
 * name the directory of Chrystoki.conf; puts the managed block into okv_hsm_mid_upgrade; and makes the links
 * (okv/links.h).  A second run writes nothing.  okv_wiring_remove takes exactly that away: a file that nobody else
 * edited is byte for byte what it was before it was wired first; in any other, what others edited stays.
 *
 * Both do all that can be done and then fail with the first thing that could not be: FAULT_REFUSED for a file whose
 * content breaks a rule (the file is untouched), FAULT_ABSENT for one that is not there, FAULT_SYSTEM; where something
 * else was changed, FAULT_INCOMPLETE instead of the first two.  Further failures are warnings to the report.
 * *ret_outcome is filled in either case.  Where the scope is not OKV_SCOPE_GENERIC no file of OKV's is touched and
 * nothing is made in its directory: that is success, with outcome.scope saying so.
 */
#ifndef OKV_OKV_WIRING_H
#define OKV_OKV_WIRING_H

#include <stdbool.h>

#include "base/fault.h"
#include "okv/job.h"

int okv_wiring_apply(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);
int okv_wiring_remove(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);
/* Whether wiring left something that no unwiring took back: a record of a file or of a link. */
int okv_wiring_is_applied(int root, bool *ret_applied, struct fault *f);

#endif
