/*
 * token/monitor: the verdict as one line for a monitoring system.
 *
 * Promise: what the Nagios plug-in interface wants: "NAME STATE: text | performance data" and a status of 0 (OK),
 * 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN).  CRITICAL: OKV cannot use its HSM.  WARNING: it can, and a person should
 * look: something was complained about, a PIN is near its last try, or the answer took more than half the deadline.
 * UNKNOWN: the question was not asked.  No bar in the text can be taken for the performance data's.
 */
#ifndef OKV_TOKEN_MONITOR_H
#define OKV_TOKEN_MONITOR_H

#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "token/judge.h"
#include "token/probe.h"

enum token_state { TOKEN_STATE_OK, TOKEN_STATE_WARNING, TOKEN_STATE_CRITICAL, TOKEN_STATE_UNKNOWN };

/* Listens where the tool's own report would, keeps the first warning, and lets everything pass on. */
struct token_monitor {
	struct report report; /* to be given to the rooms */
	struct report *next;
	unsigned warnings;
	char first[FAULT_TEXT_MAX];
};

void token_monitor_init(struct token_monitor *monitor, struct report *next);
/* `verdict` of kind FAULT_NONE: all is well.  Adds the line, with its line feed. */
enum token_state token_monitor_line(const struct token_monitor *monitor, const struct token_answer *answer,
				    const struct token_wish *wish, const struct fault *verdict, uint64_t timeout_ms,
				    struct text *out);

#endif
