/*
 * client/archive/sandbox: drops every privilege that reading an archive does not need.
 *
 * Promise: after sandbox_enter the process has user and group ids that own nothing, no groups and no capabilities, and
 * cannot get new ones (no_new_privs).  A seccomp filter with a list of allowed system calls keeps it from opening
 * files, starting processes, creating sockets and tracing.  It can write only to descriptors that are already open, and
 * to no file; it dies with its parent.  Lower limits set by the caller stay.  Failing to drop anything is a fault.
 */
#ifndef OKV_CLIENT_ARCHIVE_SANDBOX_H
#define OKV_CLIENT_ARCHIVE_SANDBOX_H

#include <sys/types.h>

#include "base/fault.h"

/* Call it as root; `id` becomes user and group id. */
int sandbox_enter(uid_t id, struct fault *f);

#endif
