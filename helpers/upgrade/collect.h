/*
 * upgrade/collect: collects what support needs to see, and no secrets.
 *
 * Promise: the directory holds our own records, OKV's generic files, the Luna client's configuration and the list of
 * preserved files with owners, modes and digests; never a key, certificate, token database, bundle or wallet.  In
 * configuration files a value is shown only where it is a number or a path, or its key is known to name a host or a
 * token; every other value, and every comment, is replaced by its length.  The directory must not exist yet.  It gets
 * mode 0700, its files 0600.  If a file cannot be written, the directory is removed.
 */
#ifndef OKV_UPGRADE_COLLECT_H
#define OKV_UPGRADE_COLLECT_H

#include "base/fault.h"
#include "upgrade/step.h"

/* `directory` is the administrator's path, not below --root.  The result goes to the run's report. */
int collect_write(const struct upgrade_run *run, const char *directory, struct fault *f);

#endif
