/*
 * okv/needs: what must live through an OS major upgrade for OKV to reach its HSM.
 *
 * Promise: the client and this product; what okv_hsm.conf, okv_hsm_env and Chrystoki.conf name; what the library asks
 * the loader for beside itself; and every link of root's in the client that leads out of it, but for what others may
 * write: each followed through every link of its path, so that links and what they lead to are there.  What the system
 * has of its own (its directories as a whole, its accounts, logs and run-time places) is none of it.  Reads, never
 * writes.  What a name leads to that is not there is no need; that it is missing is said by okv/check.
 */
#ifndef OKV_OKV_NEEDS_H
#define OKV_OKV_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "okv/job.h"

enum okv_need_kind {
	OKV_NEED_CLIENT,  /* the client's directory, Chrystoki.conf, this product */
	OKV_NEED_LIBRARY, /* by okv_hsm.conf */
	OKV_NEED_SETTING, /* by okv_hsm_env */
	OKV_NEED_ENTRY,   /* by Chrystoki.conf */
	OKV_NEED_LINK,    /* a link in the client */
};

struct okv_need {
	enum okv_need_kind kind;
	size_t line;   /* of the file that names it; 0: none does */
	char *path;    /* below the root: a link, or free of links */
	char *reason;  /* "ClientPrivKeyFile", or the path that leads there */
	bool listable; /* wiring may put it into PRESERVED_FILES */
};
struct okv_needs {
	struct okv_need *items; /* owned */
	size_t count;
};
#define OKV_NEEDS_AUTO __attribute__((cleanup(okv_needs_done))) struct okv_needs
void okv_needs_done(struct okv_needs *needs);

int okv_needs_find(const struct okv_job *job, struct okv_needs *ret_needs, struct fault *f);

#endif
