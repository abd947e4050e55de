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

/* Why an entry is not to policy, or may be changed by others behind it, and stays so. */
enum perms_left {
	PERMS_LEFT_REFUSED,   /* second hard link; a link where the policy names a path */
	PERMS_LEFT_FAILED,    /* immutable, read-only, unreadable, too many, a tool that failed */
	PERMS_LEFT_EXCHANGED, /* changed meanwhile (or, for undo, since) by somebody else */
	PERMS_LEFT_PARENT,    /* a directory above, or without a line of its own, that others can write */
	PERMS_LEFT_ACL,       /* its ACL grants what the policy does not, or withholds what it grants */
	PERMS_LEFT_STRANGER,  /* others' bytes, which shall not get an owner, set-id or x bits from us */
	PERMS_LEFT_KINDS
};

/* Where a run reports to.  Every member may be NULL. */
struct perms_output {
	void *context;
	/*
	 * Called once per entry, as the record of the change: with PERMS_APPLY when it has been changed, otherwise when
	 * it would be.
	 */
	void (*change)(void *context, const struct perms_record *record);
	/* Called once for each that is counted in `left` of the tally; the report gets a sentence about it. */
	void (*left)(void *context, enum perms_left why, const char *path);
	/* Warnings: links in places where others can write, entries left alone. */
	struct report *report;
};

struct perms_tally {
	size_t entries; /* looked at */
	size_t changed; /* changed, or to be changed when nothing may be */
	size_t links;   /* symbolic links left alone */
	size_t others;  /* sockets, FIFOs, devices left alone */
	size_t mounts;  /* mount points not crossed */
	size_t kept;    /* of what was to be put back: changed since by somebody else, and as it is */
	size_t left[PERMS_LEFT_KINDS];
};

/* What re-owning is about, besides the group: the caller's say on each entry; NULL: all. */
struct perms_choice {
	void *context;
	bool (*wanted)(void *context, int dir, const char *name, const char *path, const struct stat *status);
};

/* Entries as they were, one at each call: 1, or 0 at the end, or -1.  The path lives until the next call. */
struct perms_back_entry {
	const char *path;
	mode_t type; /* S_IFMT part */
	struct perms_owned was;
};
struct perms_back {
	void *context;
	int (*next)(void *context, struct perms_back_entry *ret_entry, struct fault *f);
};

/* All that is left. */
size_t perms_tally_left(const struct perms_tally *tally);

/* Counts and tells one that is left alone; the sentence may end in "; fix: COMMAND". */
void perms_leave(const struct perms_output *output, struct perms_tally *tally, enum perms_left why, const char *path,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
