/*
 * bundle/seal: this node's hsmbundle into a sealed file.
 *
 * Promise: the sealed file is 0600 from its first byte, takes its name when it is whole, and nothing is left of
 * one that failed.  A bundle of the wrong owner or of yesterday is told as a warning: sealing does not make it
 * fresh.
 */
#ifndef OKV_BUNDLE_SEAL_H
#define OKV_BUNDLE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "bundle/sealed.h"
#include "bundle/secret.h"
#include "conf/settings.h"

struct bundle_seal {
	int root;
	const struct settings *settings;
	struct report *report;
	const char *own_name;
	int64_t now;
	uint32_t iterations;
	struct bundle_source source; /* of the passphrase */
	bool dry_run;                /* look at both ends, write nothing, ask no passphrase */
};

/* FAULT_ABSENT where this node has no hsmbundle.  With dry_run only origin, created and size are told. */
int bundle_seal_file(const struct bundle_seal *how, const char *out, struct bundle_sealed *ret_sealed, struct fault *f);
/* The same into an open file, for the one who sends it at once. */
int bundle_seal_descriptor(const struct bundle_seal *how, int out, struct bundle_sealed *ret_sealed, struct fault *f);

#endif
