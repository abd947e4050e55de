/*
 * okv/wiring: OKV's three generic files, brought to our settings and back.
 *
 * Promise: okv_wiring_apply makes okv_hsm.conf name VENDOR_NAME, PKCS11_LIB_LOC and, in PRESERVED_FILES, the union of
 * what stood there, the client, Chrystoki.conf, this product and its links outside OKV's directory; makes okv_hsm_env
 * name the directory of Chrystoki.conf; puts the managed block into okv_hsm_mid_upgrade; and makes the links
 * (okv/links.h).  A second run writes nothing.  okv_wiring_remove takes exactly that away: a file that nobody else
 * edited is byte for byte what it was before it was wired first; in any other, what others edited stays.
 * okv_wiring_withdraw takes away the block, the links and this product's own entries of PRESERVED_FILES, and leaves
 * what OKV reaches its HSM by: VENDOR_NAME, PKCS11_LIB_LOC, the client's entries and the environment.
 *
 * All do all that can be done and then fail with the first thing that could not be: FAULT_REFUSED for a file whose
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

/*
 * FAULT_REFUSED, with nothing changed and no outcome, where okv_hsm.conf names another vendor's library, which is
 * there, and the job does not say OKV_REPLACE_VENDOR.
 */
int okv_wiring_apply(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);
int okv_wiring_remove(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);
int okv_wiring_withdraw(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);

/* By the records of files and links. */
enum okv_wiring {
	OKV_WIRING_NONE,
	OKV_WIRING_WITHDRAWN, /* our values are in OKV's files, and what was there before is known */
	OKV_WIRING_APPLIED,
};
int okv_wiring_find(int root, enum okv_wiring *ret_wiring, struct fault *f);

#endif
