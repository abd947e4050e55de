/*
 * hsm/highavail: what the HA groups of Chrystoki.conf say about HSMs that do not show.
 *
 * Promise: gives as causes what conf/chrystoki_groups finds that may hide a slot or a key; and where HAOnly lets the
 * members show, each that does not.  `okv-luna config check` says more about the file.
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
