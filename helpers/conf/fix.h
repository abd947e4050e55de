/*
 * conf/fix: puts right what printing, copying and foreign editors do to NAME="VALUE" files and scripts.
 *
 * Promise: only what needs no guess, and only lines that are malformed; a line that would not come out well-formed
 * stays as it is.  Of NAME="VALUE" lines: a byte order mark and CR LF, typographic quotes, blanks before the line,
 * around '=' and behind the closing quote, "export ", a plain value without quotes or in single ones, and a list of
 * full paths that was wrapped over several lines; words below a comment, which the page had wrapped, become a comment.
 * Of scripts: byte order mark, CR LF, and outside comments typographic quotes and no-break spaces.
 */
#ifndef OKV_CONF_FIX_H
#define OKV_CONF_FIX_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/text.h"
#include "conf/assign.h"

/* Words and nothing else, as the rest of a comment that was wrapped in print: two at least, no code. */
bool fix_is_prose(const char *line, size_t length);
/*
 * Whether the flawed line `index` can be fixed: adds the new line to `out` (may be NULL) and says how many lines of
 * the old ones it takes the place of (0: it cannot).
 */
size_t fix_line(const struct assign *a, size_t index, struct text *out);
/* The whole file. */
int fix_assign(const struct assign *a, struct text *ret_text, struct fault *f);
int fix_script(const char *bytes, size_t length, struct text *ret_text, struct fault *f);

#endif
