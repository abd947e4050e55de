/*
 * conf/accounts: look up users and groups in the bytes of passwd(5), group(5) and gshadow(5) files.
 *
 * Promise: no name service is used, because NSS would load libraries, perhaps of another OS release, and because a tree
 * under --root has its own accounts.  Malformed lines are skipped, as in glibc.
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
/* Adds the user's home directory to `out`; false if there is no such user, or the field is not a full path. */
bool accounts_user_home(const struct text *passwd, const char *name, struct text *out);
/* Does the group's line list `user` as a member? */
bool accounts_group_lists(const struct text *group, const char *name, const char *user);
/*
 * Would gpasswd(1) refuse to change that group, since it stands twice or its line ends in a carriage return?  Then
 * what a person does first is added.
 */
bool accounts_group_is_malformed(const struct text *group, const char *name, struct text *out);
/* Adds what makes the user a member: that, or the command. */
void accounts_member_remedy(const struct text *group, const char *name, const char *user, struct text *out);
/* Adds the members of the group as its line has them, separated by commas. */
void accounts_group_members(const struct text *group, const char *name, struct text *out);
/* Is the group in gshadow (which has no ids), and is `user` a member there?  `user` NULL: only the first question. */
bool accounts_shadow_has(const struct text *gshadow, const char *name, const char *user);
/* Adds the name of an id to `out`; false if the id has none. */
bool accounts_user_name(const struct text *passwd, uid_t uid, struct text *out);
bool accounts_group_name(const struct text *group, gid_t gid, struct text *out);
/* Is it the primary group of any user? */
bool accounts_primary_uses(const struct text *passwd, gid_t gid);
/*
 * The groups of a user: `primary` first, then every group that lists the user, each once.  Returns their number; at
 * most `size` are written.
 */
size_t accounts_groups_of(const struct text *group, const char *user, gid_t primary, gid_t *ret_gids, size_t size);

#endif
