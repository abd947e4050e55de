/*
 * okv/values: what OKV's generic files say, one value or all of it; and one value set.
 *
 * Promise: prints nothing, outside text in what it writes is made printable, and secrets of Chrystoki.conf are named,
 * never shown.
 */
#ifndef OKV_OKV_VALUES_H
#define OKV_OKV_VALUES_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "okv/job.h"

/* OKV_CONF or OKV_ENV, from its name with or without the directory; FAULT_USAGE for another. */
int okv_value_file(const char *word, const char **ret_path, struct fault *f);
/* FAULT_NEGATIVE: the name is not set there.  The caller frees the value. */
int okv_value_get(const struct okv_job *job, const char *path, const char *name, char **ret_value, struct fault *f);
/* FAULT_REFUSED: the name is set more than once, or what conf/assign refuses. */
int okv_value_set(const struct okv_job *job, const char *path, const char *name, const char *value, bool *ret_changed,
		  struct fault *f);
/* What OKV's three files and Chrystoki.conf say now, for people and for programs; the JSON object is open. */
int okv_values_show(const struct okv_job *job, struct text *out, struct json *j, struct fault *f);

#endif
