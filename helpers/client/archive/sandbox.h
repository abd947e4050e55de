/*
 * client/archive/sandbox: a process gives up everything but what reading an archive needs.
 *
 * Promise: after sandbox_enter the process has user and group ids that own nothing, no groups, no capabilities and no
 * way to new ones (no_new_privs); can open nothing, start no process, make no socket and trace nobody (a seccomp filter
 * that lists what may be called); can write only to what is open already, and no file; dies with its parent.  A limit
 * that the caller had set lower stays.  What cannot be given up is a fault.
 */
#ifndef OKV_CLIENT_ARCHIVE_SANDBOX_H
#define OKV_CLIENT_ARCHIVE_SANDBOX_H

#include <sys/types.h>

#include "base/fault.h"

/* In a process that is root; `id` becomes user and group. */
int sandbox_enter(uid_t id, struct fault *f);

#endif
