#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/chrystoki.h"
#include "conf/assign.h"

enum { INDENT = 3 };

static int value_check(const char *value, struct fault *f)
{
	const size_t length = strlen(value);

	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)value[i];
		if (c == ';' || c == '{' || c == '}')
			return fault_refused(f, "a value may not contain '%c'", c);
		if (c < 0x20 || c >= 0x7f)
			return fault_refused(f, "a value may contain printable ASCII only, no TAB and no line feed");
		if (c == '#' && (i == 0 || value[i - 1] == ' '))
			return fault_refused(f, "a '#' at the start of a word could be read as a comment");
	}
	if (length > 0 && (value[0] == ' ' || value[length - 1] == ' '))
		return fault_refused(f, "a value cannot begin or end with a blank");
	return 0;
}

static int name_check(const char *what, const char *name, struct fault *f)
{
	const size_t length = strlen(name);

	if (!chrystoki_name_is_plain(name, length) || name[0] == ' ' || name[length - 1] == ' ')
		return fault_refused(f, "'%s' is not a valid name of a %s", SHOWN(name), what);
	return 0;
}

/* Finds the only section of that name, or CHRYSTOKI_NO_LINE.  Every edit calls it, so it refuses other files, too. */
static int section_only(const struct chrystoki *c, const char *section, ptrdiff_t *ret_line, struct fault *f)
{
	const size_t count = chrystoki_sections(c, section, ret_line);
	const char *form = chrystoki_form_fault(c);

	if (form != NULL)
		return fault_refused(f, "%s; use the Linux client's Chrystoki.conf", form);
	if (count > 1)
		return fault_refused(f,
				     "section '%s' is there %zu times (first on line %td), and it is not known which "
				     "one the library reads; keep one of them",
				     SHOWN(section), count, *ret_line + 1);
	return 0;
}

static bool ends_in_feed(const struct chrystoki_line *line)
{
	return line->length > 0 && line->bytes[line->length - 1] == '\n';
}

/* The line ending to use, taken from the given line. */
static const char *ending_of(const struct chrystoki_line *line)
{
	return line->length >= 2 && memcmp(line->bytes + line->length - 2, "\r\n", 2) == 0 ? "\r\n" : "\n";
}

/* Replaces `count` lines by `text`, and parses the file again.  Adds a missing line feed before `text`. */
static int lines_replace(struct chrystoki *c, size_t first, size_t count, const struct text *text, struct fault *f)
{
	TEXT_SECRET_AUTO file = { 0 };
	struct chrystoki edited;

	(void)text_reserve(&file, c->file.length + text->length + 1);
	for (size_t i = 0; i < first; i++)
		text_add(&file, c->lines[i].bytes, c->lines[i].length);
	if (first > 0 && text->length > 0 && !ends_in_feed(&c->lines[first - 1]))
		text_add_char(&file, '\n');
	text_add(&file, text_string(text), text->length);
	for (size_t i = first + count; i < c->count; i++)
		text_add(&file, c->lines[i].bytes, c->lines[i].length);
	if (text_check(text, f) < 0 || text_check(&file, f) < 0 ||
	    chrystoki_parse(&edited, text_string(&file), file.length, f) < 0)
		return -1;
	chrystoki_done(c);
	*c = edited;
	return 0;
}

/* Adds an entry's line with another value; what is before the value stays, except TABs. */
static void entry_write(const struct chrystoki_line *line, const char *value, struct text *out)
{
	const char *equals = memchr(line->bytes + line->name_start + line->name_length, '=',
				    line->length - line->name_start - line->name_length);
	const size_t after = (size_t)(equals - line->bytes) + 1;
	/* An empty value has no start; the vendor writes one blank before it. */
	const size_t head = line->value_length > 0 ? line->value_start : after;

	for (size_t i = 0; i < head; i++)
		text_add_char(out, line->bytes[i] == '\t' ? ' ' : line->bytes[i]);
	if (line->value_length == 0)
		text_add_char(out, ' ');
	text_add_string(out, value);
	text_add_char(out, ';');
	/* What follows the ';' stays. */
	size_t tail = line->value_start + line->value_length;
	while (tail < line->length && line->bytes[tail] != ';' &&
	       (line->bytes[tail] == ' ' || line->bytes[tail] == '\t'))
		tail++;
	if (tail < line->length && line->bytes[tail] == ';')
		tail++;
	for (; tail < line->length; tail++)
		text_add_char(out, line->bytes[tail] == '\t' ? ' ' : line->bytes[tail]);
}

