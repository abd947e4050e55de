#include "conf/chrystoki.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"

static const char bom[] = "\xef\xbb\xbf";
enum { BOM_LENGTH = 3 };

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Length of a typographic blank or an invisible character. */
static size_t blank_length(const char *bytes, size_t length)
{
	char plain;
	const size_t print = text_print_length(bytes, length, &plain);

	return print > 0 && (plain == ' ' || plain == '\0') ? print : 0;
}

static size_t blanks_skip(const char *bytes, size_t at, size_t end)
{
	for (size_t more = 1; at < end && more > 0; at += more)
		more = blank(bytes[at]) ? 1 : blank_length(bytes + at, end - at);
	return at;
}

static size_t blanks_trim(const char *bytes, size_t start, size_t end)
{
	for (size_t less = 1; end > start && less > 0; end -= less) {
		less = blank(bytes[end - 1]) ? 1 : 0;
		for (size_t n = 2; less == 0 && n <= 3 && n <= end - start; n++)
			less = blank_length(bytes + end - n, n) == n ? n : 0;
	}
	return end;
}

bool chrystoki_name_is_plain(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const char c = name[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '-' || c == '.' || c == ' '))
			return false;
	}
	return length > 0;
}

/*
 * Names that decide whether an HSM shows, as the vendor spells them; a key may be followed by two digits.  Whether the
 * library ignores letter case is not known.
 */
static const char *const section_names[] = { "Chrystoki2",
					     "Luna",
					     "CardReader",
					     "Misc",
					     "LunaSA Client",
					     "RBS",
					     "CkLog2",
					     "REST",
					     "XTC",
					     "VirtualToken",
					     "HASynchronize",
					     "HAConfiguration",
					     "Secure Trusted Channel",
					     NULL };
static const char *const key_names[] = { "LibUNIX64",
					 "ClientPrivKeyFile",
					 "ClientCertFile",
					 "ServerCAFile",
					 "ServerName",
					 "ServerPort",
					 "LNHServer",
					 "LNHServerClientCert",
					 "LNHServerClientKey",
					 "LNHServerCAFile",
					 "PluginModuleDir",
					 "PartitionCAPath",
					 "PartitionCertPath",
					 "SSLClientSideVerifyFile",
					 "HAOnly",
					 "reconnAtt",
					 NULL };

/* The number after a key's name: at most two digits, perhaps none. */
static bool is_number(const char *at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (at[i] < '0' || at[i] > '9')
			return false;
	return length <= 2;
}

const char *chrystoki_spelling(const struct chrystoki_line *line)
{
	const char *name = line->bytes + line->name_start;
	const bool section = line->kind == CHRYSTOKI_OPEN;

	for (const char *const *known = section ? section_names : key_names; *known != NULL; known++) {
		const size_t n = strlen(*known);
		if (n <= line->name_length && strncasecmp(name, *known, n) == 0 &&
		    (section ? n == line->name_length : is_number(name + n, line->name_length - n)))
			return *known;
	}
	return NULL;
}

static unsigned name_flaws(const struct chrystoki_line *line)
{
	const char *known = chrystoki_spelling(line);

	if (known != NULL && memcmp(line->bytes + line->name_start, known, strlen(known)) != 0)
		return CHRYSTOKI_FLAW_CASE;
	return chrystoki_name_is_plain(line->bytes + line->name_start, line->name_length) ||
			       (line->flaws & CHRYSTOKI_FLAW_SPACE) != 0
		       ? 0
		       : CHRYSTOKI_FLAW_NAME;
}

static unsigned bytes_flaws(const struct chrystoki_line *line, size_t start)
{
	unsigned flaws = 0;

	for (size_t i = start; i < line->length; i++) {
		const unsigned char c = (unsigned char)line->bytes[i];
		char plain;
		const size_t print = text_print_length(line->bytes + i, line->length - i, &plain);
		if (print > 0) {
			flaws |= text_is_quote(plain) ? CHRYSTOKI_FLAW_NOT_ASCII : CHRYSTOKI_FLAW_SPACE;
			i += print - 1;
		} else if (c == '\t') {
			flaws |= CHRYSTOKI_FLAW_TAB;
		} else if (c == '\r') {
			flaws |= CHRYSTOKI_FLAW_CARRIAGE_RETURN;
		} else if (c >= 0x80) {
			flaws |= CHRYSTOKI_FLAW_NOT_ASCII;
		} else if ((c < 0x20 && c != '\n') || c == 0x7f) {
			flaws |= CHRYSTOKI_FLAW_CONTROL;
		}
	}
	return flaws;
}

