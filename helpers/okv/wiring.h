/*
 * okv/wiring: adapts OKV's three generic files to our settings, and restores them.
 *
 * Promise: okv_wiring_apply sets VENDOR_NAME and PKCS11_LIB_LOC in okv_hsm.conf; adds the client, Chrystoki.conf, this
 * product and its links outside OKV's directory to PRESERVED_FILES; sets Chrystoki.conf's directory in okv_hsm_env;
 * puts the managed block into okv_hsm_mid_upgrade; and makes the links (okv/links.h).  A second run writes nothing.
 * okv_wiring_remove undoes exactly that: a file that nobody else has edited is again byte for byte as it was before the
 * first wiring; in any other file, edits of others stay.  okv_wiring_withdraw removes the block, the links and this
 * product's own entries of PRESERVED_FILES, and keeps what OKV needs to reach its HSM: VENDOR_NAME, PKCS11_LIB_LOC, the
 * client's entries and the environment.
 *
 * All three do as much as they can, then fail with the first failure: FAULT_REFUSED for a file whose content breaks a
 * rule (it is not touched), FAULT_ABSENT for a missing one, FAULT_SYSTEM; FAULT_INCOMPLETE instead of the first two if
 * something was changed.  Further failures are warnings in the report.  *ret_outcome is set in either case.  If the
 * scope is not OKV_SCOPE_GENERIC, OKV's files and directory are not touched: that is success, with outcome.scope.
 */
#ifndef OKV_OKV_WIRING_H
#define OKV_OKV_WIRING_H

#include <stdbool.h>

#include "base/fault.h"
#include "okv/job.h"

/*
 * FAULT_REFUSED, with nothing changed and no outcome, if okv_hsm.conf names another vendor's library that exists, and
 * job->vendor is not OKV_REPLACE_VENDOR.
 */
int okv_wiring_apply(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);
int okv_wiring_remove(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);
int okv_wiring_withdraw(const struct okv_job *job, struct okv_outcome *ret_outcome, struct fault *f);

/* The state of the node, according to the records of files and links. */
enum okv_wiring {
	OKV_WIRING_NONE,
	OKV_WIRING_WITHDRAWN, /* our values are still in OKV's files, and the previous ones are recorded */
	OKV_WIRING_APPLIED,
};
int okv_wiring_find(int root, enum okv_wiring *ret_wiring, struct fault *f);

#endif
