/*
 * wire/luna: edits of the Chrystoki.conf of okv-luna.conf, one at a time.
 *
 * Promise: each is one wire_edit of conf/chrystoki's or conf/luna's edit of that name; see there for what is refused.
 */
#ifndef OKV_WIRE_LUNA_H
#define OKV_WIRE_LUNA_H

#include <stdbool.h>

#include "base/fault.h"
#include "conf/chrystoki.h"
#include "wire/job.h"

enum wire_luna_kind {
	WIRE_LUNA_SET,		 /* section, key, value */
	WIRE_LUNA_UNSET,	 /* section, key */
	WIRE_LUNA_REMOVE,	 /* section */
	WIRE_LUNA_GROUP,	 /* key: the label; value: the members */
	WIRE_LUNA_SERVER_ADD,	 /* value: the host; port */
	WIRE_LUNA_SERVER_REMOVE, /* value: the host */
};

struct wire_luna {
	enum wire_luna_kind kind;
	const char *section, *key, *value;
	unsigned port;
};

int wire_luna_edit(const struct wire_job *job, const struct wire_luna *act, bool *ret_changed, struct fault *f);
int wire_luna_read(const struct wire_job *job, struct chrystoki *ret_chrystoki, struct fault *f);

#endif
