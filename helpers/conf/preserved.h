/*
 * conf/preserved: the value of PRESERVED_FILES: paths joined by ':'.
 *
 * Promise: entries keep their order and spelling; empty ones are dropped.  Paths that differ only in doubled or
 * trailing slashes are the same.  "Inside" means below a listed directory by whole components: /a/bc is not inside
 * /a/b.
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
/* `value` may be NULL.  Fails only if memory runs out. */
int preserved_parse(struct preserved *ret_preserved, const char *value, struct fault *f);
/* Adds the entries joined by ':'. */
void preserved_print(const struct preserved *p, struct text *out);

/* Is `path` equal to `entry`, or inside it? */
bool preserved_within(const char *path, const char *entry);
/* Do both name the same place, however many slashes they have? */
bool preserved_same(const char *a, const char *b);
/*
 * The first entry that equals or contains the path, or NULL.  The operating system's own (PRESERVED_FLAW_SYSTEM) holds
 * nothing: it has to go from the list.
 */
const char *preserved_holder(const struct preserved *p, const char *path);
bool preserved_has(const struct preserved *p, const char *path);

/* Appends the path as it is spelt, unless the same path is there already. */
int preserved_add(struct preserved *p, const char *path, struct fault *f);
/* As preserved_holder, of entry `index`: another entry that contains it, or an earlier one that equals it. */
const char *preserved_holder_of(const struct preserved *p, size_t index);
/* Drops every entry that is empty or has such a holder; of equal entries the first stays. */
void preserved_reduce(struct preserved *p);

/* Takes the blanks from both ends of each entry; true if there were any. */
bool preserved_trim(struct preserved *p);

enum preserved_flaw {
	PRESERVED_FLAW_NONE,
	PRESERVED_FLAW_RELATIVE, /* does not begin with '/' */
	PRESERVED_FLAW_WILDCARD, /* '*', '?' or '[', which OKV takes literally */
	PRESERVED_FLAW_DOTS,     /* a component "." or ".." */
	PRESERVED_FLAW_SYSTEM,   /* the operating system's own: "/", "/usr/lib64", "/etc/passwd" */
	PRESERVED_FLAW_BYTES,    /* a leading or trailing blank, control or non-ASCII characters */
};
enum preserved_flaw preserved_judge(const char *path);
/* Does it have a component "." or ".."? */
bool preserved_has_dots(const char *path);
/* The flaw as a clause. */
const char *preserved_flaw_text(enum preserved_flaw flaw);

#endif
