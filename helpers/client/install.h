/*
 * client/install: from archives to an installed client, whole or not at all.
 *
 * Promise: until the one rename nothing outside the staging directory has changed; after it the new client is in
 * place, whole, with the identity of the old one.  A refused archive (FAULT_REFUSED) leaves the destination byte for
 * byte as it was and nothing beside it.  A second run with the same archive changes nothing.  What goes wrong after the
 * rename is FAULT_INCOMPLETE, and running it again finishes the work.
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
	const char *reader;          /* the program okv-luna-unarchive */
	const char *const *archives; /* paths of this process, not below the root */
	size_t archive_count;
	const char *kind;                /* that it must be, or "auto", or NULL */
	const char *sha256;              /* hex in either case, of the one archive; or NULL */
	uint64_t max_bytes, max_entries; /* 0: the default */
	bool accept_licence, replace_kind;
	bool dry_run; /* read and judge everything, change nothing; the result says what would be */
	struct report *report;
	void (*progress)(void *context, uint64_t read, uint64_t of, uint64_t placed, uint64_t files);
	void *context;
};

enum client_conf { CLIENT_CONF_NONE, CLIENT_CONF_WRITTEN, CLIENT_CONF_KEPT };

struct client_result {
	struct client_content content; /* where an entry goes: client_layout_path */
	struct text carried;           /* of the old client, as client_identity_carry tells it */
	struct text packages;          /* of a full client, each with a line feed; with a plan also the files */
	struct text package_files;     /* that these install, as rpm lists them */
	struct text extra; /* paths of the old client that the archives do not have, each with a line feed */
	enum client_conf conf;
	bool placed;                  /* false: the client was installed already */
	bool changed;                 /* that, or a Chrystoki.conf was written */
	bool previous_kept;           /* there is something for --rollback */
	char sha256[SHA256_HEX_SIZE]; /* of the archive, where it was asked for; "" otherwise */
};

#define CLIENT_RESULT_AUTO __attribute__((cleanup(client_result_done))) struct client_result

void client_result_done(struct client_result *result);
/* FAULT_USAGE for a digest or a directory that is none.  The other two expect that it was called. */
int client_request_check(const struct client_request *request, struct fault *f);
/* The client that is installed, as it lies there, its identity aside; CLIENT_AUTO where it is no whole one. */
int client_installed(const struct client_request *request, enum client_kind *ret_kind, struct manifest *ret_record,
		     struct fault *f);
int client_install(const struct client_request *request, struct client_result *ret_result, struct fault *f);
/*
 * Puts the previous client back; the present one is then the previous.  A roll-back that was cut off after that is
 * finished instead, and *ret_finished says so: running it again never undoes what it had begun.
 */
int client_rollback(const struct client_request *request, bool *ret_finished, struct fault *f);

#endif
