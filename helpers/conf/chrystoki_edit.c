#include <stdlib.h>
#include <string.h>

#include "conf/chrystoki.h"

enum { INDENT = 3 };

int chrystoki_value_check(const char *value, struct fault *f)
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

	if (length == 0 || name[0] == ' ' || name[length - 1] == ' ' ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-. ") != length)
		return fault_refused(f, "'%s' is no name of a %s", SHOWN(name), what);
	return 0;
}

/* The only section of that name, or CHRYSTOKI_NO_LINE. */
static int section_only(const struct chrystoki *c, const char *section, ptrdiff_t *ret_line, struct fault *f)
{
	const size_t count = chrystoki_sections(c, section, ret_line);

	if (count > 1)
		return fault_refused(
			f,
			"section '%s' stands %zu times (first on line %td), and which one the library reads is not "
			"known; leave one of them",
			SHOWN(section), count, *ret_line + 1);
	return 0;
}

static bool ends_in_feed(const struct chrystoki_line *line)
{
	return line->length > 0 && line->bytes[line->length - 1] == '\n';
}

/* What lines of this file end in: as the given line does. */
static const char *ending_of(const struct chrystoki_line *line)
{
	return line->length >= 2 && memcmp(line->bytes + line->length - 2, "\r\n", 2) == 0 ? "\r\n" : "\n";
}

/* Puts `text` in place of a line's bytes. */
static int line_replace(struct chrystoki *c, size_t index, struct text *text, struct fault *f)
{
	if (text_check(text, f) < 0)
		return -1;
	struct chrystoki_line *line = &c->lines[index];
	text_wipe(line->bytes, line->length);
	free(line->bytes);
	line->length = text->length;
	line->bytes = text_take(text);
	return 0;
}

/* A new line `index`; the one before it gets the line feed that it may lack. */
static int line_add(struct chrystoki *c, size_t index, const struct text *text, struct fault *f)
{
	if (text_check(text, f) < 0)
		return -1;
	if (index > 0 && !ends_in_feed(&c->lines[index - 1])) {
		TEXT_AUTO whole = { 0 };
		text_add(&whole, c->lines[index - 1].bytes, c->lines[index - 1].length);
		text_add_char(&whole, '\n');
		if (line_replace(c, index - 1, &whole, f) < 0)
			return -1;
	}
	return chrystoki_line_insert(c, index, text_string(text), text->length, f);
}

/* The bytes of an entry's line with another value: what stands before the value stays, but for TABs. */
static void entry_write(const struct chrystoki_line *line, const char *value, struct text *out)
{
	const char *equals = memchr(line->bytes + line->name_start + line->name_length, '=',
				    line->length - line->name_start - line->name_length);
	const size_t after = (size_t)(equals - line->bytes) + 1;
	/* An empty value has no start of its own; one blank is how the vendor writes it. */
	const size_t head = line->value_length > 0 ? line->value_start : after;

	for (size_t i = 0; i < head; i++)
		text_add_char(out, line->bytes[i] == '\t' ? ' ' : line->bytes[i]);
	if (line->value_length == 0)
		text_add_char(out, ' ');
	text_add_string(out, value);
	text_add_char(out, ';');
	/* What followed the ';' is not ours to judge, and goes on following it. */
	size_t tail = line->value_start + line->value_length;
	while (tail < line->length && line->bytes[tail] != ';' &&
	       (line->bytes[tail] == ' ' || line->bytes[tail] == '\t'))
		tail++;
	if (tail < line->length && line->bytes[tail] == ';')
		tail++;
	for (; tail < line->length; tail++)
		text_add_char(out, line->bytes[tail] == '\t' ? ' ' : line->bytes[tail]);
}

/*
 * Where a new entry of the section goes: behind its last entry or comment, before blank lines and the '}'; and before
 * a brace amid other things, which may end the section.
 */
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

	/* Indented like its neighbour, whose TABs count as one blank. */
	for (size_t i = at - 1; i > open; i--) {
		if (c->lines[i].kind == CHRYSTOKI_ENTRY) {
			indent = c->lines[i].name_start;
			break;
		}
	}
	text_add_format(&line, "%*s%s = %s;%s", (int)(indent < 40 ? indent : INDENT), "", key, value,
			ending_of(&c->lines[open]));
	return line_add(c, at, &line, f);
}

