#include "conf/chrystoki.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static const char bom[] = "\xef\xbb\xbf";
enum { BOM_LENGTH = 3 };

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t blanks_skip(const char *bytes, size_t at, size_t end)
{
	while (at < end && blank(bytes[at]))
		at++;
	return at;
}

static size_t blanks_trim(const char *bytes, size_t start, size_t end)
{
	while (end > start && blank(bytes[end - 1]))
		end--;
	return end;
}

static bool name_is_plain(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const char c = name[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-' || c == '.' || c == ' '))
			return false;
	}
	return length > 0;
}

static unsigned bytes_flaws(const struct chrystoki_line *line)
{
	unsigned flaws = 0;

	for (size_t i = 0; i < line->length; i++) {
		const unsigned char c = (unsigned char)line->bytes[i];
		if (c == '\t')
			flaws |= CHRYSTOKI_FLAW_TAB;
		else if (c == '\r')
			flaws |= CHRYSTOKI_FLAW_CARRIAGE_RETURN;
		else if (c >= 0x80)
			flaws |= CHRYSTOKI_FLAW_NOT_ASCII;
		else if ((c < 0x20 && c != '\n') || c == 0x7f)
			flaws |= CHRYSTOKI_FLAW_CONTROL;
	}
	return flaws;
}

/* What the lines above leave open. */
struct course {
	ptrdiff_t section; /* OPEN line of the section we are in */
	bool nameless;     /* inside braces that we cannot give a name */
};

static bool in_section(const struct course *course)
{
	return course->section != CHRYSTOKI_NO_LINE || course->nameless;
}

/* A line with braces that is neither "Name = {" nor "}": the braces still count, unless they close each other. */
static void braces_judge(struct chrystoki_line *line, size_t start, size_t end, struct course *course)
{
	size_t open = 0;
	bool closed = false;

	line->kind = CHRYSTOKI_UNKNOWN;
	line->flaws |= CHRYSTOKI_FLAW_BRACE;
	for (size_t i = start; i < end; i++) {
		if (line->bytes[i] == '{')
			open++;
		else if (line->bytes[i] == '}' && open > 0)
			open--;
		else if (line->bytes[i] == '}')
			closed = true;
	}
	if (open > 0)
		*course = (struct course){ .section = CHRYSTOKI_NO_LINE, .nameless = true };
	else if (closed)
		*course = (struct course){ .section = CHRYSTOKI_NO_LINE };
}

static void entry_judge(struct chrystoki_line *line, size_t start, size_t end, const struct course *course)
{
	const char *bytes = line->bytes;
	const char *equals = memchr(bytes + start, '=', end - start);

	if (equals == NULL) {
		line->kind = CHRYSTOKI_UNKNOWN;
		line->flaws |= CHRYSTOKI_FLAW_UNREADABLE;
		return;
	}
	const size_t middle = (size_t)(equals - bytes);
	const char *semicolon = memchr(equals, ';', end - middle);
	const size_t stop = semicolon != NULL ? (size_t)(semicolon - bytes) : end;

	line->kind = CHRYSTOKI_ENTRY;
	line->name_start = start;
	line->name_length = blanks_trim(bytes, start, middle) - start;
	line->value_start = blanks_skip(bytes, middle + 1, stop);
	line->value_length = blanks_trim(bytes, line->value_start, stop) - line->value_start;
	if (semicolon == NULL)
		line->flaws |= CHRYSTOKI_FLAW_NO_SEMICOLON;
	else if (stop + 1 < end)
		line->flaws |= CHRYSTOKI_FLAW_TRAILING;
	if (!name_is_plain(bytes + line->name_start, line->name_length))
		line->flaws |= CHRYSTOKI_FLAW_NAME;
	if (!in_section(course))
		line->flaws |= CHRYSTOKI_FLAW_OUTSIDE;
	const char first = line->value_length > 0 ? bytes[line->value_start] : 0;
	if (first == '"' || first == '\'')
		line->flaws |= CHRYSTOKI_FLAW_QUOTES;
}

/* "Section = {", and nothing but that. */
static bool opens_section(const char *at, size_t length, size_t *ret_equals)
{
	const char *equals = memchr(at, '=', length);

	if (equals == NULL || at[length - 1] != '{' || memchr(at, '{', length - 1) != NULL)
		return false;
	*ret_equals = (size_t)(equals - at);
	return blanks_skip(at, *ret_equals + 1, length) == length - 1;
}

