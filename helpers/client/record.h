/*
 * client/record: the manifest of what was installed.
 *
 * Promise: /opt/okv-luna/var/client.mtree (mtree(5), conf/manifest) lists every installed file, directory and link,
 * with owner, mode, size and SHA-256; but not the identity, since that changes.  Directories above the client's are
 * listed without attributes, so that standard tools can read it from the root.  After an installation the digests are
 * those taken while writing; after a roll-back, and for a client installed by rpm, the files are read.
 */
#ifndef OKV_CLIENT_RECORD_H
#define OKV_CLIENT_RECORD_H

#include <stdbool.h>

#include "base/fault.h"
#include "client/layout.h"
#include "conf/manifest.h"
#include "conf/settings.h"

#define CLIENT_RECORD SETTINGS_CLIENT_RECORD

/* The manifest of what installing the archives gives. */
int client_record_make(const struct client_content *content, const struct client_ownership *ownership,
		       const char *client_dir, struct manifest *ret_record, struct fault *f);
/* The manifest of the client on disk. */
int client_record_read(int client, const char *client_dir, struct manifest *ret_record, struct fault *f);
/* What the client should have. */
struct client_expected {
	const struct manifest *record;
	const struct text *carried; /* files of the identity in other places, each with a line feed */
};
/*
 * Is the installed client exactly that, to the last byte, apart from the identity?  Adds to `extra`, each with a line
 * feed, files that are not expected; never directories.
 */
int client_record_compare(int client, const char *client_dir, const struct client_expected *expected, bool *ret_same,
			  struct text *extra, struct fault *f);
int client_record_write(int root, const struct manifest *record, const char *comment, struct fault *f);

#endif
