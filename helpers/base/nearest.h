/*
 * base/nearest: the word that was meant.
 *
 * Promise: of the words offered, the one with the fewest slips of the fingers from what was typed (a letter too many,
 * too few, wrong, or two in the wrong order: optimal string alignment), where these are few for its length, or the one
 * that what was typed begins.  Nothing is ever taken for what was meant: it is only told.
 */
#ifndef OKV_BASE_NEAREST_H
#define OKV_BASE_NEAREST_H

#include <stddef.h>

enum { NEAREST_WORD_MAX = 32, NEAREST_HINT_SIZE = 80 };

/* Starts as { .word = ..., .length = ... }; both are the caller's, and so is each candidate. */
struct nearest {
	const char *word;
	size_t length;
	const char *best; /* NULL: nothing is near */
	size_t slips;
};
void nearest_offer(struct nearest *n, const char *candidate);
/* "; did you mean '--json'?" with the dashes as `before`, or `otherwise` where nothing is near. */
const char *nearest_hint(const struct nearest *n, const char *before, const char *otherwise,
			 char ret_hint[NEAREST_HINT_SIZE]);

#endif
