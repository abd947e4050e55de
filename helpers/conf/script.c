#include "conf/script.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

enum { DEPTH_MAX = 200, DOCUMENTS_MAX = 16, DELIMITER_MAX = 128 };

/* What the reader is inside of.  In the first ones line feeds, comments and commands are none. */
enum nest {
	NEST_ARITHMETIC, /* (( )), $(( )) */
	NEST_GROUP,      /* a plain parenthesis inside arithmetic */
	NEST_PARAMETER,  /* ${ } */
	NEST_DOUBLE,     /* "" */
	NEST_SINGLE,     /* '' */
	NEST_QUOTING = NEST_SINGLE,
	NEST_SUBSHELL, /* ( ), also of a case pattern */
	NEST_COMMAND,  /* $( ), <( ), >( ), and the words of an array */
	NEST_BACKTICK,
	NEST_BRACE, /* { } */
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
	bool command; /* the next word is in command position */
	bool chained; /* the command hangs on an earlier one: behind && || | */
	bool ends;    /* a command that ends the script was read, since this was looked at last */
	bool operand; /* something is wanted yet, on a later line if need be: after | && || and name() */
	struct document documents[DOCUMENTS_MAX];
	size_t document_count;
};

/* --- a few bytes at a time ---------------------------------------------------------------------------------------- */

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

static void blanks_pass(struct reader *r)
{
	while (peek(r, 0) == ' ' || peek(r, 0) == '\t')
		r->at++;
}

static bool starts(const struct reader *r, const char *what)
{
	const size_t length = strlen(what);
	return r->length - r->at >= length && memcmp(r->bytes + r->at, what, length) == 0;
}

