#include "proc/identity.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/accounts.h"
#include "fs/read.h"

int proc_identity_read(int root, const char *user, struct proc_identity *ret_identity, struct fault *f)
{
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO group = { 0 };
	struct accounts_user found;

	if (fs_read_config(root, "/etc/passwd", &passwd, f) < 0 || fs_read_config(root, "/etc/group", &group, f) < 0)
		return -1;
	if (!accounts_user_find(&passwd, user, &found))
		return fault_absent(f, "there is no user '%s' in /etc/passwd", SHOWN(user));

	struct proc_identity identity = { .uid = found.uid, .gid = found.gid };
	identity.group_count = accounts_groups_of(&group, user, found.gid, identity.groups, PROC_GROUPS_MAX);
	if (identity.group_count > PROC_GROUPS_MAX)
		return fault_refused(f, "user '%s' is in more than %d groups", SHOWN(user), PROC_GROUPS_MAX);
	*ret_identity = identity;
	return 0;
}

int proc_identity_become(const struct proc_identity *identity, struct fault *f)
{
	/* Groups, gid, uid, in this order: each step needs the privilege that the next one drops. */
	if (setgroups(identity->group_count, identity->group_count > 0 ? identity->groups : NULL) < 0 ||
	    setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
	    setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return fault_system(f, errno, "cannot become user id %lu", (unsigned long)identity->uid);

	uid_t u[3];
	gid_t g[3];
	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0 || u[0] != identity->uid ||
	    u[1] != identity->uid || u[2] != identity->uid || g[0] != identity->gid || g[1] != identity->gid ||
	    g[2] != identity->gid || (identity->uid != 0 && setuid(0) == 0))
		return fault_system(f, 0, "cannot drop root privileges for user id %lu", (unsigned long)identity->uid);
	return 0;
}
