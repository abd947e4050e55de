/*
 * client/ownership: who owns what is installed, and with which mode.
 *
 * Promise: nothing of it comes from an archive.  Programs and libraries are root:root 0755, all else root:root 0644,
 * directories 0755.  Where certificates, keys and state lie is root:HSM group 2770 (profile strict: 2750), or root
 * alone while there is no such group; so is a Chrystoki.conf (0660 or 0640), which may hold a secret.  Any other file
 * with a secret, whatever its name, is root:HSM group 0640 at most.  The certificates of the cloud service at the top
 * are 0644: OKV's user has to read them in every phase, with and without the group.
 */
#ifndef OKV_CLIENT_OWNERSHIP_H
#define OKV_CLIENT_OWNERSHIP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "client/source.h"
#include "conf/settings.h"

struct client_ownership {
	gid_t group;    /* the HSM group, */
	bool has_group; /* if there is one yet */
	bool strict;
	uid_t worker; /* a user and a group that nobody has: of the process that reads archives */
};

struct client_rights {
	gid_t gid; /* the owner is root */
	mode_t mode;
};

/* From the account files below the root. */
int client_ownership_find(int root, const struct settings *settings, struct client_ownership *ret_ownership,
			  struct fault *f);
/* As an unpacked file is made first, and by any path that ends in the client's: never more than in the end. */
mode_t client_ownership_first_mode(const char *path);
/* What a file's content tells. */
enum client_secrecy { CLIENT_PLAIN, CLIENT_SECRET };
/* `path` is below the client's directory. */
struct client_rights client_ownership_file(const struct client_ownership *o, const char *path,
					   enum client_secrecy secrecy);
struct client_rights client_ownership_directory(const struct client_ownership *o, const char *path);
struct client_rights client_ownership_conf(const struct client_ownership *o);
/*
 * What was made with its final rights needs nothing more; the identity's, and what has another mode below the client's
 * top than by its whole path in the archive, gets them here.  `client`: the directory that becomes the client's.
 */
int client_ownership_apply(int client, const struct client_content *content, const struct client_ownership *o,
			   struct fault *f);

#endif
