#include "conf/assign.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "conf/preserved.h"

/* Is there a typographic quote or, if `quote` is false, another typographic character? */
static bool has_typographic(const char *bytes, size_t length, bool quote)
{
	char plain;

	for (; length > 0; bytes++, length--)
		if (text_print_length(bytes, length, &plain) > 0 && text_is_quote(plain) == quote)
			return true;
	return false;
}

bool assign_has_curly_quote(const char *bytes, size_t length)
{
	return has_typographic(bytes, length, true);
}

bool assign_has_odd_space(const char *bytes, size_t length)
{
	return has_typographic(bytes, length, false);
}

static void assign_straighten(const char *bytes, size_t length, struct text *out)
{
	while (length > 0) {
		char plain = bytes[0];
		const size_t print = text_print_length(bytes, length, &plain), step = print > 0 ? print : 1;
		if (print == 0 || plain != '\0')
			text_add_char(out, plain);
		bytes += step;
		length -= step;
	}
}

#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool is_any_of(char c, const char *characters)
{
	return c != '\0' && strchr(characters, c) != NULL;
}

static size_t assign_content_length(const struct assign_line *line)
{
	return line->length - (line->length > 0 && line->bytes[line->length - 1] == '\n');
}

static enum assign_flaw value_judge(const char *at, size_t length)
{
	const bool curly = assign_has_curly_quote(at, length);

	if (length == 0 || at[0] != '"')
		return curly ? ASSIGN_FLAW_CURLY_QUOTE : ASSIGN_FLAW_UNQUOTED;
	const char *close = memchr(at + 1, '"', length - 1);
	if (close == NULL)
		return curly ? ASSIGN_FLAW_CURLY_QUOTE : ASSIGN_FLAW_UNCLOSED;
	if (close != at + length - 1)
		return memchr(close + 1, '"', (size_t)(at + length - close - 1)) != NULL ? ASSIGN_FLAW_INNER_QUOTE
											 : ASSIGN_FLAW_TRAILING;
	return ASSIGN_FLAW_NONE;
}

/* What is wrong with a line that is neither blank nor a comment. */
static enum assign_flaw line_flaw(const char *at, size_t length)
{
	if (at[length - 1] == '\r')
		return ASSIGN_FLAW_CARRIAGE_RETURN;
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7f)
			return ASSIGN_FLAW_CONTROL;
	if (assign_has_odd_space(at, length))
		return ASSIGN_FLAW_SPACE;
	const char *equals = memchr(at, '=', length);
	if (equals == NULL)
		return ASSIGN_FLAW_NO_EQUALS;
	if (is_any_of(at[0], "=" DIGITS) || at + strspn(at, LETTERS DIGITS "_") != equals)
		return ASSIGN_FLAW_NAME;
	return value_judge(equals + 1, (size_t)(at + length - equals) - 1);
}

static void line_judge(struct assign_line *line, bool first)
{
	const char *at = line->bytes;
	const size_t length = assign_content_length(line);
	size_t blanks = 0;

	while (blanks < length && (at[blanks] == ' ' || at[blanks] == '\t'))
		blanks++;
	line->kind = ASSIGN_FLAWED;
	line->flaw = ASSIGN_FLAW_NONE;
	if (first && length >= 3 && memcmp(at, ASSIGN_BOM, 3) == 0)
		line->flaw = ASSIGN_FLAW_BOM;
	else if (length >= ASSIGN_LINE_MAX)
		line->flaw = ASSIGN_FLAW_LONG;
	else if (length > 0 && at[0] == '#')
		line->kind = ASSIGN_COMMENT;
	else if (blanks == length)
		line->kind = ASSIGN_BLANK;
	else if ((line->flaw = line_flaw(at, length)) == ASSIGN_FLAW_NONE)
		line->kind = ASSIGN_VALUE;
}

void assign_done(struct assign *a)
{
	text_done(&a->file);
	text_done(&a->words);
	free(a->lines);
	*a = (struct assign){ 0 };
}

