/*
 * base/wrap: lines for a terminal that is narrower than they are.
 *
 * Promise: a line of more than `width` columns is broken at blanks only, so a word that is longer stays whole, to be
 * copied; so does a line that begins with "fix: " or "mend: ", which is a command.  What continues a line is indented
 * as the line is and by two columns more, at least by `hang`.  Escape sequences for colours take no column, a UTF-8
 * character one.  With width 0, or one that leaves no room beside the indentation, the text comes as it is.
 */
#ifndef OKV_BASE_WRAP_H
#define OKV_BASE_WRAP_H

#include <stddef.h>

#include "base/text.h"

void wrap_lines(const char *lines, size_t width, size_t hang, struct text *out);

#endif
