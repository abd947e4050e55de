/*
 * client/identity: what makes a client this node's own, and how it lives on when the client is installed anew.
 *
 * The identity is certificates and keys, token database, data, STC identities and the client's own Chrystoki.conf.
 * Promise: an installation never replaces it.  It is copied to the new tree, and so is what Chrystoki.conf names below
 * the client's directory and the new client does not bring; the old tree is only read.
 *
 * Copied is bit for bit, with owner, mode, times, ACLs and labels; only file capabilities and set-user-id bits stay
 * behind.  Where both trees have a file of that name, the old one gets the name and the new one lies beside it as
 * NAME.okv-luna-new, unless it has the same content.
 *
 * Others may write in parts of the old tree: no link is followed (a link is copied as one), nothing is opened but plain
 * files with one name and directories; FIFOs, sockets and devices are left behind and told.  What cannot be copied (a
 * second name, a lease, 64 levels of directories, no room) is FAULT_REFUSED or FAULT_SYSTEM, and below data and lock,
 * where everybody may write, left behind and told, too: the first few by name.
 */
#ifndef OKV_CLIENT_IDENTITY_H
#define OKV_CLIENT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "client/content.h"

/* Is the path, below the client's directory, of the identity? */
bool client_is_identity(const char *path);

struct client_carry {
	int from, to;                         /* client's directories; to: -1 to copy nothing and only tell */
	const char *conf;                     /* content of Chrystoki.conf, or NULL */
	const char *client_dir;               /* as it is written in there */
	const struct client_content *content; /* what the new client brings; may be NULL without a conf */
	uint64_t room;                        /* the most bytes to copy; more is FAULT_REFUSED */
	struct report *report;
};

/* Adds what was carried, each path with a line feed; of the identity the top names only. */
int client_identity_carry(const struct client_carry *how, struct text *paths, struct fault *f);

/*
 * Adds each path, with a line feed, that is not in `before` or is otherwise there than below `now`, by type, size and
 * time of change, which copying keeps; what changes in every hour of a client's life (data, lock) is not looked at.
 * Opens no file.
 */
int client_identity_changes(int now, int before, struct text *paths, struct fault *f);

/* Says which files Chrystoki.conf (`conf` its content) names below the client's directory that `client` has not. */
int client_identity_lacking(int client, const char *conf, const char *client_dir, struct report *report,
			    struct fault *f);

#endif