/* Takes ownership of `file`. */
static int file_read(struct assign *ret_assign, struct text *file, struct fault *f)
{
	ASSIGN_AUTO a = { .file = *file };
	struct text_line line;

	*file = (struct text){ 0 };
	text_add(&a.words, text_string(&a.file), a.file.length);
	if (text_check(&a.file, f) < 0 || text_check(&a.words, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(a.file.bytes, a.file.length, &at, &line); a.count++) {
		if (!ARRAY_GROW(a.lines, a.count))
			return fault_memory(f);
		struct assign_line *new = &a.lines[a.count];
		*new = (struct assign_line){ .bytes = line.bytes, .length = line.length + line.ended };
		line_judge(new, a.count == 0);
		if (new->kind != ASSIGN_VALUE)
			continue;
		char *name = a.words.bytes + (line.bytes - a.file.bytes), *equals = strchr(name, '=');
		*equals = name[line.length - 1] = '\0';
		new->name = name;
		new->value = equals + 2;
	}
	*ret_assign = a;
	a = (struct assign){ 0 };
	return 0;
}

int assign_parse(struct assign *ret_assign, const char *bytes, size_t length, struct fault *f)
{
	struct text file = { 0 };

	text_add(&file, bytes, length);
	return file_read(ret_assign, &file, f);
}

void assign_print(const struct assign *a, struct text *out)
{
	text_add(out, text_string(&a->file), a->file.length);
}

/* Replaces line `index` by `line`; appends it if `index` is the number of lines. */
static int line_replace(struct assign *a, size_t index, const char *line, struct fault *f)
{
	struct text file = { 0 };
	struct assign edited;

	for (size_t i = 0; i < index; i++)
		text_add(&file, a->lines[i].bytes, a->lines[i].length);
	if (index == a->count && index > 0 && file.length > 0 && file.bytes[file.length - 1] != '\n')
		text_add_char(&file, '\n');
	text_add_string(&file, line);
	for (size_t i = index + 1; i < a->count; i++)
		text_add(&file, a->lines[i].bytes, a->lines[i].length);
	if (file_read(&edited, &file, f) < 0)
		return -1;
	assign_done(a);
	*a = edited;
	return 0;
}

static bool line_is(const struct assign_line *line, const char *name)
{
	return line->kind == ASSIGN_VALUE && strcmp(line->name, name) == 0;
}

static const struct assign_line *line_find(const struct assign *a, const char *name)
{
	for (size_t i = a->count; i-- > 0;)
		if (line_is(&a->lines[i], name))
			return &a->lines[i];
	return NULL;
}

size_t assign_line_number(const struct assign *a, const char *name)
{
	const struct assign_line *line = line_find(a, name);

	return line != NULL ? (size_t)(line - a->lines) + 1 : 0;
}

size_t assign_count(const struct assign *a, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++)
		count += line_is(&a->lines[i], name);
	return count;
}

const char *assign_value(const struct assign *a, const char *name)
{
	const struct assign_line *line = line_find(a, name);

	return line != NULL ? line->value : NULL;
}

int assign_set(struct assign *a, const char *name, const char *value, bool *ret_changed, struct fault *f)
{
	TEXT_AUTO wanted = { 0 };
	size_t index = a->count;

	text_add_format(&wanted, "%s=\"%s\"\n", name, value);
	if (text_check(&wanted, f) < 0)
		return -1;
	struct assign_line judged = { .bytes = wanted.bytes, .length = wanted.length };
	line_judge(&judged, false);
	if (judged.kind != ASSIGN_VALUE || strchr(name, '=') != NULL || strchr(value, '\n') != NULL)
		return fault_refused(f, "'%s' cannot be set to '%s': %s", SHOWN(name), SHOWN(value),
				     judged.flaw != ASSIGN_FLAW_NONE ? assign_flaw_text(judged.flaw)
								     : "it must be one line NAME=\"VALUE\"");
	const struct assign_line *line = line_find(a, name);
	if (line != NULL && strcmp(line->value, value) == 0) {
		*ret_changed = false;
		return 0;
	}
	if (line != NULL) {
		index = (size_t)(line - a->lines);
		/* Do not add a missing last line feed. */
		if (assign_content_length(line) == line->length)
			text_cut(&wanted, wanted.length - 1);
	}
	if (line_replace(a, index, text_string(&wanted), f) < 0)
		return -1;
	*ret_changed = true;
	return 0;
}

