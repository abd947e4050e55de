/*
 * client/identity: the files that belong to this node rather than to the vendor, and how a new installation keeps them.
 *
 * The identity is certificates and keys, token database, data, STC identities and the client's own Chrystoki.conf.
 * Promise: an installation never replaces it.  It is copied to the new tree, together with files below the client's
 * directory that Chrystoki.conf names and the new client does not have; the old tree is only read.
 *
 * Copies have the same content, owner, mode, times, ACLs and labels; only file capabilities and set-user-id bits are
 * dropped.  If both trees have a file of that name, the old one keeps the name and the new one becomes
 * NAME.okv-luna-new, unless both are the same.
 *
 * Others can write to parts of the old tree: links are not followed (a link is copied as a link), and only directories
 * and regular files with a single name are opened; FIFOs, sockets and devices are left behind and reported.  What
 * cannot be copied (hard links, a lease, 64 levels of directories, no room) is FAULT_REFUSED or FAULT_SYSTEM; but below
 * data and lock, where everybody can write, it is left behind and reported, the first few by name.
 */
#ifndef OKV_CLIENT_IDENTITY_H
#define OKV_CLIENT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "client/content.h"

/* Is the path (below the client's directory) part of the identity? */
bool client_is_identity(const char *path);

struct client_carry {
	int from, to;                         /* client directories; to: -1 to copy nothing and only report */
	const char *conf;                     /* content of Chrystoki.conf, or NULL */
	const char *client_dir;               /* as Chrystoki.conf spells it */
	const struct client_content *content; /* the new client; may be NULL if `conf` is */
	uint64_t room;                        /* bytes that may be copied; more is FAULT_REFUSED */
	struct report *report;
};

/* Copies the identity; adds each path with a line feed, of the identity only the top names. */
int client_identity_carry(const struct client_carry *how, struct text *paths, struct fault *f);

/*
 * Adds each path, with a line feed, that is missing in `before` or differs from `now` in type, size or modification
 * time, which copying keeps.  data and lock are skipped, since they change all the time.  Opens no file.
 */
int client_identity_changes(int now, int before, struct text *paths, struct fault *f);

/* Reports files below the client's directory that Chrystoki.conf (content `conf`) names and `client` does not have. */
int client_identity_lacking(int client, const char *conf, const char *client_dir, struct report *report,
			    struct fault *f);

#endif
