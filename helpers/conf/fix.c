#include "conf/fix.h"

#include <string.h>

#include "conf/preserved.h"

enum { WRAPPED_MAX = 16 };

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool plain_value(const char *at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const char c = at[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr("_./:+-@,", c) != NULL)))
			return false;
	}
	return length > 0;
}

/* Without the blanks, and carriage returns, of a page around it. */
static void trim(const char **at, size_t *length)
{
	while (*length > 0 && (blank((*at)[*length - 1]) || (*at)[*length - 1] == '\r'))
		(*length)--;
	while (*length > 0 && blank((*at)[0])) {
		(*at)++;
		(*length)--;
	}
}

/* One line without its line feed, in the one spelling that OKV's templates name. */
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

/* Is that one line that no reader stumbles over; of full paths that OKV can take, where those are wanted? */
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
	if (read->kind != ASSIGN_VALUE ||
	    preserved_parse(&p, read->bytes + read->value_start, read->value_length, &ignored) < 0)
		return false;
	for (size_t i = 0; i < p.count; i++)
		if (preserved_judge(p.paths[i]) != PRESERVED_FLAW_NONE)
			return false;
	return p.count > 0;
}

/* A value that was broken over lines: joined where it was broken, without the blanks of the page. */
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

bool fix_is_prose(const char *line, size_t length)
{
	size_t words = 0;

	for (size_t i = 0; i < length; i++) {
		if (line[i] != '\0' && strchr("={};\"", line[i]) != NULL)
			return false;
		words += !blank(line[i]) && line[i] != '\n' && line[i] != '\r' && (i == 0 || blank(line[i - 1]));
	}
	trim(&line, &length);
	return words > 1 && ((line[0] >= 'a' && line[0] <= 'z') || (line[0] >= 'A' && line[0] <= 'Z'));
}

/* The rest of a comment that was wrapped. */
static bool is_wrapped_comment(const struct assign *a, size_t index)
{
	while (a->lines[index].kind == ASSIGN_FLAWED && index > 0 &&
	       fix_is_prose(a->lines[index].bytes, a->lines[index].length))
		index--;
	const char *at = a->lines[index].bytes;
	const char *end = at + a->lines[index].length;
	while (end - at >= 3 && memcmp(at, ASSIGN_BOM, 3) == 0)
		at += 3;
	return at < end && *at == '#';
}

size_t fix_line(const struct assign *a, size_t index, struct text *out)
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
		taken = 1;
		text_cut(&fixed, 0);
		text_add_string(&fixed, "# ");
		text_add(&fixed, line->bytes, length - (line->bytes[length - 1] == '\r'));
	}
	if (taken == 0 || fixed.failed)
		return 0;
	if (out != NULL) {
		text_add(out, text_string(&fixed), fixed.length);
		/* The last line keeps its missing line feed. */
		if (a->lines[index + taken - 1].length > assign_content_length(&a->lines[index + taken - 1]))
			text_add_char(out, '\n');
	}
	return taken;
}

static int fix_once(const struct assign *a, struct text *ret_text, struct fault *f)
{
	for (size_t i = 0; i < a->count;) {
		const size_t taken = fix_line(a, i, ret_text);
		if (taken == 0)
			text_add(ret_text, a->lines[i].bytes, a->lines[i].length);
		i += taken > 0 ? taken : 1;
	}
	return text_check(ret_text, f);
}

/* What one fix takes away may lay bare another flaw, so it is repeated until nothing changes. */
int fix_assign(const struct assign *a, struct text *ret_text, struct fault *f)
{
	enum { ROUNDS_MAX = 64 };
	TEXT_AUTO now = { 0 };

	if (fix_once(a, &now, f) < 0)
		return -1;
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		ASSIGN_AUTO again = { 0 };
		TEXT_AUTO next = { 0 };
		if (assign_parse(&again, text_string(&now), now.length, f) < 0 || fix_once(&again, &next, f) < 0)
			return -1;
		if (text_same(&now, &next))
			break;
		text_cut(&now, 0);
		text_add(&now, text_string(&next), next.length);
	}
	text_add(ret_text, text_string(&now), now.length);
	return text_check(ret_text, f);
}

int fix_script(const char *bytes, size_t length, struct text *ret_text, struct fault *f)
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
