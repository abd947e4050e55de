/*
 * upgrade/journal: what the hooks of an upgrade did, one line per event, in a file that only grows.
 *
 * A line: STAMP HOOK WORD [REST], parted by single blanks, for people and for the next hook to read:
 *
 *	2026-02-03T04:05:06Z pre-upgrade begin 0.1.0
 *	2026-02-03T04:05:06Z pre-upgrade group 986 hsmusers
 *	2026-02-03T04:05:08Z pre-upgrade end go
 *
 * Promise: a line is written by one write(2) at the end of the file and synced, so a run that is killed leaves whole
 * lines; one that was cut off all the same is passed over by the reader and ended by the next writer.  A hook without
 * an end is one that was killed.  journal_read never fails on content.
 */
#ifndef OKV_UPGRADE_JOURNAL_H
#define OKV_UPGRADE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "conf/settings.h"

#define JOURNAL_FILE SETTINGS_VAR "/journal"

enum upgrade_hook { UPGRADE_PRE, UPGRADE_MID, UPGRADE_POST };

/* "pre-upgrade", "mid-upgrade", "post-upgrade" */
const char *upgrade_hook_name(enum upgrade_hook hook);

/* The last run of an hook. */
struct journal_event {
	int64_t began; /* seconds since 1970; 0: never */
	int64_t ended; /* 0: it did not end by itself */
	bool good;     /* it ended with "go", "changed", "unchanged", "proven" or "accepted" */
	char end[200]; /* the rest of its end line: "go", "no the reason", ... */
};

struct journal_history {
	/*
	 * A beginning pre-upgrade forgets the mid- and post-upgrade before it, and an aborted one itself: what is
	 * here belongs to one upgrade.
	 */
	struct journal_event hooks[3];
	bool group_known; /* the group's id when all our files carried it for certain */
	gid_t group_id;
};

/* Has a pre-upgrade begun, and neither was it aborted nor has a post-upgrade proven its end? */
bool journal_is_open(const struct journal_history *history);

/* A journal that is not there is an empty history. */
int journal_read(int root, struct journal_history *ret_history, struct fault *f);
/* Adds a line; line feeds in the text become blanks.  Makes var/ where it is missing. */
int journal_add(int root, enum upgrade_hook hook, struct fault *f, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Starts a new file (the old one becomes journal.1) when it has grown past 256 KiB; only between upgrades. */
int journal_rotate(int root, struct fault *f);

#endif
