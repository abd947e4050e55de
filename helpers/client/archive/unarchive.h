/*
 * client/archive/unarchive: reads one archive and tells what is in it; the process that does so owns nothing.
 *
 * Promise: opens nothing and writes nothing but messages (client/archive/message).  The archive is read to its true
 * end, and every checksum in it is compared; a warning of libarchive is damage.  A tar has its end mark and nothing but
 * zeros behind it.  Of archives inside only the cloud client's own cvclient-min.tar is read through, wherever it lies;
 * any other is a file.  Judges nothing: names, types and links are told as they are.
 */
#ifndef OKV_CLIENT_ARCHIVE_UNARCHIVE_H
#define OKV_CLIENT_ARCHIVE_UNARCHIVE_H

#include <sys/types.h>

#include "base/fault.h"

/* `archive` is a plain file at its start. */
int unarchive_run(int archive, int out, struct fault *f);
/* All that the worker does: gives up everything (client/archive/sandbox), becomes `id`, reads; the exit status. */
int unarchive_serve(uid_t id);

#endif
