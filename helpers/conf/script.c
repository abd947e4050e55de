#include "conf/script.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "conf/script_words.h"

enum {
	DEPTH_MAX = 200,
	DOCUMENTS_MAX = 16,
	DELIMITER_MAX = 128,
	FUNCTIONS_MAX = 64,
	EVAL_DEPTH = 2,
};

/* What the reader is inside of.  Up to NEST_QUOTING, line feeds, comments and commands have no meaning. */
enum nest {
	NEST_ARITHMETIC, /* (( )), $(( )) */
	NEST_GROUP,      /* a parenthesis inside arithmetic */
	NEST_PARAMETER,  /* ${ } */
	NEST_DOUBLE,     /* "" */
	NEST_SINGLE,     /* '' */
	NEST_QUOTING = NEST_SINGLE,
	NEST_SUBSHELL, /* ( ), and the ')' of a case pattern */
	NEST_COMMAND,  /* $( ), <( ), >( ), and array elements */
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

/* Is the next command run, given the result of the one before: `true && exit`, `if false; then`? */
enum run { RUN_MAYBE, RUN_SURELY, RUN_NEVER };

/* The state of the list of commands that is being read. */
struct list {
	enum run run; /* of the current command, if the list runs at all */
	enum script_outcome outcome;
	bool piped, negated;
	bool assigning; /* the current word is an assignment: a command can follow */
};

struct frame {
	enum nest nest;
	bool sure;    /* runs whenever the enclosing command runs */
	bool entered; /* if, loops, case: the next condition is evaluated */
	bool until;
	bool endless; /* a loop with a constant condition and, so far, nothing that leaves it */
	enum script_outcome condition;
	unsigned words;     /* of `for`: words read, itself included; of `case`: patterns */
	size_t function;    /* number of the function whose body it is, from 1; 0: none */
	size_t end;         /* line that ends the script or function; 0: none so far */
	struct list around; /* the enclosing list, to return to */
};

struct function {
	const char *name;
	size_t length;
	bool ends; /* a call ends the script */
};

struct reader {
	const char *bytes;
	size_t length, at;
	struct frame stack[DEPTH_MAX];
	size_t depth;
	struct list list;
	bool lost;
	bool command;    /* a command name can come next */
	bool redirected; /* the next word is the target of a redirection */
	size_t line;     /* the current line, from 1 */
	size_t end;      /* line found to end the script, not yet taken over by read_all; 0: none */
	bool operand;    /* an operand must follow, perhaps on a later line: after | && || and name() */
	struct document documents[DOCUMENTS_MAX];
	size_t document_count;
	struct function functions[FUNCTIONS_MAX];
	size_t function_count;
	size_t defined;   /* number of the function whose body comes next, from 1; 0: none */
	const char *word; /* the last word */
	size_t word_length;
	bool trapped;         /* a trap may be set */
	bool function_around; /* reading the text of an `eval` inside a function */
	unsigned eval_depth;
};

static bool eval_ends(const struct reader *r);
static void end_record(struct reader *r, bool is_return);

/* --- a few bytes at a time ---------------------------------------------------------------------------------------- */

static struct frame *top(struct reader *r)
{
	return &r->stack[r->depth - 1];
}

static bool inside(const struct reader *r, enum nest nest)
{
	return r->depth > 0 && r->stack[r->depth - 1].nest == nest;
}

static void push(struct reader *r, enum nest nest)
{
	const bool body = nest == NEST_BRACE && r->defined > 0;
	const bool runs = body || (nest >= NEST_BRACE && r->list.run == RUN_SURELY && !r->list.piped);

	if (r->depth == DEPTH_MAX) {
		r->lost = true;
		return;
	}
	r->stack[r->depth++] = (struct frame){
		.nest = nest, .sure = runs, .entered = runs, .function = body ? r->defined : 0, .around = r->list
	};
	if (nest > NEST_QUOTING) {
		r->list = (struct list){ .run = RUN_SURELY };
		r->defined = 0;
	}
}

/* Records the result of a command; one that is not run changes nothing. */
static void outcome_set(struct reader *r, enum script_outcome outcome)
{
	if (r->list.run == RUN_NEVER)
		return;
	if (r->list.negated && outcome != SCRIPT_UNKNOWN)
		outcome = outcome == SCRIPT_GOOD ? SCRIPT_BAD : SCRIPT_GOOD;
	r->list.outcome = r->list.run == RUN_SURELY && !r->list.piped ? outcome : SCRIPT_UNKNOWN;
	r->list.negated = false;
}

/* Does the command that begins here run in another process: before '|', or with '&' at its end? */
static bool is_detached(const struct reader *r)
{
	char quote = '\0';

	for (size_t at = r->at; at < r->length; at++) {
		const char c = r->bytes[at], next = at + 1 < r->length ? r->bytes[at + 1] : '\0';
		if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if (text_is_quote(c))
			quote = c;
		else if (c == '\n' || c == ';' || c == '#')
			return false;
		else if ((c == '|' || c == '&') && next == c)
			return false;
		else if (c == '|' || (c == '&' && next != '>' && r->bytes[at - 1] != '>' && r->bytes[at - 1] != '<'))
			return true;
	}
	return false;
}

/* A compound command that ends the script also ends what encloses it, unless it runs in another process. */
static void end_propagate(struct reader *r, const struct frame *frame)
{
	if (frame->end == 0 || is_detached(r))
		return;
	if (frame->function > 0)
		r->functions[frame->function - 1].ends = true;
	else if (r->depth > 0)
		top(r)->end = frame->end;
	else
		r->end = frame->end;
}

/* Leaves the innermost nesting. */
static void leave(struct reader *r)
{
	const struct frame *frame = &r->stack[--r->depth];
	const enum script_outcome inner = r->list.outcome;

	if (frame->nest <= NEST_QUOTING)
		return;
	r->list = frame->around;
	end_propagate(r, frame);
	if (frame->nest == NEST_COMMAND || frame->nest == NEST_BACKTICK) {
		/* The result of a substitution counts only in an assignment, where it becomes the command's. */
		if (r->list.assigning)
			outcome_set(r, SCRIPT_UNKNOWN);
	} else {
		outcome_set(r, frame->nest == NEST_BRACE && frame->function == 0 ? inner : SCRIPT_UNKNOWN);
	}
}

static void pop(struct reader *r, enum nest nest)
{
	if (inside(r, nest))
		leave(r);
	else
		r->lost = true;
}

static char peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->length ? r->bytes[r->at + ahead] : '\0';
}

