/*
 * conf/preserved: the value of PRESERVED_FILES, paths joined by ':'.
 *
 * Promise: entries keep their order and spelling; an empty entry is dropped.  Two spellings that differ in doubled or
 * trailing slashes only are the same path.  "Inside" means below a directory that is listed, whole components at a
 * time: /a/bc is not inside /a/b.
 */
#ifndef OKV_CONF_PRESERVED_H
#define OKV_CONF_PRESERVED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"

struct preserved {
	char **paths; /* owned */
	size_t count;
};

#define PRESERVED_AUTO __attribute__((cleanup(preserved_done))) struct preserved

void preserved_done(struct preserved *p);
/* NULL: a value that is not set.  Fails for lack of memory only. */
int preserved_parse(struct preserved *ret_preserved, const char *value, struct fault *f);
/* The entries joined by ':'. */
void preserved_print(const struct preserved *p, struct text *out);

/* Is `path` the same as `entry`, or inside it? */
bool preserved_within(const char *path, const char *entry);
/* The first entry that is the path or holds it, or NULL. */
const char *preserved_holder(const struct preserved *p, const char *path);
bool preserved_has(const struct preserved *p, const char *path);

/* Appends the path as it is spelt, if the very path is not there yet. */
int preserved_add(struct preserved *p, const char *path, struct fault *f);
/* The entry that the one of that index lies inside of, or repeats; NULL where there is none. */
const char *preserved_holder_of(const struct preserved *p, size_t index);
/* Drops all that have one; of two equal ones the first has none. */
void preserved_reduce(struct preserved *p);

enum preserved_flaw {
	PRESERVED_FLAW_NONE,
	PRESERVED_FLAW_RELATIVE, /* does not begin with '/' */
	PRESERVED_FLAW_WILDCARD, /* '*', '?' or '[': taken literally */
	PRESERVED_FLAW_DOTS,     /* a component "." or ".." */
	PRESERVED_FLAW_ROOT,     /* "/" alone */
	PRESERVED_FLAW_BYTES,    /* a blank at an end, control characters or bytes that are no ASCII */
};
enum preserved_flaw preserved_judge(const char *path);
/* A component "." or ".."? */
bool preserved_has_dots(const char *path);
/* One clause for people. */
const char *preserved_flaw_text(enum preserved_flaw flaw);

#endif
