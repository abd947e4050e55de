/*
 * bundle/secret: where the passphrase and the key live.
 *
 * Promise: pages of their own that are locked in memory, not dumped, and empty in every child (mlock(2),
 * MADV_DONTDUMP, MADV_WIPEONFORK); nobody may attach to the process meanwhile (PR_SET_DUMPABLE 0); the pages are
 * wiped before they are given back.  What libcrypto holds of the key is locked too where the system lets us lock
 * everything (mlockall(2) with MCL_ONFAULT); where no lock is granted at all, a warning is said and work goes on.
 *
 * How the passphrase is read, and never is, says proc/secret.h.
 */
#ifndef OKV_BUNDLE_SECRET_H
#define OKV_BUNDLE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"
#include "bundle/header.h"

enum { BUNDLE_PASSPHRASE_LEAST = 8, BUNDLE_PASSPHRASE_MOST = 1024 };

enum { BUNDLE_BLOCK_SIZE = 64 * 1024 };

struct bundle_secret {
	size_t length;
	char passphrase[BUNDLE_PASSPHRASE_MOST];
	unsigned char key[BUNDLE_KEY_SIZE];
	unsigned char block[BUNDLE_BLOCK_SIZE]; /* of the bundle, on its way; not locked */
};

#define BUNDLE_SECRET_AUTO __attribute__((cleanup(bundle_secret_free))) struct bundle_secret

void bundle_secret_free(struct bundle_secret **secret);

enum bundle_question {
	BUNDLE_ASK_ONCE,  /* to open */
	BUNDLE_ASK_TWICE, /* to seal: typed twice, and at least BUNDLE_PASSPHRASE_LEAST bytes from wherever it comes */
};

/* Where the passphrase is; at most one of the two, or the terminal. */
struct bundle_source {
	const char *file; /* or NULL */
	int fd;           /* or -1 */
};
bool bundle_source_is_terminal(const struct bundle_source *source);

/* New ones with the passphrase.  Faults as proc_secret_read; too short, to seal, is FAULT_REFUSED. */
int bundle_secret_read(const struct bundle_source *source, enum bundle_question question, struct report *report,
		       struct bundle_secret **ret_secret, struct fault *f);

#endif
