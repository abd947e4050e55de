#include "conf/chrystoki.h"

#include <stdlib.h>
#include <string.h>

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

static void line_judge(struct chrystoki *c, size_t index, struct course *course)
{
	struct chrystoki_line *line = &c->lines[index];
	size_t start = 0;

	line->flaws = bytes_flaws(line);
	line->section = course->section;
	line->name_start = line->name_length = line->value_start = line->value_length = 0;
	if (index == 0 && line->length >= BOM_LENGTH && memcmp(line->bytes, bom, BOM_LENGTH) == 0) {
		line->flaws |= CHRYSTOKI_FLAW_BOM;
		start = BOM_LENGTH;
	}
	start = blanks_skip(line->bytes, start, line->length);
	const size_t end = blanks_trim(line->bytes, start, line->length);
	const char *at = line->length > 0 ? line->bytes + start : ""; /* mending can empty a line */
	const size_t length = end - start;

	if (length == 0) {
		line->kind = CHRYSTOKI_BLANK;
		return;
	}
	if (at[0] == '#') {
		line->kind = CHRYSTOKI_COMMENT;
		return;
	}
	const bool opens = memchr(at, '{', length) != NULL;
	if (at[0] == '}' && !opens) {
		line->kind = CHRYSTOKI_CLOSE;
		if (length > 1)
			line->flaws |= CHRYSTOKI_FLAW_TRAILING;
		if (!in_section(course))
			line->flaws |= CHRYSTOKI_FLAW_STRAY_CLOSE;
		*course = (struct course){ .section = CHRYSTOKI_NO_LINE };
		return;
	}
	const char *equals = memchr(at, '=', length);
	if (opens && at[length - 1] == '{' && equals != NULL && memchr(at, '{', length - 1) == NULL &&
	    blanks_skip(at, (size_t)(equals - at) + 1, length) == length - 1) {
		line->kind = CHRYSTOKI_OPEN;
		line->name_start = start;
		line->name_length = blanks_trim(line->bytes, start, start + (size_t)(equals - at)) - start;
		if (!name_is_plain(at, line->name_length))
			line->flaws |= CHRYSTOKI_FLAW_NAME;
		if (course->section != CHRYSTOKI_NO_LINE)
			c->lines[course->section].flaws |= CHRYSTOKI_FLAW_NOT_CLOSED;
		line->section = (ptrdiff_t)index;
		*course = (struct course){ .section = (ptrdiff_t)index };
		return;
	}
	if (opens || memchr(at, '}', length) != NULL)
		braces_judge(line, start, end, course);
	else
		entry_judge(line, start, end, course);
}

void chrystoki_judge(struct chrystoki *c)
{
	struct course course = { .section = CHRYSTOKI_NO_LINE };

	for (size_t i = 0; i < c->count; i++)
		line_judge(c, i, &course);
	if (course.section != CHRYSTOKI_NO_LINE)
		c->lines[course.section].flaws |= CHRYSTOKI_FLAW_NOT_CLOSED;
}

static void line_free(struct chrystoki_line *line)
{
	if (line->bytes != NULL)
		text_wipe(line->bytes, line->length);
	free(line->bytes);
}

void chrystoki_done(struct chrystoki *c)
{
	for (size_t i = 0; i < c->count; i++)
		line_free(&c->lines[i]);
	free(c->lines);
	*c = (struct chrystoki)CHRYSTOKI_INIT;
}

int chrystoki_line_insert(struct chrystoki *c, size_t index, const char *bytes, size_t length, struct fault *f)
{
	/* Grown by doubling, at each power of two; dropping lines never shrinks. */
	if ((c->count & (c->count - 1)) == 0) {
		struct chrystoki_line *grown = realloc(c->lines, (c->count > 0 ? c->count * 2 : 1) * sizeof(*grown));
		if (grown == NULL)
			return fault_memory(f);
		c->lines = grown;
	}
	struct chrystoki_line line = { .bytes = malloc(length + 1), .length = length };
	if (line.bytes == NULL)
		return fault_memory(f);
	memcpy(line.bytes, bytes, length);
	line.bytes[length] = '\0';
	memmove(c->lines + index + 1, c->lines + index, (c->count - index) * sizeof(*c->lines));
	c->lines[index] = line;
	c->count++;
	return 0;
}

void chrystoki_line_drop(struct chrystoki *c, size_t index)
{
	line_free(&c->lines[index]);
	memmove(c->lines + index, c->lines + index + 1, (--c->count - index) * sizeof(*c->lines));
}

int chrystoki_parse(struct chrystoki *ret_chrystoki, const char *bytes, size_t length, struct fault *f)
{
	CHRYSTOKI_AUTO c = CHRYSTOKI_INIT;

	while (length > 0) {
		const char *feed = memchr(bytes, '\n', length);
		const size_t step = feed != NULL ? (size_t)(feed - bytes) + 1 : length;
		if (chrystoki_line_insert(&c, c.count, bytes, step, f) < 0)
			return -1;
		bytes += step;
		length -= step;
	}
	chrystoki_judge(&c);
	*ret_chrystoki = c;
	c = (struct chrystoki)CHRYSTOKI_INIT;
	return 0;
}

void chrystoki_print(const struct chrystoki *c, struct text *out)
{
	for (size_t i = 0; i < c->count; i++)
		text_add(out, c->lines[i].bytes, c->lines[i].length);
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
	for (unsigned flaw = 1; flaw <= CHRYSTOKI_FLAW_LAST; flaw <<= 1) {
		if ((flaws & flaw) == 0)
			continue;
		switch ((enum chrystoki_flaw)flaw) {
		case CHRYSTOKI_FLAW_TAB:
			return "there is a TAB, and the vendor allows blanks only";
		case CHRYSTOKI_FLAW_CARRIAGE_RETURN:
			return "the line holds a carriage return (CR LF instead of LF)";
		case CHRYSTOKI_FLAW_BOM:
			return "the file begins with a byte order mark";
		case CHRYSTOKI_FLAW_NOT_ASCII:
			return "there are characters that are no ASCII";
		case CHRYSTOKI_FLAW_CONTROL:
			return "there is a control character in the line";
		case CHRYSTOKI_FLAW_NO_SEMICOLON:
			return "the ';' behind the value is missing";
		case CHRYSTOKI_FLAW_TRAILING:
			return "something follows where the line should end";
		case CHRYSTOKI_FLAW_NAME:
			return "the name holds characters that no section or key has";
		case CHRYSTOKI_FLAW_OUTSIDE:
			return "the entry stands outside every section";
		case CHRYSTOKI_FLAW_STRAY_CLOSE:
			return "the '}' closes nothing";
		case CHRYSTOKI_FLAW_NOT_CLOSED:
			return "the section is not closed by a '}'";
		case CHRYSTOKI_FLAW_BRACE:
			return "a brace stands where none is expected";
		case CHRYSTOKI_FLAW_UNREADABLE:
			return "the line is no section, entry or comment";
		case CHRYSTOKI_FLAW_QUOTES:
			return "the value stands in quotes";
		}
	}
	return "nothing is wrong with it";
}
