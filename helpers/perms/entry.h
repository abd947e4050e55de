/*
 * perms/entry: brings one entry from its recorded state to the wanted one.
 *
 * Promise: every state the entry passes through grants no more than the old one grants and no more than the wanted one
 * grants: first the mode is narrowed to what both have in common, without the bits of an owner or group that is
 * about to change; then the owner is changed; then the mode is set (systemd's fd_set_perms has the same order).
 * So an owner is final before any bit is given, and a failure half way leaves the entry tighter, never looser.
 *
 * The entry is opened without following a link and must be the recorded inode, in a state that the record explains:
 * the old one, the wanted one, or one of those between.  Otherwise nothing is changed.
 *
 * A regular file must have one name.  Where others can make names, a second name could be taken away just before we
 * count: so after counting, the name it was opened by must still be in its directory (the kernel shows that in
 * /proc/self/fd), which then was the one that was counted.
 */
#ifndef OKV_PERMS_ENTRY_H
#define OKV_PERMS_ENTRY_H

#include <stdbool.h>

#include "perms/journal.h"

enum perms_step {
	PERMS_NARROW, /* only the first of the three acts */
	PERMS_FINISH, /* all that is left to do */
};

enum perms_result {
	PERMS_CHANGED,   /* changed now */
	PERMS_UNCHANGED, /* was so already */
	PERMS_ABSENT,    /* there is nothing under that name */
	PERMS_REPLACED,  /* another inode, or changed meanwhile by somebody else */
	PERMS_LINKED,    /* a regular file with a second name */
	PERMS_DENIED,    /* the system refused; *ret_errnum */
};

/* The mode between two states. */
mode_t perms_entry_narrowed(const struct perms_owned *from, const struct perms_owned *to, mode_t type);

/* `open_to_others`: users other than root may make names in `dir`. */
enum perms_result perms_entry_set(int dir, const char *leaf, bool open_to_others, const struct perms_record *record,
				  enum perms_step step, int *ret_errnum);

/* Why the system refused, as far as one can find out: "it is immutable; chattr -i ..." or the meaning of errnum. */
void perms_entry_denial(int dir, const char *leaf, const char *path, int errnum, struct text *out);

#endif
