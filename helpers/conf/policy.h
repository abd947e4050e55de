/*
 * conf/policy: permission policies, a subset of tmpfiles.d(5).
 *
 * Promise: opens nothing.  Invalid text is FAULT_REFUSED with "file:line: " and leaves the policy unchanged.
 * policy_step and policy_target allocate nothing and take small, bounded time for each entry of a tree.
 *
 * One rule per line, fields separated by blanks; a field with blanks is in "" or '':
 *
 *	    TYPE  PATH  MODE  USER  GROUP
 *
 * TYPE is z (the entry itself) or Z (the entry and everything below it).  PATH is absolute; its components may contain
 * the wildcards * ? [], which do not match a leading dot or a slash.  MODE is three to five octal digits, set exactly;
 * after "~", x, w and r bits are set only if the entry has such a bit for anybody already, and set-id and sticky bits
 * only on directories.  USER and GROUP are names or numbers.  "-", or a missing field, keeps the current value.  The
 * fields AGE and ARGUMENT of tmpfiles.d must be "-".  '#' begins a comment line.
 *
 * Unlike in tmpfiles.d, order matters: each line is applied to the result of the lines before it, like commands run one
 * after the other.
 *
 * One extension: letters after the type.  "f" limits the rule to regular files, "d" to directories, and "k" keeps the
 * set-id bits of a directory that MODE does not set, as chmod(1) does for a number.  systemd-tmpfiles rejects such a
 * line, so it cannot apply a directory's mode to files by mistake.
 *
 * Settings of okv-luna.conf are written %{NAME}, a percent sign "%%"; the caller supplies the names.
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
	POLICY_LINE_MAX = 4096,     /* a line must be shorter */
	POLICY_RULES_MAX = 256,     /* in all files together */
	POLICY_COMPONENTS_MAX = 64, /* of one path */
};

struct policy_setting {
	const char *name;
	const char *value;
};

/* How to resolve names in a policy. */
struct policy_names {
	const struct policy_setting *settings; /* ends with a NULL name */
	const struct text *passwd, *group;     /* contents of the account files */
	const char *to_come;                   /* name of a group that will be created later, or NULL */
	gid_t gid_to_come;                     /* its id, if `group` does not have it yet */
};

#define POLICY_ID_KEEP ((uint32_t)-1)

struct policy_rule {
	char *path;              /* owned; the components, each ended by NUL */
	const char **components; /* owned array into path */
	size_t count;
	size_t plain; /* number of leading components without wildcards */
	bool recursive, files_only, directories_only, keep_set_id, masked, has_mode;
	mode_t mode;
	uid_t uid; /* or POLICY_ID_KEEP */
	gid_t gid;
};

struct policy {
	struct policy_rule *rules; /* owned */
	size_t count;
};

#define POLICY_AUTO __attribute__((cleanup(policy_done))) struct policy

void policy_done(struct policy *p);

/* Adds the rules of one file; `file` is its name for faults. */
int policy_parse(struct policy *p, const char *file, const struct text *bytes, const struct policy_names *names,
		 struct fault *f);

/*
 * Adds a rule that changes nothing and matches a path and everything below: policy_step then tells whether a place is
 * below one of the given paths.  No byte of the path is a wildcard.
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

/* A place in the tree, `depth` components below the root, and the rules that concern it. */
struct policy_place {
	size_t depth;
	struct policy_set partial; /* rules whose first `depth` components match and which have more */
	struct policy_set covers;  /* recursive rules that match here or above */
	struct policy_set applies; /* rules that match this place */
};

void policy_root(const struct policy *p, struct policy_place *ret_place);
/* Goes down by one component. */
void policy_step(const struct policy *p, const struct policy_place *from, const char *name,
		 struct policy_place *ret_place);
/* Can any rule match at or below that place? */
bool policy_reaches(const struct policy_place *place);

struct policy_state {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* type and permissions, as in st_mode */
};
/*
 * Applies the rules of the place to an entry in state *state.  Only regular files and directories change.  True if a
 * rule sets the mode.
 */
bool policy_target(const struct policy *p, const struct policy_place *place, const struct policy_state *state,
		   struct policy_state *ret_target);
/* The same for an entry given by its full path. */
void policy_target_of(const struct policy *p, const char *path, const struct policy_state *state,
		      struct policy_state *ret_target);

#endif
