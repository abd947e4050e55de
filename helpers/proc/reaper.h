/*
 * proc/reaper: find and end the processes that a child left behind.
 *
 * Promise: between begin and end the calling process is the reaper of its descendants' orphans (prctl(2),
 * PR_SET_CHILD_SUBREAPER), so whoever leaves the session, or is started by somebody who did, ends up as our child and
 * is found.  Children that we had before are left alone.  No name and no user id is asked: only who is whose child, as
 * /proc tells it.
 */
#ifndef OKV_PROC_REAPER_H
#define OKV_PROC_REAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROC_REAPER_BEFORE_MAX = 64 };

struct proc_reaper {
	int was_reaper;
	pid_t before[PROC_REAPER_BEFORE_MAX];
	size_t before_count;
};

void proc_reaper_begin(struct proc_reaper *reaper);
/*
 * Kills and reaps all that are left, until none is or proc_clock_ms has come to `deadline`; returns how many were
 * killed.  *ret_left: some still live (in an uninterruptible call) or /proc is not there to tell.
 */
unsigned proc_reaper_end(struct proc_reaper *reaper, int64_t deadline, bool *ret_left);
/* waitpid(2) for one that is bound to end, until then; 0 when it has not. */
pid_t proc_reaper_wait(pid_t pid, int64_t deadline, int *ret_status);

#endif
