#include "base/nearest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance.  It needs three rows of the table: the current one and the two before. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	const size_t length = strlen(candidate);
	const size_t most = n->length > 5 ? 2 : 1;

	if (n->length < 2 || n->length > NEAREST_WORD_MAX || length > NEAREST_WORD_MAX)
		return;
	const bool begins = n->length > 2 && n->length < length && memcmp(n->word, candidate, n->length) == 0;
	const size_t errors = begins ? 1 : distance(n->word, n->length, candidate, length);
	if (errors <= most && (n->best == NULL || errors < n->errors)) {
		n->best = candidate;
		n->errors = errors;
	}
}

const char *nearest_hint(const struct nearest *n, const char *before, const char *otherwise,
			 char ret_hint[NEAREST_HINT_SIZE])
{
	if (n->best == NULL)
		return otherwise;
	(void)snprintf(ret_hint, NEAREST_HINT_SIZE, "; did you mean '%s%s'?", before, n->best);
	return ret_hint;
}
