#include "conf/midupgrade.h"

#include <string.h>
#include <strings.h>

#include "conf/assign.h"
#include "conf/script.h"

/* hooks/mid-upgrade.block, linked in so that an installed tool does not have to find it. */
__asm__(".pushsection .rodata\n"
	".globl midupgrade_block\n"
	"midupgrade_block: .incbin \"hooks/mid-upgrade.block\"\n"
	".byte 0\n"
	".popsection\n");

static bool line_begins(const char *bytes, const struct script_line *line, const char *mark)
{
	const size_t length = strlen(mark);
	return line->length >= length && memcmp(bytes + line->start, mark, length) == 0;
}

struct marks {
	size_t begin, end; /* offsets of the block, including its last line; equal if there is none */
	size_t line;       /* of the first mark, from 1; 0: none */
	bool unpaired;
};

static struct marks marks_find(const char *bytes, const struct script *s)
{
	struct marks m = { 0 };
	bool open = false;
	unsigned blocks = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct script_line *line = &s->lines[i];
		if (line_begins(bytes, line, MIDUPGRADE_BEGIN)) {
			m.unpaired = m.unpaired || open || blocks > 0;
			if (m.line == 0) {
				m.begin = line->start;
				m.line = i + 1;
			}
			open = true;
		} else if (line_begins(bytes, line, MIDUPGRADE_END)) {
			if (m.line == 0)
				m.line = i + 1;
			m.unpaired = m.unpaired || !open;
			open = false;
			blocks++;
			m.end = line->start + line->length;
		}
	}
	m.unpaired = m.unpaired || open;
	if (m.line == 0 || m.unpaired)
		m.begin = m.end = 0;
	return m;
}

static size_t blanks_end(const char *line, size_t length)
{
	size_t at = 0;

	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return at;
}

/* Does the line contain the word, in any letter case? */
static bool line_says(const char *line, size_t length, const char *word)
{
	const size_t n = strlen(word);

	for (size_t at = 0; at + n <= length; at++)
		if (strncasecmp(line + at, word, n) == 0)
			return true;
	return false;
}

/* A comment that forbids something about what is above it. */
static bool is_banner(const char *line, size_t length)
{
	const size_t at = blanks_end(line, length);

	return at < length && line[at] == '#' && line_says(line, length, "above") &&
	       (line_says(line, length, "not") || line_says(line, length, "never") || line_says(line, length, "n't"));
}

size_t midupgrade_word(const char *line, size_t length, size_t index, const char **ret_word)
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

static bool word_is(const char *line, size_t length, size_t index, const char *word)
{
	const char *at;
	const size_t n = midupgrade_word(line, length, index, &at);
	return text_equal(at, n, word);
}

/* [sudo] [/usr/sbin/]groupadd ... GROUP */
static bool makes_group(const char *line, size_t length, const char *group)
{
	const char *word;
	size_t index = word_is(line, length, 0, "sudo") || word_is(line, length, 0, "/usr/bin/sudo");
	size_t n = midupgrade_word(line, length, index, &word);

	const char *slash = memrchr(word, '/', n);
	const size_t directory = slash != NULL ? (size_t)(slash - word) + 1 : 0;
	if (!text_equal(word + directory, n - directory, "groupadd"))
		return false;
	while ((n = midupgrade_word(line, length, ++index, &word)) > 0) {
		if (n >= 2 && text_is_quote(word[0]) && word[n - 1] == word[0]) {
			word++;
			n -= 2;
		}
		if (text_equal(word, n, group))
			return true;
	}
	return false;
}

/* The number of lines up to and including the banner; 0 if there is none. */
static size_t banner_end(const char *bytes, const struct script *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (is_banner(bytes + s->lines[i].start, s->lines[i].length))
			return i + 1;
	return 0;
}

/* The first line, from 1, among the first `count` that ends the script; 0: none does. */
static size_t script_end(const struct script *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (s->lines[i].ends)
			return i + 1;
	return 0;
}

/* Finds where to insert the block in a script without one; `length` is the end. */
static int insertion_find(const char *bytes, size_t length, const char *group, size_t *ret_at, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	if (script_read(&s, bytes, length, f) < 0)
		return -1;

	const size_t first = banner_end(bytes, &s), end = script_end(&s, first);
	if (end > 0)
		return fault_refused(f,
				     "line %zu ends the script before the place of the okv-luna block, which would "
				     "never run; remove that line",
				     end);

	size_t last_outer = s.count;
	for (size_t i = first; i < s.count; i++) {
		const struct script_line *line = &s.lines[i];
		if (line->outer && line->code)
			last_outer = i;
		if (!line->code)
			continue;
		if (line->ends || makes_group(bytes + line->start, line->length, group)) {
			if (last_outer == s.count)
				break;
			*ret_at = s.lines[last_outer].start;
			return 0;
		}
	}
	if (!s.ends_outer)
		return fault_refused(f, "there is no command below the banner; add a line 'exit "
					"${DBFW_PM_NO_CHANGE_REQUIRED}' at its end");
	*ret_at = length;
	return 0;
}

int midupgrade_remove(const char *bytes, size_t length, struct text *ret_text, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	if (script_read(&s, bytes, length, f) < 0)
		return -1;
	const struct marks m = marks_find(bytes, &s);

	if (m.unpaired)
		return fault_refused(f,
				     "the marks of the okv-luna block do not pair up (first one on line %zu); remove "
				     "the block and its marks by hand",
				     m.line);
	text_add(ret_text, bytes, m.begin);
	text_add(ret_text, bytes + m.end, length - m.end);
	return text_check(ret_text, f);
}