/* Where to add an entry: after the section's last entry or comment, but before a brace that may end the section. */
static size_t section_end(const struct chrystoki *c, size_t open)
{
	size_t last = open;

	for (size_t i = open + 1; i < c->count && c->lines[i].section == (ptrdiff_t)open; i++) {
		if ((c->lines[i].flaws & CHRYSTOKI_FLAW_BRACE) != 0)
			break;
		if (c->lines[i].kind != CHRYSTOKI_CLOSE && c->lines[i].kind != CHRYSTOKI_BLANK)
			last = i;
	}
	return last + 1;
}

static int entry_add(struct chrystoki *c, size_t open, const char *key, const char *value, struct fault *f)
{
	const size_t at = section_end(c, open);
	TEXT_AUTO line = { 0 };
	size_t indent = INDENT;

	/* Indent like the entry before; a TAB counts as one blank. */
	for (size_t i = at - 1; i > open; i--) {
		if (c->lines[i].kind == CHRYSTOKI_ENTRY) {
			indent = c->lines[i].name_start;
			break;
		}
	}
	text_add_format(&line, "%*s%s = %s;%s", (int)(indent < 40 ? indent : INDENT), "", key, value,
			ending_of(&c->lines[open]));
	return lines_replace(c, at, 0, &line, f);
}

/* Adds a section at the end of the file; *ret_open is its line. */
static int section_add(struct chrystoki *c, const char *section, size_t *ret_open, struct fault *f)
{
	for (size_t i = 0; i < c->count; i++)
		if ((c->lines[i].flaws & CHRYSTOKI_FLAW_NOT_CLOSED) != 0)
			return fault_refused(f,
					     "the section on line %zu is not closed, so no other can be added; "
					     "'okv-luna config check "
					     "--fix' adds a '}' at the end of the file",
					     i + 1);
	const char *ending = c->count > 0 ? ending_of(&c->lines[0]) : "\n";
	const bool apart = c->count > 0 && c->lines[c->count - 1].kind != CHRYSTOKI_BLANK;
	const size_t open = c->count + apart;
	TEXT_AUTO text = { 0 };

	text_add_format(&text, "%s%s = {%s}%s", apart ? ending : "", section, ending, ending);
	if (lines_replace(c, c->count, 0, &text, f) < 0)
		return -1;
	*ret_open = open;
	return 0;
}

/* Does an unreadable line begin with that name, whatever is before it? */
static bool begins_with(const struct chrystoki_line *line, const char *name)
{
	const size_t length = strlen(name);
	size_t start = 0;

	while (start < line->length && !chrystoki_name_is_plain(line->bytes + start, 1))
		start++;
	start += strspn(line->bytes + start, " ");
	return line->length > start + length && strncasecmp(line->bytes + start, name, length) == 0 &&
	       (line->bytes[start + length] == ' ' || !chrystoki_name_is_plain(line->bytes + start + length, 1));
}

/* Refuses if another line seems to be meant for this section or entry: it is not known which one would count. */
static int similar_check(const struct chrystoki *c, ptrdiff_t open, const char *section, const char *key,
			 struct fault *f)
{
	const size_t length = strlen(key);

	for (size_t i = 0; i < c->count; i++) {
		const struct chrystoki_line *line = &c->lines[i];
		const bool here = open != CHRYSTOKI_NO_LINE && line->section == open;
		const bool unknown = line->kind == CHRYSTOKI_UNKNOWN && (here || open == CHRYSTOKI_NO_LINE);

		if (line->kind == CHRYSTOKI_OPEN && open == CHRYSTOKI_NO_LINE && line->name_length == strlen(section) &&
		    strncasecmp(line->bytes + line->name_start, section, line->name_length) == 0)
			return fault_refused(f,
					     "line %zu begins section '%s' in different letter case; correct it first",
					     i + 1, SHOWN(section));
		/* "LunaSA Client =" with its '{' on the next line looks like an entry outside any section. */
		const bool outside = line->kind == CHRYSTOKI_ENTRY && line->section == CHRYSTOKI_NO_LINE;
		if (open == CHRYSTOKI_NO_LINE && (unknown || outside) && begins_with(line, section))
			return fault_refused(f,
					     "line %zu seems to begin section '%s', but cannot be read; correct it "
					     "first",
					     i + 1, SHOWN(section));
		if ((line->kind == CHRYSTOKI_ENTRY && here && line->name_length == length &&
		     strncasecmp(line->bytes + line->name_start, key, length) == 0) ||
		    (unknown && begins_with(line, key)))
			return fault_refused(f, "line %zu seems to set '%s', but cannot be read; correct it first",
					     i + 1, SHOWN(key));
	}
	return 0;
}

