/*
 * client/rpm: the full client, installed as its vendor means it: by rpm.
 *
 * Promise: of the RPMs in the archive's directory 64 the network set is taken (libcryptoki, libshim, cklog, lunacm,
 * vtl, ckdemo, lunacmu, salogin, configurator, multitoken), for x86_64 and of one version; libcryptoki, lunacm, vtl and
 * configurator must be there.  rpm itself says name, version and architecture of each file and checks its digests; a
 * file that is another package than its name says is FAULT_REFUSED.  Nothing is changed unless rpm's own test of the
 * whole transaction passes.  What rpm does is not atomic: a failure in it is FAULT_INCOMPLETE.
 */
#ifndef OKV_CLIENT_RPM_H
#define OKV_CLIENT_RPM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"
#include "client/source.h"

enum { CLIENT_RPM_PACKAGES = 10 };

struct client_rpm_package {
	const char *name;
	const struct unpack_entry *entry; /* the RPM's; NULL where the archive has none */
};

struct client_rpm_set {
	struct client_rpm_package packages[CLIENT_RPM_PACKAGES];
	char version[64]; /* "10.9.4-122", of all of them */
};

/* By file names only.  Other packages of the set that are not there are told as details. */
int client_rpm_find(const struct client_content *content, struct report *report, struct client_rpm_set *ret_set,
		    struct fault *f);
/*
 * `tree`: where the RPMs were unpacked.  Compares their digests and what they are with their names, before anything is
 * asked of a database; *ret_places: the files that they install, each with a line feed.  FAULT_REFUSED where these are
 * not below `client_dir`.
 */
int client_rpm_check(int tree, const struct client_rpm_set *set, const char *client_dir, struct text *ret_places,
		     struct fault *f);
/*
 * Is every one of them installed below the root already, in this version, and by `rpm -V` as it was packed (identity,
 * owners and modes aside)?  Only rpm's own "no" is one: an rpm that was killed or cannot read its database is
 * FAULT_SYSTEM, one that does not answer FAULT_LATE.  Where there is no database, none is made.
 */
int client_rpm_installed(int root, const struct client_rpm_set *set, const char *client_dir, bool *ret_installed,
			 struct fault *f);
/*
 * Tests the transaction, and runs it; an older version than the present one is installed all the same, since that is
 * how one goes back.  `scratch`, below the root, takes the database of the test where there is none yet.
 */
int client_rpm_install(int root, int tree, const struct client_rpm_set *set, const char *scratch, struct fault *f);

#endif
