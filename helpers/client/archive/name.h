/*
 * client/archive/name: the rules about names of members and targets of links.
 *
 * Promise: a path that name_normalise gives is relative, of plain components, valid UTF-8 without control characters
 * and within the limits.  What breaks a rule is FAULT_REFUSED with the rule's sentence.
 */
#ifndef OKV_CLIENT_ARCHIVE_NAME_H
#define OKV_CLIENT_ARCHIVE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "client/archive/limits.h"
#include "client/archive/member.h"
#include "base/fault.h"

/* Without "./" before and '/' behind; "" for the top itself. */
int name_normalise(const struct member *member, char ret_path[LIMITS_PATH + 1], struct fault *f);
int name_characters_check(const unsigned char *name, size_t length, struct fault *f);
/* The path that a symbolic link at `path` with that target leads to, lexically; false when that is outside. */
bool name_resolve(const char *path, const char *target, char ret_path[LIMITS_PATH + 1]);

#endif
