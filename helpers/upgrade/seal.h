/*
 * upgrade/seal: what was proven once and not touched since needs no second proof.
 *
 * After a comparison without a difference, SETTINGS_VAR "/seal" keeps the seal (upgrade/scan.h) of all entries that had
 * not been changed since that run began, and the digests of the few that had (a lock file, a token's counter): those
 * are read again each time.  The clock's grain cannot deceive: everything that is sealed is older than the run.
 *
 * Promise: the seal holds only for the manifest it was set for, and only where every sealed entry is the same inode in
 * the same state by ctime, and every other one has the same bytes.  A file that is damaged or gone holds nothing.
 */
#ifndef OKV_UPGRADE_SEAL_H
#define OKV_UPGRADE_SEAL_H

#include <stdbool.h>

#include "base/fault.h"
#include "upgrade/scan.h"

/*
 * `manifest_hex`: SHA-256 of the snapshot's manifest.  Entries apart that have come to rest since are sealed too, for
 * the next time (with UPGRADE_SEAL_RENEW): `started` is when this run began.
 */
enum upgrade_seal_act { UPGRADE_SEAL_LOOK, UPGRADE_SEAL_RENEW };
bool upgrade_seal_holds(int root, const struct upgrade_paths *paths, const char *manifest_hex, int64_t started,
			enum upgrade_seal_act act, size_t *ret_entries);
/*
 * `scan` is the whole one that was compared, with fresh_since the start of the run.  Nothing is set where too much is
 * fresh.
 */
int upgrade_seal_set(int root, const struct upgrade_paths *paths, const char *manifest_hex,
		     const struct upgrade_scan *scan, struct fault *f);

#endif
