#include "base/wrap.h"

#include <stdbool.h>
#include <string.h>

enum { ROOM_LEAST = 20 };

/* Bytes of the escape sequence "ESC [ ... m" there, or 0. */
static size_t escape_length(const char *at, size_t left)
{
	size_t length = 2;

	if (left < 3 || at[0] != '\033' || at[1] != '[')
		return 0;
	while (length < left && (at[length] == ';' || (at[length] >= '0' && at[length] <= '9')))
		length++;
	return length < left && at[length] == 'm' ? length + 1 : 0;
}

static size_t columns(const char *at, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length;) {
		const size_t escape = escape_length(at + i, length - i);
		const size_t character = escape == 0 ? text_utf8_length(at + i, length - i) : 0;
		count += escape == 0;
		i += escape > 0 ? escape : character > 0 ? character : 1;
	}
	return count;
}

static void line_wrap(const char *line, size_t length, size_t width, size_t hang, struct text *out)
{
	const size_t indent = strspn(line, " ");
	const size_t further = indent + 2 > hang ? indent + 2 : hang;

	if (indent >= length || columns(line, length) <= width || further + ROOM_LEAST > width ||
	    text_starts(line + indent, "fix: ") || text_starts(line + indent, "mend: ")) {
		text_add(out, line, length);
		return;
	}
	/* What stands at the beginning may hold blanks that align columns: those stay. */
	size_t start = 0, column = 0;
	while (start < length) {
		size_t end = start + strspn(line + start, " ");
		if (end >= length)
			break;
		while (end < length && line[end] != ' ')
			end++;
		const size_t blanks = strspn(line + start, " "), size = columns(line + start, end - start);
		if (column > further && column + size > width) {
			text_add_format(out, "\n%*s", (int)further, "");
			text_add(out, line + start + blanks, end - start - blanks);
			column = further + size - blanks;
		} else {
			text_add(out, line + start, end - start);
			column += size;
		}
		start = end;
	}
}

void wrap_lines(const char *lines, size_t width, size_t hang, struct text *out)
{
	while (*lines != '\0') {
		const size_t length = strcspn(lines, "\n");
		if (width == 0)
			text_add(out, lines, length);
		else
			line_wrap(lines, length, width, hang, out);
		lines += length;
		if (*lines == '\n') {
			text_add_char(out, '\n');
			lines++;
		}
	}
}
