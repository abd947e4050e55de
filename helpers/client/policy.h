/*
 * client/policy: owners and modes of what is installed; what is the client's identity.
 *
 * Promise: nothing of it comes from an archive.  Programs and libraries are root:root 0755, all else root:root 0644,
 * directories 0755.  Where certificates, keys and state lie is root:HSM group 2770 (profile strict: 2750), or root
 * alone while there is no such group; so is a Chrystoki.conf (0660 or 0640), which may hold a secret.
 */
#ifndef OKV_CLIENT_POLICY_H
#define OKV_CLIENT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct client_policy {
	gid_t group;    /* the HSM group, */
	bool has_group; /* if there is one yet */
	bool strict;
};

struct client_rights {
	gid_t gid; /* the owner is root */
	mode_t mode;
};

/* As an unpacked file is made first, and by any path that ends in the client's: never more than in the end. */
mode_t client_policy_first_mode(const char *path);
/* `path` is below the client's directory. */
struct client_rights client_policy_file(const struct client_policy *policy, const char *path);
struct client_rights client_policy_directory(const struct client_policy *policy, const char *path);
struct client_rights client_policy_conf(const struct client_policy *policy);

/* Directories that are made where an archive brings none; NULL ends the list. */
extern const char *const client_directories[];
/* Is the path that of the identity, or below it?  Its files are carried over and never replaced. */
bool client_is_identity(const char *path);
/* Top names of the identity, NULL at the end; not all need be there. */
extern const char *const client_identity[];

#endif
