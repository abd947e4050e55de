/*
 * client/record: what was installed, written down.
 *
 * Promise: /opt/okv-luna/var/client.mtree (mtree(5), conf/manifest) names every file, directory and link that was
 * installed, with owner, mode, size and SHA-256; of the identity it names nothing, since that changes.  After an
 * installation the digests are those that were taken while the files were written; after a roll-back the files are
 * read.
 */
#ifndef OKV_CLIENT_RECORD_H
#define OKV_CLIENT_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "client/archive/unpack.h"
#include "base/fault.h"
#include "client/kind.h"
#include "client/policy.h"
#include "conf/manifest.h"
#include "conf/settings.h"

#define CLIENT_RECORD SETTINGS_VAR "/client.mtree"

struct client_record_item {
	const char *path; /* below the client's directory; borrowed from the entries, or `owned` */
	char *owned;
	const char *target; /* of a link; borrowed, or behind `owned` */
	enum manifest_type type;
	const struct unpack_entry *file; /* of a file: where size and digest stand */
};

/* Borrows from the entries it was made of. */
struct client_record {
	const char *client_dir;
	const struct client_policy *policy;
	struct client_record_item *items; /* owned; in order; directories that are only implied are not among them */
	size_t count, capacity;
};

#define CLIENT_RECORD_AUTO __attribute__((cleanup(client_record_done))) struct client_record

void client_record_done(struct client_record *r);
int client_record_make(const struct unpack *entries, const struct client_content *content,
		       const struct client_policy *policy, const char *client_dir, struct client_record *ret_record,
		       struct fault *f);
/* `path` is below the client's directory, "" itself; 0 goes on, 1 stops, -1. */
typedef int client_record_hear(void *context, const struct manifest_entry *entry, const char *path, struct fault *f);
/* Every entry in order, the implied directories too; gives what the last call of `hear` gave. */
int client_record_each(const struct client_record *record, client_record_hear *hear, void *context, struct fault *f);
/* Is all of it so in the installed client, down to every byte?  Stops at the first difference. */
int client_record_matches(int client, const struct client_record *record, bool *ret_same, struct fault *f);
int client_record_write(int root, const struct client_record *record, const char *comment, struct fault *f);
/* Of the client as it lies there. */
int client_record_rewrite(int root, int client, const char *client_dir, const char *comment, struct fault *f);

#endif
