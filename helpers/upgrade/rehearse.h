/*
 * upgrade/rehearse: simulates the upgrade of the operating system, and checks that the HSM answers afterwards.
 *
 * It does so twice, with OKV's generic files carried over and with those of a new release, each time in a scratch root
 * (upgrade/scratch.h) with its own process and IPC namespaces.  It runs okv_hsm_mid_upgrade as OKV does, then our
 * post-upgrade if that was carried over, and then asks the library for its slots as OKV's user, over the real network.
 * If the HSM does not answer, it traces which files the library missed there that exist on this system.
 *
 * Promise: this machine is not changed, and however the run ends, it leaves nothing behind.  At the HSM it opens and
 * closes one session at a time, and logs in only with a key question.  It ends within bound_ms.  Needs Linux 4.14.
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
	struct report *report; /* REPORT_RESULT before each stage; REPORT_DETAIL for what went wrong in it */
};

/* The result of one of the two runs. */
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
 * 0: the HSM answered in both runs.  FAULT_NEGATIVE: the HSM would be lost, and the first cause; ret_result->plays has
 * all causes.  FAULT_SYSTEM, FAULT_ABSENT: rehearsing is not possible here, and why.  FAULT_LATE: not within bound_ms.
 */
int rehearse_run(const struct rehearse_request *request, struct rehearse_result *ret_result, struct fault *f);
/* The first play in which the HSM did not answer, or NULL. */
const struct rehearse_play *rehearse_result_lost(const struct rehearse_result *result);
/* "with OKV's generic files carried over" */
const char *rehearse_way_text(enum scratch_generic way);
/* In the JSON: "carried", "stock". */
const char *rehearse_way_word(enum scratch_generic way);

#endif
