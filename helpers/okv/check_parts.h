/*
 * okv/check_parts: what the parts of okv/check share: the findings so far, and what they are about.
 */
#ifndef OKV_OKV_CHECK_PARTS_H
#define OKV_OKV_CHECK_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/preserved.h"
#include "okv/check.h"

struct okv_checking {
	const struct okv_job *job;
	struct okv_findings *findings;
	const char *file;           /* what is looked at, and what findings are about */
	struct preserved preserved; /* what okv_hsm.conf lists; empty where that cannot be read */
	bool preserves;             /* PRESERVED_FILES could be read, so what it does not cover can be said */
	bool failed;                /* for lack of memory */
};

/* What a finding says beside its place and its facts; `word` must be a literal. */
struct okv_rule {
	enum okv_severity severity;
	const char *word, *effect, *remedy;
};
#define OKV_RULE(...) \
	&(const struct okv_rule) \
	{ \
		__VA_ARGS__ \
	}

/* Commands that fix; what bears the first is `safe`. */
#define OKV_FIX_IT  "okv-luna config check --fix"
#define OKV_WIRE_IT "okv-luna config wire"

/* Adds a finding about c->file; a failure shows in c->failed. */
void okv_finding_add(struct okv_checking *c, const struct okv_rule *rule, size_t line, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* Reads c->file: 1; 0 and a finding where it is not there, `missing`, or is no plain file; -1. */
int okv_check_read(struct okv_checking *c, const struct okv_rule *missing, struct text *ret_text,
		   struct stat *ret_status, struct fault *f);

/* The parts, each with the file it is about.  They fail only where the system does. */
int okv_check_conf(struct okv_checking *c, struct fault *f);
int okv_check_env(struct okv_checking *c, struct fault *f);
int okv_check_mid(struct okv_checking *c, struct fault *f);
int okv_check_chrystoki(struct okv_checking *c, struct fault *f);

#endif
