/*
 * hsm/monitor: the verdict as one line for a monitoring system.
 *
 * Promise: what the Nagios plug-in interface wants: "NAME STATE: text | performance data" and a status of 0 (OK),
 * 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN).  CRITICAL: OKV cannot use its HSM.  WARNING: it can, and a person should
 * look: something was complained about, a PIN is near its last try, or the answer took more than half the deadline.
 * UNKNOWN: the question was not asked.  No bar in the text can be taken for the performance data's.
 */
#ifndef OKV_HSM_MONITOR_H
#define OKV_HSM_MONITOR_H

#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "hsm/judge.h"
#include "hsm/probe.h"

enum hsm_state { HSM_STATE_OK, HSM_STATE_WARNING, HSM_STATE_CRITICAL, HSM_STATE_UNKNOWN };

/* Listens where the tool's own report would, keeps the first warning, and lets everything pass on. */
struct hsm_monitor {
	struct report report; /* to be given to the rooms */
	struct report *next;
	unsigned warnings;
	char first[FAULT_TEXT_MAX];
};

void hsm_monitor_init(struct hsm_monitor *monitor, struct report *next);
/* `verdict` of kind FAULT_NONE: all is well.  Adds the line, with its line feed. */
enum hsm_state hsm_monitor_line(const struct hsm_monitor *monitor, const struct hsm_answer *answer,
				const struct hsm_wish *wish, const struct fault *verdict, uint64_t timeout_ms,
				struct text *out);

#endif
