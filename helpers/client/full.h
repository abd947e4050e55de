/*
 * client/full: a full client, by the vendor's packages.
 *
 * Promise: nothing is changed without the licence accepted.  The identity is set aside before rpm works and is there
 * again after it, whatever rpm did.  Packages that are installed in that version already are left alone.
 */
#ifndef OKV_CLIENT_FULL_H
#define OKV_CLIENT_FULL_H

#include "base/fault.h"
#include "client/installing.h"
#include "client/keep.h"
#include "client/vendor.h"

struct client_keep client_full_keep(struct client_installing *i);
/* The packages to install, also into the result. */
int client_full_find(struct client_installing *i, struct client_vendor_set *ret_set, struct fault *f);
/* Refused without --accept-licence. */
int client_full_licence(const struct client_installing *i, struct fault *f);
/* `tree`: the unpacked archive. */
int client_full_install(struct client_installing *i, int tree, struct fault *f);

#endif