static void line_judge(struct chrystoki *c, size_t index, struct course *course)
{
	struct chrystoki_line *line = &c->lines[index];
	size_t start = 0, equals;

	line->flaws = bytes_flaws(line);
	line->section = course->section;
	if (index == 0 && line->length >= BOM_LENGTH && memcmp(line->bytes, bom, BOM_LENGTH) == 0) {
		line->flaws |= CHRYSTOKI_FLAW_BOM;
		start = BOM_LENGTH;
	}
	start = blanks_skip(line->bytes, start, line->length);
	const size_t end = blanks_trim(line->bytes, start, line->length), length = end - start;
	const char *at = line->bytes + start;

	if (length == 0) {
		line->kind = CHRYSTOKI_BLANK;
	} else if (at[0] == '#') {
		line->kind = CHRYSTOKI_COMMENT;
	} else if (at[0] == '}' && memchr(at, '{', length) == NULL) {
		line->kind = CHRYSTOKI_CLOSE;
		line->flaws |= (length > 1 ? CHRYSTOKI_FLAW_TRAILING : 0u) |
			       (in_section(course) ? 0u : CHRYSTOKI_FLAW_STRAY_CLOSE);
		*course = (struct course){ .section = CHRYSTOKI_NO_LINE };
	} else if (opens_section(at, length, &equals)) {
		line->kind = CHRYSTOKI_OPEN;
		line->name_start = start;
		line->name_length = blanks_trim(line->bytes, start, start + equals) - start;
		if (!name_is_plain(at, line->name_length))
			line->flaws |= CHRYSTOKI_FLAW_NAME;
		if (course->section != CHRYSTOKI_NO_LINE)
			c->lines[course->section].flaws |= CHRYSTOKI_FLAW_NOT_CLOSED;
		line->section = (ptrdiff_t)index;
		*course = (struct course){ .section = (ptrdiff_t)index };
	} else if (memchr(at, '{', length) != NULL || memchr(at, '}', length) != NULL) {
		braces_judge(line, start, end, course);
	} else {
		entry_judge(line, start, end, course);
	}
}

void chrystoki_done(struct chrystoki *c)
{
	text_done_secret(&c->file);
	free(c->lines);
	*c = (struct chrystoki){ 0 };
}

int chrystoki_parse(struct chrystoki *ret_chrystoki, const char *bytes, size_t length, struct fault *f)
{
	CHRYSTOKI_AUTO c = { 0 };
	struct course course = { .section = CHRYSTOKI_NO_LINE };
	struct text_line line;

	text_add(&c.file, bytes, length);
	if (text_check(&c.file, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(c.file.bytes, c.file.length, &at, &line); c.count++) {
		if (!ARRAY_GROW(c.lines, c.count))
			return fault_memory(f);
		c.lines[c.count] = (struct chrystoki_line){ .bytes = line.bytes, .length = line.length + line.ended };
		line_judge(&c, c.count, &course);
	}
	if (course.section != CHRYSTOKI_NO_LINE)
		c.lines[course.section].flaws |= CHRYSTOKI_FLAW_NOT_CLOSED;
	*ret_chrystoki = c;
	c = (struct chrystoki){ 0 };
	return 0;
}

void chrystoki_print(const struct chrystoki *c, struct text *out)
{
	text_add(out, text_string(&c->file), c->file.length);
}

static bool named(const struct chrystoki_line *line, const char *name)
{
	return text_equal(line->bytes + line->name_start, line->name_length, name);
}

size_t chrystoki_sections(const struct chrystoki *c, const char *section, ptrdiff_t *ret_first)
{
	size_t count = 0;

	*ret_first = CHRYSTOKI_NO_LINE;
	for (size_t i = 0; i < c->count; i++)
		if (c->lines[i].kind == CHRYSTOKI_OPEN && named(&c->lines[i], section) && count++ == 0)
			*ret_first = (ptrdiff_t)i;
	return count;
}

size_t chrystoki_entries(const struct chrystoki *c, const char *section, const char *key, ptrdiff_t *ret_first)
{
	size_t count = 0;

	*ret_first = CHRYSTOKI_NO_LINE;
	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		if (line->kind == CHRYSTOKI_ENTRY && line->section != CHRYSTOKI_NO_LINE && named(line, key) &&
		    named(&c->lines[line->section], section) && count++ == 0)
			*ret_first = (ptrdiff_t)i;
	}
	return count;
}

struct chrystoki_value chrystoki_value_at(const struct chrystoki *c, ptrdiff_t line)
{
	if (line == CHRYSTOKI_NO_LINE)
		return (struct chrystoki_value){ .bytes = NULL };
	return (struct chrystoki_value){ c->lines[line].bytes + c->lines[line].value_start,
					 c->lines[line].value_length };
}

bool chrystoki_value_is(const struct chrystoki_value *value, const char *string)
{
	return value->bytes != NULL && text_equal(value->bytes, value->length, string);
}

int chrystoki_get(const struct chrystoki *c, const char *section, const char *key, char **ret_value, struct fault *f)
{
	ptrdiff_t at;

	if (chrystoki_entries(c, section, key, &at) == 0) {
		*ret_value = NULL;
		return 0;
	}
	char *value = strndup(c->lines[at].bytes + c->lines[at].value_start, c->lines[at].value_length);
	if (value == NULL)
		return fault_memory(f);
	*ret_value = value;
	return 0;
}

bool chrystoki_is_secret(const char *key)
{
	return strcmp(key, "AuthTokenClientSecret") == 0;
}

const char *chrystoki_flaw_text(unsigned flaws)
{
	/* In the order of the bits. */
	static const char *const texts[] = {
		"there is a TAB, and the vendor allows blanks only",
		"the line holds a carriage return (CR LF instead of LF)",
		"the file begins with a byte order mark",
		"there are characters that are no ASCII",
		"there is a control character in the line",
		"the ';' behind the value is missing",
		"something follows where the line should end",
		"the name holds characters that no section or key has",
		"the entry stands outside every section",
		"the '}' closes nothing",
		"the section is not closed by a '}'",
		"a brace stands where none is expected",
		"the line is no section, entry or comment",
		"the value stands in quotes",
	};

	return flaws == 0 ? "nothing is wrong with it" : texts[__builtin_ctz(flaws)];
}

_Static_assert(CHRYSTOKI_FLAW_LAST == 1 << 13, "each flaw has a text");
