/*
 * proc/reaper: kill the processes that a child left behind.
 *
 * Promise: from begin to end the calling process is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), so every
 * orphan among its descendants becomes its child and is found, also one that has called setsid(2).  Children that
 * existed before are left alone.  Processes are chosen only by their parent, as /proc shows it, never by name or user
 * id.
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
 * Kills and reaps all orphans, until none is left or proc_clock_ms reaches `deadline`; returns how many were killed.
 * *ret_left: some still live (in an uninterruptible system call), or /proc cannot be read.
 */
unsigned proc_reaper_end(struct proc_reaper *reaper, int64_t deadline, bool *ret_left);
/* waitpid(2) with a deadline; 0 if the process has not ended by then. */
pid_t proc_reaper_wait(pid_t pid, int64_t deadline, int *ret_status);

#endif
