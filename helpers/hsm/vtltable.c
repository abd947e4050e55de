#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/table.h"

/* A column as the rule of '=' draws it; the last one goes to the end of the line. */
struct column {
	size_t start, width;
};

enum { COLUMNS = 5, LINE_MAX_BYTES = 512 };

/* True for a line of five runs of '='. */
static bool rule_read(const char *line, size_t length, struct column ret_columns[COLUMNS])
{
	size_t count = 0;

	for (size_t at = 0; at < length;) {
		if (line[at] == ' ') {
			at++;
			continue;
		}
		const size_t start = at;
		while (at < length && line[at] == '=')
			at++;
		if (at == start || count == COLUMNS)
			return false;
		ret_columns[count++] = (struct column){ start, at - start };
	}
	return count == COLUMNS;
}

/* Columns count characters, and a label may hold others than ASCII. */
static size_t byte_at(const char *line, size_t length, size_t column)
{
	size_t at = 0;

	while (column > 0 && at < length) {
		const size_t step = text_utf8_length(line + at, length - at);
		at += step > 0 ? step : 1;
		column--;
	}
	return at;
}

static void cell_read(const char *line, size_t length, struct column column, char *to, size_t size)
{
	size_t start = byte_at(line, length, column.start), end = byte_at(line, length, column.start + column.width);

	while (end > start && line[end - 1] == ' ')
		end--;
	while (start < end && line[start] == ' ')
		start++;
	const size_t kept = end - start < size - 1 ? end - start : size - 1;
	memcpy(to, line + start, kept);
	to[kept] = '\0';
}

/* "   0" of later clients, "slot #1" of earlier ones. */
static bool row_read(const char *line, size_t length, const struct column columns[COLUMNS], struct hsm_row *ret_row)
{
	char number[32], status[32];

	cell_read(line, length, columns[0], number, sizeof(number));
	const char *digits = number + strcspn(number, "0123456789");
	if (!isdigit((unsigned char)*digits))
		return false;
	struct column last = columns[4];
	last.width = length;
	cell_read(line, length, last, status, sizeof(status));
	*ret_row = (struct hsm_row){ .id = strtoull(digits, NULL, 10), .present = strcmp(status, "Present") == 0 };
	cell_read(line, length, columns[1], ret_row->description, sizeof(ret_row->description));
	cell_read(line, length, columns[2], ret_row->label, sizeof(ret_row->label));
	cell_read(line, length, columns[3], ret_row->serial, sizeof(ret_row->serial));
	return true;
}

int hsm_table_read(const char *bytes, size_t length, struct hsm_row *ret_rows, size_t size)
{
	static const char heading[] = "Number of slots:";
	struct column columns[COLUMNS];
	bool found = false, in_table = false;
	size_t count = 0;

	while (length > 0) {
		const char *feed = memchr(bytes, '\n', length);
		size_t step = feed != NULL ? (size_t)(feed - bytes) : length;
		const size_t whole = step + (feed != NULL);
		while (step > 0 && bytes[step - 1] == '\r')
			step--;
		if (step >= sizeof(heading) - 1 && memcmp(bytes, heading, sizeof(heading) - 1) == 0)
			found = true;
		struct hsm_row row;
		if (!in_table && step < LINE_MAX_BYTES)
			in_table = rule_read(bytes, step, columns);
		else if (in_table && step < LINE_MAX_BYTES && row_read(bytes, step, columns, &row)) {
			if (count < size)
				ret_rows[count] = row;
			count++;
		} else if (in_table) {
			break;
		}
		bytes += whole;
		length -= whole;
	}
	return found || in_table ? (int)count : -1;
}
