/*
 * upgrade/cause: why the HSM did not answer in a rehearsal, and the command that fixes it.
 *
 * Promise: named is, in this order: a PRESERVED_FILES that OKV cannot read; the library, or what it is a link to, where
 * that was not carried over; the first file that the library asked for in vain and that is here; our own part, where
 * that was not carried over; the first file that OKV's user was not allowed to reach; a setting that only okv_hsm_env
 * has; what the diagnosis of the slots told; else the words of the question itself.  Files of /dev, /proc, /run, /sys
 * and /tmp count for nothing: no system carries them over.
 */
#ifndef OKV_UPGRADE_CAUSE_H
#define OKV_UPGRADE_CAUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "conf/preserved.h"
#include "conf/settings.h"
#include "upgrade/scratch.h"

struct cause {
	int root; /* the real tree */
	const struct settings *settings;
	enum scratch_generic way;
	const struct preserved *carried;
	/* What was told; all owned, NULL where nothing was. */
	char *module; /* the library that OKV would load, where it was not found */
	char *absent; /* the first file missed that is here */
	char *denied; /* the first that is there and was not allowed */
	char *told;   /* a sentence, NUL, and a command or "" */
	char *post;   /* how post-upgrade began its answer; "": it was not carried over */
};

#define CAUSE_AUTO __attribute__((cleanup(cause_done))) struct cause
void cause_done(struct cause *cause);

/* Both are false for lack of memory.  The first of each kind is kept. */
bool cause_add_missed(struct cause *cause, const char *path, size_t length, int errnum);
bool cause_keep(char **where, const char *bytes, size_t length);
/* Puts the cause into *lost in place of its words; *ret_remedy is the caller's, NULL where only a person can help. */
int cause_find(const struct cause *cause, struct fault *lost, char **ret_remedy, struct fault *f);

#endif
