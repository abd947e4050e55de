#include "conf/script.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { DEPTH_MAX = 200, DOCUMENTS_MAX = 16, DELIMITER_MAX = 128 };

/* What the reader is inside of. */
enum nest {
	NEST_SUBSHELL,   /* ( ), also of name() and of a case pattern */
	NEST_COMMAND,    /* $( ), <( ), >( ) */
	NEST_ARITHMETIC, /* (( )), $(( )) */
	NEST_GROUP,      /* a plain parenthesis inside arithmetic */
	NEST_PARAMETER,  /* ${ } */
	NEST_BACKTICK,
	NEST_DOUBLE, /* "" */
	NEST_SINGLE, /* '' */
	NEST_BRACE,  /* { } */
	NEST_IF,
	NEST_LOOP,
	NEST_CASE,
};

struct document {
	char delimiter[DELIMITER_MAX];
	bool tabs; /* <<- */
};

struct reader {
	const char *bytes;
	size_t length, at;
	enum nest stack[DEPTH_MAX];
	size_t depth;
	bool lost;
	bool command;   /* the next word is in command position */
	bool operand;   /* an operator wants something on a later line: | && || */
	struct document documents[DOCUMENTS_MAX];
	size_t document_count;
};

void script_done(struct script *s)
{
	free(s->lines);
	*s = (struct script)SCRIPT_INIT;
}

static bool inside(const struct reader *r, enum nest nest)
{
	return r->depth > 0 && r->stack[r->depth - 1] == nest;
}

static void push(struct reader *r, enum nest nest)
{
	if (r->depth == DEPTH_MAX)
		r->lost = true;
	else
		r->stack[r->depth++] = nest;
}

static void pop(struct reader *r, enum nest nest)
{
	if (inside(r, nest))
		r->depth--;
	else
		r->lost = true;
}

static char peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->length ? r->bytes[r->at + ahead] : '\0';
}

static bool starts(const struct reader *r, const char *what)
{
	const size_t length = strlen(what);
	return r->length - r->at >= length && memcmp(r->bytes + r->at, what, length) == 0;
}

/* Where `$` or a backtick means the same whether in double quotes or not.  True when it took something. */
static bool expansion_read(struct reader *r)
{
	if (starts(r, "$((")) {
		push(r, NEST_ARITHMETIC);
		r->at += 3;
	} else if (starts(r, "$(")) {
		push(r, NEST_COMMAND);
		r->command = true;
		r->at += 2;
	} else if (starts(r, "${")) {
		push(r, NEST_PARAMETER);
		r->at += 2;
	} else if (peek(r, 0) == '`') {
		r->command = !inside(r, NEST_BACKTICK);
		if (r->command)
			push(r, NEST_BACKTICK);
		else
			r->depth--;
		r->at++;
	} else {
		return false;
	}
	return true;
}

