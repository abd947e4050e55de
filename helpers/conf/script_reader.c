#include "conf/script_reader.h"

#include <string.h>

#include "base/text.h"

static bool inside(const struct script_reader *r, enum script_nest nest)
{
	return r->depth > 0 && r->stack[r->depth - 1] == nest;
}

static void push(struct script_reader *r, enum script_nest nest)
{
	if (r->depth == SCRIPT_DEPTH_MAX)
		r->lost = true;
	else
		r->stack[r->depth++] = nest;
}

static void pop(struct script_reader *r, enum script_nest nest)
{
	if (inside(r, nest))
		r->depth--;
	else
		r->lost = true;
}

static char peek(const struct script_reader *r, size_t ahead)
{
	return r->at + ahead < r->length ? r->bytes[r->at + ahead] : '\0';
}

static bool starts(const struct script_reader *r, const char *what)
{
	const size_t length = strlen(what);
	return r->length - r->at >= length && memcmp(r->bytes + r->at, what, length) == 0;
}

/* Where `$` or a backtick means the same whether in double quotes or not.  True when it took something. */
static bool expansion_read(struct script_reader *r)
{
	if (starts(r, "$((")) {
		push(r, SCRIPT_NEST_ARITHMETIC);
		r->at += 3;
	} else if (starts(r, "$(")) {
		push(r, SCRIPT_NEST_COMMAND);
		r->command = true;
		r->at += 2;
	} else if (starts(r, "${")) {
		push(r, SCRIPT_NEST_PARAMETER);
		r->at += 2;
	} else if (peek(r, 0) == '`') {
		r->command = !inside(r, SCRIPT_NEST_BACKTICK);
		if (r->command)
			push(r, SCRIPT_NEST_BACKTICK);
		else
			r->depth--;
		r->at++;
	} else {
		return false;
	}
	return true;
}

/* One step inside quotes, ${ } or arithmetic. */
static void quoted_step(struct script_reader *r)
{
	const char c = peek(r, 0);
	const enum script_nest nest = r->stack[r->depth - 1];

	if (nest == SCRIPT_NEST_SINGLE) {
		if (c == '\'')
			r->depth--;
		r->at++;
		return;
	}
	if (c == '\\') {
		r->at += r->at + 1 < r->length ? 2 : 1;
		return;
	}
	if (expansion_read(r))
		return;
	if (nest == SCRIPT_NEST_DOUBLE) {
		if (c == '"') {
			r->depth--;
			r->command = false;
		}
	} else if (c == '"') {
		push(r, SCRIPT_NEST_DOUBLE);
	} else if (c == '\'' && nest == SCRIPT_NEST_PARAMETER &&
		   (r->depth < 2 || r->stack[r->depth - 2] != SCRIPT_NEST_DOUBLE)) {
		push(r, SCRIPT_NEST_SINGLE);
	} else if (nest == SCRIPT_NEST_PARAMETER && c == '}') {
		r->depth--;
	} else if (nest == SCRIPT_NEST_ARITHMETIC && starts(r, "))")) {
		r->depth--;
		r->at++;
	} else if (nest != SCRIPT_NEST_PARAMETER && c == '(') {
		push(r, SCRIPT_NEST_GROUP);
	} else if (nest == SCRIPT_NEST_GROUP && c == ')') {
		r->depth--;
	} else if (nest == SCRIPT_NEST_ARITHMETIC && c == ')') {
		/* "$((" began a subshell inside a substitution after all; which is which cannot be told here. */
		r->lost = true;
	}
	r->at++;
}

