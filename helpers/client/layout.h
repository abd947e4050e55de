/*
 * client/layout: where every file of a client goes, and its owner and mode.
 *
 * The layout is the one that OKV's settings and the guide expect, added to the vendor's.  Promise: the vendor's files
 * keep their names (bin/64, libs/64), and the names of an installed client are links to them: lib/libCryptoki2_64.so to
 * the real library, whichever of its two names is the file; bin/vtl to bin/64/vtl.  plugins/ contains the plugins
 * themselves, since a loader may look at directory entries, and libs/64/plugins is a link to it.  Directories for
 * certificates, token and data exist.  If the archive uses a name itself, it is not touched.
 *
 * Owners and modes never come from an archive.  Programs and libraries are root:root 0755, other files root:root 0644,
 * directories 0755.  Directories for certificates, keys and state are root:HSM group 2770 (profile strict: 2750), or
 * root's alone while there is no such group; so is a Chrystoki.conf (0660 or 0640), which may contain a secret.  Any
 * other file with a secret, whatever its name, is root:HSM group, 0640 at most.  The cloud service's certificates at
 * the top are 0644: OKV's user has to read them in every phase, with and without the group.
 */
#ifndef OKV_CLIENT_LAYOUT_H
#define OKV_CLIENT_LAYOUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"
#include "client/content.h"
#include "conf/settings.h"

struct client_rights {
	gid_t gid; /* the owner is root */
	mode_t mode;
};

struct client_ownership {
	gid_t group;    /* the HSM group */
	bool has_group; /* the group exists */
	bool strict;
	uid_t worker;              /* an unused user and group id, for the process that reads archives */
	struct client_rights conf; /* for Chrystoki.conf in /etc */
};

/* Reads the account files below the root. */
int client_layout_owners(int root, const struct settings *settings, struct client_ownership *ret_ownership,
			 struct fault *f);
/* The mode that a file is created with, by any path that ends in the client's: never more than its final mode. */
mode_t client_layout_first_mode(const char *path);
/* What an entry is; for a file, what its content shows. */
enum client_entry { CLIENT_DIRECTORY, CLIENT_PLAIN, CLIENT_SECRET };
/* `path` is below the client's directory. */
struct client_rights client_layout_rights(const struct client_ownership *o, const char *path, enum client_entry entry);

/* Directories that are created if the archive does not have them; ends with NULL. */
extern const char *const client_layout_directories[];
/* Where an entry of the archive goes, below the client's directory; false if it is not installed. */
bool client_layout_path(const struct client_content *content, const char *path, char ret_path[LIMITS_PATH + 1]);
/* Calls `each` for every link that is added, with its path below the client's directory. */
int client_layout_links(const struct client_content *content,
			int (*each)(void *context, const char *path, const char *target, struct fault *f),
			void *context, struct fault *f);

/*
 * Checks the archives' content before anything is written: the real library is a 64-bit library for this machine, and
 * no other entry has the name of a directory or library that a client needs.
 */
int client_layout_evaluate(const struct client_content *content, struct fault *f);
/*
 * Finishes the new tree that becomes client_dir: directories, links, owners and modes.  `client` is its directory, as
 * it was unpacked; only root can reach it.  What was created with its final rights is not changed.  The cloud client's
 * own Chrystoki.conf becomes that of client_layout_conf_make.
 */
int client_layout_apply(int client, const struct client_content *content, const struct client_ownership *ownership,
			const char *client_dir, struct fault *f);

/* The name of the archives' Chrystoki.conf or template, below the client's directory; NULL: none. */
const char *client_layout_conf_name(const struct client_content *content);
/*
 * Makes a Chrystoki.conf from that (the cloud service's, one that was in use, or the minimal client's template): every
 * path becomes absolute and points to its place here, as the guide's steps and the vendor's setenv do; everything else
 * stays byte for byte.  Reads the new tree only to see where a file is.  Adds nothing without a template.
 */
int client_layout_conf_make(int client, const struct client_content *content, const char *client_dir,
			    struct text *ret_conf, struct fault *f);

#endif
