/*
 * wire/wire: OKV's three generic files, brought to our settings and back.
 *
 * Promise: wire_apply makes okv_hsm.conf name VENDOR_NAME, PKCS11_LIB_LOC and, in PRESERVED_FILES, the union of what
 * stood there, the client, Chrystoki.conf, this product and its links outside OKV's directory; makes okv_hsm_env name
 * the directory of Chrystoki.conf; puts the managed block into okv_hsm_mid_upgrade; and makes the links
 * (wire/links.h).  A second run writes nothing.  wire_remove takes exactly that away: a file that nobody else edited
 * is byte for byte what it was before the first wire_apply; in any other, what others edited stays.
 *
 * Both do all that can be done and then fail with the first thing that could not be: FAULT_REFUSED for a file whose
 * content breaks a rule (the file is untouched), FAULT_ABSENT for one that is not there, FAULT_SYSTEM; where something
 * else was changed, FAULT_INCOMPLETE instead of the first two.  Further failures are warnings to the report.
 * *ret_outcome is filled in either case.  Where the scope is not WIRE_SCOPE_GENERIC no file of OKV's is touched and
 * nothing is made in its directory: that is success, with outcome.scope saying so.
 */
#ifndef OKV_WIRE_WIRE_H
#define OKV_WIRE_WIRE_H

#include <stdbool.h>

#include "base/fault.h"
#include "wire/job.h"

int wire_apply(const struct wire_job *job, struct wire_outcome *ret_outcome, struct fault *f);
int wire_remove(const struct wire_job *job, struct wire_outcome *ret_outcome, struct fault *f);
/* Whether a wire_apply left something that no wire_remove took back: a record of a file or of a link. */
int wire_was_applied(int root, bool *ret_applied, struct fault *f);

#endif