/* After "<<": the word that ends the here-document. */
static void document_read(struct script_reader *r)
{
	if (r->document_count == SCRIPT_DOCUMENTS_MAX) {
		r->lost = true;
		return;
	}
	struct script_document *d = &r->documents[r->document_count];
	size_t used = 0;

	d->tabs = peek(r, 0) == '-';
	r->at += d->tabs;
	while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
		r->at++;
	for (; r->at < r->length && strchr(" \t\n;&|<>()", r->bytes[r->at]) == NULL && used < SCRIPT_DELIMITER_MAX - 1;
	     r->at++) {
		char c = r->bytes[r->at];
		if (c == '\'' || c == '"') {
			const char *close = memchr(r->bytes + r->at + 1, c, r->length - r->at - 1);
			const size_t inner = close != NULL ? (size_t)(close - r->bytes) - r->at - 1 : 0;
			if (close == NULL || inner >= SCRIPT_DELIMITER_MAX - used) {
				r->lost = true;
				return;
			}
			memcpy(d->delimiter + used, r->bytes + r->at + 1, inner);
			used += inner;
			r->at += inner + 1;
			continue;
		}
		if (c == '\\' && r->at + 1 < r->length)
			c = r->bytes[++r->at];
		d->delimiter[used++] = c;
	}
	d->delimiter[used] = '\0';
	if (used == 0 || used == SCRIPT_DELIMITER_MAX - 1)
		r->lost = true;
	else
		r->document_count++;
}

static bool word_end(char c)
{
	return c == '\0' || strchr(" \t\n;&|()<>\"'`$\\", c) != NULL;
}

/* A bare word: reserved words count in command position only. */
static void word_read(struct script_reader *r)
{
	const char *word = r->bytes + r->at;
	size_t length = 0;

	while (!word_end(peek(r, length)))
		length++;
	if (length == 0) {
		r->at++;
		r->command = false;
		return;
	}
	r->at += length;
	/* A word that goes on with a quote or an expansion is not reserved. */
	const char next = peek(r, 0);
	const bool whole = next == '\0' || strchr(" \t\n;&|()<>", next) != NULL;
	if (!r->command || !whole) {
		r->command = false;
		return;
	}
	static const struct {
		const char *word;
		bool opens, closes;
		enum script_nest nest;
	} reserved[] = {
		{ "if", true, false, SCRIPT_NEST_IF },      { "fi", false, true, SCRIPT_NEST_IF },
		{ "while", true, false, SCRIPT_NEST_LOOP }, { "until", true, false, SCRIPT_NEST_LOOP },
		{ "for", true, false, SCRIPT_NEST_LOOP },   { "select", true, false, SCRIPT_NEST_LOOP },
		{ "done", false, true, SCRIPT_NEST_LOOP },  { "case", true, false, SCRIPT_NEST_CASE },
		{ "esac", false, true, SCRIPT_NEST_CASE },  { "{", true, false, SCRIPT_NEST_BRACE },
		{ "}", false, true, SCRIPT_NEST_BRACE },
	};
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (!text_equal(word, length, reserved[i].word))
			continue;
		if (reserved[i].opens)
			push(r, reserved[i].nest);
		else
			pop(r, reserved[i].nest);
		/* Behind `for`, `case` comes a word, not a command; behind `fi` may come an operator only. */
		r->command = reserved[i].opens && strchr("fsc", word[0]) == NULL;
		return;
	}
	static const char *const before_command[] = { "then", "else", "elif", "do", "!", "time", "coproc" };
	for (size_t i = 0; i < sizeof(before_command) / sizeof(before_command[0]); i++)
		if (text_equal(word, length, before_command[i]))
			return;
	r->command = false;
	if (text_equal(word, length, "function")) {
		/* The name follows, then the body, on this line or a later one. */
		r->operand = true;
		while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
			r->at++;
		while (!word_end(peek(r, 0)))
			r->at++;
		r->command = true;
	}
}

/* "name()", with blanks where the shell allows them: the body follows, on this line or a later one. */
static bool definition_read(struct script_reader *r)
{
	size_t ahead = 1;

	while (peek(r, ahead) == ' ' || peek(r, ahead) == '\t')
		ahead++;
	if (peek(r, ahead) != ')')
		return false;
	r->at += ahead + 1;
	r->operand = true;
	r->command = true;
	return true;
}

