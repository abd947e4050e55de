/*
 * client/record: what was installed, written down.
 *
 * Promise: /opt/okv-luna/var/client.mtree (mtree(5), conf/manifest) names every file, directory and link that was
 * installed, with owner, mode, size and SHA-256; of the identity it names nothing, since that changes.  Of the
 * directories above the client's it says only that they are there, so that stock tools can read it from the root.
 * After an installation the digests are those that were taken while the files were written; after a roll-back, and of
 * a client that rpm has installed, the files are read.
 */
#ifndef OKV_CLIENT_RECORD_H
#define OKV_CLIENT_RECORD_H

#include <stdbool.h>

#include "base/fault.h"
#include "client/layout.h"
#include "conf/manifest.h"
#include "conf/settings.h"

#define CLIENT_RECORD SETTINGS_CLIENT_RECORD

/* Of what an installation makes of the archives. */
int client_record_make(const struct client_content *content, const struct client_ownership *ownership,
		       const char *client_dir, struct manifest *ret_record, struct fault *f);
/* Of the client as it lies there. */
int client_record_read(int client, const char *client_dir, struct manifest *ret_record, struct fault *f);
/* What is expected of a client. */
struct client_expected {
	const struct manifest *record;
	const struct text *carried; /* paths of the identity at other places, each with a line feed */
};
/*
 * Is the installed client exactly so, identity aside, down to every byte?  Adds to `extra`, each with a line feed, what
 * lies in it and is not expected; of directories only what they hold.
 */
int client_record_compare(int client, const char *client_dir, const struct client_expected *expected, bool *ret_same,
			  struct text *extra, struct fault *f);
int client_record_write(int root, const struct manifest *record, const char *comment, struct fault *f);

#endif
