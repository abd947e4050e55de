/*
 * client/carry: the identity of the old client goes on living in the new one.
 *
 * Promise: certificates, keys, token database, data, STC identities and the client's own Chrystoki.conf are copied from
 * the old tree to the new one, as client/copy does it; so is what Chrystoki.conf names below the client's directory and
 * the new one does not bring.  The old tree stays whole until the swap, and after it.
 */
#ifndef OKV_CLIENT_CARRY_H
#define OKV_CLIENT_CARRY_H

#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"

struct client_carried {
	uint64_t files, bytes;
	struct text kept; /* top names that were carried, each with a line feed */
};

/*
 * `conf`: content of Chrystoki.conf, or NULL; `client_dir` as it is written in there.  `room`: the most bytes to copy.
 * With to -1 it only tells what would be carried.
 */
int client_carry(int from, int to, const char *conf, const char *client_dir, uint64_t room, struct report *report,
		 struct client_carried *ret_carried, struct fault *f);

#endif