/* Begins a section at the end of the file; *ret_open is its line. */
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
	TEXT_AUTO text = { 0 };

	if (c->count > 0 && c->lines[c->count - 1].kind != CHRYSTOKI_BLANK) {
		text_add_string(&text, ending);
		if (line_add(c, c->count, &text, f) < 0)
			return -1;
		text_reset(&text);
	}
	const size_t open = c->count;
	text_add_format(&text, "%s = {%s", section, ending);
	if (line_add(c, open, &text, f) < 0)
		return -1;
	text_reset(&text);
	text_add_format(&text, "}%s", ending);
	if (line_add(c, open + 1, &text, f) < 0)
		return -1;
	chrystoki_judge(c);
	*ret_open = open;
	return 0;
}

int chrystoki_set(struct chrystoki *c, const char *section, const char *key, const char *value, bool *ret_changed,
		  struct fault *f)
{
	ptrdiff_t open, at;

	if (name_check("section", section, f) < 0 || name_check("key", key, f) < 0)
		return -1;
	if (chrystoki_value_check(value, f) < 0)
		return fault_prefix(f, "%s of '%s': ", SHOWN(key), SHOWN(section));
	if (section_only(c, section, &open, f) < 0)
		return -1;
	const size_t count = chrystoki_entries(c, section, key, &at);
	if (count > 1)
		return fault_refused(
			f,
			"'%s' stands %zu times in section '%s' (first on line %td), and which one the library reads is "
			"not known; 'chrystoki unset' removes them",
			SHOWN(key), count, SHOWN(section), at + 1);
	if (count == 1) {
		const struct chrystoki_line *line = &c->lines[at];
		TEXT_AUTO text = { 0 };

		if (text_equal(line->bytes + line->value_start, line->value_length, value)) {
			*ret_changed = false;
			return 0;
		}
		entry_write(line, value, &text);
		if (line_replace(c, (size_t)at, &text, f) < 0)
			return -1;
	} else {
		size_t begin = (size_t)open;

		if ((open == CHRYSTOKI_NO_LINE && section_add(c, section, &begin, f) < 0) ||
		    entry_add(c, begin, key, value, f) < 0)
			return -1;
	}
	chrystoki_judge(c);
	*ret_changed = true;
	return 0;
}

int chrystoki_unset(struct chrystoki *c, const char *section, const char *key, bool *ret_changed, struct fault *f)
{
	ptrdiff_t at;
	bool changed = false;

	if (section_only(c, section, &at, f) < 0)
		return -1;
	while (chrystoki_entries(c, section, key, &at) > 0) {
		chrystoki_line_drop(c, (size_t)at);
		chrystoki_judge(c);
		changed = true;
	}
	*ret_changed = changed;
	return 0;
}

int chrystoki_remove(struct chrystoki *c, const char *section, bool *ret_changed, struct fault *f)
{
	ptrdiff_t open;

	if (section_only(c, section, &open, f) < 0)
		return -1;
	if (open == CHRYSTOKI_NO_LINE) {
		*ret_changed = false;
		return 0;
	}
	const size_t begin = (size_t)open;
	while (begin < c->count && c->lines[begin].section == open) {
		const bool last = c->lines[begin].kind == CHRYSTOKI_CLOSE;
		chrystoki_line_drop(c, begin);
		if (last)
			break;
	}
	/* The blank line that set it apart goes with it, unless it sets others apart. */
	if (begin > 0 && c->lines[begin - 1].kind == CHRYSTOKI_BLANK &&
	    (begin == c->count || c->lines[begin].kind == CHRYSTOKI_BLANK))
		chrystoki_line_drop(c, begin - 1);
	chrystoki_judge(c);
	*ret_changed = true;
	return 0;
}

int chrystoki_merge(struct chrystoki *c, const struct chrystoki *from, const char *section, bool *ret_changed,
		    struct fault *f)
{
	ptrdiff_t source, target;
	bool changed = false;
	size_t begin;

