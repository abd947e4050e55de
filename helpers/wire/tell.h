/*
 * wire/tell: findings and state as words for people and as JSON for programs.
 *
 * Promise: writes into the texts it is given, prints nothing; outside text is made printable; secrets of
 * Chrystoki.conf are named, never shown.
 */
#ifndef OKV_WIRE_TELL_H
#define OKV_WIRE_TELL_H

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "wire/check.h"
#include "wire/job.h"

enum wire_colour { WIRE_PLAIN, WIRE_COLOURED };

/* "generic", "no-interface" or "client-v6". */
const char *wire_scope_word(enum wire_scope scope);
/* Three lines each: where and what, what comes of it, what mends it; then how many there are. */
void wire_findings_tell(const struct wire_findings *findings, enum wire_colour colour, struct text *out);
/* Members "fail", "warn" and "findings" of the object that is open. */
void wire_findings_json(const struct wire_findings *findings, struct json *j);
/* What the files say now; both outputs, the object being open. */
int wire_state_tell(const struct wire_job *job, struct text *out, struct json *j, struct fault *f);

#endif
