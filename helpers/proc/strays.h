/*
 * proc/strays: find and end the processes that a child left behind.
 *
 * Promise: between begin and end the calling process is the reaper of its descendants' orphans, so whoever leaves the
 * session, or is started by somebody who did, ends up as our child and is found.  Children that we had before are
 * left alone.  No name and no user id is asked: only who is whose child, as /proc tells it.
 */
#ifndef OKV_PROC_STRAYS_H
#define OKV_PROC_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROC_STRAYS_BEFORE_MAX = 64 };

struct proc_strays {
	int was_reaper;
	pid_t before[PROC_STRAYS_BEFORE_MAX];
	size_t before_count;
};

void proc_strays_begin(struct proc_strays *strays);
/*
 * Kills and reaps all that are left, until none is or `deadline_ms` on CLOCK_MONOTONIC has come; returns how many
 * were killed.  *ret_left: some still live (in an uninterruptible call) or /proc is not there to tell.
 */
unsigned proc_strays_end(struct proc_strays *strays, int64_t deadline_ms, bool *ret_left);

#endif