int assign_check_only(const struct assign *a, const char *name, struct fault *f)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->lines[i].kind == ASSIGN_FLAWED && assign_mentions(&a->lines[i], name))
			return fault_refused(f,
					     "line %zu: %s is there, but %s; 'okv-luna config check' says what to do",
					     i + 1, SHOWN(name), assign_flaw_text(a->lines[i].flaw));
	return assign_count(a, name) <= 1
		       ? 0
		       : fault_refused(f,
				       "%s is set %zu times, and it is not known which one OKV reads; keep one of them",
				       SHOWN(name), assign_count(a, name));
}

/* Path by path, because SHOWN truncates long strings. */
static void value_format(const char *value, struct text *out)
{
	if (value == NULL) {
		text_add_string(out, "(not set)");
		return;
	}
	text_add_char(out, '"');
	for (size_t n; *value != '\0'; value += n) {
		n = strcspn(value, ":");
		n += value[n] == ':';
		text_add_string(out, SHOWN_BYTES(value, n));
	}
	text_add_char(out, '"');
}

void assign_change_format(const char *name, const char *old, const char *new, struct text *out)
{
	text_add_format(out, "%s: ", SHOWN(name));
	value_format(old, out);
	text_add_string(out, " -> ");
	value_format(new, out);
}

int assign_unset(struct assign *a, const char *name, struct fault *f)
{
	for (size_t i = a->count; i-- > 0;)
		if (line_is(&a->lines[i], name) && line_replace(a, i, "", f) < 0)
			return -1;
	return 0;
}

/* Finds the first name from `at` on, whatever is before it; its length, 0 if there is none. */
static size_t name_find(const struct assign_line *line, size_t *at)
{
	size_t length = 0;

	while (*at < line->length && !is_any_of(line->bytes[*at], LETTERS DIGITS "_"))
		(*at)++;
	while (*at + length < line->length && is_any_of(line->bytes[*at + length], LETTERS DIGITS "_"))
		length++;
	return length;
}

bool assign_mentions(const struct assign_line *line, const char *name)
{
	size_t at = 0, length = name_find(line, &at);

	/* A shell would set it as well. */
	if (text_equal(line->bytes + at, length, "export") || text_equal(line->bytes + at, length, "set")) {
		at += length;
		length = name_find(line, &at);
	}
	return text_equal(line->bytes + at, length, name);
}

const char *assign_flaw_text(enum assign_flaw flaw)
{
	static const char *const texts[] = {
		[ASSIGN_FLAW_NONE] = "nothing is wrong with it",
		[ASSIGN_FLAW_NO_EQUALS] = "there is no '='",
		[ASSIGN_FLAW_NAME] =
			"the name must be at the start of the line, and have only letters, digits and underscores",
		[ASSIGN_FLAW_CURLY_QUOTE] = "there is a typographic quote where a plain \" belongs",
		[ASSIGN_FLAW_UNQUOTED] = "the value is not in double quotes",
		[ASSIGN_FLAW_UNCLOSED] = "the closing \" is missing on this line",
		[ASSIGN_FLAW_INNER_QUOTE] = "there is a \" inside the value",
		[ASSIGN_FLAW_TRAILING] = "something follows the closing \"",
		[ASSIGN_FLAW_CARRIAGE_RETURN] = "the line ends in CR LF instead of LF",
		[ASSIGN_FLAW_LONG] = "the line has 4096 characters or more",
		[ASSIGN_FLAW_CONTROL] = "there is a control character in the line",
		[ASSIGN_FLAW_BOM] = "the file begins with a byte order mark",
		[ASSIGN_FLAW_SPACE] = "there is a no-break space, a typographic hyphen or an invisible character",
	};

	return texts[flaw];
}

