/*
 * conf/accounts: users and groups from the bytes of passwd(5), group(5) and gshadow(5) files.
 *
 * Promise: reads only what it is given; no name service is asked, so a library of another OS major is never
 * pulled in, and a tree under --root answers for itself.  Malformed lines are passed over, as glibc does.
 */
#ifndef OKV_CONF_ACCOUNTS_H
#define OKV_CONF_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/text.h"

struct accounts_user {
	uid_t uid;
	gid_t gid; /* primary group */
};

/* `passwd`, `group`: whole file contents. */
bool accounts_user_find(const struct text *passwd, const char *name, struct accounts_user *ret_user);
bool accounts_group_find(const struct text *group, const char *name, gid_t *ret_gid);
/* The home directory of a user, copied to `out`; false where there is no such user, or it has no full path. */
bool accounts_user_home(const struct text *passwd, const char *name, struct text *out);
/* Is `user` listed as a member in that group's line? */
bool accounts_group_lists(const struct text *group, const char *name, const char *user);
/* Adds the members of the group, separated by commas, as the line has them. */
void accounts_group_members(const struct text *group, const char *name, struct text *out);
/* `gshadow`: its lines have no ids.  Has the group one there, and does that list the user as a member?  NULL: any. */
bool accounts_shadow_has(const struct text *gshadow, const char *name, const char *user);
/* The names of an id, copied to `out`; false where nobody has it. */
bool accounts_user_name(const struct text *passwd, uid_t uid, struct text *out);
bool accounts_group_name(const struct text *group, gid_t gid, struct text *out);
/* Has any user that group as primary one? */
bool accounts_primary_uses(const struct text *passwd, gid_t gid);
/*
 * Supplementary groups of a user: `primary` first, then every group that lists it, without repeats.  Returns how
 * many there are; at most `size` are written.
 */
size_t accounts_groups_of(const struct text *group, const char *user, gid_t primary, gid_t *ret_gids, size_t size);

#endif
