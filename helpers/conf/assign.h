/*
 * conf/assign: files of NAME="VALUE" lines, kept byte for byte.
 *
 * Promise: assign_print gives back exactly the bytes that assign_parse was given, except for the lines that were
 * set or removed since.  Comments, order, blank lines, unknown names, flawed lines and a missing last line feed
 * stay.  It opens nothing and never fails on content: what is wrong with a line is written down in the line.
 *
 * Grammar (OKV's templates of okv_hsm.conf and okv_hsm_env; also okv-luna.conf): a line is NAME="VALUE" from the
 * first column to the line feed, NAME of letters, digits and underscores not beginning with a digit, VALUE
 * without a double quote; '#' in the first column begins a comment; a line has fewer than ASSIGN_LINE_MAX
 * characters.  Whatever the templates leave open is a flaw here: it is never written and always reported.
 */
#ifndef OKV_CONF_ASSIGN_H
#define OKV_CONF_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/text.h"

enum { ASSIGN_LINE_MAX = 4096 };
#define ASSIGN_BOM "\xef\xbb\xbf"

enum assign_kind { ASSIGN_BLANK, ASSIGN_COMMENT, ASSIGN_VALUE, ASSIGN_FLAWED };

enum assign_flaw {
	ASSIGN_FLAW_NONE,
	ASSIGN_FLAW_NO_EQUALS,   /* no '=' at all */
	ASSIGN_FLAW_NAME,        /* blanks before or in the name, "export", odd characters */
	ASSIGN_FLAW_CURLY_QUOTE, /* a typographic quote instead of a double quote */
	ASSIGN_FLAW_UNQUOTED,    /* value not in double quotes */
	ASSIGN_FLAW_UNCLOSED,    /* no closing quote on the line */
	ASSIGN_FLAW_INNER_QUOTE, /* a quote inside the value */
	ASSIGN_FLAW_TRAILING,    /* something after the closing quote */
	ASSIGN_FLAW_CARRIAGE_RETURN,
	ASSIGN_FLAW_LONG,    /* ASSIGN_LINE_MAX characters or more */
	ASSIGN_FLAW_CONTROL, /* NUL or another control byte */
	ASSIGN_FLAW_BOM,     /* byte order mark at the start of the file */
	ASSIGN_FLAW_SPACE,   /* a no-break space or its like, from a document */
};

struct assign_line {
	const char *bytes; /* in the file, with its line feed if it has one */
	size_t length;
	enum assign_kind kind;
	enum assign_flaw flaw;
	const char *name, *value; /* of ASSIGN_VALUE lines */
};

struct assign {
	struct text file, words;   /* the bytes; again, with a NUL behind each name and value */
	struct assign_line *lines; /* owned; hold, with their names and values, until the next edit */
	size_t count;
};

#define ASSIGN_AUTO __attribute__((cleanup(assign_done))) struct assign

void assign_done(struct assign *a);
/* Fails for lack of memory only. */
int assign_parse(struct assign *ret_assign, const char *bytes, size_t length, struct fault *f);
void assign_print(const struct assign *a, struct text *out);
/* The value of the last well-formed line of that name (as a shell would see it), until the next edit, or NULL. */
const char *assign_value(const struct assign *a, const char *name);
/* The number of that line, from 1; 0 where there is none. */
size_t assign_line_number(const struct assign *a, const char *name);
/* How many well-formed lines bear the name. */
size_t assign_count(const struct assign *a, const char *name);
/*
 * Sets the value in place (in the last line of that name), or appends a line.  FAULT_REFUSED: a name or value
 * that the grammar cannot write, or a line that would reach ASSIGN_LINE_MAX.  *ret_changed false: it was so already.
 */
int assign_set(struct assign *a, const char *name, const char *value, bool *ret_changed, struct fault *f);
/*
 * FAULT_REFUSED where another line of that name would leave open which one OKV reads: one that cannot be read seems to
 * be meant for it, or it is set more than once.
 */
int assign_check_only(const struct assign *a, const char *name, struct fault *f);
/* Removes every well-formed line of that name. */
int assign_unset(struct assign *a, const char *name, struct fault *f);
/*
 * Does a flawed line seem to be meant for that name: is it the first in it, or the first after "export" or "set",
 * whatever stands before and behind it?  A line that a shell, OKV or its writer might read as setting it.
 */
bool assign_mentions(const struct assign_line *line, const char *name);
/* NAME: "old" -> "new", made printable; a value that is not there (NULL) is said to be none. */
void assign_change_format(const char *name, const char *old, const char *new, struct text *out);
/* One clause for people: "the value is not in double quotes". */
const char *assign_flaw_text(enum assign_flaw flaw);

/* A typographic quote, as word processors and printed guides put for a plain one (base/text). */
bool assign_has_curly_quote(const char *bytes, size_t length);
/* A no-break space, another blank or hyphen of print, or an invisible character. */
bool assign_has_odd_space(const char *bytes, size_t length);

/*
 * What printing, copying and foreign editors do, put right where that needs no guess, and only in lines that are
 * malformed; fixing twice is fixing once.  A line that would not come out well-formed stays as it is.
 */
/* Words and nothing else, as the rest of a comment that was wrapped in print: two at least, no code. */
bool assign_is_prose(const char *line, size_t length);
/*
 * Whether the flawed line `index` can be fixed: adds the new line to `out` (may be NULL) and says how many lines of
 * the old ones it takes the place of (0: it cannot).
 */
size_t assign_fix_line(const struct assign *a, size_t index, struct text *out);
/* The whole file. */
int assign_fix_file(const struct assign *a, struct text *ret_text, struct fault *f);
/* Of a script: byte order mark, CR LF, and outside comments what print makes of quotes, blanks and hyphens. */
int assign_fix_script(const char *bytes, size_t length, struct text *ret_text, struct fault *f);

#endif