	if (section_only(from, section, &source, f) < 0)
		return fault_prefix(f, "the file to merge from: ");
	if (source == CHRYSTOKI_NO_LINE)
		return fault_absent(f, "the file to merge from has no section '%s'", SHOWN(section));
	if (name_check("section", section, f) < 0 || section_only(c, section, &target, f) < 0)
		return -1;
	if (target == CHRYSTOKI_NO_LINE) {
		if (section_add(c, section, &begin, f) < 0)
			return -1;
		changed = true;
	}
	for (size_t i = 0; i < from->count; i++) {
		const struct chrystoki_line *line = &from->lines[i];
		ptrdiff_t first;
		bool one;

		if (line->section != source || line->kind == CHRYSTOKI_OPEN || line->kind == CHRYSTOKI_CLOSE ||
		    line->kind == CHRYSTOKI_BLANK || line->kind == CHRYSTOKI_COMMENT)
			continue;
		if (line->kind == CHRYSTOKI_UNKNOWN)
			return fault_refused(f, "the file to merge from, line %zu: %s", i + 1,
					     chrystoki_flaw_text(line->flaws));
		char *key = strndup(line->bytes + line->name_start, line->name_length);
		char *value = strndup(line->bytes + line->value_start, line->value_length);
		int r = key == NULL || value == NULL ? fault_memory(f) : 0;
		if (r == 0 && chrystoki_entries(from, section, key, &first) > 1)
			r = fault_refused(f, "the file to merge from has '%s' more than once in section '%s'",
					  SHOWN(key), SHOWN(section));
		if (r == 0)
			r = chrystoki_set(c, section, key, value, &one, f);
		if (r == 0)
			changed = changed || one;
		free(key);
		if (value != NULL)
			text_wipe(value, strlen(value));
		free(value);
		if (r < 0)
			return -1;
	}
	*ret_changed = changed;
	return 0;
}

/* Where the value ends is plain only for a value without '#' inside a section; "Name =" may await a '{' below. */
static bool semicolon_is_due(const struct chrystoki_line *line)
{
	return (line->flaws & CHRYSTOKI_FLAW_NO_SEMICOLON) != 0 && (line->flaws & CHRYSTOKI_FLAW_OUTSIDE) == 0 &&
	       line->value_length > 0 && memchr(line->bytes + line->value_start, '#', line->value_length) == NULL;
}

static int line_mend(struct chrystoki *c, size_t index, struct fault *f)
{
	const struct chrystoki_line *line = &c->lines[index];
	const bool due = semicolon_is_due(line);
	const bool feed = ends_in_feed(line);
	size_t end = line->length - feed;
	TEXT_AUTO text = { 0 };

	while (end > 0 && line->bytes[end - 1] == '\r')
		end--;
	size_t start = 0;
	/* All of them: an editor that adds one does not look whether one is there. */
	while ((line->flaws & CHRYSTOKI_FLAW_BOM) != 0 && end - start >= 3 &&
	       memcmp(line->bytes + start, "\xef\xbb\xbf", 3) == 0)
		start += 3;
	for (size_t i = start; i < end; i++) {
		/* The value ends here, and blanks behind it stay behind the ';'. */
		if (due && i == line->value_start + line->value_length)
			text_add_char(&text, ';');
		text_add_char(&text, line->bytes[i] == '\t' ? ' ' : line->bytes[i]);
	}
	if (due && line->value_start + line->value_length >= end)
		text_add_char(&text, ';');
	if (feed)
		text_add_char(&text, '\n');
	return line_replace(c, index, &text, f);
}

int chrystoki_mend(struct chrystoki *c, bool *ret_changed, struct fault *f)
{
	bool changed = false;

	for (size_t i = 0; i < c->count; i++) {
		if ((c->lines[i].flaws & CHRYSTOKI_MENDABLE) == 0)
			continue;
		if (line_mend(c, i, f) < 0)
			return -1;
		changed = true;
	}
	chrystoki_judge(c);

	/* Only the last section: one that is followed by another may miss its '}' in more than one place. */
	ptrdiff_t open = CHRYSTOKI_NO_LINE;
	for (size_t i = 0; i < c->count; i++)
		if ((c->lines[i].flaws & CHRYSTOKI_FLAW_NOT_CLOSED) != 0)
			open = (ptrdiff_t)i;
	if (open != CHRYSTOKI_NO_LINE && c->lines[c->count - 1].section == open) {
		TEXT_AUTO text = { 0 };
		text_add_string(&text, "}\n");
		if (line_add(c, section_end(c, (size_t)open), &text, f) < 0)
			return -1;
		chrystoki_judge(c);
		changed = true;
	}
	*ret_changed = changed;
	return 0;
}
