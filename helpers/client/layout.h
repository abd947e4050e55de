/*
 * client/layout: the shape that OKV's settings and the guide expect, around the files as the vendor lays them.
 *
 * Promise: what the vendor ships stays under its name (bin/64, libs/64), and the names of an installed client lead
 * there: lib/libCryptoki2_64.so to the real library, whichever of its two names is the file; bin/vtl to bin/64/vtl;
 * plugins/ holds the plugins themselves, since a loader may look at directory entries, and libs/64/plugins leads to
 * it.  Directories for certificates, token and data are there.  A name that the archive itself uses is left to it.
 */
#ifndef OKV_CLIENT_LAYOUT_H
#define OKV_CLIENT_LAYOUT_H

#include <stdbool.h>

#include "base/fault.h"
#include "client/source.h"
#include "client/ownership.h"

/* Directories that are made where an archive brings none; NULL ends the list. */
extern const char *const client_layout_directories[];

/*
 * Can it be laid out so?  By what the archives hold, before anything is placed: the real library is a 64-bit library of
 * this machine, and nothing else has the name of a directory or of a library that a client needs.
 */
int client_layout_evaluate(const struct client_content *content, struct fault *f);
/* `client` is the directory of the new tree that becomes the client's; its real library is looked at once more. */
int client_layout_apply(int client, const struct client_content *content, const struct client_ownership *ownership,
			struct fault *f);
/* The links that client_layout_apply makes, by path below the client's directory. */
int client_layout_links(const struct client_content *content,
			int (*each)(void *context, const char *path, const char *target, struct fault *f),
			void *context, struct fault *f);
/* Where an entry of the archive ends up, below the client's directory; false where it is not placed. */
bool client_layout_path(const struct client_content *content, const char *path, char ret_path[LIMITS_PATH + 1]);

#endif
