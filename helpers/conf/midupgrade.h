/*
 * conf/midupgrade: insert our managed block into okv_hsm_mid_upgrade, and remove it.
 *
 * Promise: works on whole lines; no byte outside the block changes.  The block goes below OKV's banner (the first
 * comment line with "above" and one of "not" or "never") and before the first command that ends the script (an outer
 * `exit` or `return`) or creates the HSM group by hand; if there is neither, at the end.  The place depends only on the
 * rest of the script, so inserting the block twice gives the same as once.
 */
#ifndef OKV_CONF_MIDUPGRADE_H
#define OKV_CONF_MIDUPGRADE_H

#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"

/* The block, from its first mark to its last, with all line feeds. */
extern const char midupgrade_block[];
/* The beginning of the first and last line. */
#define MIDUPGRADE_BEGIN "# >>> okv-luna"
#define MIDUPGRADE_END   "# <<< okv-luna"

enum midupgrade_state {
	MIDUPGRADE_NONE,      /* no block */
	MIDUPGRADE_CURRENT,   /* the current block, in its place */
	MIDUPGRADE_STALE,     /* a block of another version, edited, or not in its place */
	MIDUPGRADE_UNREACHED, /* a block, or its place, is after a line that ends the script: *ret_line */
	MIDUPGRADE_INSIDE,    /* a block inside another command, a function or a string: it may never run */
	MIDUPGRADE_UNPAIRED,  /* a mark without the other one, or more than one block */
};

/* *ret_line: of the first mark, from 1; 0 if there is none.  Fails only if memory runs out. */
int midupgrade_look(const char *bytes, size_t length, const char *group, enum midupgrade_state *ret_state,
		    size_t *ret_line, struct fault *f);
/*
 * Gives the script with the current block in its place.  `group`, the HSM group's name, finds the line that creates it
 * by hand.  FAULT_REFUSED: unpaired marks, no place for the block, or a line above the banner that ends the script.
 */
int midupgrade_insert(const char *bytes, size_t length, const char *group, struct text *ret_text, struct fault *f);
/* Gives the script without the block; FAULT_REFUSED: unpaired marks. */
int midupgrade_remove(const char *bytes, size_t length, struct text *ret_text, struct fault *f);

/* Leftovers of the script printed in the guide, or of a hand-made copy of it. */
enum midupgrade_leftover {
	MIDUPGRADE_LEFTOVER_GROUPADD, /* a top-level line that creates the HSM group */
	MIDUPGRADE_LEFTOVER_NESTED,   /* such a command inside another: we do not remove it */
	MIDUPGRADE_LEFTOVER_EXIT,     /* `exit ${DBFW_PM_CHANGED}` after such a line: always reports a change */
	MIDUPGRADE_LEFTOVER_QUOTE,    /* a typographic quote in code */
	MIDUPGRADE_LEFTOVER_SPACE,    /* a typographic blank or hyphen, or an invisible character, in code */
};
/* Calls `each` for every leftover outside the block; lines count from 1. */
int midupgrade_leftovers(const char *bytes, size_t length, const char *group,
			 void (*each)(void *context, enum midupgrade_leftover leftover, size_t line), void *context,
			 struct fault *f);
/*
 * Gives the script without hand-made lines: GROUPADD lines are removed, EXIT becomes `exit
 * ${DBFW_PM_NO_CHANGE_REQUIRED}`.  Typographic quotes stay.
 */
int midupgrade_clear(const char *bytes, size_t length, const char *group, struct text *ret_text, struct fault *f);

/*
 * Word `index` (from 0) of a simple line, "" if there is none.  Words end at blanks, ';', '&', '|' and carriage
 * returns; quotes are not removed.  *ret_word points into `line`.
 */
size_t midupgrade_word(const char *line, size_t length, size_t index, const char **ret_word);

#endif
