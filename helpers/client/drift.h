/*
 * client/drift: has the identity changed since it was carried over?
 *
 * Promise: certificates and keys, token database, STC identities are compared by name, type, size and time of change,
 * which client/copy keeps; what changes in every hour of a client's life (data, lock) is not looked at.  Opens no file.
 */
#ifndef OKV_CLIENT_DRIFT_H
#define OKV_CLIENT_DRIFT_H

#include "base/fault.h"
#include "base/text.h"

/* Adds each path below `now` that `before` has not, or has otherwise, with a line feed. */
int client_drift_find(int now, int before, struct text *paths, struct fault *f);

#endif
