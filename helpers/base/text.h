/*
 * base/text: growing byte strings, and outside text made fit to print.
 *
 * Promise: a `struct text` is always NUL-terminated once something was added, may hold any bytes, and never
 * loses what it holds.  An append that finds no memory marks the text as failed and later appends do nothing;
 * the user checks once, at the end, with text_check().  Start from { 0 }, end with text_done (or declare
 * it TEXT_AUTO).
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
/* Takes back what was added since the text had `length` bytes, and the failure of adding it; the memory stays. */
void text_cut(struct text *t, size_t length);
/* Wipes the memory before it is freed: for secrets. */
void text_done_secret(struct text *t);
/* Makes room for `more` bytes beyond the present length; false when there is none. */
bool text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const void *bytes, size_t length);
void text_add_string(struct text *t, const char *string);
void text_add_char(struct text *t, char c);
void text_add_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0, or -1 with a FAULT_SYSTEM when an append had failed. */
int text_check(const struct text *t, struct fault *f);
/* Never NULL. */
const char *text_string(const struct text *t);
/* Hands the bytes over; the text is empty afterwards.  The caller frees. */
char *text_take(struct text *t);

/*
 * Outside text (names from archives, files, libraries) made printable: control bytes, bytes that are no valid
 * UTF-8, characters that are invisible or turn the direction of the line, backslash and the single quote become \xHH
 * or \\ or \'.  At most TEXT_SHOWN_MAX bytes, cut with "...".
 * SHOWN(s) may be used as a printf argument: its storage lives until the end of the enclosing block.
 */
enum { TEXT_SHOWN_MAX = 400 };
struct text_shown {
	char bytes[TEXT_SHOWN_MAX];
};
const char *text_show(struct text_shown *storage, const char *string);
const char *text_show_bytes(struct text_shown *storage, const void *bytes, size_t length);
#define SHOWN(s)          text_show(&(struct text_shown){ { 0 } }, (s))
#define SHOWN_BYTES(b, n) text_show_bytes(&(struct text_shown){ { 0 } }, (b), (n))
/*
 * For the last step before a terminal, whatever was made printable before: as SHOWN, of any length, and backslash,
 * quote and line feed stay as they are; so do escape sequences that are one of `kept` (ends with NULL; may be NULL).
 */
void text_add_printable(struct text *t, const char *string, const char *const *kept);

/*
 * Length of the UTF-8 sequence at `bytes` (1 to 4) and its character, or 0 where the bytes are none: overlong forms,
 * surrogates and values past U+10FFFF are refused (RFC 3629).
 */
size_t text_utf8_next(const void *bytes, size_t length, uint32_t *ret_character);
/*
 * Controls, and what makes one name look like another on a terminal: what is invisible (Default_Ignorable_Code_Point of
 * the Unicode Character Database), and marks of direction.
 */
bool text_is_deceptive(uint32_t character);
/*
 * What documents and word processors put in the place of a plain character: the length of the one that the bytes begin
 * with, or 0.  *ret_plain is the plain one: ' ' for a no-break space and other blanks, '-' for a hyphen that does not
 * break, '"' or '\'' for a typographic quote, and '\0' for what is invisible, as a soft hyphen.  Dashes are left alone:
 * whether "-" or "--" is meant is not known.
 */
size_t text_print_length(const void *bytes, size_t length, char *ret_plain);
/* '"' or '\''. */
bool text_is_quote(char c);

/*
 * The lines of some bytes, one at each call: `for (size_t at = 0; text_line_next(bytes, length, &at, &line);)`.  A line
 * is without its LF; the last one may have none, and an LF at the very end begins no further line.
 */
struct text_line {
	const char *bytes; /* into the caller's */
	size_t length;
	bool ended; /* an LF followed */
};
bool text_line_next(const void *bytes, size_t length, size_t *at, struct text_line *ret_line);

bool text_same(const struct text *a, const struct text *b);
/* "a" == "a", also for counted strings; no locale. */
bool text_equal(const char *bytes, size_t length, const char *string);
/* Is it one of the words?  The list ends with NULL. */
bool text_is_one_of(const char *bytes, size_t length, const char *const *words);
bool text_starts(const char *string, const char *prefix);
bool text_ends(const char *string, const char *suffix);
/* What is behind the last slash, or all of it. */
const char *text_leaf(const char *path);
/* A relative path that leads down, spelt in one way: no empty component, no "." and no "..". */
bool text_path_is_plain(const char *path);
/* Orders paths so that "a/b" comes before "a.b": a directory's content follows it at once. */
int text_path_compare(const char *a, const char *b);

/* Overwrites memory in a way that the compiler keeps. */
void text_wipe(void *memory, size_t length);

#endif
