#include "conf/mend.h"

#include <string.h>

#include "conf/preserved.h"
#include "conf/quote.h"

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

/* One line without its line feed, in the one spelling that OKV's templates name. */
static void line_normalise(const char *at, size_t length, struct text *out)
{
	TEXT_AUTO straight = { 0 };

	while (length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) {
		at += 3;
		length -= 3;
	}
	if (length > 0 && at[0] == '#') {
		text_add(out, at, length - (at[length - 1] == '\r'));
		return;
	}
	quote_straighten(at, length, &straight);
	at = text_string(&straight);
	length = straight.length;
	while (length > 0 && (blank(at[length - 1]) || at[length - 1] == '\r'))
		length--;
	while (length > 0 && blank(at[0])) {
		at++;
		length--;
	}
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

static bool well_formed(const struct text *line)
{
	struct fault ignored = { 0 };
	ASSIGN_AUTO a = { 0 };

	return !line->failed && assign_parse(&a, text_string(line), line->length, &ignored) == 0 && a.count == 1 &&
	       a.lines[0].kind != ASSIGN_FLAWED;
}

/* Are all entries of the value full paths that OKV can take? */
static bool is_path_list(const struct text *line)
{
	struct fault ignored = { 0 };
	ASSIGN_AUTO a = { 0 };
	PRESERVED_AUTO p = PRESERVED_INIT;

	if (assign_parse(&a, text_string(line), line->length, &ignored) < 0 || a.count != 1 ||
	    a.lines[0].kind != ASSIGN_VALUE ||
	    preserved_parse(&p, a.lines[0].bytes + a.lines[0].value_start, a.lines[0].value_length, &ignored) < 0)
		return false;
	for (size_t i = 0; i < p.count; i++)
		if (preserved_judge(p.paths[i]) != PRESERVED_FLAW_NONE)
			return false;
	return p.count > 0;
}

static size_t content_length(const struct assign_line *line)
{
	return line->length - (line->length > 0 && line->bytes[line->length - 1] == '\n');
}

/* A value that was broken over lines: joined where it was broken, without the blanks of the page. */
static size_t wrapped_join(const struct assign *a, size_t index, struct text *out)
{
	TEXT_AUTO whole = { 0 };

	for (size_t i = index; i < a->count && i < index + WRAPPED_MAX; i++) {
		const char *at = a->lines[i].bytes;
		size_t length = content_length(&a->lines[i]);
		TEXT_AUTO line = { 0 };

		if (i > index && a->lines[i].kind != ASSIGN_FLAWED)
			return 0;
		while (length > 0 && (blank(at[length - 1]) || at[length - 1] == '\r'))
			length--;
		while (i > index && length > 0 && blank(at[0])) {
			at++;
			length--;
		}
		text_add(&whole, at, length);
		line_normalise(text_string(&whole), whole.length, &line);
		if (i > index && well_formed(&line) && is_path_list(&line)) {
			text_add(out, text_string(&line), line.length);
			return i - index + 1;
		}
	}
	return 0;
}

size_t mend_line(const struct assign *a, size_t index, struct text *out)
{
	const struct assign_line *line = &a->lines[index];
	const size_t length = content_length(line);
	TEXT_AUTO mended = { 0 };
	size_t taken = 1;

	if (line->kind != ASSIGN_FLAWED)
		return 0;
	line_normalise(line->bytes, length, &mended);
	if (!well_formed(&mended)) {
		text_reset(&mended);
		taken = wrapped_join(a, index, &mended);
	}
	if (taken == 0 || mended.failed)
		return 0;
	if (out != NULL) {
		text_add(out, text_string(&mended), mended.length);
		/* The last line keeps its missing line feed. */
		if (a->lines[index + taken - 1].length > content_length(&a->lines[index + taken - 1]))
			text_add_char(out, '\n');
	}
	return taken;
}

int mend_assign(const struct assign *a, struct text *ret_text, struct fault *f)
{
	for (size_t i = 0; i < a->count;) {
		const size_t taken = mend_line(a, i, ret_text);
		if (taken == 0)
			text_add(ret_text, a->lines[i].bytes, a->lines[i].length);
		i += taken > 0 ? taken : 1;
	}
	return text_check(ret_text, f);
}

int mend_script(const char *bytes, size_t length, struct text *ret_text, struct fault *f)
{
	while (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		length -= 3;
	}
	while (length > 0) {
		const char *feed = memchr(bytes, '\n', length);
		const size_t step = feed != NULL ? (size_t)(feed - bytes) + 1 : length;
		size_t end = step - (feed != NULL), start = 0;

		if (end > 0 && bytes[end - 1] == '\r')
			end--;
		while (start < end && blank(bytes[start]))
			start++;
		if (start < end && bytes[start] == '#')
			text_add(ret_text, bytes, end);
		else
			quote_straighten(bytes, end, ret_text);
		if (feed != NULL)
			text_add_char(ret_text, '\n');
		bytes += step;
		length -= step;
	}
	return text_check(ret_text, f);
}
