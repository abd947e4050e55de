/*
 * bundle/apply: a bundle from its carrier to its place, or not at all.
 *
 * Promise: under SETTINGS_BUNDLE stands at any instant the old bundle or the new one, whole and with its owner and
 * mode.  The new one is staged beside it, 0600 and root's, and takes the name only after tag, size and digest
 * were right.  FAULT_REFUSED and FAULT_USAGE: nothing was changed, the carrier included.  Success: the carrier is
 * gone.  FAULT_INCOMPLETE: the bundle is in place, its carrier is not gone.
 */
#ifndef OKV_BUNDLE_APPLY_H
#define OKV_BUNDLE_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "bundle/sealed.h"
#include "bundle/secret.h"
#include "conf/settings.h"

struct bundle_rules {
	const char *own_name; /* a bundle sealed under this name is refused; NULL: take any */
	uint64_t max_age;     /* seconds; 0: any age */
	int64_t now;          /* seconds since 1970 */
};

/* Another clock may be ahead by as much. */
enum { BUNDLE_CLOCK_SKEW = 300 };

/* FAULT_REFUSED: too old, from the future, or from this very node. */
int bundle_rules_check(const struct bundle_rules *rules, const char *origin, int64_t created, struct fault *f);

struct bundle_apply {
	int root;
	const struct settings *settings;
	struct report *report;
	struct bundle_rules rules;
	struct bundle_source source; /* of the passphrase */
	bool dry_run;                /* verify everything, write nothing */
};

struct bundle_applied {
	uint64_t size;
	unsigned char sha256[BUNDLE_DIGEST_SIZE];
	struct bundle_header header; /* of a sealed one */
	bool changed;                /* false: the same bundle stood there, rightly owned */
	uint64_t derivation_us;
};

int bundle_apply_sealed(const struct bundle_apply *how, const char *carrier, struct bundle_applied *ret_applied,
			struct fault *f);
/*
 * An unsealed hsmbundle, as the guide copies it: nothing proves its bytes, so its file must be beyond others'
 * reach: owned by root, OKV's user or `support`, and writable by its owner alone.
 */
int bundle_apply_plain(const struct bundle_apply *how, const char *carrier, struct bundle_applied *ret_applied,
		       struct fault *f);
/* Reads and proves, writes nothing, needs no OKV tree. */
int bundle_verify(const struct bundle_apply *how, const char *carrier, struct bundle_applied *ret_applied,
		  struct fault *f);

#endif
