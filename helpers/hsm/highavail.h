/*
 * hsm/highavail: do the HA groups of Chrystoki.conf add up?
 *
 * Promise: a group has label, serial number and members; its serial number is '1' and its first member's; section
 * HASynchronize names its label; the servers' numbers have no gap, at which the library would stop.  Where HAOnly lets
 * the members show, each must show.  `okv-luna config check` says more about the file; here is what hides an HSM.
 */
#ifndef OKV_HSM_HIGHAVAIL_H
#define OKV_HSM_HIGHAVAIL_H

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "hsm/diagnosis.h"
#include "hsm/probe.h"

/* `file` is where the configuration was read from; `answer` as in hsm_diagnose. */
int hsm_highavail_check(const struct chrystoki *conf, const char *file, const struct hsm_answer *answer,
			struct hsm_causes *causes, struct fault *f);

#endif
