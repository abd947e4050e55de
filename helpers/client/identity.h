/*
 * client/identity: what makes a client this node's own, and how it lives on when the client is installed anew.
 *
 * The identity is certificates and keys, token database, data, STC identities and the client's own Chrystoki.conf.
 * Promise: an installation never replaces it.  It is copied to the new tree, as client/copy does it, and so is what
 * Chrystoki.conf names below the client's directory and the new client does not bring; the old tree stays whole.
 */
#ifndef OKV_CLIENT_IDENTITY_H
#define OKV_CLIENT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"

/* Is the path, below the client's directory, of the identity? */
bool client_is_identity(const char *path);

struct client_carry {
	int from, to;           /* client's directories; to: -1 to copy nothing and only tell */
	const char *conf;       /* content of Chrystoki.conf, or NULL */
	const char *client_dir; /* as it is written in there */
	uint64_t room;          /* the most bytes to copy */
	struct report *report;
};

struct client_carried {
	uint64_t files, bytes;
	struct text paths; /* what was carried, each with a line feed; of the identity the top names only */
};

int client_identity_carry(const struct client_carry *how, struct client_carried *ret_carried, struct fault *f);

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
