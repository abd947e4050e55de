/*
 * base/nearest: "did you mean ...?"
 *
 * Promise: of the words offered, finds the one with the fewest typing errors (a letter too many, missing or wrong, or
 * two swapped: optimal string alignment distance), if they are few for its length; a word that starts with what was
 * typed counts as one error.  It is for hints only: a guess is never acted on.
 */
#ifndef OKV_BASE_NEAREST_H
#define OKV_BASE_NEAREST_H

#include <stddef.h>

enum { NEAREST_WORD_MAX = 32, NEAREST_HINT_SIZE = 80 };

/* Starts as { .word = ..., .length = ... }.  The word and all candidates are borrowed. */
struct nearest {
	const char *word;
	size_t length;
	const char *best; /* NULL: no candidate is close */
	size_t errors;
};
void nearest_offer(struct nearest *n, const char *candidate);
/* "; did you mean '--json'?" with `before` as the dashes, or `otherwise` if no candidate is close. */
const char *nearest_hint(const struct nearest *n, const char *before, const char *otherwise,
			 char ret_hint[NEAREST_HINT_SIZE]);

#endif
