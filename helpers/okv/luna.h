/*
 * okv/luna: edits of the Chrystoki.conf of okv-luna.conf, one at a time.
 *
 * Promise: each is one okv_edit of the edit of that name in conf/chrystoki or conf/chrystoki_groups; see there for
 * what is refused.
 */
#ifndef OKV_OKV_LUNA_H
#define OKV_OKV_LUNA_H

#include <stdbool.h>

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "okv/job.h"

enum okv_luna_kind {
	OKV_LUNA_SET,           /* section, key, value */
	OKV_LUNA_UNSET,         /* section, key */
	OKV_LUNA_REMOVE,        /* section */
	OKV_LUNA_GROUP,         /* key: the label; value: the members */
	OKV_LUNA_SERVER_ADD,    /* value: the host; port */
	OKV_LUNA_SERVER_REMOVE, /* value: the host */
};

struct okv_luna {
	enum okv_luna_kind kind;
	const char *section, *key, *value;
	unsigned port;
};

int okv_luna_edit(const struct okv_job *job, const struct okv_luna *act, bool *ret_changed, struct fault *f);
int okv_luna_read(const struct okv_job *job, struct chrystoki *ret_chrystoki, struct fault *f);

#endif
