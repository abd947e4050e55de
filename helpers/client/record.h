/*
 * client/record: what was installed, written down.
 *
 * Promise: /opt/okv-luna/var/client.mtree (mtree(5), conf/manifest) names every file, directory and link that was
 * installed, with owner, mode, size and SHA-256; of the identity it names nothing, since that changes.  It is made
 * from the finished tree, with digests taken while its files were written.
 */
#ifndef OKV_CLIENT_RECORD_H
#define OKV_CLIENT_RECORD_H

#include <stdbool.h>

#include "archive/unpack.h"
#include "base/fault.h"
#include "client/kind.h"
#include "conf/manifest.h"
#include "conf/settings.h"

#define CLIENT_RECORD SETTINGS_VAR "/client.mtree"

/* Of the tree open at `client`, which will be at client_dir below the root. */
int client_record_make(int client, const char *client_dir, const struct unpack *entries,
		       const struct client_content *content, struct manifest *ret_manifest, struct fault *f);
/* Is all of it so in the installed client, down to every byte?  Stops at the first difference. */
int client_record_matches(int client, const char *client_dir, const struct manifest *manifest, bool *ret_same,
			  struct fault *f);
int client_record_write(int root, const struct manifest *manifest, const struct client_content *content, struct fault *f);

#endif
