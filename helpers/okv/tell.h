/*
 * okv/tell: findings and state as words for people and as JSON for programs.
 *
 * Promise: writes into the texts it is given, prints nothing; outside text is made printable; secrets of
 * Chrystoki.conf are named, never shown.
 */
#ifndef OKV_OKV_TELL_H
#define OKV_OKV_TELL_H

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "okv/check.h"
#include "okv/job.h"

enum okv_colour { OKV_PLAIN, OKV_COLOURED };

/* Three lines each: where and what, what comes of it, how to fix it; then how many there are. */
void okv_findings_tell(const struct okv_findings *findings, enum okv_colour colour, struct text *out);
/* Members "fail", "warn" and "findings" of the object that is open. */
void okv_findings_json(const struct okv_findings *findings, struct json *j);
/* What the files say now; both outputs, the object being open. */
int okv_state_tell(const struct okv_job *job, struct text *out, struct json *j, struct fault *f);

#endif
