/*
 * perms/acl: what a POSIX ACL makes of owner, group and mode; without libacl.
 *
 * Promise: an ACL is read and judged, never changed.  It is judged as it will be once the mode is set: with an ACL,
 * chmod(2) sets the mask, which bounds the group and all that the ACL names (acl(5)).  It differs where somebody whom
 * it names may do more than owner, group and mode say, and where the group may do less.  A default ACL, by which new
 * files are made, is judged in the same way.  OKV's user may do what the group may.
 */
#ifndef OKV_PERMS_ACL_H
#define OKV_PERMS_ACL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"
#include "perms/journal.h"

enum perms_acl_rights {
	PERMS_ACL_ALL,
	PERMS_ACL_WRITING, /* only whether somebody may write */
};

/*
 * The bytes of system.posix_acl_access or system.posix_acl_default, as the kernel gives them; for the tests, too.  true
 * and in `out` what it does, as what follows "its ACL": "lets user id 5 read".
 */
bool perms_acl_differs(const void *bytes, size_t length, const struct perms_owned *state, enum perms_acl_rights rights,
		       uid_t okv_user, struct text *out);
/* Both ACLs of a regular file or directory.  1 where one differs, 0 where not or where there is none. */
int perms_acl_look(int dir, const char *leaf, const struct perms_owned *state, enum perms_acl_rights rights,
		   uid_t okv_user, struct text *out, struct fault *f);

#endif
