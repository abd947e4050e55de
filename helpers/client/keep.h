/*
 * client/keep: the identity set aside while somebody else's installer is at work.
 *
 * Promise: client_keep_make copies it into the workshop (`kept`, and Chrystoki.conf as `kept.conf`), whole or not at
 * all; client_keep_restore brings back, bit for bit and with owner and mode, whatever is missing or other than it was,
 * leaves the newcomer beside it as NAME.okv-luna-new, and ends the keeping.  A run that was killed in between leaves it
 * to the next one, which restores first.
 */
#ifndef OKV_CLIENT_KEEP_H
#define OKV_CLIENT_KEEP_H

#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "client/carry.h"
#include "client/workshop.h"

struct client_keep {
	int root;
	struct client_workshop *workshop;
	const char *client_dir, *conf_path;
	uint64_t room;
	struct report *report;
};

/* The workshop has its stage.  Without a client, and without a Chrystoki.conf, there is nothing to keep. */
int client_keep_make(const struct client_keep *keep, struct client_carried *ret_carried, struct fault *f);
/* Nothing to do where nothing is kept. */
int client_keep_restore(const struct client_keep *keep, struct fault *f);

#endif
