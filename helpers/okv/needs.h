/*
 * okv/needs: which files must survive an OS major upgrade so that OKV reaches its HSM.
 *
 * Promise: the client and this product; what okv_hsm.conf, okv_hsm_env and Chrystoki.conf name; the libraries that the
 * PKCS#11 library needs, unless they are the system's; and every link of root in the client that points out of it,
 * except in directories that others can write.  Links in a path are followed, and both the links and their targets are
 * listed.  What belongs to the operating system is excluded: its directories as a whole, accounts, logs and run-time
 * directories.  Only reads.  Paths that do not exist are skipped; okv/check reports them.
 */
#ifndef OKV_OKV_NEEDS_H
#define OKV_OKV_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "okv/job.h"

enum okv_need_kind {
	OKV_NEED_CLIENT,  /* the client's directory, Chrystoki.conf, this product */
	OKV_NEED_LIBRARY, /* named by okv_hsm.conf */
	OKV_NEED_SETTING, /* named by okv_hsm_env */
	OKV_NEED_ENTRY,   /* named by Chrystoki.conf */
	OKV_NEED_LINK,    /* a link in the client */
};

struct okv_need {
	enum okv_need_kind kind;
	size_t line;   /* in the file that names it; 0: none does */
	char *path;    /* below the root; no component but the last is a link */
	char *reason;  /* "ClientPrivKeyFile", or the path that points there */
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