/* Returns the offset from the current position of the first non-blank, from `ahead` on. */
static size_t blanks_end(const struct reader *r, size_t ahead)
{
	while (peek(r, ahead) == ' ' || peek(r, ahead) == '\t')
		ahead++;
	return ahead;
}

static bool starts(const struct reader *r, const char *what)
{
	const size_t length = strlen(what);
	return r->length - r->at >= length && memcmp(r->bytes + r->at, what, length) == 0;
}

/* Reads `$` or a backtick, which mean the same in double quotes and outside.  True if it has read something. */
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
		leave(r);
	r->at++;
	return true;
}

/* Reads one step inside quotes, ${ } or arithmetic. */
static void quoted_step(struct reader *r)
{
	const char c = peek(r, 0);
	const enum nest nest = top(r)->nest;

	if (nest == NEST_SINGLE) {
		if (c == '\'')
			leave(r);
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
			leave(r);
			r->command = false;
		}
	} else if (c == '"') {
		push(r, NEST_DOUBLE);
	} else if (c == '\'' && nest == NEST_PARAMETER &&
		   (r->depth < 2 || r->stack[r->depth - 2].nest != NEST_DOUBLE)) {
		push(r, NEST_SINGLE);
	} else if (nest == NEST_PARAMETER && c == '}') {
		leave(r);
	} else if (nest == NEST_ARITHMETIC && starts(r, "))")) {
		leave(r);
		r->at++;
	} else if (nest != NEST_PARAMETER && c == '(') {
		push(r, NEST_GROUP);
	} else if (nest == NEST_GROUP && c == ')') {
		leave(r);
	} else if (nest == NEST_ARITHMETIC && c == ')') {
		/* "$((" was a subshell inside a substitution: too ambiguous to go on. */
		r->lost = true;
	}
	r->at++;
}

