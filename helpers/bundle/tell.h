/*
 * bundle/tell: results in words for people and in JSON for programs, both from one place so that they agree.
 *
 * Promise: adds whole lines to `lines` and members to the object that `j` stands in; outside text is made printable.
 */
#ifndef OKV_BUNDLE_TELL_H
#define OKV_BUNDLE_TELL_H

#include "base/json.h"
#include "base/text.h"
#include "bundle/apply.h"
#include "bundle/sealed.h"
#include "bundle/send.h"

enum bundle_detail { BUNDLE_BRIEF, BUNDLE_FULL };

/* `derivation_us`: what deriving the key took. */
void bundle_tell_header(const struct bundle_header *header, uint64_t derivation_us, enum bundle_detail detail,
			struct text *lines, struct json *j);
/* Size and digest of an unsealed one. */
void bundle_tell_plain(const struct bundle_applied *applied, struct text *lines, struct json *j);
/* The console step that follows an apply, the rule about its order, and the end of the bundle. */
void bundle_tell_next(struct text *lines, struct json *j);
/* When the guide lets the bundle be removed. */
void bundle_tell_removal(struct text *lines);
/* The table of nodes; returns how many of them have it. */
size_t bundle_tell_sent(const struct bundle_send *how, const struct bundle_sent *sent, const char *far_path,
			struct text *lines, struct json *j);

#endif
