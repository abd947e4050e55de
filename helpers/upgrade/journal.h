/*
 * upgrade/journal: a log of what the hooks of an upgrade did, one line per event.
 *
 * A line is STAMP HOOK WORD [REST], with single blanks between, for people and for the next hook to read:
 *
 *	2026-02-03T04:05:06Z pre-upgrade begin 0.1.0
 *	2026-02-03T04:05:06Z pre-upgrade group 986 hsmusers
 *	2026-02-03T04:05:08Z pre-upgrade end go
 *
 * Promise: a line is appended by one write(2) and synced, so a killed run leaves whole lines.  If a line is cut off
 * nevertheless, the reader ignores it and the next writer ends it.  A hook with a begin but no end was killed.
 * okv-luna upgrade adds "pre-upgrade end upgraded" when OKV's upgrade has succeeded.
 * journal_read() ignores lines that it cannot parse.
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

/* The last run of a hook. */
struct journal_event {
	int64_t began; /* seconds since 1970; 0: never */
	int64_t ended; /* 0: killed, or still running */
	bool good;     /* it ended with "go", "upgraded", "changed", "unchanged", "proven" or "accepted" */
	char end[200]; /* the rest of its end line: "go", "no the reason", ... */
};

struct journal_history {
	/* Of one upgrade only: the begin and the abort of a pre-upgrade clear what is before them. */
	struct journal_event hooks[3];
	bool group_known;
	gid_t group_id; /* the group's id at the last moment when all our files had it */
};

/* True from the begin of a pre-upgrade until it is aborted or a post-upgrade ends well. */
bool journal_is_open(const struct journal_history *history);

/* No journal gives an empty history. */
int journal_read(int root, struct journal_history *ret_history, struct fault *f);
/* Adds a line; line feeds in the text become blanks.  Creates var/ if necessary. */
int journal_add(int root, enum upgrade_hook hook, struct fault *f, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Renames the journal to journal.1 if it is over 256 KiB.  Call between upgrades only: it drops their history. */
int journal_rotate(int root, struct fault *f);

#endif
