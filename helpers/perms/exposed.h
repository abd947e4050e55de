/*
 * perms/exposed: who else can write, or read, what the policy's owners and modes say: by an ACL, by a directory above,
 * by our own records, or by what Chrystoki.conf names outside the client.
 *
 * Promise: changes nothing.  Each is counted and told once in a run (perms_leave), with the command that closes it.
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
	/* What follows is its own, and starts as { 0 }. */
	size_t standing;       /* the walk's number of the working directory; 0: none of it */
	struct text parents;   /* paths of directories looked at, each ended by NUL */
	struct text outsiders; /* and of files outside the client */
};
void perms_exposed_done(struct perms_exposed *e);

/* Does the ACL of an entry, or one of a directory's two, make a difference when it has that owner, group and mode? */
void perms_exposed_acl(struct perms_exposed *e, const struct fs_walk_entry *entry, const struct perms_owned *state);
/* A directory to which the policy gives no mode: can others replace what is below it? */
void perms_exposed_directory(struct perms_exposed *e, const struct fs_walk_entry *entry);
/* The same of each directory above the path, up to the root.  The walk that follows is another one. */
void perms_exposed_parents(struct perms_exposed *e, const char *path);
/* Our records and settings, and what Chrystoki.conf names outside the client, as if it lay inside. */
int perms_exposed_others(struct perms_exposed *e, const struct policy *policy, struct fault *f);

#endif
