/*
 * conf/quote: typographic quotes, which word processors and printed guides put where a shell wants plain ones.
 *
 * Promise: knows U+2018, U+2019, U+201C and U+201D in UTF-8; reads only the bytes it is given.
 */
#ifndef OKV_CONF_QUOTE_H
#define OKV_CONF_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum { QUOTE_CURLY_LENGTH = 3 };

/* The plain quote (' or ") that belongs where these bytes begin with a typographic one, or 0. */
char quote_plain_of(const char *bytes, size_t length);
bool quote_has_curly(const char *bytes, size_t length);
/* Adds the bytes with every typographic quote made plain. */
void quote_straighten(const char *bytes, size_t length, struct text *out);

#endif