int chrystoki_set(struct chrystoki *c, const char *section, const char *key, const char *value, struct fault *f)
{
	ptrdiff_t open, at;

	if (name_check("section", section, f) < 0 || name_check("key", key, f) < 0)
		return -1;
	if (value_check(value, f) < 0)
		return fault_prefix(f, "%s of '%s': ", SHOWN(key), SHOWN(section));
	if (section_only(c, section, &open, f) < 0)
		return -1;
	const size_t count = chrystoki_entries(c, section, key, &at);
	if (count > 1)
		return fault_refused(f,
				     "'%s' is there %zu times in section '%s' (first on line %td), and it is not known "
				     "which one the library reads; 'chrystoki unset' removes them",
				     SHOWN(key), count, SHOWN(section), at + 1);
	if (count == 1) {
		const struct chrystoki_line *line = &c->lines[at];
		TEXT_AUTO text = { 0 };

		if (text_equal(line->bytes + line->value_start, line->value_length, value))
			return 0;
		entry_write(line, value, &text);
		return lines_replace(c, (size_t)at, 1, &text, f);
	}
	size_t begin = (size_t)open;
	if (similar_check(c, open, section, key, f) < 0 ||
	    (open == CHRYSTOKI_NO_LINE && section_add(c, section, &begin, f) < 0))
		return -1;
	return entry_add(c, begin, key, value, f);
}

int chrystoki_unset(struct chrystoki *c, const char *section, const char *key, struct fault *f)
{
	const struct text nothing = { 0 };
	ptrdiff_t at;

	if (section_only(c, section, &at, f) < 0)
		return -1;
	while (chrystoki_entries(c, section, key, &at) > 0)
		if (lines_replace(c, (size_t)at, 1, &nothing, f) < 0)
			return -1;
	return 0;
}

int chrystoki_remove(struct chrystoki *c, const char *section, struct fault *f)
{
	ptrdiff_t open;

	if (section_only(c, section, &open, f) < 0)
		return -1;
	if (open == CHRYSTOKI_NO_LINE)
		return 0;
	size_t begin = (size_t)open, end = begin + 1;
	while (end < c->count && c->lines[end].section == open && c->lines[end - 1].kind != CHRYSTOKI_CLOSE)
		end++;
	/* Remove the blank line before the section, unless it also separates the next one. */
	if (begin > 0 && c->lines[begin - 1].kind == CHRYSTOKI_BLANK &&
	    (end == c->count || c->lines[end].kind == CHRYSTOKI_BLANK))
		begin--;
	const struct text nothing = { 0 };
	return lines_replace(c, begin, end - begin, &nothing, f);
}

/* Adds the name in the vendor's spelling, with its number. */
static void name_fix(const struct chrystoki_line *line, struct text *out)
{
	const char *known = chrystoki_spelling(line);
	const size_t length = known != NULL ? strlen(known) : 0;

	text_add(out, known, length);
	text_add(out, line->bytes + line->name_start + length, line->name_length - length);
}

/* Copies one entry. */
static int line_merge(struct chrystoki *c, const struct chrystoki *from, size_t index, const char *section,
		      struct fault *f)
{
	const struct chrystoki_line *line = &from->lines[index];
	TEXT_AUTO key = { 0 };
	ptrdiff_t first;

	if (line->kind == CHRYSTOKI_UNKNOWN || (line->flaws & CHRYSTOKI_FLAW_CONTROL) != 0)
		return fault_refused(f, "the file to merge from, line %zu: %s", index + 1,
				     chrystoki_flaw_text(line->flaws));
	name_fix(line, &key);
	if (text_check(&key, f) < 0)
		return -1;
	if (chrystoki_entries(from, section, text_string(&key), &first) > 1)
		return fault_refused(f, "the file to merge from has '%s' more than once in section '%s'",
				     SHOWN(text_string(&key)), SHOWN(section));
	return chrystoki_set(c, section, text_string(&key), line->value, f);
}