/* Where `$` or a backtick means the same whether in double quotes or not.  True when it took something. */
static bool expansion_read(struct reader *r)
{
	static const struct {
		const char *opening;
		enum nest nest;
	} table[] = { { "$((", NEST_ARITHMETIC }, { "$(", NEST_COMMAND }, { "${", NEST_PARAMETER } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!starts(r, table[i].opening))
			continue;
		push(r, table[i].nest);
		r->command = r->command || table[i].nest == NEST_COMMAND;
		r->at += strlen(table[i].opening);
		return true;
	}
	if (peek(r, 0) != '`')
		return false;
	r->command = !inside(r, NEST_BACKTICK);
	if (r->command)
		push(r, NEST_BACKTICK);
	else
		r->depth--;
	r->at++;
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
	blanks_pass(r);
	for (; r->at < r->length && strchr(" \t\n;&|<>()", r->bytes[r->at]) == NULL && used < DELIMITER_MAX - 1;
	     r->at++) {
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

static const struct {
	const char *word;
	bool opens;
	enum nest nest;
} reserved[] = {
	{ "if", true, NEST_IF },      { "fi", false, NEST_IF },    { "while", true, NEST_LOOP },
	{ "until", true, NEST_LOOP }, { "for", true, NEST_LOOP },  { "select", true, NEST_LOOP },
	{ "done", false, NEST_LOOP }, { "case", true, NEST_CASE }, { "esac", false, NEST_CASE },
	{ "{", true, NEST_BRACE },    { "}", false, NEST_BRACE },
};

/* A reserved word, where the next word stands in command position or not. */
static void reserved_read(struct reader *r, const char *word, size_t length)
{
	static const char *const before_command[] = { "then", "else", "elif", "do", "!", "time", "coproc" };

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
	for (size_t i = 0; i < sizeof(before_command) / sizeof(before_command[0]); i++)
		if (text_equal(word, length, before_command[i]))
			return;
	r->command = false;
	if (text_equal(word, length, "function")) {
		/* The name follows, then the body, on this line or a later one. */
		r->operand = true;
		blanks_pass(r);
		while (!word_end(peek(r, 0)))
			r->at++;
		r->command = true;
	}
}

/* Does the command that begins here end the script?  `exec` with redirections only does not. */
static bool ends_script(const struct reader *r, const char *word, size_t length)
{
	size_t ahead = 0;

	if (r->depth > 0 || r->lost || r->chained)
		return false;
	if (text_equal(word, length, "exit") || text_equal(word, length, "return"))
		return true;
	while (peek(r, ahead) == ' ' || peek(r, ahead) == '\t')
		ahead++;
	const size_t name = ahead;
	while (peek(r, ahead) >= '0' && peek(r, ahead) <= '9')
		ahead++;
	return text_equal(word, length, "exec") && strchr("<>", peek(r, ahead)) == NULL && peek(r, name) != '\0' &&
	       strchr("\n;&|#", peek(r, name)) == NULL;
}

/* A bare word: reserved words count in command position only. */
static void word_read(struct reader *r)
{
	const char *word = r->bytes + r->at;
	size_t length = 0;

	while (!word_end(peek(r, length)))
		length++;
	r->at += length > 0 ? length : 1;
	/* A word that goes on with a quote or an expansion is not reserved. */
	const char next = peek(r, 0);
	const bool whole = next == '\0' || strchr(" \t\n;&|()<>", next) != NULL;
	if (length > 0 && r->command && whole) {
		r->ends = r->ends || ends_script(r, word, length);
		reserved_read(r, word, length);
	} else
		r->command = false;
}

/* "name()", with blanks where the shell allows them: the body follows, on this line or a later one. */
static bool definition_read(struct reader *r)
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

static void parenthesis_read(struct reader *r)
{
	const char c = peek(r, 0);

	if (c == '(' && r->at > 0 && r->bytes[r->at - 1] == '=') {
		/* An array: words, no commands. */
		push(r, NEST_COMMAND);
		r->command = false;
	} else if (c == '(') {
		if (r->command && starts(r, "((")) {
			push(r, NEST_ARITHMETIC);
			r->at += 2;
			return;
		}
		if (definition_read(r))
			return;
		push(r, NEST_SUBSHELL);
		r->command = true;
	} else if (inside(r, NEST_COMMAND)) {
		r->depth--;
		r->command = false;
	} else {
		/* After a pattern a command; after a subshell it does no harm. */
		if (!inside(r, NEST_CASE))
			pop(r, NEST_SUBSHELL);
		r->command = true;
	}
	r->at++;
}

/* & && | || |& */
static void operator_read(struct reader *r)
{
	const char c = peek(r, 0);
	const bool two = peek(r, 1) == c;

	r->operand = c == '|' || two;
	r->chained = r->operand;
	r->command = true;
	r->at += two ? 2 : 1;
	if (c == '|' && !two && peek(r, 0) == '&')
		r->at++;
}

static void redirection_read(struct reader *r)
{
	if (starts(r, "<<<")) {
		r->at += 3;
		return;
	}
	if (starts(r, "<<")) {
		r->at += 2;
		document_read(r);
		return;
	}
	/* ">&", "<&" and ">|" are redirections, no operators between commands. */
	const char next = peek(r, 1);
	if (next == '(') {
		push(r, NEST_COMMAND);
		r->command = true;
	}
	r->at += next == '&' || next == '|' || next == '>' || next == '(' ? 2 : 1;
}

/* One step in code; a line feed is the caller's. */
static void code_step(struct reader *r)
{
	const char c = peek(r, 0);
	const char before = r->at > 0 ? r->bytes[r->at - 1] : '\n';

	if (c == ' ' || c == '\t' || c == '\r' || c == '\0') {
		r->lost = r->lost || c == '\0';
		r->at++;
		return;
	}
	if (c == '#' && before != '\0' && strchr(" \t\n;&|()", before) != NULL) {
		while (r->at < r->length && r->bytes[r->at] != '\n')
			r->at++;
		return;
	}
	if (c == '&' || c == '|') {
		operator_read(r);
		return;
	}
	r->operand = false;
	if (c == ';') {
		r->command = true;
		r->chained = false;
		r->at++;
	} else if (c == '<' || c == '>') {
		redirection_read(r);
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

static bool is_quoted(const struct reader *r)
{
	return r->depth > 0 && r->stack[r->depth - 1] <= NEST_QUOTING;
}

/* Outside everything: a line that begins here is a line of the script itself. */
static bool is_outer(const struct reader *r)
{
	return r->depth == 0 && !r->lost && !r->operand && r->document_count == 0;
}

/* --- line by line ------------------------------------------------------------------------------------------------- */

void script_done(struct script *s)
{
	free(s->lines);
	*s = (struct script){ 0 };
}

static int line_begin(struct script *s, size_t start, bool outer, struct fault *f)
{
	if (!ARRAY_GROW(s->lines, s->count))
		return fault_memory(f);
	s->lines[s->count++] = (struct script_line){ .start = start, .outer = outer };
	return 0;
}

/* The texts of here-documents, from the line after the command's on.  Their lines are none of the script's. */
static int documents_pass(struct reader *r, struct script *s, struct fault *f)
{
	struct text_line line;

	for (size_t i = 0; i < r->document_count; i++) {
		const struct document *d = &r->documents[i];
		bool ended = false;

		for (size_t start = r->at; !ended && text_line_next(r->bytes, r->length, &r->at, &line);
		     start = r->at) {
			size_t tabs = 0;

			while (d->tabs && tabs < line.length && line.bytes[tabs] == '\t')
				tabs++;
			ended = text_equal(line.bytes + tabs, line.length - tabs, d->delimiter);
			if (line_begin(s, start, false, f) < 0)
				return -1;
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
	bool blank = true; /* nothing but blanks on this line so far */

	if (r->length > 0 && line_begin(s, 0, true, f) < 0)
		return -1;
	while (r->at < r->length) {
		const size_t from = r->at;
		const char c = r->bytes[from];

		if (!is_quoted(r) && c == '\n') {
			r->command = true;
			r->chained = r->chained && r->operand;
			r->at++;
			if (documents_pass(r, s, f) < 0)
				return -1;
			if (r->at < r->length && line_begin(s, r->at, is_outer(r), f) < 0)
				return -1;
			blank = true;
			continue;
		}
		if (blank && c != ' ' && c != '\t') {
			s->lines[s->count - 1].code = !is_quoted(r) && c != '#' && c != '\r';
			blank = false;
		}
		/* The next piece, at least one byte. */
		if (is_quoted(r))
			quoted_step(r);
		else
			code_step(r);
		s->lines[s->count - 1].ends = s->lines[s->count - 1].ends || r->ends;
		r->ends = false;
		/* Line feeds that were quoted or escaped. */
		for (size_t i = from; i < r->at; i++) {
			if (r->bytes[i] != '\n')
				continue;
			if (i + 1 < r->length && line_begin(s, i + 1, false, f) < 0)
				return -1;
			blank = true;
		}
	}
	s->ends_outer = is_outer(r) && (r->length == 0 || r->bytes[r->length - 1] != '\\');
	return 0;
}

int script_read(struct script *ret_script, const char *bytes, size_t length, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	struct reader r = { .bytes = bytes, .length = length, .command = true };

	if (read_all(&r, &s, f) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++)
		s.lines[i].length = (i + 1 < s.count ? s.lines[i + 1].start : length) - s.lines[i].start;
	*ret_script = s;
	s = (struct script){ 0 };
	return 0;
}
