/*
 * client/install: from archives to an installed client, whole or not at all.
 *
 * Promise: up to the single rename nothing outside the staging directory changes; after it the new client is in place,
 * whole, with the old one's identity.  A refused archive (FAULT_REFUSED) leaves the destination unchanged and nothing
 * beside it.  A second run with the same archive changes nothing.  A failure after the rename is FAULT_INCOMPLETE, and
 * running it again finishes the work.
 */
#ifndef OKV_CLIENT_INSTALL_H
#define OKV_CLIENT_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "client/content.h"
#include "conf/manifest.h"
#include "conf/settings.h"

struct client_request {
	int root;
	const struct settings *settings;
	const char *client_dir;
	const char *reader;          /* path of okv-luna-unarchive */
	const char *const *archives; /* ordinary paths, not below the root */
	size_t archive_count;
	const char *kind;                /* required kind, "auto", or NULL */
	const char *sha256;              /* expected digest of the only archive, in hex of either case; or NULL */
	uint64_t max_bytes, max_entries; /* 0: the default */
	bool accept_licence, replace_kind;
	bool dry_run; /* read and check everything, change nothing; the result says what would be done */
	struct report *report;
	void (*progress)(void *context, uint64_t read, uint64_t of, uint64_t placed, uint64_t files);
	void *context;
};

enum client_conf { CLIENT_CONF_NONE, CLIENT_CONF_WRITTEN, CLIENT_CONF_KEPT };

struct client_result {
	struct client_content content; /* client_layout_path tells where an entry goes */
	struct text carried;           /* what client_identity_carry copied from the old client */
	struct text packages;          /* of a full client, each with a line feed */
	struct text package_files;     /* files of the packages, as rpm lists them */
	struct text extra; /* paths of the old client that the archives do not have, each with a line feed */
	enum client_conf conf;
	bool placed;                  /* false: this client was installed already */
	bool changed;                 /* placed, or a Chrystoki.conf was written */
	bool previous_kept;           /* --rollback has something to restore */
	char sha256[SHA256_HEX_SIZE]; /* of the archive, if it was requested; else "" */
};

#define CLIENT_RESULT_AUTO __attribute__((cleanup(client_result_done))) struct client_result

void client_result_done(struct client_result *result);
/* FAULT_USAGE for an invalid digest or directory.  Call it before client_install and client_rollback. */
int client_request_check(const struct client_request *request, struct fault *f);
/* The installed client as it is on disk, without its identity; CLIENT_AUTO if it is not a whole one. */
int client_installed(const struct client_request *request, enum client_kind *ret_kind, struct manifest *ret_record,
		     struct fault *f);
int client_install(const struct client_request *request, struct client_result *ret_result, struct fault *f);
/*
 * Restores the previous client; the current one becomes the previous.  A roll-back that was interrupted after the
 * exchange is finished instead, and *ret_finished says so: running it again never undoes it.
 */
int client_rollback(const struct client_request *request, bool *ret_finished, struct fault *f);

#endif
