/*
 * bundle/outgoing: the sealed file that `send` sends.
 *
 * Promise: a freshly sealed one has no name any more when it is returned, so whatever ends this process, nothing
 * stays behind; until then it lies 0600 in SETTINGS_VAR (0700).  A given one has been looked at: it is a sealed
 * file of this format and whole.
 */
#ifndef OKV_BUNDLE_OUTGOING_H
#define OKV_BUNDLE_OUTGOING_H

#include <stdint.h>

#include "base/fault.h"
#include "bundle/seal.h"

int bundle_outgoing_make(const struct bundle_seal *how, int *ret_fd, uint64_t *ret_size, struct fault *f);
int bundle_outgoing_file(const char *path, int *ret_fd, uint64_t *ret_size, struct fault *f);

#endif
