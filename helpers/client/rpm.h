/*
 * client/rpm: installs the full client the vendor's way, by rpm.
 *
 * Promise: takes the network packages in the archive's directory 64 (libcryptoki, libshim, cklog, lunacm, vtl, ckdemo,
 * lunacmu, salogin, configurator, multitoken), for x86_64 and all of one version; libcryptoki, lunacm, vtl and
 * configurator are required.  rpm itself reads name, version and architecture of each file and checks its digests; a
 * file that is not the package that its name says is FAULT_REFUSED.  Nothing changes unless rpm's own test of the whole
 * transaction succeeds.  rpm is not atomic: if it fails, that is FAULT_INCOMPLETE.
 *
 * A client of another kind becomes `previous` in the staging directory first; rpm then installs next to the identity
 * and what else Chrystoki.conf names.  Over a full client rpm works in place.  Meanwhile identity and Chrystoki.conf
 * are saved in the staging directory, whole or not at all; afterwards every file of them that is missing or changed is
 * restored with owner and mode, and a newer one becomes NAME.okv-luna-new.  If the run is killed, the next one restores
 * them.
 */
#ifndef OKV_CLIENT_RPM_H
#define OKV_CLIENT_RPM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"
#include "client/identity.h"
#include "client/content.h"
#include "client/staging.h"

enum { CLIENT_RPM_PACKAGES = 10 };

struct client_rpm {
	/* Set by the caller, all borrowed. */
	int root;
	int tree; /* where the RPMs are unpacked */
	int old;  /* the current client, or -1 */
	const struct client_content *content;
	const char *client_dir, *conf_path; /* client's directory; path of Chrystoki.conf */
	const char *conf;                   /* content of Chrystoki.conf, or NULL */
	struct report *report;
	struct text *packages, *files; /* "vtl-10.9.4-122"; installed files; each with a line feed */
	/* Set by client_rpm_find, like *packages and *files. */
	char version[64];                                        /* "10.9.4-122", the same for all */
	const struct unpack_entry *entries[CLIENT_RPM_PACKAGES]; /* the RPMs; NULL if the archive lacks one */
	bool installed;                                          /* they are installed already */
	bool replaces;                                           /* replaces a client of another kind */
};

/*
 * Finds the packages by name; then checks their digests, what they are and where they install to, before any database
 * is read.  FAULT_REFUSED if that is not below the client's directory.  Missing optional packages are reported as
 * details.
 *
 * `installed`: every package is installed below the root in this version, and `rpm -V` finds it unchanged (identity,
 * owners and modes aside).  Only rpm's own "no" counts as no: an rpm that was killed or cannot read its database is
 * FAULT_SYSTEM, one that does not answer FAULT_LATE.  No database is created.
 */
int client_rpm_find(struct client_rpm *rpm, struct fault *f);
/*
 * Tests the transaction and runs it; an older version may replace a newer one, since that is how to go back.  The
 * staging directory must have new/.  Saves at most `room` bytes; reports as client_identity_carry does.
 */
int client_rpm_install(const struct client_rpm *rpm, struct client_staging *staging, uint64_t room,
		       struct text *carried, struct fault *f);
/* Restores what a killed run has saved; does nothing if there is nothing. */
int client_rpm_recover(struct client_staging *staging, const char *conf_path, struct fault *f);

#endif
