/*
 * conf/script_words: the words of a simple shell command after quote removal, and its result.
 *
 * Promise: only what the script alone determines: with an expansion or a pattern, or more than SCRIPT_WORDS_MAX words,
 * reading fails.  "$$" stays as it is.  Runs and opens nothing.
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
	bool own_id; /* a word contains "$$" */
};

#define SCRIPT_WORDS_AUTO __attribute__((cleanup(script_words_done))) struct script_words

void script_words_done(struct script_words *w);
/* Appends one word from *at on to `bytes` only, and moves *at behind it. */
bool script_word_read(struct script_words *w, const char *bytes, size_t length, size_t *at);
/* Reads all words from `at` up to an operator or a redirection. */
bool script_words_read(struct script_words *w, const char *bytes, size_t length, size_t at);

enum script_outcome { SCRIPT_UNKNOWN, SCRIPT_GOOD, SCRIPT_BAD };
/* The result of command `name` with these arguments: test(1), `[ ]` and `[[ ]]`; others are unknown. */
enum script_outcome script_words_evaluate(const struct script_words *w, const char *name, size_t length);
/*
 * Does the command end the script?  `kill` of the shell itself with a fatal signal (only KILL if a trap may be set), or
 * `set` so that the rest is read but not executed.
 */
bool script_words_end(const struct script_words *w, const char *name, size_t length, bool trapped);

#endif