int midupgrade_insert(const char *bytes, size_t length, const char *group, struct text *ret_text, struct fault *f)
{
	TEXT_AUTO plain = { 0 };
	size_t at = 0;

	if (midupgrade_remove(bytes, length, &plain, f) < 0 ||
	    insertion_find(text_string(&plain), plain.length, group, &at, f) < 0)
		return -1;
	text_add(ret_text, text_string(&plain), at);
	if (at > 0 && plain.bytes[at - 1] != '\n')
		text_add_char(ret_text, '\n');
	text_add_string(ret_text, midupgrade_block);
	text_add(ret_text, text_string(&plain) + at, plain.length - at);
	return text_check(ret_text, f);
}

int midupgrade_look(const char *bytes, size_t length, const char *group, enum midupgrade_state *ret_state,
		    size_t *ret_line, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	if (script_read(&s, bytes, length, f) < 0)
		return -1;
	const struct marks m = marks_find(bytes, &s);
	enum midupgrade_state state = MIDUPGRADE_NONE;
	/* If there is no block: what would keep one from running. */
	const size_t end = m.unpaired ? 0 : script_end(&s, m.line > 0 ? m.line - 1 : banner_end(bytes, &s));

	if (end > 0) {
		*ret_state = MIDUPGRADE_UNREACHED;
		*ret_line = end;
		return 0;
	}
	if (m.unpaired) {
		state = MIDUPGRADE_UNPAIRED;
	} else if (m.line != 0 && !s.lines[m.line - 1].outer) {
		state = MIDUPGRADE_INSIDE;
	} else if (m.line != 0) {
		TEXT_AUTO right = { 0 };
		struct fault no_place = { 0 };
		if (midupgrade_insert(bytes, length, group, &right, &no_place) < 0 && no_place.kind == FAULT_SYSTEM) {
			*f = no_place;
			return -1;
		}
		state = right.length == length && memcmp(right.bytes, bytes, length) == 0 ? MIDUPGRADE_CURRENT
											  : MIDUPGRADE_STALE;
	}
	*ret_state = state;
	*ret_line = m.line;
	return 0;
}

/* exit ${DBFW_PM_CHANGED}, with or without quotes and braces. */
static bool exits_changed(const char *line, size_t length)
{
	const char *word;

	if (!word_is(line, length, 0, "exit"))
		return false;
	size_t n = midupgrade_word(line, length, 1, &word);
	if (n >= 2 && word[0] == '"' && word[n - 1] == '"') {
		word++;
		n -= 2;
	}
	return text_equal(word, n, "${DBFW_PM_CHANGED}") || text_equal(word, n, "$DBFW_PM_CHANGED");
}

int midupgrade_leftovers(const char *bytes, size_t length, const char *group,
			 void (*each)(void *context, enum midupgrade_leftover leftover, size_t line), void *context,
			 struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	if (script_read(&s, bytes, length, f) < 0)
		return -1;
	const struct marks m = marks_find(bytes, &s);
	bool by_hand = false;

	for (size_t i = 0; i < s.count; i++) {
		const char *line = bytes + s.lines[i].start;
		const size_t n = s.lines[i].length;

		if (s.lines[i].start >= m.begin && s.lines[i].start < m.end)
			continue;
		/* Checked in every line: after an unclosed typographic quote nothing counts as code any more. */
		const size_t mark = i == 0 && text_starts(bytes, ASSIGN_BOM) ? strlen(ASSIGN_BOM) : 0;
		const size_t first = mark + blanks_end(line + mark, n - mark);
		const bool comment = first >= n || line[first] == '#';
		if (!comment && assign_has_curly_quote(line, n))
			each(context, MIDUPGRADE_LEFTOVER_QUOTE, i + 1);
		if (!comment && assign_has_odd_space(line + mark, n - mark))
			each(context, MIDUPGRADE_LEFTOVER_SPACE, i + 1);
		if (!s.lines[i].code)
			continue;
		if (makes_group(line, n, group)) {
			by_hand = by_hand || s.lines[i].outer;
			each(context, s.lines[i].outer ? MIDUPGRADE_LEFTOVER_GROUPADD : MIDUPGRADE_LEFTOVER_NESTED,
			     i + 1);
		} else if (by_hand && s.lines[i].outer && exits_changed(line, n)) {
			each(context, MIDUPGRADE_LEFTOVER_EXIT, i + 1);
		}
	}
	return 0;
}

struct clearing {
	const char *bytes;
	const struct script *script;
	size_t copied;
	struct text out;
};

static void clear_one(void *context, enum midupgrade_leftover leftover, size_t number)
{
	struct clearing *c = context;
	const struct script_line *line = &c->script->lines[number - 1];

	if (leftover != MIDUPGRADE_LEFTOVER_GROUPADD && leftover != MIDUPGRADE_LEFTOVER_EXIT)
		return;
	text_add(&c->out, c->bytes + c->copied, line->start - c->copied);
	c->copied = line->start + line->length;
	if (leftover == MIDUPGRADE_LEFTOVER_EXIT)
		text_add_string(&c->out, "exit ${DBFW_PM_NO_CHANGE_REQUIRED}\n");
}

int midupgrade_clear(const char *bytes, size_t length, const char *group, struct text *ret_text, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	struct clearing c = { .bytes = bytes, .script = &s };

	int r = script_read(&s, bytes, length, f) < 0 ? -1
						      : midupgrade_leftovers(bytes, length, group, clear_one, &c, f);
	if (r == 0) {
		text_add(&c.out, bytes + c.copied, length - c.copied);
		text_add(ret_text, text_string(&c.out), c.out.length);
		r = text_check(&c.out, f) < 0 ? -1 : text_check(ret_text, f);
	}
	text_done(&c.out);
	return r;
}
