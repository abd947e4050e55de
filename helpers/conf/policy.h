/*
 * conf/policy: permission policies, a subset of tmpfiles.d(5).
 *
 * Promise: opens nothing.  Text that breaks a rule is FAULT_REFUSED with "file:line: " and leaves the policy as it
 * was.  policy_step and policy_target allocate nothing and cost a fixed, small effort for each entry of a tree.
 *
 * One line, one rule, blanks between the fields, a field with blanks in "" or '':
 *
 *     TYPE  PATH  MODE  USER  GROUP
 *
 * TYPE is z (the entry itself) or Z (and everything below it).  PATH is absolute and may hold the wildcards * ? []
 * in any component, which match no leading dot and no slash.  MODE is three to five octal digits, set exactly;
 * with "~" before it, x, w and r bits are only given where the entry has such a bit for anybody already, and
 * set-id and sticky bits only to directories.  USER and GROUP are names or numbers.  "-", or nothing, leaves as it
 * is.  The fields AGE and ARGUMENT of tmpfiles.d may only be "-".  '#' begins a comment line.
 *
 * Unlike tmpfiles.d, order decides: a later line is applied to the result of the earlier ones, as if one command
 * had been run after the other.
 *
 * The one extension: letters after the type.  "f" speaks of regular files only, "d" of directories only, and "k"
 * keeps, as chmod(1) does with a number, the set-id bits of a directory that MODE does not set.  systemd-tmpfiles
 * refuses such a line as a whole, so nobody applies a directory's mode to files by mistake.
 *
 * Settings of okv-luna.conf are written %{NAME}, "%%" is a percent sign; names are the caller's.
 */
#ifndef OKV_CONF_POLICY_H
#define OKV_CONF_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/text.h"

enum {
	POLICY_LINE_MAX = 4096,     /* a line has fewer bytes */
	POLICY_RULES_MAX = 256,     /* of all files together */
	POLICY_COMPONENTS_MAX = 64, /* of one path */
};

struct policy_setting {
	const char *name;
	const char *value;
};

/* What names in a policy stand for. */
struct policy_names {
	const struct policy_setting *settings; /* ends with a NULL name */
	const struct text *passwd, *group;     /* whole account files */
	const char *to_come;                   /* NULL, or the name of a group that is going to be made */
	gid_t gid_to_come;                     /* its id, as long as it is in no file */
};

#define POLICY_ID_KEEP ((uint32_t)-1)

struct policy_rule {
	char *path;              /* owned; components separated by NUL, no slashes */
	const char **components; /* owned array into path */
	size_t count;
	size_t plain; /* how many components from the start hold no wildcard */
	bool recursive, files_only, directories_only, keep_set_id, masked, has_mode;
	mode_t mode;
	uid_t uid; /* POLICY_ID_KEEP: leave it */
	gid_t gid;
};

struct policy {
	struct policy_rule *rules; /* owned */
	size_t count;
};

#define POLICY_AUTO __attribute__((cleanup(policy_done))) struct policy

void policy_done(struct policy *p);

/* Adds the rules of one file.  `file` is its name, for the fault. */
int policy_parse(struct policy *p, const char *file, const struct text *bytes, const struct policy_names *names,
		 struct fault *f);

/*
 * Adds a rule that changes nothing and covers a path and what is below it: for asking policy_step whether a place
 * lies under one of some given paths.  The path holds no wildcards, whatever its bytes.
 */
int policy_mark(struct policy *p, const char *path, struct fault *f);

/* One bit per rule. */
struct policy_set {
	uint64_t words[POLICY_RULES_MAX / 64];
};

static inline bool policy_set_any(const struct policy_set *set)
{
	uint64_t all = 0;

	for (size_t i = 0; i < POLICY_RULES_MAX / 64; i++)
		all |= set->words[i];
	return all != 0;
}

/* Where a walk stands: a place `depth` components below the root. */
struct policy_place {
	size_t depth;
	struct policy_set partial; /* rules whose first `depth` components match; more are to come */
	struct policy_set covers;  /* recursive rules that match here or above */
	struct policy_set applies; /* rules that speak of this place itself */
};

void policy_root(const struct policy *p, struct policy_place *ret_place);
/* One component down. */
void policy_step(const struct policy *p, const struct policy_place *from, const char *name,
		 struct policy_place *ret_place);
/* Does any rule speak of something at or below that place? */
bool policy_reaches(const struct policy_place *place);

struct policy_state {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* type and permissions, as in st_mode */
};
/*
 * What the rules that apply to the place make of an entry that is in *state now.  Entries that are neither regular
 * files nor directories stay.  True when some rule gives it a mode.
 */
bool policy_target(const struct policy *p, const struct policy_place *place, const struct policy_state *state,
		   struct policy_state *ret_target);
/* The same of an entry at a full path. */
void policy_target_of(const struct policy *p, const char *path, const struct policy_state *state,
		      struct policy_state *ret_target);

#endif
