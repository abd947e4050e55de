/*
 * client/carry: the identity of the old client goes on living in the new one.
 *
 * Promise: certificates, keys, token database, data, STC identities and the client's own Chrystoki.conf are copied from
 * the old tree to the new one bit for bit, with owner, mode, times, ACLs and labels; so is what Chrystoki.conf names
 * below the client's directory and the new one does not bring.  Where both have a file, the old one stays and the new
 * one lies beside it as NAME.okv-luna-new.  The old tree is read only: it stays whole until the swap, and after it.
 *
 * Others may write in parts of the old tree: no link is followed (a link is copied as one), nothing is opened but plain
 * files and directories, FIFOs, sockets and devices are left behind and told, set-user-id bits are not carried.
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

#define CLIENT_CARRIED_INIT { .kept = TEXT_INIT }

/*
 * `conf`: content of Chrystoki.conf, or NULL; `client_dir` as it is written in there.  `room`: the most bytes to copy.
 * With to -1 it only tells what would be carried.
 */
int client_carry(int from, int to, const char *conf, const char *client_dir, uint64_t room, struct report *report,
		 struct client_carried *ret_carried, struct fault *f);

#endif
