/*
 * client/rpm: the full client, installed as its vendor means it: by rpm.
 *
 * Promise: of the RPMs in the archive's directory 64 the network set is taken (libcryptoki, libshim, cklog, lunacm,
 * vtl, ckdemo, lunacmu, salogin, configurator, multitoken), for x86_64 and of one version; libcryptoki, lunacm, vtl and
 * configurator must be there.  rpm itself says name, version and architecture of each file and checks its digests; a
 * file that is another package than its name says is FAULT_REFUSED.  Nothing is changed unless rpm's own test of the
 * whole transaction passes.  What rpm does is not atomic: a failure in it is FAULT_INCOMPLETE.
 *
 * A client of another kind is `previous` in the staging directory before rpm begins, which then installs beside the
 * identity and what else Chrystoki.conf names.  Over a full one rpm works in place.  Meanwhile identity and
 * Chrystoki.conf are set aside in the staging directory, whole or not at all, and whatever of them is missing or other
 * than it was comes back with owner and mode; a newcomer then lies beside it as NAME.okv-luna-new.  A run that was
 * killed in between leaves that to the next one.
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
	/* The caller's, all borrowed. */
	int root;
	int tree; /* where the RPMs are unpacked */
	int old;  /* the client that is there, or -1 */
	const struct client_content *content;
	const char *client_dir, *conf_path; /* the latter is Chrystoki.conf's, */
	const char *conf;                   /* and this its content, or NULL */
	struct report *report;
	struct text *packages, *files; /* "vtl-10.9.4-122", and all that they install, each with a line feed */
	/* By client_rpm_find, as *packages and *files. */
	char version[64];                                        /* "10.9.4-122", of all of them */
	const struct unpack_entry *entries[CLIENT_RPM_PACKAGES]; /* the RPMs; NULL where the archive has none */
	bool installed;                                          /* already */
	bool replaces;                                           /* a client of another kind */
};

/*
 * The packages, by what they are called; then their digests, what they are and where they install to, before anything
 * is asked of a database.  FAULT_REFUSED where that is not below the client's directory.  Packages that may be
 * missing and are, are told as details.
 *
 * They are installed already where every one of them is so below the root, in this version, and by `rpm -V` as it was
 * packed (identity, owners and modes aside).  Only rpm's own "no" is one: an rpm that was killed or cannot read its
 * database is FAULT_SYSTEM, one that does not answer FAULT_LATE.  Where there is no database, none is made.
 */
int client_rpm_find(struct client_rpm *rpm, struct fault *f);
/*
 * Tests the transaction, and runs it; an older version than the present one is installed all the same, since that is
 * how one goes back.  The staging directory has its new/.  At most `room` bytes are set aside,
 * and told as client_identity_carry does.
 */
int client_rpm_install(const struct client_rpm *rpm, struct client_staging *staging, uint64_t room,
		       struct text *carried, struct fault *f);
/* Puts back what a run that was killed has set aside; nothing to do where there is nothing. */
int client_rpm_recover(struct client_staging *staging, const char *conf_path, struct fault *f);

#endif
