/*
 * base/text: growing byte strings, and outside text made printable.
 *
 * Promise: a `struct text` holds any bytes and is NUL-terminated once something was added.  If memory runs out, an
 * append marks it as failed and later appends do nothing, so callers check once, at the end, with text_check().  Start
 * from { 0 }, end with text_done (or declare it TEXT_AUTO).
 */
#ifndef OKV_BASE_TEXT_H
#define OKV_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct text {
	char *bytes; /* owned; NULL while empty */
	size_t length;
	size_t capacity;
	bool failed;
};

#define TEXT_AUTO        __attribute__((cleanup(text_done))) struct text
#define TEXT_SECRET_AUTO __attribute__((cleanup(text_done_secret))) struct text

void text_done(struct text *t);
/* Truncates to `length` bytes and clears the failed mark; keeps the memory. */
void text_cut(struct text *t, size_t length);
/* For secrets: wipes the memory before freeing it. */
void text_done_secret(struct text *t);
/* Makes room for `more` bytes after the current ones; false if there is no memory. */
bool text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const void *bytes, size_t length);
void text_add_string(struct text *t, const char *string);
void text_add_char(struct text *t, char c);
void text_add_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0, or -1 with FAULT_SYSTEM if an append has failed. */
int text_check(const struct text *t, struct fault *f);
/* Never NULL. */
const char *text_string(const struct text *t);
/* Returns the bytes, which the caller frees, and empties the text. */
char *text_take(struct text *t);

/*
 * Makes outside text (names from archives, files, libraries) printable: control bytes, invalid UTF-8, characters that
 * are invisible or change the writing direction, backslash and single quote become \xHH, \\ or \'.  So does the
 * semicolon of "; fix: ", by which our messages introduce a command.  Longer results than TEXT_SHOWN_MAX bytes are
 * truncated with "...".  Use SHOWN(s) as a printf argument: its storage lives until the end of the enclosing block.
 */
enum { TEXT_SHOWN_MAX = 400 };
struct text_shown {
	char bytes[TEXT_SHOWN_MAX];
};
const char *text_show(struct text_shown *storage, const char *string);
const char *text_show_bytes(struct text_shown *storage, const void *bytes, size_t length);
/*
 * The same as one word for bash(1), quotes included, for commands that an administrator is going to paste: 'NAME', or
 * $'NAME' if something in it is escaped.  Use TYPED(s) as a printf argument, as SHOWN(s).
 */
struct text_typed {
	char bytes[TEXT_SHOWN_MAX + sizeof("$''")];
};
const char *text_type(struct text_typed *storage, const char *string);
#define TYPED(s)          text_type(&(struct text_typed){ { 0 } }, (s))
#define SHOWN(s)          text_show(&(struct text_shown){ { 0 } }, (s))
#define SHOWN_BYTES(b, n) text_show_bytes(&(struct text_shown){ { 0 } }, (b), (n))
/*
 * The last step before a terminal, whatever was escaped before: as SHOWN, but of any length, and backslash, quote and
 * line feed stay, and so do the escape sequences in `kept` (ends with NULL; may be NULL).
 */
void text_add_printable(struct text *t, const char *string, const char *const *kept);

/*
 * Decodes a UTF-8 sequence: its length (1 to 4) and character, or 0 if it is invalid (overlong forms, surrogates and
 * values past U+10FFFF included: RFC 3629).
 */
size_t text_utf8_next(const void *bytes, size_t length, uint32_t *ret_character);
/*
 * True for controls and for what can make one name look like another on a terminal: invisible characters
 * (Default_Ignorable_Code_Point of the Unicode Character Database) and direction marks.
 */
bool text_is_deceptive(uint32_t character);
/*
 * Recognizes what word processors put in place of an ASCII character: returns the length of such a character at
 * `bytes`, or 0.  *ret_plain is the ASCII one: ' ' for a no-break space and other blanks, '-' for a non-breaking
 * hyphen, '"' or '\'' for a typographic quote, '\0' for an invisible one such as a soft hyphen.  Dashes are left alone:
 * they may stand for "-" or "--".
 */
size_t text_print_length(const void *bytes, size_t length, char *ret_plain);
/* '"' or '\''. */
bool text_is_quote(char c);

/*
 * Iterates over lines: `for (size_t at = 0; text_line_next(bytes, length, &at, &line);)`.  A line does not include its
 * LF.  The last one need not have an LF, and no empty line follows an LF at the end.
 */
struct text_line {
	const char *bytes; /* points into the caller's bytes */
	size_t length;
	bool ended; /* it had an LF */
};
bool text_line_next(const void *bytes, size_t length, size_t *at, struct text_line *ret_line);

bool text_same(const struct text *a, const struct text *b);
/* Are the counted bytes equal to the string? */
bool text_equal(const char *bytes, size_t length, const char *string);
/* Is it one of the words?  The list ends with NULL. */
bool text_is_one_of(const char *bytes, size_t length, const char *const *words);
bool text_starts(const char *string, const char *prefix);
bool text_ends(const char *string, const char *suffix);
/* The part after the last slash, or all of it. */
const char *text_leaf(const char *path);
/* Is it a normalized relative path: no empty component, no "." and no ".."? */
bool text_path_is_plain(const char *path);
/*
 * strcmp(3) for paths, with '/' before all other characters: a directory's contents follow it at once ("a/b" < "a.b").
 */
int text_path_compare(const char *a, const char *b);

/* Overwrites memory; the compiler does not optimize it away. */
void text_wipe(void *memory, size_t length);

#endif