/* State carried from line to line. */
struct context {
	ptrdiff_t section; /* the OPEN line of the current section */
	bool nameless;     /* inside braces that belong to no readable section */
};

static bool in_section(const struct context *context)
{
	return context->section != CHRYSTOKI_NO_LINE || context->nameless;
}

/* A line with braces that is neither "Name = {" nor "}": its braces count, unless they cancel each other. */
static void braces_judge(struct chrystoki_line *line, size_t start, size_t end, struct context *context)
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
		*context = (struct context){ .section = CHRYSTOKI_NO_LINE, .nameless = true };
	else if (closed)
		*context = (struct context){ .section = CHRYSTOKI_NO_LINE };
}

/* Length of a plain or typographic quote, and *ret_plain, the plain one; 0 if there is none. */
static size_t quote_length(const char *bytes, size_t length, char *ret_plain)
{
	char plain = length > 0 ? bytes[0] : '\0';
	const size_t print = text_print_length(bytes, length, &plain);

	*ret_plain = plain;
	return !text_is_quote(plain) ? 0 : print > 0 ? print : 1;
}

/*
 * Where the value's first quote is closed, and *ret_after; the value's end if it is not; 0 if the value does not begin
 * with a quote.
 */
static size_t quote_close(const struct chrystoki_line *line, size_t *ret_open, size_t *ret_after)
{
	const size_t end = line->value_start + line->value_length;
	char quote, other;
	size_t at = line->value_start + quote_length(line->bytes + line->value_start, line->value_length, &quote);

	*ret_open = at;
	if (at == line->value_start)
		return 0;
	for (; at < end; at++) {
		*ret_after = at + quote_length(line->bytes + at, end - at, &other);
		if (*ret_after > at && other == quote)
			return at;
	}
	*ret_after = end;
	return end;
}

/* Not if the quote closes before the value ends: in the OpenSSL engine's "partition":0:0 it is part of the value. */
static bool is_quoted(const struct chrystoki_line *line)
{
	size_t open, after;

	return quote_close(line, &open, &after) > 0 && after == line->value_start + line->value_length;
}

bool chrystoki_unquote(const struct chrystoki_line *line, size_t *ret_start, size_t *ret_end)
{
	const size_t end = line->value_start + line->value_length;
	size_t after;
	const size_t close = quote_close(line, ret_start, &after);
	const char *inner = line->bytes + *ret_start;

	*ret_end = close;
	return close > *ret_start && close < end && after == end && inner[0] == '/' && !blank(line->bytes[close - 1]) &&
	       memchr(inner, '#', close - *ret_start) == NULL;
}