static void parenthesis_read(struct script_reader *r)
{
	const char c = peek(r, 0);

	if (c == '(' && r->at > 0 && r->bytes[r->at - 1] == '=') {
		/* An array: words, no commands. */
		push(r, SCRIPT_NEST_COMMAND);
		r->command = false;
	} else if (c == '(') {
		if (r->command && starts(r, "((")) {
			push(r, SCRIPT_NEST_ARITHMETIC);
			r->at += 2;
			return;
		}
		if (definition_read(r))
			return;
		push(r, SCRIPT_NEST_SUBSHELL);
		r->command = true;
	} else if (inside(r, SCRIPT_NEST_COMMAND)) {
		r->depth--;
		r->command = false;
	} else {
		/* After a pattern a command; after a subshell it does no harm. */
		if (!inside(r, SCRIPT_NEST_CASE))
			pop(r, SCRIPT_NEST_SUBSHELL);
		r->command = true;
	}
	r->at++;
}

/* One step in code; a line feed is the caller's. */
static void code_step(struct script_reader *r)
{
	const char c = peek(r, 0);
	const char before = r->at > 0 ? r->bytes[r->at - 1] : '\n';

	if (c == ' ' || c == '\t' || c == '\r') {
		r->at++;
		return;
	}
	if (c == '\0') {
		r->lost = true;
		r->at++;
		return;
	}
	if (c == '#' && before != '\0' && strchr(" \t\n;&|()", before) != NULL) {
		while (r->at < r->length && r->bytes[r->at] != '\n')
			r->at++;
		return;
	}
	if (c == '&' || c == '|') {
		const bool two = peek(r, 1) == c;
		r->operand = c == '|' || two;
		r->command = true;
		r->at += two ? 2 : 1;
		if (c == '|' && !two && peek(r, 0) == '&')
			r->at++;
		return;
	}
	r->operand = false;
	if (c == ';') {
		r->command = true;
		r->at++;
	} else if (starts(r, "<<<")) {
		r->at += 3;
	} else if (starts(r, "<<")) {
		r->at += 2;
		document_read(r);
	} else if (c == '<' || c == '>') {
		/* ">&", "<&" and ">|" are redirections, no operators between commands. */
		const char next = peek(r, 1);
		if (next == '(') {
			push(r, SCRIPT_NEST_COMMAND);
			r->command = true;
		}
		r->at += next == '&' || next == '|' || next == '>' || next == '(' ? 2 : 1;
	} else if (c == '\\') {
		r->at += r->at + 1 < r->length ? 2 : 1;
		if (r->bytes[r->at - 1] != '\n')
			r->command = false;
	} else if (c == '\'' || c == '"') {
		push(r, c == '"' ? SCRIPT_NEST_DOUBLE : SCRIPT_NEST_SINGLE);
		r->command = false;
		r->at++;
	} else if (c == '(' || c == ')') {
		parenthesis_read(r);
	} else if (!expansion_read(r)) {
		word_read(r);
	}
}

bool script_reader_quoted(const struct script_reader *r)
{
	if (r->depth == 0)
		return false;
	switch (r->stack[r->depth - 1]) {
	case SCRIPT_NEST_ARITHMETIC:
	case SCRIPT_NEST_GROUP:
	case SCRIPT_NEST_PARAMETER:
	case SCRIPT_NEST_DOUBLE:
	case SCRIPT_NEST_SINGLE:
		return true;
	case SCRIPT_NEST_SUBSHELL:
	case SCRIPT_NEST_COMMAND:
	case SCRIPT_NEST_BACKTICK:
	case SCRIPT_NEST_BRACE:
	case SCRIPT_NEST_IF:
	case SCRIPT_NEST_LOOP:
	case SCRIPT_NEST_CASE:
		break;
	}
	return false;
}

bool script_reader_outer(const struct script_reader *r)
{
	return r->depth == 0 && !r->lost && !r->operand && r->document_count == 0;
}

void script_reader_step(struct script_reader *r)
{
	if (script_reader_quoted(r))
		quoted_step(r);
	else
		code_step(r);
}
