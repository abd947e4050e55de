/*
 * conf/wiring: the bytes of OKV's three generic files with our settings in, and out again.
 *
 * Promise: pure text to text.  Applying twice is applying once.  Removing gives back `before` when the file still has
 * the bytes that applying wrote (`after`); otherwise it takes back key by key and entry by entry what applying had
 * changed and leaves what others changed since: a key is put back only while it has the value that we gave it.
 */
#ifndef OKV_CONF_WIRING_H
#define OKV_CONF_WIRING_H

#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/preserved.h"

enum wiring_file { WIRING_CONF, WIRING_ENV, WIRING_MID };

enum wiring_removal {
	WIRING_REMOVE_ALL,
	WIRING_REMOVE_OURS, /* the block and our own entries: what OKV reaches its HSM by stays */
};

struct wiring_options {
	const char *vendor_name;
	const char *library;
	const char *config_directory; /* of Chrystoki.conf */
	const char *hsm_group;
	const struct preserved *preserved; /* what PRESERVED_FILES must hold or cover */
	enum wiring_removal removal;
};

/* A file as it was and as applying made it; `known` is false where no record of that is left. */
struct wiring_record {
	bool known;
	struct text before, after;
};

#define WIRING_RECORD_AUTO __attribute__((cleanup(wiring_record_done))) struct wiring_record
void wiring_record_done(struct wiring_record *r);

/*
 * FAULT_REFUSED, with the line: a flawed line that names one of the keys, a key that stands twice (which of them OKV
 * reads is not known), a PRESERVED_FILES that would reach ASSIGN_LINE_MAX, a script without a place for the block.
 */
int wiring_apply(enum wiring_file file, const struct text *now, const struct wiring_options *options,
		 struct text *ret_text, struct fault *f);
/*
 * Without a record, or with WIRING_REMOVE_OURS, the block goes, and those entries of PRESERVED_FILES that only this
 * product needs (below SETTINGS_PREFIX, units, links to it) and that were not there before it; keys keep their values.
 */
int wiring_remove(enum wiring_file file, const struct text *now, const struct wiring_record *record,
		  const struct wiring_options *options, struct text *ret_text, struct fault *f);

/* Adds a line NAME: "old" -> "new" for each of our keys whose value differs. */
int wiring_changes(enum wiring_file file, const struct text *now, const struct text *next, struct text *ret_lines,
		   struct fault *f);

/* A record as bytes and back.  FAULT_REFUSED when they are none. */
void wiring_record_print(const struct wiring_record *r, struct text *out);
int wiring_record_parse(struct wiring_record *ret_record, const char *bytes, size_t length, struct fault *f);

#endif
