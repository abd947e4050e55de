/*
 * conf/midupgrade: okv_hsm_mid_upgrade, with and without our managed block.
 *
 * Promise: works on whole lines; every byte outside the block stays.  The block stands below OKV's banner (the first
 * comment line that speaks of what is above it and says "not" or "never") and before the first command that ends the
 * script (an outer `exit` or `return`) or makes the HSM group by hand; where there is neither, at the end.  That place
 * depends on the rest of the script only, so that putting the block in twice is putting it in once.
 */
#ifndef OKV_CONF_MIDUPGRADE_H
#define OKV_CONF_MIDUPGRADE_H

#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"

/* The block, from its first mark to its last, each line with its line feed. */
extern const char midupgrade_block[];
/* How the lines of the two marks begin. */
#define MIDUPGRADE_BEGIN "# >>> okv-luna"
#define MIDUPGRADE_END   "# <<< okv-luna"

enum midupgrade_state {
	MIDUPGRADE_NONE,      /* no block */
	MIDUPGRADE_CURRENT,   /* the block as we write it, at its place */
	MIDUPGRADE_STALE,     /* a block of another version, edited, or not at its place */
	MIDUPGRADE_UNREACHED, /* a block, or the place for one, behind a line that ends the script: *ret_line */
	MIDUPGRADE_INSIDE,    /* a block inside another command, a function or a text: whether it is run is not known */
	MIDUPGRADE_UNPAIRED,  /* a mark without its partner, or more than one block */
};

/* *ret_line: of the first mark, from 1; 0 where there is none.  Fails for lack of memory only. */
int midupgrade_look(const char *bytes, size_t length, const char *group, enum midupgrade_state *ret_state,
		    size_t *ret_line, struct fault *f);
/*
 * The script with the block in it, at its place and as we write it now (`group`, the HSM group's name, finds the line
 * that makes it by hand).  FAULT_REFUSED: unpaired marks, no place for it, or a line above the banner that ends the
 * script.
 */
int midupgrade_insert(const char *bytes, size_t length, const char *group, struct text *ret_text, struct fault *f);
/* The script without the block; FAULT_REFUSED: unpaired marks. */
int midupgrade_remove(const char *bytes, size_t length, struct text *ret_text, struct fault *f);

/* What the guide's printed body leaves behind, or a hand-made copy of it. */
enum midupgrade_leftover {
	MIDUPGRADE_LEFTOVER_GROUPADD, /* an outer line that makes the HSM group */
	MIDUPGRADE_LEFTOVER_NESTED,   /* such a command inside something else: not removed by us */
	MIDUPGRADE_LEFTOVER_EXIT,  /* `exit ${DBFW_PM_CHANGED}` after such a line: says "changed" whatever happened */
	MIDUPGRADE_LEFTOVER_QUOTE, /* a typographic quote in a line of code */
	MIDUPGRADE_LEFTOVER_SPACE, /* a blank or hyphen of print, or an invisible character, in one */
};
/* Calls `each` for every leftover, outside the block; line numbers from 1. */
int midupgrade_leftovers(const char *bytes, size_t length, const char *group,
			 void (*each)(void *context, enum midupgrade_leftover leftover, size_t line), void *context,
			 struct fault *f);
/*
 * The script without hand-made lines: GROUPADD lines go, an EXIT becomes `exit ${DBFW_PM_NO_CHANGE_REQUIRED}`.
 * Typographic quotes are not touched here.
 */
int midupgrade_clear(const char *bytes, size_t length, const char *group, struct text *ret_text, struct fault *f);

/*
 * The `index`-th word (from 0) of a simple line, by blanks, "" where there is none; ends also at ';', '&', '|' and at a
 * carriage return.  Quotes stay.  *ret_word lies inside `line`.
 */
size_t midupgrade_word(const char *line, size_t length, size_t index, const char **ret_word);

#endif
