/*
 * perms/output: what every part of a run is told and tells: how far it may go, where it reports, what it counts.
 */
#ifndef OKV_PERMS_OUTPUT_H
#define OKV_PERMS_OUTPUT_H

#include <stddef.h>
#include <sys/types.h>

#include "base/report.h"
#include "perms/journal.h"

/*
 * PERMS_PLAN and PERMS_CHECK change nothing; they tell the same changes as PERMS_APPLY would make.  (They differ
 * only in what perms_verdict makes of them: drift is the answer "no" to a check, and no failure of a plan.)
 */
enum perms_act { PERMS_CHECK, PERMS_PLAN, PERMS_APPLY };

/*
 * With PERMS_CHECK and PERMS_PLAN the HSM group may be missing as yet and has this id, which is nobody's.  For
 * PERMS_APPLY it is made first (okv/group.h).
 */
#define PERMS_GID_TO_COME ((gid_t)-2)

/* Where a run reports to.  Every member may be NULL. */
struct perms_output {
	void *context;
	/*
	 * Called once per entry, as the record of the change: with PERMS_APPLY when it has been changed, otherwise when
	 * it would be.
	 */
	void (*change)(void *context, const struct perms_record *record);
	/* Warnings: links in places where others can write, refused entries, parents that others can write. */
	struct report *report;
};

struct perms_tally {
	size_t entries;   /* looked at */
	size_t changed;   /* changed, or to be changed when nothing may be */
	size_t links;     /* symbolic links left alone */
	size_t others;    /* sockets, FIFOs, devices left alone */
	size_t mounts;    /* mount points not crossed */
	size_t refused;   /* second hard link; a link where the policy names a path */
	size_t failed;    /* immutable, read-only, unreadable, a tool that failed */
	size_t exchanged; /* changed meanwhile (or, for undo, since) by somebody else */
	size_t parents;   /* directories above, or without a line of their own, that others can write */
};

#endif