int chrystoki_merge(struct chrystoki *c, const struct chrystoki *from, const char *section, struct fault *f)
{
	ptrdiff_t source, target;
	size_t begin;

	if (section_only(from, section, &source, f) < 0)
		return fault_prefix(f, "the file to merge from: ");
	if (source == CHRYSTOKI_NO_LINE)
		return fault_absent(f, "the file to merge from has no section '%s'", SHOWN(section));
	if (name_check("section", section, f) < 0 || section_only(c, section, &target, f) < 0)
		return -1;
	if (target == CHRYSTOKI_NO_LINE && section_add(c, section, &begin, f) < 0)
		return -1;
	for (size_t i = 0; i < from->count; i++) {
		const struct chrystoki_line *line = &from->lines[i];

		if (line->section != source || (line->kind != CHRYSTOKI_ENTRY && line->kind != CHRYSTOKI_UNKNOWN))
			continue;
		if (line_merge(c, from, i, section, f) < 0)
			return -1;
	}
	return 0;
}

/* Only inside a section and after a value without '#' is it clear where the ';' belongs; "Name =" may await a '{'. */
static bool semicolon_can_be_added(const struct chrystoki_line *line)
{
	return (line->flaws & CHRYSTOKI_FLAW_NO_SEMICOLON) != 0 && (line->flaws & CHRYSTOKI_FLAW_OUTSIDE) == 0 &&
	       line->value_length > 0 && memchr(line->bytes + line->value_start, '#', line->value_length) == NULL;
}

/* Is it the rest of a comment that was wrapped in print: words, below a comment? */
static bool is_wrapped_comment(const struct chrystoki *c, size_t index)
{
	const struct chrystoki_line *line = &c->lines[index];

	while (index > 0 && (c->lines[index].flaws & CHRYSTOKI_FLAW_UNREADABLE) != 0)
		index--;
	return line->kind == CHRYSTOKI_UNKNOWN && c->lines[index].kind == CHRYSTOKI_COMMENT &&
	       assign_is_prose(line->bytes, line->length);
}

bool chrystoki_is_fixable(const struct chrystoki *c, size_t index, unsigned flaw)
{
	const struct chrystoki_line *line = &c->lines[index];
	size_t start, close;

	switch (flaw) {
	case CHRYSTOKI_FLAW_TAB:
	case CHRYSTOKI_FLAW_SPACE:
	case CHRYSTOKI_FLAW_BOM:
	case CHRYSTOKI_FLAW_HEADER:
	case CHRYSTOKI_FLAW_CASE:
		return true;
	case CHRYSTOKI_FLAW_CARRIAGE_RETURN: {
		size_t end = line->length - ends_in_feed(line);
		while (end > 0 && line->bytes[end - 1] == '\r')
			end--;
		return memchr(line->bytes, '\r', end) == NULL;
	}
	case CHRYSTOKI_FLAW_NO_SEMICOLON:
		return semicolon_can_be_added(line);
	case CHRYSTOKI_FLAW_QUOTES:
		return (line->flaws & flaw) != 0 && chrystoki_unquote(line, &start, &close);
	case CHRYSTOKI_FLAW_UNREADABLE:
		return is_wrapped_comment(c, index);
	case CHRYSTOKI_FLAW_NAME:
		/* header_read has dropped the brackets. */
		return line->kind == CHRYSTOKI_OPEN &&
		       chrystoki_name_is_plain(line->bytes + line->name_start, line->name_length);
	case CHRYSTOKI_FLAW_NOT_CLOSED:
		/* Only for the last section: if another one follows, it is not clear where the '}' belongs. */
		return c->lines[c->count - 1].section == (ptrdiff_t)index;
	default:
		return false;
	}
}
/* Adds the fixed line. */
static void line_fix(const struct chrystoki *c, size_t index, struct text *out)
{
	const struct chrystoki_line *line = &c->lines[index];
	const bool due = semicolon_can_be_added(line), feed = ends_in_feed(line);
	const size_t value_end = line->value_start + line->value_length;
	size_t start = 0, end = line->length - feed, value = 0, close = 0;
	const bool bare = line->kind == CHRYSTOKI_ENTRY && chrystoki_unquote(line, &value, &close);

	while (end > 0 && line->bytes[end - 1] == '\r')
		end--;
	while ((line->flaws & CHRYSTOKI_FLAW_BOM) != 0 && end - start >= 3 &&
	       memcmp(line->bytes + start, "\xef\xbb\xbf", 3) == 0)
		start += 3;
	if (is_wrapped_comment(c, index))
		text_add_string(out, "# ");
	if (line->kind == CHRYSTOKI_OPEN && ((line->flaws & CHRYSTOKI_FLAW_HEADER) != 0 ||
					     chrystoki_is_fixable(c, index, line->flaws & CHRYSTOKI_FLAW_NAME))) {
		name_fix(line, out);
		text_add_string(out, " = {");
		start = end;
	}
	for (size_t i = start; i < end; i++) {
		char plain = line->bytes[i] == '\t' ? ' ' : line->bytes[i];
		size_t print = text_print_length(line->bytes + i, end - i, &plain);

		/* The end of the value; blanks after it go after the ';'. */
		if (due && i == value_end)
			text_add_char(out, ';');
		if (bare && ((i >= line->value_start && i < value) || (i >= close && i < value_end)))
			continue;
		if ((line->flaws & CHRYSTOKI_FLAW_CASE) != 0 && i == line->name_start) {
			name_fix(line, out);
			i += line->name_length - 1;
			continue;
		}
		/* Keep typographic quotes: it is not known whether the library would remove plain ones. */
		if (print > 0 && text_is_quote(plain))
			text_add(out, line->bytes + i, print);
		else if (print == 0 || plain != '\0')
			text_add_char(out, plain);
		i += print > 0 ? print - 1 : 0;
	}
	if (due && value_end >= end)
		text_add_char(out, ';');
	if (feed)
		text_add_char(out, '\n');
}