static void entry_judge(struct chrystoki_line *line, size_t start, size_t end, const struct context *context)
{
	const char *bytes = line->bytes;
	const char *equals = memchr(bytes + start, '=', end - start);

	if (equals == NULL) {
		line->kind = CHRYSTOKI_UNKNOWN;
		line->flaws |= (line->flaws & CHRYSTOKI_FLAW_CONTROL) != 0 ? 0u : CHRYSTOKI_FLAW_UNREADABLE;
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
	line->flaws |= name_flaws(line);
	if (!in_section(context))
		line->flaws |= CHRYSTOKI_FLAW_OUTSIDE;
	/* Typographic quotes are not ASCII either; other such characters are reported once the quotes are gone. */
	if (is_quoted(line))
		line->flaws = (line->flaws & ~(unsigned)CHRYSTOKI_FLAW_NOT_ASCII) | CHRYSTOKI_FLAW_QUOTES;
}

/*
 * Reads "Section = {" and, as a flaw, what documents and Windows make of it: "[Section] = {", "Section]", "Section {".
 */
static bool header_read(struct chrystoki_line *line, size_t start, size_t end)
{
	const char *at = line->bytes;
	const bool brace = at[end - 1] == '{';

	if (brace)
		end = blanks_trim(at, start, end - 1);
	const bool equals = end > start && at[end - 1] == '=';
	if (equals)
		end = blanks_trim(at, start, end - 1);
	const bool left = at[start] == '[', right = end > start && at[end - 1] == ']', sound = brace && equals;
	if (!(brace || ((left || right) && !equals)) || memchr(at + start, '{', end - start) != NULL ||
	    memchr(at + start, '=', end - start) != NULL)
		return false;
	if (left || right || !sound) {
		const size_t first = blanks_skip(at, start + left, end);
		const size_t last = blanks_trim(at, first, end - (right && end > first));
		if (!chrystoki_name_is_plain(at + first, last - first))
			return false;
		line->flaws |= right && !left && sound ? CHRYSTOKI_FLAW_NAME : CHRYSTOKI_FLAW_HEADER;
		start = first;
		end = last;
	}
	line->kind = CHRYSTOKI_OPEN;
	line->bare = !brace;
	line->name_start = start;
	line->name_length = end - start;
	line->flaws |= name_flaws(line);
	return true;
}

static void line_judge(struct chrystoki *c, size_t index, struct context *context)
{
	struct chrystoki_line *line = &c->lines[index];
	size_t start = 0;

	line->flaws = 0;
	line->section = context->section;
	/* There may be several: an editor may add one without checking. */
	while (index == 0 && line->length - start >= BOM_LENGTH && memcmp(line->bytes + start, bom, BOM_LENGTH) == 0) {
		line->flaws |= CHRYSTOKI_FLAW_BOM;
		start += BOM_LENGTH;
	}
	line->flaws |= bytes_flaws(line, start);
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
			       (in_section(context) ? 0u : CHRYSTOKI_FLAW_STRAY_CLOSE);
		*context = (struct context){ .section = CHRYSTOKI_NO_LINE };
	} else if (header_read(line, start, end)) {
		if (context->section != CHRYSTOKI_NO_LINE && !c->lines[context->section].bare)
			c->lines[context->section].flaws |= CHRYSTOKI_FLAW_NOT_CLOSED;
		line->section = (ptrdiff_t)index;
		*context = (struct context){ .section = (ptrdiff_t)index };
	} else if (memchr(at, '{', length) != NULL || memchr(at, '}', length) != NULL) {
		braces_judge(line, start, end, context);
	} else {
		entry_judge(line, start, end, context);
	}
}

void chrystoki_done(struct chrystoki *c)
{
	text_done_secret(&c->file);
	text_done_secret(&c->words);
	free(c->lines);
	*c = (struct chrystoki){ 0 };
}

/* Terminates that part of the line in `words`, and returns it. */
static const char *word_terminate(struct chrystoki *c, const struct chrystoki_line *line, size_t start, size_t length)
{
	char *word = c->words.bytes + (line->bytes - c->file.bytes) + start;

	word[length] = '\0';
	return word;
}

static void line_name(struct chrystoki *c, struct chrystoki_line *line)
{
	if (line->kind != CHRYSTOKI_OPEN && line->kind != CHRYSTOKI_ENTRY)
		return;
	line->name = word_terminate(c, line, line->name_start, line->name_length);
	if (line->kind != CHRYSTOKI_ENTRY)
		return;
	line->value = word_terminate(c, line, line->value_start, line->value_length);
	if (line->section != CHRYSTOKI_NO_LINE)
		line->within = c->lines[line->section].name;
}