/*
 * --- fixes ---
 *
 * What is fixed: a byte order mark and CR LF; typographic quotes; blanks before the line, around '=' and after the
 * closing quote; "export "; a plain value without quotes or in single quotes; a list of full paths that was wrapped
 * over several lines; the rest of a wrapped comment, which becomes a comment.
 */

enum { WRAPPED_MAX = 16 };

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool plain_value(const char *at, size_t length)
{
	return length > 0 && strspn(at, LETTERS DIGITS "_./:+-@,") >= length;
}

/* Removes blanks, and carriage returns, at both ends. */
static void trim(const char **at, size_t *length)
{
	while (*length > 0 && (blank((*at)[*length - 1]) || (*at)[*length - 1] == '\r'))
		(*length)--;
	while (*length > 0 && blank((*at)[0])) {
		(*at)++;
		(*length)--;
	}
}

/* Rewrites a line, without its line feed, in the spelling of OKV's templates. */
static void line_normalise(const char *at, size_t length, struct text *out)
{
	TEXT_AUTO straight = { 0 };

	while (length >= 3 && memcmp(at, ASSIGN_BOM, 3) == 0) {
		at += 3;
		length -= 3;
	}
	if (length > 0 && at[0] == '#') {
		text_add(out, at, length - (at[length - 1] == '\r'));
		return;
	}
	assign_straighten(at, length, &straight);
	at = text_string(&straight);
	length = straight.length;
	trim(&at, &length);
	if (length > 7 && memcmp(at, "export ", 7) == 0) {
		at += 7;
		length -= 7;
	}
	const char *equals = memchr(at, '=', length);
	if (equals == NULL) {
		text_add(out, at, length);
		return;
	}
	size_t name = (size_t)(equals - at), start = name + 1;
	while (name > 0 && blank(at[name - 1]))
		name--;
	while (start < length && blank(at[start]))
		start++;
	const char *value = at + start;
	size_t size = length - start;
	if (size >= 2 && value[0] == '\'' && value[size - 1] == '\'' && plain_value(value + 1, size - 2)) {
		value++;
		size -= 2;
	}
	text_add(out, at, name);
	text_add_string(out, plain_value(value, size) ? "=\"" : "=");
	text_add(out, value, size);
	if (plain_value(value, size))
		text_add_char(out, '"');
}

enum wanted { ANY_LINE, LIST_OF_PATHS };

/* Is it one valid line or, if `wanted` says so, a list of full paths that OKV accepts? */
static bool is_sound(const struct text *line, enum wanted wanted)
{
	struct fault ignored = { 0 };
	ASSIGN_AUTO a = { 0 };
	PRESERVED_AUTO p = { 0 };

	if (wanted == ANY_LINE && !line->failed && line->length == 0)
		return true;
	if (line->failed || assign_parse(&a, text_string(line), line->length, &ignored) < 0 || a.count != 1)
		return false;
	const struct assign_line *read = &a.lines[0];
	if (wanted == ANY_LINE)
		return read->kind != ASSIGN_FLAWED;
	if (read->kind != ASSIGN_VALUE || preserved_parse(&p, read->value, &ignored) < 0)
		return false;
	for (size_t i = 0; i < p.count; i++)
		if (preserved_judge(p.paths[i]) != PRESERVED_FLAW_NONE)
			return false;
	return p.count > 0;
}

/* Joins a value that was wrapped over several lines; returns their number, or 0. */
static size_t wrapped_join(const struct assign *a, size_t index, struct text *out)
{
	TEXT_AUTO whole = { 0 };

	for (size_t i = index; i < a->count && i < index + WRAPPED_MAX; i++) {
		const char *at = a->lines[i].bytes;
		size_t length = assign_content_length(&a->lines[i]);
		TEXT_AUTO line = { 0 };

		if (i > index && a->lines[i].kind != ASSIGN_FLAWED)
			return 0;
		trim(&at, &length);
		text_add(&whole, at, length);
		line_normalise(text_string(&whole), whole.length, &line);
		if (i > index && is_sound(&line, LIST_OF_PATHS)) {
			text_add(out, text_string(&line), line.length);
			return i - index + 1;
		}
	}
	return 0;
}

