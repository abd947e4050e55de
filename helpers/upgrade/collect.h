/*
 * upgrade/collect: what support needs to see, and nothing that is secret.
 *
 * Promise: the archive holds our own records, OKV's generic files, the Luna client's configuration and the list of
 * preserved files with owners, modes and digests; never a key, certificate, token database, bundle or wallet.  In
 * configuration files a value is shown only where it is a number or a path, or its key is known to name a host or a
 * token; every other value, and every comment, is replaced by its length.  FILE must not exist yet; it gets mode 0600.
 */
#ifndef OKV_UPGRADE_COLLECT_H
#define OKV_UPGRADE_COLLECT_H

#include "base/fault.h"
#include "base/text.h"
#include "upgrade/run.h"

int upgrade_collect(const struct upgrade_run *run, const char *file, struct fault *f);

/* "Key = value;" and NAME="value" lines with what could be secret taken out. */
void upgrade_collect_redact(const struct text *file, struct text *out);

#endif
