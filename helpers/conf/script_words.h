/*
 * conf/script_words: the words of a simple shell command, as the shell hands them over, and what it then comes to.
 *
 * Promise: only where the script alone tells: an expansion or a pattern, or more than SCRIPT_WORDS_MAX words, is no
 * words at all.  "$$" stays as it is.  Runs and opens nothing.
 */
#ifndef OKV_CONF_SCRIPT_WORDS_H
#define OKV_CONF_SCRIPT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

enum { SCRIPT_WORDS_MAX = 8 };

struct script_words {
	struct text bytes; /* each word with its NUL */
	size_t starts[SCRIPT_WORDS_MAX];
	size_t count;
	bool own_id; /* one of them has "$$" in it */
};

#define SCRIPT_WORDS_AUTO __attribute__((cleanup(script_words_done))) struct script_words

void script_words_done(struct script_words *w);
/* One word from *at on, which is then behind it, to the bytes alone. */
bool script_word_read(struct script_words *w, const char *bytes, size_t length, size_t *at);
/* All from `at` on that stand before an operator or a redirection. */
bool script_words_read(struct script_words *w, const char *bytes, size_t length, size_t at);

enum script_outcome { SCRIPT_UNKNOWN, SCRIPT_GOOD, SCRIPT_BAD };
/* What the command of that name comes to with these words behind it: test(1), `[ ]` and `[[ ]]`; others are unknown. */
enum script_outcome script_words_evaluate(const struct script_words *w, const char *name, size_t length);
/*
 * Does it end the script: `kill` of the shell itself with a signal that does (where a trap may be set, KILL only), or
 * `set` so that what follows is read and not run?
 */
bool script_words_end(const struct script_words *w, const char *name, size_t length, bool trapped);

#endif