/* After "<<": reads the word that ends the here-document. */
static void document_read(struct reader *r)
{
	if (r->document_count == DOCUMENTS_MAX) {
		r->lost = true;
		return;
	}
	struct document *d = &r->documents[r->document_count];
	size_t used = 0;

	d->tabs = peek(r, 0) == '-';
	r->at += blanks_end(r, d->tabs);
	for (; r->at < r->length && strchr(" \t\n;&|<>()", r->bytes[r->at]) == NULL && used < DELIMITER_MAX - 1;
	     r->at++) {
		char c = r->bytes[r->at];
		if (text_is_quote(c)) {
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

/* Defines a function; its body follows, on this line or a later one. */
static void function_define(struct reader *r, const char *name, size_t length)
{
	r->operand = true;
	r->command = true;
	if (r->function_count == FUNCTIONS_MAX || length == 0)
		return;
	r->functions[r->function_count++] = (struct function){ .name = name, .length = length };
	r->defined = r->function_count;
}

/* At `then`, `do`, `elif` and `else`: is this part run, given the result of the condition? */
static void part_begin(struct reader *r, const char *word, size_t length)
{
	struct frame *frame = r->depth > 0 ? top(r) : NULL;
	const enum script_outcome wanted = frame != NULL && frame->until ? SCRIPT_BAD : SCRIPT_GOOD;

	if (frame == NULL || (frame->nest != NEST_IF && frame->nest != NEST_LOOP))
		return;
	if (text_equal(word, length, "then")) {
		frame->condition = r->list.outcome;
		frame->sure = frame->entered && frame->condition == SCRIPT_GOOD;
	} else if (text_equal(word, length, "do")) {
		/* `for name in word` runs if there is a literal word, whatever the variables are. */
		frame->sure = frame->entered && (frame->words > 0 ? frame->words > 3 : r->list.outcome == wanted);
		frame->endless = frame->sure && frame->words == 0;
	} else if (text_equal(word, length, "elif") || text_equal(word, length, "else")) {
		frame->entered = frame->entered && frame->condition == SCRIPT_BAD;
		frame->sure = frame->entered;
	} else {
		return;
	}
	r->list = (struct list){ .run = RUN_SURELY };
}

/* Is it a word that a command follows? */
static bool is_prefix(struct reader *r, const char *word, size_t length)
{
	static const char *const before_command[] = { "then", "else",    "elif",    "do",     "!", "time",
						      "eval", "command", "builtin", "coproc", NULL };

	part_begin(r, word, length);
	return text_is_one_of(word, length, before_command);
}

/* At `done`: an endless loop ends the script at its last line. */
static void endless_loop_record(struct reader *r)
{
	if (!inside(r, NEST_LOOP) || !top(r)->endless || top(r)->end != 0)
		return;
	r->list = (struct list){ .run = RUN_SURELY };
	end_record(r, false);
}

/* A command that can leave the enclosing loops, by itself or by what it reads. */
static void loop_exit_record(struct reader *r, const char *word, size_t length)
{
	static const char *const words[] = { "break", "continue", "return", "eval", "source", ".", NULL };

	for (size_t depth = 0; depth < r->depth && text_is_one_of(word, length, words); depth++)
		r->stack[depth].endless = false;
}

/* Reads a reserved word and sets r->command; false if it is not one. */
static bool reserved_read(struct reader *r, const char *word, size_t length)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (!text_equal(word, length, reserved[i].word))
			continue;
		/* After `for` and `case` comes a word, after `fi` only an operator: no command. */
		r->command = reserved[i].opens && strchr("fsc", word[0]) == NULL;
		if (word[0] == 'd')
			endless_loop_record(r);
		if (reserved[i].opens)
			push(r, reserved[i].nest);
		else
			pop(r, reserved[i].nest);
		if (reserved[i].opens && reserved[i].nest == NEST_LOOP && !r->lost) {
			top(r)->until = word[0] == 'u';
			top(r)->entered = top(r)->entered && word[0] != 's';
			top(r)->words = word[0] == 'f' || word[0] == 's' ? 1 : 0;
		}
		return true;
	}
	if (is_prefix(r, word, length)) {
		r->list.negated = r->list.negated != text_equal(word, length, "!");
		loop_exit_record(r, word, length);
		if (text_equal(word, length, "eval") && eval_ends(r))
			end_record(r, false);
		return true;
	}
	if (!text_equal(word, length, "function"))
		return false;
	r->at += blanks_end(r, 0);
	const char *name = r->bytes + r->at;
	while (!word_end(peek(r, 0)))
		r->at++;
	function_define(r, name, (size_t)(r->bytes + r->at - name));
	return true;
}

static bool is_in_function(const struct reader *r)
{
	bool found = r->function_around;

	for (size_t i = 0; i < r->depth; i++)
		found = found || r->stack[i].function > 0;
	return found;
}

/* Records a command that ends the function or script it is in, if it is sure to run. */
static void end_record(struct reader *r, bool is_return)
{
	if (r->lost || r->list.run != RUN_SURELY || r->list.piped || is_detached(r))
		return;
	if (is_return && r->function_around)
		return;
	for (size_t depth = r->depth; depth-- > 0;) {
		const struct frame *frame = &r->stack[depth];
		if (!frame->sure || (frame->function > 0 && is_return))
			return;
		if (frame->function > 0)
			break;
		if (frame->around.run != RUN_SURELY || frame->around.piped)
			return;
	}
	if (r->depth > 0)
		top(r)->end = r->line;
	else
		r->end = r->line;
}

/* False for `exec` with redirections only, which does not end a script. */
static bool exec_has_command(const struct reader *r)
{
	const size_t name = blanks_end(r, 0);
	size_t ahead = name;

	if (peek(r, ahead) == '{')
		while (!word_end(peek(r, ahead)) && peek(r, ahead - 1) != '}')
			ahead++;
	while (peek(r, ahead) >= '0' && peek(r, ahead) <= '9')
		ahead++;
	return peek(r, name) != '\0' && strchr("<>", peek(r, ahead)) == NULL && strchr("\n;&|#", peek(r, name)) == NULL;
}

static const struct function *function_find(const struct reader *r, const char *word, size_t length)
{
	for (size_t i = r->function_count; i > 0; i--)
		if (r->functions[i - 1].length == length && memcmp(r->functions[i - 1].name, word, length) == 0)
			return &r->functions[i - 1];
	return NULL;
}

static int read_all(struct reader *r, struct script *s, struct fault *f);

/* Does `eval "TEXT"` end the script?  Only for a constant text in quotes; unquoted words are read as code anyway. */
static bool eval_ends(const struct reader *r)
{
	SCRIPT_WORDS_AUTO w = { .count = 0 };
	SCRIPT_AUTO s = { 0 };
	struct fault ignored = { 0 };
	bool ends = false;

	if (r->eval_depth == EVAL_DEPTH || !text_is_quote(peek(r, blanks_end(r, 0))) ||
	    !script_words_read(&w, r->bytes, r->length, r->at))
		return false;
	for (size_t i = 1; i < w.count; i++)
		w.bytes.bytes[w.starts[i] - 1] = ' ';
	struct reader inner = { .bytes = text_string(&w.bytes),
				.length = w.bytes.length > 0 ? w.bytes.length - 1 : 0,
				.command = true,
				.list = { .run = RUN_SURELY },
				.function_count = r->function_count,
				.trapped = r->trapped,
				.function_around = is_in_function(r),
				.eval_depth = r->eval_depth + 1 };
	memcpy(inner.functions, r->functions, sizeof(inner.functions));
	if (read_all(&inner, &s, &ignored) == 0 && !inner.lost)
		for (size_t i = 0; i < s.count; i++)
			ends = ends || s.lines[i].ends;
	return ends;
}

/* Reads any other command: does it end the script, and what is its result? */
static void command_read(struct reader *r, const char *word, size_t length)
{
	static const char *const good[] = { "true", ":", "echo", "printf", NULL };
	const struct function *function = function_find(r, word, length);
	const bool is_return = text_equal(word, length, "return");
	enum script_outcome outcome = SCRIPT_UNKNOWN;
	SCRIPT_WORDS_AUTO w = { .count = 0 };
	bool ends = is_return || text_equal(word, length, "exit") ||
		    (text_equal(word, length, "exec") && exec_has_command(r));

	loop_exit_record(r, word, length);
	if (script_words_read(&w, r->bytes, r->length, r->at)) {
		outcome = script_words_evaluate(&w, word, length);
		ends = ends || script_words_end(&w, word, length, r->trapped);
	}
	r->trapped = r->trapped || text_equal(word, length, "trap");
	if (function != NULL ? function->ends : ends)
		end_record(r, is_return);
	if (function != NULL)
		outcome = SCRIPT_UNKNOWN;
	else if (text_is_one_of(word, length, good))
		outcome = SCRIPT_GOOD;
	else if (text_equal(word, length, "false"))
		outcome = SCRIPT_BAD;
	outcome_set(r, outcome);
}

/* Reads a command whose name is quoted, partly or wholly (`\exit`, `"exit"`): it is no reserved word or alias. */
static bool quoted_command_read(struct reader *r, size_t start)
{
	SCRIPT_WORDS_AUTO w = { .count = 0 };
	size_t at = start;
	/* The text after `eval` has been read as a whole. */
	const bool text = r->word != NULL && text_equal(r->word, r->word_length, "eval");

	if (!r->command || r->redirected || text || !script_word_read(&w, r->bytes, r->length, &at) || w.own_id)
		return false;
	r->at = at;
	r->command = false;
	command_read(r, text_string(&w.bytes), strlen(text_string(&w.bytes)));
	return true;
}

/* Does the word begin with NAME=? */
static bool is_assignment(const char *word, size_t length)
{
	size_t name = 0;

	while (name < length &&
	       (word[name] == '_' || (word[name] >= 'a' && word[name] <= 'z') ||
		(word[name] >= 'A' && word[name] <= 'Z') || (name > 0 && word[name] >= '0' && word[name] <= '9')))
		name++;
	return name > 0 && name < length && word[name] == '=';
}

/* Reads an unquoted word; it can be reserved only where a command can begin. */
static void word_read(struct reader *r)
{
	const char before = r->at > 0 ? r->bytes[r->at - 1] : '\n';
	size_t length = 0;

	r->word = r->bytes + r->at;
	while (!word_end(peek(r, length)))
		length++;
	r->word_length = length;
	r->at += length > 0 ? length : 1;
	/* A word that continues with a quote or an expansion is not reserved. */
	const char next = peek(r, 0);
	const bool whole = next == '\0' || strchr(" \t\n;&|()<>", next) != NULL;
	if (r->redirected) {
		r->redirected = false;
	} else if (r->command && is_assignment(r->word, length)) {
		r->list.assigning = true;
		r->command = false;
		outcome_set(r, SCRIPT_GOOD);
	} else if (length > 0 && r->command && whole) {
		if (reserved_read(r, r->word, length))
			return;
		r->command = false;
		/* "name(" defines a function. */
		if (peek(r, blanks_end(r, 0)) != '(')
			command_read(r, r->word, length);
	} else if (length > 0 && !whole && quoted_command_read(r, (size_t)(r->word - r->bytes))) {
		return;
	} else {
		if (r->command)
			outcome_set(r, SCRIPT_UNKNOWN);
		r->command = false;
		if (length > 0 && whole && inside(r, NEST_LOOP) && strchr(" \t", before) != NULL && top(r)->words > 0)
			top(r)->words++;
	}
}

/* Reads "name()", perhaps with blanks; the body follows, on this line or a later one. */
static bool definition_read(struct reader *r)
{
	const size_t ahead = blanks_end(r, 1);

	if (peek(r, ahead) != ')')
		return false;
	r->at += ahead + 1;
	function_define(r, r->word, r->word_length);
	return true;
}

/* After a pattern of `case`: a branch is sure to run only if it is the first and its pattern is '*'. */
static void branch_begin(struct reader *r)
{
	struct frame *frame = top(r);
	size_t at = r->at;

	while (at > 0 && strchr(" \t", r->bytes[at - 1]) != NULL)
		at--;
	frame->sure = frame->entered && frame->words++ == 0 && at > 1 && r->bytes[at - 1] == '*' &&
		      strchr(" \t\n(", r->bytes[at - 2]) != NULL;
	r->list = (struct list){ .run = RUN_SURELY };
}

static void parenthesis_read(struct reader *r)
{
	const char c = peek(r, 0);

	if (c == '(' && r->at > 0 && r->bytes[r->at - 1] == '=') {
		/* An array: words, not commands. */
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
		leave(r);
		r->command = false;
	} else {
		/* A command follows after a pattern; after a subshell, setting this is harmless. */
		if (inside(r, NEST_CASE))
			branch_begin(r);
		else
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
	r->command = true;
	r->list.assigning = false;
	r->at += two ? 2 : 1;
	if (two) {
		const enum script_outcome wanted = c == '&' ? SCRIPT_GOOD : SCRIPT_BAD, now = r->list.outcome;
		r->list.run = now == SCRIPT_UNKNOWN ? RUN_MAYBE : now == wanted ? RUN_SURELY : RUN_NEVER;
		r->list.piped = false;
	} else {
		r->list = (struct list){ .run = RUN_SURELY, .piped = c == '|' };
	}
	if (c == '|' && !two && peek(r, 0) == '&')
		r->at++;
}

static void redirection_read(struct reader *r)
{
	if (starts(r, "<<<")) {
		r->at += 3;
		r->redirected = true;
		return;
	}
	if (starts(r, "<<")) {
		r->at += 2;
		document_read(r);
		return;
	}
	/* ">&", "<&" and ">|" are redirections, not operators between commands. */
	const char next = peek(r, 1);
	if (next == '(') {
		push(r, NEST_COMMAND);
		r->command = true;
	}
	r->at += next == '&' || next == '|' || next == '>' || next == '(' ? 2 : 1;
	r->redirected = next != '(';
}

/* Begins a command that does not depend on the one before. */
static void list_end(struct reader *r)
{
	/* Keep `outcome`: `then` and `do` need it. */
	r->list.run = RUN_SURELY;
	r->list.piped = r->list.negated = false;
	r->command = true;
	r->list.assigning = r->redirected = false;
}

/* A word that begins with a quote or an expansion: its command is unknown. */
static void word_begin(struct reader *r)
{
	if (r->redirected) {
		r->redirected = false;
		return;
	}
	if (r->command)
		outcome_set(r, SCRIPT_UNKNOWN);
	r->command = false;
}

/* Reads one step of code; the caller handles line feeds. */
static void code_step(struct reader *r)
{
	const char c = peek(r, 0);
	const char before = r->at > 0 ? r->bytes[r->at - 1] : '\n';

	if (c == ' ' || c == '\t' || c == '\r' || c == '\0') {
		r->lost = r->lost || c == '\0';
		r->command = r->command || r->list.assigning;
		r->list.assigning = false;
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
		list_end(r);
		if (peek(r, 1) == ';' && inside(r, NEST_CASE))
			top(r)->sure = false;
		r->at++;
	} else if (c == '<' || c == '>') {
		redirection_read(r);
	} else if ((c == '\\' || text_is_quote(c)) && quoted_command_read(r, r->at)) {
		return;
	} else if (c == '\\') {
		r->at += r->at + 1 < r->length ? 2 : 1;
		if (r->bytes[r->at - 1] != '\n')
			word_begin(r);
	} else if (text_is_quote(c)) {
		push(r, c == '"' ? NEST_DOUBLE : NEST_SINGLE);
		word_begin(r);
		r->at++;
	} else if (c == '(' || c == ')') {
		parenthesis_read(r);
	} else if (!expansion_read(r)) {
		word_read(r);
	} else if (inside(r, NEST_PARAMETER) || inside(r, NEST_ARITHMETIC)) {
		word_begin(r);
	}
}

static bool is_quoted(const struct reader *r)
{
	return r->depth > 0 && r->stack[r->depth - 1].nest <= NEST_QUOTING;
}

/* Outside of everything: a line that begins here is a top-level line. */
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

/* Skips the here-documents that begin after this line; their lines are not `outer`. */
static int documents_skip(struct reader *r, struct script *s, struct fault *f)
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
		/* A shell ends the text at the end of the file, so anything that we append would become part of it. */
		if (!ended)
			r->lost = true;
	}
	r->document_count = 0;
	return 0;
}

static int read_all(struct reader *r, struct script *s, struct fault *f)
{
	bool blank = true; /* only blanks on this line so far */

	if (r->length > 0 && line_begin(s, 0, true, f) < 0)
		return -1;
	while (r->at < r->length) {
		const size_t from = r->at;
		const char c = r->bytes[from];

		if (!is_quoted(r) && c == '\n') {
			if (r->operand)
				r->command = true;
			else
				list_end(r);
			r->at++;
			if (documents_skip(r, s, f) < 0)
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
		/* Reads at least one byte. */
		r->line = s->count;
		if (is_quoted(r))
			quoted_step(r);
		else
			code_step(r);
		if (r->end > 0)
			s->lines[r->end - 1].ends = true;
		r->end = 0;
		/* Quoted or escaped line feeds. */
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
	struct reader r = { .bytes = bytes, .length = length, .command = true, .list = { .run = RUN_SURELY } };

	if (read_all(&r, &s, f) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++)
		s.lines[i].length = (i + 1 < s.count ? s.lines[i + 1].start : length) - s.lines[i].start;
	*ret_script = s;
	s = (struct script){ 0 };
	return 0;
}
