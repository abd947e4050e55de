#include "conf/script_words.h"

#include <stdlib.h>
#include <string.h>

void script_words_done(struct script_words *w)
{
	text_done(&w->bytes);
}

static const char *word_at(const struct script_words *w, size_t index)
{
	return text_string(&w->bytes) + w->starts[index];
}

bool script_word_read(struct script_words *w, const char *bytes, size_t length, size_t *at)
{
	char quote = '\0';

	for (; *at < length; ++*at) {
		const char c = bytes[*at], next = *at + 1 < length ? bytes[*at + 1] : '\0';
		if (c == '\0' || (quote == '\0' && strchr(" \t\n;&|()<>", c) != NULL))
			break;
		if (c == quote) {
			quote = '\0';
		} else if (quote == '\'') {
			text_add_char(&w->bytes, c);
		} else if (quote == '\0' && text_is_quote(c)) {
			quote = c;
		} else if (quote == '\0' && c == '\\' && next != '\0' && next != '\n') {
			text_add_char(&w->bytes, next);
			++*at;
		} else if (c == '$' && next == '$') {
			text_add_string(&w->bytes, "$$");
			w->own_id = true;
			++*at;
		} else if (strchr(quote == '\0' ? "\\$`*?[~{" : "\\$`", c) != NULL) {
			return false;
		} else {
			text_add_char(&w->bytes, c);
		}
	}
	text_add_char(&w->bytes, '\0');
	return quote == '\0' && !w->bytes.failed;
}

bool script_words_read(struct script_words *w, const char *bytes, size_t length, size_t at)
{
	for (;;) {
		while (at < length && (bytes[at] == ' ' || bytes[at] == '\t'))
			at++;
		if (at == length || strchr("\n;&|()<>#", bytes[at]) != NULL)
			return true;
		w->starts[w->count] = w->bytes.length;
		if (!script_word_read(w, bytes, length, &at) || w->count + 1 == SCRIPT_WORDS_MAX)
			return false;
		/* The word is the descriptor of a redirection: "2" in "2>". */
		const char *word = word_at(w, w->count);
		if (at < length && strchr("<>", bytes[at]) != NULL && word[strspn(word, "0123456789")] == '\0')
			text_cut(&w->bytes, w->starts[w->count]);
		else
			w->count++;
	}
}

/* `first RELATION second` in test(1). */
static enum script_outcome compare_evaluate(const char *first, const char *relation, const char *second)
{
	static const char *const numeric[] = { "-eq", "-ne", "-gt", "-ge", "-lt", "-le" };
	const bool equal = strcmp(first, second) == 0;
	char *end = NULL, *other_end = NULL;

	if (strcmp(relation, "=") == 0 || strcmp(relation, "==") == 0)
		return equal ? SCRIPT_GOOD : SCRIPT_BAD;
	if (strcmp(relation, "!=") == 0)
		return equal ? SCRIPT_BAD : SCRIPT_GOOD;
	const long a = strtol(first, &end, 10), b = strtol(second, &other_end, 10);
	if (end == first || *end != '\0' || other_end == second || *other_end != '\0')
		return SCRIPT_UNKNOWN;
	const bool holds[] = { a == b, a != b, a > b, a >= b, a < b, a <= b };
	for (size_t i = 0; i < sizeof(numeric) / sizeof(numeric[0]); i++)
		if (strcmp(relation, numeric[i]) == 0)
			return holds[i] ? SCRIPT_GOOD : SCRIPT_BAD;
	return SCRIPT_UNKNOWN;
}

/* Evaluates words [first, end) as arguments of test(1). */
static enum script_outcome test_evaluate(const struct script_words *w, size_t first, size_t end)
{
	const size_t count = end - first;
	const char *word = count > 0 ? word_at(w, first) : "";

	if (count > 1 && strcmp(word, "!") == 0) {
		const enum script_outcome inner = test_evaluate(w, first + 1, end);
		return inner == SCRIPT_UNKNOWN ? inner : inner == SCRIPT_GOOD ? SCRIPT_BAD : SCRIPT_GOOD;
	}
	if (count < 2)
		return word[0] != '\0' ? SCRIPT_GOOD : SCRIPT_BAD;
	if (count == 3)
		return compare_evaluate(word, word_at(w, first + 1), word_at(w, first + 2));
	const char *operand = word_at(w, first + 1);
	if (count == 2 && (strcmp(word, "-n") == 0 || strcmp(word, "-z") == 0))
		return (operand[0] == '\0') == (word[1] == 'z') ? SCRIPT_GOOD : SCRIPT_BAD;
	if (count == 2 && (strcmp(word, "-d") == 0 || strcmp(word, "-e") == 0) && strcmp(operand, "/") == 0)
		return SCRIPT_GOOD;
	return SCRIPT_UNKNOWN;
}

enum script_outcome script_words_evaluate(const struct script_words *w, const char *name, size_t length)
{
	static const char *const closing[][2] = { { "[", "]" }, { "[[", "]]" } };

	if (text_equal(name, length, "test"))
		return test_evaluate(w, 0, w->count);
	for (size_t i = 0; i < 2; i++)
		if (text_equal(name, length, closing[i][0]) && w->count > 0 &&
		    strcmp(word_at(w, w->count - 1), closing[i][1]) == 0)
			return test_evaluate(w, 0, w->count - 1);
	return SCRIPT_UNKNOWN;
}

/* `kill [-SIGNAL] $$` with a fatal signal; if a trap may be set, only KILL is. */
static bool kills_itself(const struct script_words *w, bool trapped)
{
	static const char *const fatal[] = { "9", "KILL", "15", "TERM", "6", "ABRT", "13", "PIPE", "14", "ALRM" };
	const char *signal = "TERM";

	for (size_t i = 0; i < w->count; i++) {
		const char *word = word_at(w, i);
		if (word[0] != '-' || strcmp(word, "--") == 0)
			continue;
		signal = (strcmp(word, "-s") == 0 || strcmp(word, "-n") == 0) && i + 1 < w->count ? word_at(w, i + 1)
												  : word + 1;
	}
	if (text_starts(signal, "SIG"))
		signal += 3;
	for (size_t i = 0; i < (trapped ? 2 : sizeof(fatal) / sizeof(fatal[0])); i++)
		if (strcmp(signal, fatal[i]) == 0)
			return w->own_id;
	return false;
}

/* `set -n`, `set -o noexec`: the rest is read but not executed. */
static bool stops_running(const struct script_words *w)
{
	for (size_t i = 0; i < w->count; i++) {
		const char *word = word_at(w, i);
		if (word[0] != '-' || strcmp(word, "--") == 0)
			return false;
		if (strcmp(word, "-o") == 0 && i + 1 < w->count && strcmp(word_at(w, ++i), "noexec") == 0)
			return true;
		if (strchr(word, 'n') != NULL)
			return true;
	}
	return false;
}

bool script_words_end(const struct script_words *w, const char *name, size_t length, bool trapped)
{
	return (text_equal(name, length, "kill") && kills_itself(w, trapped)) ||
	       (text_equal(name, length, "set") && stops_running(w));
}
