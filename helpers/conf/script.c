#include "conf/script.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/script_reader.h"

void script_done(struct script *s)
{
	free(s->lines);
	*s = (struct script)SCRIPT_INIT;
}

static int line_begin(struct script *s, size_t start, bool outer, struct fault *f)
{
	if ((s->count & (s->count - 1)) == 0) {
		struct script_line *grown = realloc(s->lines, (s->count > 0 ? s->count * 2 : 1) * sizeof(*grown));
		if (grown == NULL)
			return fault_memory(f);
		s->lines = grown;
	}
	s->lines[s->count++] = (struct script_line){ .start = start, .outer = outer };
	return 0;
}

/* The texts of here-documents, from the line after the command's on.  Their lines are none of the script's. */
static int documents_pass(struct script_reader *r, struct script *s, struct fault *f)
{
	for (size_t i = 0; i < r->document_count; i++) {
		const struct script_document *d = &r->documents[i];
		bool ended = false;

		while (!ended && r->at < r->length) {
			const char *line = r->bytes + r->at;
			const char *feed = memchr(line, '\n', r->length - r->at);
			const size_t length = feed != NULL ? (size_t)(feed - line) : r->length - r->at;
			size_t tabs = 0;

			while (d->tabs && tabs < length && line[tabs] == '\t')
				tabs++;
			ended = text_equal(line + tabs, length - tabs, d->delimiter);
			if (line_begin(s, r->at, false, f) < 0)
				return -1;
			r->at += length + (feed != NULL);
		}
		/* Shells take the end of the file for the end of the text; what we would put there would be text. */
		if (!ended)
			r->lost = true;
	}
	r->document_count = 0;
	return 0;
}

static int read_all(struct script_reader *r, struct script *s, struct fault *f)
{
	bool fresh = true; /* nothing but blanks on this line so far */

	if (r->length > 0 && line_begin(s, 0, true, f) < 0)
		return -1;
	while (r->at < r->length) {
		const size_t from = r->at;
		const char c = r->bytes[from];

		if (!script_reader_quoted(r) && c == '\n') {
			r->command = true;
			r->at++;
			if (documents_pass(r, s, f) < 0)
				return -1;
			if (r->at < r->length && line_begin(s, r->at, script_reader_outer(r), f) < 0)
				return -1;
			fresh = true;
			continue;
		}
		if (fresh && c != ' ' && c != '\t') {
			s->lines[s->count - 1].code = !script_reader_quoted(r) && c != '#' && c != '\r';
			fresh = false;
		}
		script_reader_step(r);
		/* Line feeds that were quoted or escaped. */
		for (size_t i = from; i < r->at; i++) {
			if (r->bytes[i] != '\n')
				continue;
			if (i + 1 < r->length && line_begin(s, i + 1, false, f) < 0)
				return -1;
			fresh = true;
		}
	}
	s->ends_outer = script_reader_outer(r) && (r->length == 0 || r->bytes[r->length - 1] != '\\');
	return 0;
}

int script_read(struct script *ret_script, const char *bytes, size_t length, struct fault *f)
{
	SCRIPT_AUTO s = SCRIPT_INIT;
	struct script_reader r = { .bytes = bytes, .length = length, .command = true };

	if (read_all(&r, &s, f) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++)
		s.lines[i].length = (i + 1 < s.count ? s.lines[i + 1].start : length) - s.lines[i].start;
	*ret_script = s;
	s = (struct script)SCRIPT_INIT;
	return 0;
}

size_t script_word(const char *line, size_t length, size_t index, const char **ret_word)
{
	size_t at = 0;

	for (;;) {
		while (at < length && (line[at] == ' ' || line[at] == '\t'))
			at++;
		const size_t start = at;
		while (at < length && line[at] != '\0' && strchr(" \t\r\n;&|", line[at]) == NULL)
			at++;
		*ret_word = line + start;
		if (index-- == 0 || at == start)
			return at - start;
	}
}
