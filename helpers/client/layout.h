/*
 * client/layout: where everything of a client lies, and whose it is.
 *
 * The shape is the one that OKV's settings and the guide expect, around the files as the vendor lays them.  Promise:
 * what the vendor ships stays under its name (bin/64, libs/64), and the names of an installed client lead there:
 * lib/libCryptoki2_64.so to the real library, whichever of its two names is the file; bin/vtl to bin/64/vtl; plugins/
 * holds the plugins themselves, since a loader may look at directory entries, and libs/64/plugins leads to it.
 * Directories for certificates, token and data are there.  A name that the archive itself uses is left to it.
 *
 * Of owners and modes nothing comes from an archive.  Programs and libraries are root:root 0755, all else root:root
 * 0644, directories 0755.  Where certificates, keys and state lie is root:HSM group 2770 (profile strict: 2750), or
 * root alone while there is no such group; so is a Chrystoki.conf (0660 or 0640), which may hold a secret.  Any other
 * file with a secret, whatever its name, is root:HSM group 0640 at most.  The certificates of the cloud service at the
 * top are 0644: OKV's user has to read them in every phase, with and without the group.
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
	gid_t group;    /* the HSM group, */
	bool has_group; /* if there is one yet */
	bool strict;
	uid_t worker;              /* a user and a group that nobody has: of the process that reads archives */
	struct client_rights conf; /* of Chrystoki.conf in /etc */
};

/* From the account files below the root. */
int client_layout_owners(int root, const struct settings *settings, struct client_ownership *ret_ownership,
			 struct fault *f);
/* As an unpacked file is made first, and by any path that ends in the client's: never more than in the end. */
mode_t client_layout_first_mode(const char *path);
/* What it is; of a file, what its content tells. */
enum client_entry { CLIENT_DIRECTORY, CLIENT_PLAIN, CLIENT_SECRET };
/* `path` is below the client's directory. */
struct client_rights client_layout_rights(const struct client_ownership *o, const char *path, enum client_entry entry);

/* Directories that are made where an archive brings none; NULL ends the list. */
extern const char *const client_layout_directories[];
/* Where an entry of the archive ends up, below the client's directory; false where it is not placed. */
bool client_layout_path(const struct client_content *content, const char *path, char ret_path[LIMITS_PATH + 1]);
/* The links that are made beside what the archive brings, by path below the client's directory. */
int client_layout_links(const struct client_content *content,
			int (*each)(void *context, const char *path, const char *target, struct fault *f),
			void *context, struct fault *f);

/*
 * Can it be laid out so?  By what the archives hold, before anything is placed: the real library is a 64-bit library of
 * this machine, and nothing else has the name of a directory or of a library that a client needs.
 */
int client_layout_evaluate(const struct client_content *content, struct fault *f);
/*
 * `client` is the directory of the new tree that becomes the client's at client_dir, as it was unpacked; nobody but
 * root reaches it.  What was made with its final rights is not touched again.  The cloud client's own Chrystoki.conf is
 * then the one of client_layout_conf_make.
 */
int client_layout_apply(int client, const struct client_content *content, const struct client_ownership *ownership,
			const char *client_dir, struct fault *f);

/* The name of the Chrystoki.conf or template that the archives bring, below the client's directory; NULL: none. */
const char *client_layout_conf_name(const struct client_content *content);
/*
 * Chrystoki.conf from that (what was in use, the cloud service's own file, else the minimal client's template) with
 * every path made absolute and to its place here, as the guide's steps and the vendor's setenv do it; everything else
 * stays byte for byte.  Reads the new tree only to see where a file lies.  Adds nothing where there is no template.
 */
int client_layout_conf_make(int client, const struct client_content *content, const char *client_dir,
			    struct text *ret_conf, struct fault *f);

#endif
