/*
 * client/archive/unarchive: reads one archive and sends its contents as messages, in a process that owns nothing.
 *
 * Promise: opens nothing and writes only messages (client/archive/message).  The archive is read to its real end, and
 * every checksum in it is verified; a warning of libarchive counts as damage.  A tar has its end mark and only zeros
 * after it.  Of nested archives only the cloud client's cvclient-min.tar is read, wherever it is; any other is a plain
 * file.  It judges nothing: names, types and links are sent as they are.
 */
#ifndef OKV_CLIENT_ARCHIVE_UNARCHIVE_H
#define OKV_CLIENT_ARCHIVE_UNARCHIVE_H

#include <sys/types.h>

#include "base/fault.h"

/* `archive` is a regular file at offset 0. */
int unarchive_run(int archive, int out, struct fault *f);
/* The whole worker: enters the sandbox as `id` (client/archive/sandbox) and reads; returns the exit status. */
int unarchive_serve(uid_t id);

#endif
