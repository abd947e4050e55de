/*
 * perms/exposed: access that owners and modes of the policy do not show: through an ACL, through a directory above,
 * to our own records and settings, and to files outside the client that Chrystoki.conf names.
 *
 * Promise: changes nothing.  Each finding is counted and reported once in a run (perms_leave), with the command that
 * removes it.
 */
#ifndef OKV_PERMS_EXPOSED_H
#define OKV_PERMS_EXPOSED_H

#include "base/text.h"
#include "conf/policy.h"
#include "conf/settings.h"
#include "fs/walk.h"
#include "perms/apply.h"

struct perms_exposed {
	struct perms_run *run;
	const struct settings *settings;
	uid_t okv_user; /* (uid_t)-1: there is none */
	/* The rest is private, and starts as { 0 }. */
	size_t cwd;          /* the walk's number of the working directory; 0: another directory */
	struct text parents; /* paths of the directories checked, each ended by NUL */
	struct text outside; /* the same of files and directories outside the client */
};
void perms_exposed_done(struct perms_exposed *e);

/* Reports an ACL of the entry that grants more or less than this owner, group and mode; directories have two ACLs. */
void perms_exposed_acl(struct perms_exposed *e, const struct fs_walk_entry *entry, const struct perms_owned *state);
/* Reports a directory without a mode in the policy if others can replace what is below it. */
void perms_exposed_directory(struct perms_exposed *e, const struct fs_walk_entry *entry);
/* The same for each directory above the path, up to the root.  To be called before each walk. */
void perms_exposed_parents(struct perms_exposed *e, const char *path);
/* Checks our records and settings, and what Chrystoki.conf names outside the client as if it were inside. */
int perms_exposed_others(struct perms_exposed *e, const struct policy *policy, struct fault *f);

#endif
