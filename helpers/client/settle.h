/*
 * client/settle: the unpacked tree becomes root's, and a client as OKV expects it.
 *
 * Promise: works by descriptors on a tree that nobody but root reaches any more.  Every file and directory in it is
 * looked at: one that was not announced, is of another size or type, or bears a second name, is a fault; each gets
 * owner and mode of client/policy.  Only then are links made.  Many files are shared with a second process, which has
 * ended when the call does.
 */
#ifndef OKV_CLIENT_SETTLE_H
#define OKV_CLIENT_SETTLE_H

#include "client/archive/unpack.h"
#include "base/fault.h"
#include "client/kind.h"
#include "client/policy.h"

/* Takes over new/tree (`tree`), which the unpacking processes wrote as uid. */
int client_settle(int tree, uid_t uid, const struct unpack *entries, const struct client_content *content,
		  const struct client_policy *policy, struct fault *f);

#endif
