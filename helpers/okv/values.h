/*
 * okv/values: what OKV's generic files say, one value or all of it; and one value set.
 *
 * Promise: prints nothing, outside text in what it writes is made printable, and secrets of Chrystoki.conf are named,
 * never shown.
 */
#ifndef OKV_OKV_VALUES_H
#define OKV_OKV_VALUES_H

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "okv/job.h"

/*
 * `file` is okv_hsm.conf or okv_hsm_env, with or without the directory; FAULT_USAGE: it is another.
 * FAULT_NEGATIVE: the name is not set there.  The value is added.
 */
int okv_value_get(const struct okv_job *job, const char *file, const char *name, struct text *ret_value,
		  struct fault *f);
/* Says what came of it to the report.  FAULT_REFUSED: the name is set more than once, or what conf/assign refuses. */
int okv_value_set(const struct okv_job *job, const char *file, const char *name, const char *value, struct fault *f);
/* What OKV's three files and Chrystoki.conf say now, for people and for programs; the JSON object is open. */
int okv_values_show(const struct okv_job *job, struct text *out, struct json *j, struct fault *f);

#endif
