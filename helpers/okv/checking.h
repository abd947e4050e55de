/*
 * okv/checking: what the parts of okv/check share: the list that grows, and short-lived words for it.
 */
#ifndef OKV_OKV_CHECKING_H
#define OKV_OKV_CHECKING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/preserved.h"
#include "okv/check.h"

struct checking {
	const struct okv_job *job;
	struct okv_findings *findings;
	struct preserved preserved; /* what okv_hsm.conf lists; empty where that cannot be read */
	bool preserves;             /* PRESERVED_FILES could be read, so what it does not cover can be said */
	char **words;               /* owned: what okv_words returned */
	size_t word_count;
	bool failed;
};

void okv_checking_done(struct checking *c);
/* printf into memory that lives as long as the checking. */
const char *okv_words(struct checking *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum checking_safety { NEEDS_A_PERSON, SAFE_TO_FIX };

/* Adds one finding; the strings are copied.  `rule` must be a literal.  A failure shows in `failed`. */
void okv_found(struct checking *c, enum okv_severity severity, const char *rule, const char *file, size_t line,
	       enum checking_safety safety, const char *what, const char *effect, const char *remedy);

/* The parts, each with the file it is about.  They fail only where the system does. */
int okv_check_conf(struct checking *c, struct fault *f);
int okv_check_env(struct checking *c, struct fault *f);
int okv_check_mid(struct checking *c, struct fault *f);
int okv_check_surroundings(struct checking *c, struct fault *f);
int okv_check_chrystoki(struct checking *c, struct fault *f);

/* Reads a file to be checked; false (and a finding, or *f with FAULT_SYSTEM) where it cannot be. */
bool okv_check_read(struct checking *c, const char *path, enum okv_severity severity, const char *effect,
		    const char *remedy, struct text *ret_text, struct stat *ret_status, struct fault *f);
/*
 * Follows the links of a path by name, at most 8 of them, below the root: calls `each` for every path on the way.
 * Returns whether the end is there.
 */
bool okv_check_follow(const struct checking *c, const char *path, void (*each)(void *context, const char *step),
		      void *context);

#endif
