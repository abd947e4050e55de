/*
 * client/copy: an entry of the old client's tree, copied into the new one.
 *
 * Promise: bit for bit, with owner, mode, times, ACLs and labels; only file capabilities and set-user-id bits stay
 * behind.  Where both trees have a file of that name, the old one gets the name and the new one lies beside it as
 * NAME.okv-luna-new, unless it has the same content.  The old tree is only read.
 *
 * Others may write in parts of the old tree: no link is followed (a link is copied as one), nothing is opened but plain
 * files with one name and directories; FIFOs, sockets and devices are left behind and told.  What cannot be copied (a
 * second name, a lease, 64 levels of directories, no room) is FAULT_REFUSED or FAULT_SYSTEM, and below data and lock,
 * where everybody may write, left behind and told, too: the first few by name.
 */
#ifndef OKV_CLIENT_COPY_H
#define OKV_CLIENT_COPY_H

#include <stdint.h>

#include "base/fault.h"
#include "base/report.h"

struct client_copy {
	uint64_t room; /* the most bytes to copy; more is FAULT_REFUSED */
	struct report *report;
	uint64_t files, bytes; /* so far */
	uint64_t left;         /* behind */
};

/* `from` and `to` are directories, `name` one name in them.  What is not there is no fault. */
int client_copy_entry(struct client_copy *c, int from, int to, const char *name, struct fault *f);
/* A plain file; `path` is what to call it, from the client's directory on. */
int client_copy_file(struct client_copy *c, int from, int to, const char *name, const char *path, struct fault *f);
/* After the last: tells how many more were left behind than were named. */
void client_copy_end(const struct client_copy *c);

#endif