/* For a section that "[Name]" began and no '}' ends: the number of lines before the missing '}'; else 0. */
static size_t bare_end(const struct chrystoki *c, size_t open)
{
	size_t at = open + 1;

	if (c->lines[open].kind != CHRYSTOKI_OPEN || !c->lines[open].bare)
		return 0;
	while (at < c->count && c->lines[at].section == (ptrdiff_t)open && c->lines[at].kind != CHRYSTOKI_CLOSE)
		at++;
	return at < c->count && c->lines[at].kind == CHRYSTOKI_CLOSE ? 0 : section_end(c, open);
}

static int fix_once(struct chrystoki *c, struct fault *f)
{
	TEXT_SECRET_AUTO fixed = { 0 };
	ptrdiff_t open = CHRYSTOKI_NO_LINE;
	size_t close = 0;

	if (chrystoki_form_fault(c) != NULL)
		return 0;
	/* At most a ';', a "# " or a " = {" for each line, and a line with '}'. */
	(void)text_reserve(&fixed, c->file.length + 8 * c->count);
	for (size_t i = 0; i < c->count; i++) {
		line_fix(c, i, &fixed);
		close = bare_end(c, i) > 0 ? bare_end(c, i) : close;
		if (close == i + 1)
			text_add_string(&fixed, ends_in_feed(&c->lines[i]) ? "}\n" : "\n}\n");
	}
	if (lines_replace(c, 0, c->count, &fixed, f) < 0)
		return -1;

	for (size_t i = 0; i < c->count; i++)
		if ((c->lines[i].flaws & CHRYSTOKI_FLAW_NOT_CLOSED) != 0)
			open = (ptrdiff_t)i;
	if (open != CHRYSTOKI_NO_LINE && c->lines[c->count - 1].section == open) {
		TEXT_AUTO text = { 0 };
		text_add_string(&text, "}\n");
		return lines_replace(c, section_end(c, (size_t)open), 0, &text, f);
	}
	return 0;
}

/* In rounds: once its TABs are blanks, a line may turn out to be a header without a brace. */
int chrystoki_fix(struct chrystoki *c, struct fault *f)
{
	enum { ROUNDS = 8 };

	for (unsigned round = 0; round < ROUNDS; round++) {
		TEXT_SECRET_AUTO before = { 0 };
		text_add(&before, c->file.bytes, c->file.length);
		if (text_check(&before, f) < 0 || fix_once(c, f) < 0)
			return -1;
		if (text_same(&before, &c->file))
			break;
	}
	return 0;
}

int chrystoki_split_partition(struct chrystoki *c, struct fault *f)
{
	char host[256], port[8];
	size_t line;
	const char *data = chrystoki_value(c, "REST", "PartitionData00", &line);

	if (data == NULL || chrystoki_value(c, "REST", "ServerName", &line) != NULL ||
	    sscanf(data, "%*[^, ] , %255[^, ] , %7[0-9]", host, port) != 2)
		return 0;
	return chrystoki_unset(c, "REST", "PartitionData00", f) < 0 ||
			       chrystoki_set(c, "REST", "ServerName", host, f) < 0 ||
			       chrystoki_set(c, "REST", "ServerPort", port, f) < 0
		       ? -1
		       : 0;
}