bool assign_is_prose(const char *line, size_t length)
{
	size_t words = 0;

	for (size_t i = 0; i < length; i++) {
		if (line[i] != '\0' && strchr("={};\"", line[i]) != NULL)
			return false;
		words += !blank(line[i]) && line[i] != '\n' && line[i] != '\r' && (i == 0 || blank(line[i - 1]));
	}
	trim(&line, &length);
	return words > 1 && is_any_of(line[0], LETTERS);
}

static bool is_flawed_prose(const struct assign_line *line)
{
	return line->kind == ASSIGN_FLAWED && assign_is_prose(line->bytes, line->length);
}

/* Is it the rest of a wrapped comment: words below a comment, or below what will be fixed to one? */
static bool is_wrapped_comment(const struct assign *a, size_t index)
{
	TEXT_AUTO above = { 0 };

	if (!is_flawed_prose(&a->lines[index]))
		return false;
	while (index > 0 && is_flawed_prose(&a->lines[index]))
		index--;
	line_normalise(a->lines[index].bytes, assign_content_length(&a->lines[index]), &above);
	return text_string(&above)[0] == '#';
}

size_t assign_fix_line(const struct assign *a, size_t index, struct text *out)
{
	const struct assign_line *line = &a->lines[index];
	const size_t length = assign_content_length(line);
	TEXT_AUTO fixed = { 0 };
	size_t taken = 1;

	if (line->kind != ASSIGN_FLAWED)
		return 0;
	line_normalise(line->bytes, length, &fixed);
	if (!is_sound(&fixed, ANY_LINE)) {
		text_cut(&fixed, 0);
		taken = wrapped_join(a, index, &fixed);
	}
	if (taken == 0 && is_wrapped_comment(a, index)) {
		text_cut(&fixed, 0);
		text_add_string(&fixed, "# ");
		text_add(&fixed, line->bytes, length - (line->bytes[length - 1] == '\r'));
		taken = is_sound(&fixed, ANY_LINE);
	}
	if (taken == 0 || fixed.failed)
		return 0;
	if (out != NULL) {
		text_add(out, text_string(&fixed), fixed.length);
		/* Do not add a missing last line feed. */
		if (a->lines[index + taken - 1].length > assign_content_length(&a->lines[index + taken - 1]))
			text_add_char(out, '\n');
	}
	return taken;
}

int assign_fix_file(const struct assign *a, struct text *ret_text, struct fault *f)
{
	for (size_t i = 0; i < a->count;) {
		const size_t taken = assign_fix_line(a, i, ret_text);
		if (taken == 0)
			text_add(ret_text, a->lines[i].bytes, a->lines[i].length);
		i += taken > 0 ? taken : 1;
	}
	return text_check(ret_text, f);
}

int assign_fix_script(const char *bytes, size_t length, struct text *ret_text, struct fault *f)
{
	while (length >= 3 && memcmp(bytes, ASSIGN_BOM, 3) == 0) {
		bytes += 3;
		length -= 3;
	}
	struct text_line line;

	for (size_t at = 0; text_line_next(bytes, length, &at, &line);) {
		const size_t end = line.length - (line.length > 0 && line.bytes[line.length - 1] == '\r');
		size_t start = 0;

		while (start < end && blank(line.bytes[start]))
			start++;
		if (start < end && line.bytes[start] == '#')
			text_add(ret_text, line.bytes, end);
		else
			assign_straighten(line.bytes, end, ret_text);
		if (line.ended)
			text_add_char(ret_text, '\n');
	}
	return text_check(ret_text, f);
}