/* One step inside quotes, ${ } or arithmetic. */
static void quoted_step(struct reader *r)
{
	const char c = peek(r, 0);
	const enum nest nest = r->stack[r->depth - 1];

	if (nest == NEST_SINGLE) {
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
	if (nest == NEST_DOUBLE) {
		if (c == '"') {
			r->depth--;
			r->command = false;
		}
	} else if (c == '"') {
		push(r, NEST_DOUBLE);
	} else if (c == '\'' && nest == NEST_PARAMETER && (r->depth < 2 || r->stack[r->depth - 2] != NEST_DOUBLE)) {
		push(r, NEST_SINGLE);
	} else if (nest == NEST_PARAMETER && c == '}') {
		r->depth--;
	} else if (nest == NEST_ARITHMETIC && starts(r, "))")) {
		r->depth--;
		r->at++;
	} else if (nest != NEST_PARAMETER && c == '(') {
		push(r, NEST_GROUP);
	} else if (nest == NEST_GROUP && c == ')') {
		r->depth--;
	} else if (nest == NEST_ARITHMETIC && c == ')') {
		/* "$((" began a subshell inside a substitution after all; which is which cannot be told here. */
		r->lost = true;
	}
	r->at++;
}

/* After "<<": the word that ends the here-document. */
static void document_read(struct reader *r)
{
	if (r->document_count == DOCUMENTS_MAX) {
		r->lost = true;
		return;
	}
	struct document *d = &r->documents[r->document_count];
	size_t used = 0;

	d->tabs = peek(r, 0) == '-';
	r->at += d->tabs;
	while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
		r->at++;
	for (; r->at < r->length && strchr(" \t\n;&|<>()", r->bytes[r->at]) == NULL && used < DELIMITER_MAX - 1; r->at++) {
		char c = r->bytes[r->at];
		if (c == '\'' || c == '"') {
			const char *close = memchr(r->bytes + r->at + 1, c, r->length - r->at - 1);
			const size_t inner = close != NULL ? (size_t)(close - r->bytes) - r->at - 1 : 0;
			if (close == NULL || inner >= DELIMITER_MAX - used) {
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
	if (used == 0 || used == DELIMITER_MAX - 1)
		r->lost = true;
	else
		r->document_count++;
}

static bool word_end(char c)
{
	return c == '\0' || strchr(" \t\n;&|()<>\"'`$\\", c) != NULL;
}

/* A bare word: reserved words count in command position only. */
static void word_read(struct reader *r)
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
		enum nest nest;
	} reserved[] = {
		{ "if", true, false, NEST_IF },       { "fi", false, true, NEST_IF },
		{ "while", true, false, NEST_LOOP },  { "until", true, false, NEST_LOOP },
		{ "for", true, false, NEST_LOOP },    { "select", true, false, NEST_LOOP },
		{ "done", false, true, NEST_LOOP },   { "case", true, false, NEST_CASE },
		{ "esac", false, true, NEST_CASE },   { "{", true, false, NEST_BRACE },
		{ "}", false, true, NEST_BRACE },
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
		/* The name follows, then the body. */
		while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
			r->at++;
		while (!word_end(peek(r, 0)))
			r->at++;
		r->command = true;
	}
}

static void parenthesis_read(struct reader *r)
{
	const char c = peek(r, 0);

	if (c == '(') {
		if (r->command && starts(r, "((")) {
			push(r, NEST_ARITHMETIC);
			r->at += 2;
			return;
		}
		push(r, NEST_SUBSHELL);
		r->command = true;
	} else if (inside(r, NEST_COMMAND)) {
		r->depth--;
		r->command = false;
	} else {
		if (!inside(r, NEST_CASE))
			pop(r, NEST_SUBSHELL);
		/* After "name()" a body, after a pattern a command; after a subshell it does no harm. */
		r->command = true;
	}
	r->at++;
}

/* One step in code; a line feed is the caller's. */
static void code_step(struct reader *r)
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
			push(r, NEST_COMMAND);
			r->command = true;
		}
		r->at += next == '&' || next == '|' || next == '>' || next == '(' ? 2 : 1;
	} else if (c == '\\') {
		r->at += r->at + 1 < r->length ? 2 : 1;
		if (r->bytes[r->at - 1] != '\n')
			r->command = false;
	} else if (c == '\'' || c == '"') {
		push(r, c == '"' ? NEST_DOUBLE : NEST_SINGLE);
		r->command = false;
		r->at++;
	} else if (c == '(' || c == ')') {
		parenthesis_read(r);
	} else if (!expansion_read(r)) {
		word_read(r);
	}
}

static int line_begin(struct script *s, size_t start, bool outer, struct fault *f)
{
	if ((s->count & (s->count - 1)) == 0) {
		struct script_line *grown = realloc(s->lines, (s->count > 0 ? s->count * 2 : 1) * sizeof(*grown));
		if (grown == NULL)
			return fault_memory(f);
		s->lines = grown;
	}
	s->lines[s->count++] = (struct script_line){ .start = start, .outer = outer };
	return 0;
}

