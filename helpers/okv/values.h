/*
 * okv/values: reads the settings in OKV's generic files, one or all, and sets one.
 *
 * Promise: prints nothing; makes text from files printable; names the secrets of Chrystoki.conf but never shows their
 * values.
 */
#ifndef OKV_OKV_VALUES_H
#define OKV_OKV_VALUES_H

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "okv/job.h"

/*
 * Adds the value.  `file` is okv_hsm.conf or okv_hsm_env, with or without its directory; another is FAULT_USAGE.
 * FAULT_NEGATIVE: the name is not set there.
 */
int okv_value_get(const struct okv_job *job, const char *file, const char *name, struct text *ret_value,
		  struct fault *f);
/* Reports the change.  FAULT_REFUSED: the name is set more than once, or conf/assign refuses name or value. */
int okv_value_set(const struct okv_job *job, const char *file, const char *name, const char *value, struct fault *f);
/* Shows OKV's three files and Chrystoki.conf, as text and as members of the open JSON object. */
int okv_values_show(const struct okv_job *job, struct text *out, struct json *j, struct fault *f);

#endif