int chrystoki_parse(struct chrystoki *ret_chrystoki, const char *bytes, size_t length, struct fault *f)
{
	CHRYSTOKI_AUTO c = { 0 };
	struct context context = { .section = CHRYSTOKI_NO_LINE };
	struct text_line line;

	text_add(&c.file, bytes, length);
	text_add(&c.words, bytes, length);
	if (text_check(&c.file, f) < 0 || text_check(&c.words, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(c.file.bytes, c.file.length, &at, &line); c.count++) {
		if (!ARRAY_GROW(c.lines, c.count))
			return fault_memory(f);
		c.lines[c.count] = (struct chrystoki_line){ .bytes = line.bytes, .length = line.length + line.ended };
		line_judge(&c, c.count, &context);
		line_name(&c, &c.lines[c.count]);
	}
	if (context.section != CHRYSTOKI_NO_LINE && !c.lines[context.section].bare)
		c.lines[context.section].flaws |= CHRYSTOKI_FLAW_NOT_CLOSED;
	*ret_chrystoki = c;
	c = (struct chrystoki){ 0 };
	return 0;
}

void chrystoki_print(const struct chrystoki *c, struct text *out)
{
	text_add(out, text_string(&c->file), c->file.length);
}

bool chrystoki_is_named(const struct chrystoki_line *line, const char *name)
{
	return text_equal(line->bytes + line->name_start, line->name_length, name) ||
	       ((line->flaws & CHRYSTOKI_FLAW_CASE) != 0 && strlen(name) == line->name_length &&
		strncasecmp(line->bytes + line->name_start, name, line->name_length) == 0);
}

const char *chrystoki_form_fault(const struct chrystoki *c)
{
	const char *bytes = text_string(&c->file);
	size_t bare = 0, unknown = 0, braces = 0;

	/* It has a byte order mark, or a NUL beside each ASCII character. */
	if (c->file.length > 1 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0 ||
				   bytes[0] == '\0' || bytes[1] == '\0'))
		return "this is UTF-16, as a Windows editor saves it; save it as plain text (ASCII)";
	for (size_t i = 0; i < c->count; i++) {
		if (c->lines[i].kind == CHRYSTOKI_OPEN && !c->lines[i].bare)
			return NULL;
		bare += c->lines[i].kind == CHRYSTOKI_OPEN;
		unknown += c->lines[i].kind == CHRYSTOKI_UNKNOWN;
		braces += (c->lines[i].flaws & CHRYSTOKI_FLAW_BRACE) != 0;
	}
	return bare > 0 ? "this is the Windows client's file, crystoki.ini: its sections are written '[Name]'"
	       : unknown > 0 && braces == 0 ? "this is not a Chrystoki.conf: it has no section 'Name = {'"
					    : NULL;
}

size_t chrystoki_sections(const struct chrystoki *c, const char *section, ptrdiff_t *ret_first)
{
	size_t count = 0;

	*ret_first = CHRYSTOKI_NO_LINE;
	for (size_t i = 0; i < c->count; i++)
		if (c->lines[i].kind == CHRYSTOKI_OPEN && chrystoki_is_named(&c->lines[i], section) && count++ == 0)
			*ret_first = (ptrdiff_t)i;
	return count;
}

const struct chrystoki_line *chrystoki_entry_next(const struct chrystoki *c, size_t *at)
{
	while (*at < c->count) {
		const struct chrystoki_line *line = &c->lines[(*at)++];
		if (line->within != NULL)
			return line;
	}
	return NULL;
}

bool chrystoki_is_in(const struct chrystoki *c, const struct chrystoki_line *entry, const char *section)
{
	return entry->section != CHRYSTOKI_NO_LINE && chrystoki_is_named(&c->lines[entry->section], section);
}

size_t chrystoki_entries(const struct chrystoki *c, const char *section, const char *key, ptrdiff_t *ret_first)
{
	const struct chrystoki_line *line;
	size_t count = 0;

	*ret_first = CHRYSTOKI_NO_LINE;
	for (size_t at = 0; (line = chrystoki_entry_next(c, &at)) != NULL;)
		if (chrystoki_is_named(line, key) && chrystoki_is_in(c, line, section) && count++ == 0)
			*ret_first = line - c->lines;
	return count;
}

const char *chrystoki_value(const struct chrystoki *c, const char *section, const char *key, size_t *ret_line)
{
	ptrdiff_t at;

	(void)chrystoki_entries(c, section, key, &at);
	*ret_line = (size_t)(at + 1);
	return at == CHRYSTOKI_NO_LINE ? NULL : c->lines[at].value;
}

int chrystoki_get(const struct chrystoki *c, const char *section, const char *key, char **ret_value, struct fault *f)
{
	size_t line;
	const char *value = chrystoki_value(c, section, key, &line);
	char *copy = value != NULL ? strdup(value) : NULL;

	if (value != NULL && copy == NULL)
		return fault_memory(f);
	*ret_value = copy;
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
		"there are characters that are not ASCII",
		"there is a control character in the line",
		"the ';' after the value is missing",
		"something follows where the line should end",
		"the name holds characters that no section or key has",
		"the entry is outside every section",
		"the '}' closes nothing",
		"the section is not closed by a '}'",
		"there is an unexpected brace",
		"the line is not a section, an entry or a comment",
		"the value is in quotes",
		"there is a no-break space, a typographic hyphen or an invisible character",
		"a section is written 'Name = {'",
		"the client writes the name in different letter case",
	};

	return flaws == 0 ? "nothing is wrong with it" : texts[__builtin_ctz(flaws)];
}

_Static_assert(CHRYSTOKI_FLAW_LAST == 1 << 16, "each flaw has a text");
