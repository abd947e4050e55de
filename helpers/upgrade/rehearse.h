/*
 * upgrade/rehearse: play the upgrade of the operating system, and ask the HSM whether it answers afterwards.
 *
 * Twice, in a scratch root (upgrade/scratch.h) with process and IPC namespaces of its own: with OKV's generic files
 * carried over, and with those of a new release.  In it okv_hsm_mid_upgrade runs as OKV runs it, then our post-upgrade
 * where that was carried over; then the library is asked for its slots as OKV's user, over the real network.  When the
 * HSM does not answer, the files that the library asked for in vain and that are here tell why.
 *
 * Promise: nothing of this machine is changed, and when the run ends, however it ends, nothing is left of it.  At the
 * HSM one session at a time is opened and closed; nobody logs in without a key question.  It is over within bound_ms.
 * Linux 4.14 is enough.
 */
#ifndef OKV_UPGRADE_REHEARSE_H
#define OKV_UPGRADE_REHEARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"
#include "conf/settings.h"
#include "hsm/probe.h"
#include "upgrade/scratch.h"

enum { REHEARSE_WAYS = SCRATCH_STOCK + 1, REHEARSE_BOUND_MS = 120 * 1000 };

struct rehearse_request {
	int root;
	const char *root_path;
	const struct settings *settings;
	struct hsm_key_question key; /* label NULL: no login */
	unsigned bound_ms;
	struct report *report; /* a REPORT_RESULT for each stage, before it; what went wrong in one, REPORT_DETAIL */
};

/* One way of playing it. */
struct rehearse_play {
	bool played;
	size_t slots; /* usable ones */
	unsigned elapsed_ms;
	struct fault fault; /* FAULT_NONE: the HSM answered; else the cause, without a full stop */
	char *remedy;       /* owned; a command or a sentence, or NULL */
};

/* Starts as { 0 }. */
struct rehearse_result {
	struct rehearse_play plays[REHEARSE_WAYS];
};

#define REHEARSE_RESULT_AUTO __attribute__((cleanup(rehearse_result_done))) struct rehearse_result
void rehearse_result_done(struct rehearse_result *result);

/*
 * 0: it answered in both ways.  FAULT_NEGATIVE: "It would be lost: " and the first cause; the plays have all of them.
 * FAULT_SYSTEM, FAULT_ABSENT: it could not be rehearsed here, and why.  FAULT_LATE: not within bound_ms.
 */
int rehearse_run(const struct rehearse_request *request, struct rehearse_result *ret_result, struct fault *f);
/* The play that its fault is of, or NULL. */
const struct rehearse_play *rehearse_result_lost(const struct rehearse_result *result);
/* "with OKV's generic files carried over" */
const char *rehearse_way_text(enum scratch_generic way);
/* For programs: "carried", "stock". */
const char *rehearse_way_word(enum scratch_generic way);

#endif
