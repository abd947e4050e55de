/*
 * conf/assign: files of NAME="VALUE" lines, kept byte for byte.
 *
 * Promise: assign_print returns exactly the bytes that assign_parse was given, except for lines that were set or
 * removed.  Comments, order, blank lines, unknown names, malformed lines and a missing last line feed stay.  It opens
 * nothing and never fails because of content: each line records what is wrong with it.
 *
 * Grammar (of OKV's templates of okv_hsm.conf and okv_hsm_env, and of okv-luna.conf): a line is NAME="VALUE" from the
 * first column to the line feed.  NAME is letters, digits and underscores and does not begin with a digit; VALUE has no
 * double quote; '#' in the first column begins a comment; a line is shorter than ASSIGN_LINE_MAX.  Whatever the
 * templates do not define is a flaw here: always reported, never written.
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
	ASSIGN_FLAW_NAME,        /* blanks before or in the name, "export", other characters */
	ASSIGN_FLAW_CURLY_QUOTE, /* a typographic quote instead of a double quote */
	ASSIGN_FLAW_UNQUOTED,    /* value not in double quotes */
	ASSIGN_FLAW_UNCLOSED,    /* no closing quote on the line */
	ASSIGN_FLAW_INNER_QUOTE, /* a quote inside the value */
	ASSIGN_FLAW_TRAILING,    /* something after the closing quote */
	ASSIGN_FLAW_CARRIAGE_RETURN,
	ASSIGN_FLAW_LONG,    /* ASSIGN_LINE_MAX characters or more */
	ASSIGN_FLAW_CONTROL, /* NUL or another control byte */
	ASSIGN_FLAW_BOM,     /* byte order mark at the start of the file */
	ASSIGN_FLAW_SPACE,   /* a no-break space or similar, from a document */
};

struct assign_line {
	const char *bytes; /* including the line feed, if there is one */
	size_t length;
	enum assign_kind kind;
	enum assign_flaw flaw;
	const char *name, *value; /* of ASSIGN_VALUE lines */
};

struct assign {
	struct text file, words;   /* the bytes; a copy with a NUL after each name and value */
	struct assign_line *lines; /* owned; lines, names and values are valid until the next edit */
	size_t count;
};

#define ASSIGN_AUTO __attribute__((cleanup(assign_done))) struct assign

void assign_done(struct assign *a);
/* Fails only if memory runs out. */
int assign_parse(struct assign *ret_assign, const char *bytes, size_t length, struct fault *f);
void assign_print(const struct assign *a, struct text *out);
/* The value of the last valid line of that name, as a shell would see it, or NULL; valid until the next edit. */
const char *assign_value(const struct assign *a, const char *name);
/* The number of that line, from 1; 0 if there is none. */
size_t assign_line_number(const struct assign *a, const char *name);
/* The number of valid lines of that name. */
size_t assign_count(const struct assign *a, const char *name);
/*
 * Sets the value in the last line of that name, or appends a line.  FAULT_REFUSED: the grammar cannot express the name
 * or value, or the line would be too long.  *ret_changed is false if it had that value already.
 */
int assign_set(struct assign *a, const char *name, const char *value, bool *ret_changed, struct fault *f);
/*
 * FAULT_REFUSED if it is unclear which line OKV reads for that name: a malformed line seems to set it, or there are
 * several.
 */
int assign_check_only(const struct assign *a, const char *name, struct fault *f);
/* Removes every valid line of that name. */
int assign_unset(struct assign *a, const char *name, struct fault *f);
/*
 * Does a malformed line seem to set that name?  True if it is the first name on the line, or the first after "export"
 * or "set", whatever is around it: a shell or OKV might read it so, and somebody meant it so.
 */
bool assign_mentions(const struct assign_line *line, const char *name);
/* Adds NAME: "old" -> "new", printable; NULL is shown as "(not set)". */
void assign_change_format(const char *name, const char *old, const char *new, struct text *out);
/* The flaw as a clause: "the value is not in double quotes". */
const char *assign_flaw_text(enum assign_flaw flaw);

/* Is there a typographic quote, as in word processors and printed guides (base/text)? */
bool assign_has_curly_quote(const char *bytes, size_t length);
/* Is there a no-break space, another typographic blank or hyphen, or an invisible character? */
bool assign_has_odd_space(const char *bytes, size_t length);

/*
 * Fixes undo what printing, copying and other editors do, if that needs no guess, and only in malformed lines.  A line
 * that would not become valid stays as it is.  Fixing twice gives the same as once.
 */
/* Is it only words (two or more) and no code, like the rest of a comment that was wrapped in print? */
bool assign_is_prose(const char *line, size_t length);
/*
 * Fixes malformed line `index`: adds the new line to `out` (may be NULL) and returns how many old lines it replaces; 0:
 * it cannot be fixed.
 */
size_t assign_fix_line(const struct assign *a, size_t index, struct text *out);
/* Fixes the whole file. */
int assign_fix_file(const struct assign *a, struct text *ret_text, struct fault *f);
/* Fixes a script: byte order mark, CR LF and, outside comments, typographic quotes, blanks and hyphens. */
int assign_fix_script(const char *bytes, size_t length, struct text *ret_text, struct fault *f);

#endif