static bool quoted(const struct reader *r)
{
	if (r->depth == 0)
		return false;
	switch (r->stack[r->depth - 1]) {
	case NEST_ARITHMETIC:
	case NEST_GROUP:
	case NEST_PARAMETER:
	case NEST_DOUBLE:
	case NEST_SINGLE:
		return true;
	case NEST_SUBSHELL:
	case NEST_COMMAND:
	case NEST_BACKTICK:
	case NEST_BRACE:
	case NEST_IF:
	case NEST_LOOP:
	case NEST_CASE:
		break;
	}
	return false;
}

static bool outer(const struct reader *r)
{
	return r->depth == 0 && !r->lost && !r->operand && r->document_count == 0;
}

/* The texts of here-documents, from the line after the command's on.  Their lines are none of the script's. */
static int documents_pass(struct reader *r, struct script *s, struct fault *f)
{
	for (size_t i = 0; i < r->document_count; i++) {
		const struct document *d = &r->documents[i];
		bool ended = false;

		while (!ended && r->at < r->length) {
			const char *line = r->bytes + r->at;
			const char *feed = memchr(line, '\n', r->length - r->at);
			const size_t length = feed != NULL ? (size_t)(feed - line) : r->length - r->at;
			size_t tabs = 0;

			while (d->tabs && tabs < length && line[tabs] == '\t')
				tabs++;
			ended = text_equal(line + tabs, length - tabs, d->delimiter);
			if (line_begin(s, r->at, false, f) < 0)
				return -1;
			r->at += length + (feed != NULL);
		}
		/* Shells take the end of the file for the end of the text; what we would put there would be text. */
		if (!ended)
			r->lost = true;
	}
	r->document_count = 0;
	return 0;
}

static int read_all(struct reader *r, struct script *s, struct fault *f)
{
	bool fresh = true; /* nothing but blanks on this line so far */

	if (r->length > 0 && line_begin(s, 0, true, f) < 0)
		return -1;
	while (r->at < r->length) {
		const size_t from = r->at;
		const char c = r->bytes[from];

		if (!quoted(r) && c == '\n') {
			r->command = true;
			r->at++;
			if (documents_pass(r, s, f) < 0)
				return -1;
			if (r->at < r->length && line_begin(s, r->at, outer(r), f) < 0)
				return -1;
			fresh = true;
			continue;
		}
		if (fresh && c != ' ' && c != '\t') {
			s->lines[s->count - 1].code = !quoted(r) && c != '#' && c != '\r';
			fresh = false;
		}
		if (quoted(r))
			quoted_step(r);
		else
			code_step(r);
		/* Line feeds that were quoted or escaped. */
		for (size_t i = from; i < r->at; i++) {
			if (r->bytes[i] != '\n')
				continue;
			if (i + 1 < r->length && line_begin(s, i + 1, false, f) < 0)
				return -1;
			fresh = true;
		}
	}
	s->ends_outer = outer(r) && (r->length == 0 || r->bytes[r->length - 1] != '\\');
	return 0;
}

int script_read(struct script *ret_script, const char *bytes, size_t length, struct fault *f)
{
	SCRIPT_AUTO s = SCRIPT_INIT;
	struct reader r = { .bytes = bytes, .length = length, .command = true };

	if (read_all(&r, &s, f) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++)
		s.lines[i].length = (i + 1 < s.count ? s.lines[i + 1].start : length) - s.lines[i].start;
	*ret_script = s;
	s = (struct script)SCRIPT_INIT;
	return 0;
}

size_t script_word(const char *line, size_t length, size_t index, const char **ret_word)
{
	size_t at = 0;

	for (;;) {
		while (at < length && (line[at] == ' ' || line[at] == '\t'))
			at++;
		const size_t start = at;
		while (at < length && line[at] != '\0' && strchr(" \t\r\n;&|", line[at]) == NULL)
			at++;
		*ret_word = line + start;
		if (index-- == 0 || at == start)
			return at - start;
	}
}
