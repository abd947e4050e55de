/*
 * perms/opened: since when others may write what we are going to give owners and bits.
 *
 * Between the hooks of an upgrade the guide lets everybody write in CLIENT_DIR/data.  A file that is written while that
 * holds has somebody else's bytes, whoever owns it, and must not get set-id or x bits afterwards.
 *
 * Promise: the time, by the clock of the file systems, is written to SETTINGS_VAR/repair/opened and synced before a
 * directory is opened to others by us, and is that of the first one until perms_opened_forget.  Where others may not
 * write a file, its time of modification cannot be set back but by its owner, so it tells.
 */
#ifndef OKV_PERMS_OPENED_H
#define OKV_PERMS_OPENED_H

#include <time.h>

#include "base/fault.h"

/* `dir` is SETTINGS_VAR/repair. */
int perms_opened_note(int dir, struct fault *f);
/* { 0 } where nothing is noted. */
int perms_opened_since(int root, struct timespec *ret_since, struct fault *f);
int perms_opened_forget(int root, struct fault *f);

#endif
