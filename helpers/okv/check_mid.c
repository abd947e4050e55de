#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/midupgrade.h"
#include "conf/script.h"
#include "fs/root.h"
#include "okv/check.h"
#include "okv/shell.h"

/* Could wiring put the block in its place, so that a shell can still parse the script? */
static bool wiring_moves(struct okv_checking *c, const struct text *script)
{
	struct fault stays = { 0 };
	struct okv_shell answer;
	TEXT_AUTO wired = { 0 };

	return midupgrade_insert(text_string(script), script->length, c->job->settings->hsm_group, &wired, &stays) ==
		       0 &&
	       okv_shell_ask(&wired, OKV_SHELL_ANY, &answer, &stays) == 0 && (answer.asked == 0 || answer.agreed != 0);
}

#define LOST "nothing restores the HSM group, its members and the links"

/* The finding for a state of the block or a leftover; `by_hand` is the remedy where the command is not enough. */
struct mid_rule {
	enum finding_severity severity;
	const char *word, *what, *effect, *remedy, *by_hand;
};

static const struct mid_rule block_rules[] = {
	[MIDUPGRADE_NONE] = { FINDING_FAIL, "mid-unwired", "the okv-luna block is not in it",
			      "after an OS major upgrade " LOST, FINDING_WIRE_IT, NULL },
	[MIDUPGRADE_STALE] = { FINDING_WARN, "mid-stale",
			       "the okv-luna block is of another version, was edited, or is not in its place",
			       "OKV's upgrade runs the block as it is", FINDING_WIRE_IT, NULL },
	/* Wiring moves the block above that line, unless the line is in OKV's part of the script. */
	[MIDUPGRADE_UNREACHED] = { FINDING_FAIL, "mid-unreached", "the script ends here, before the okv-luna block",
				   "the block is never reached: after an OS major upgrade " LOST, FINDING_WIRE_IT,
				   "remove the line, or move it to the end of the script" },
	[MIDUPGRADE_INSIDE] = { FINDING_FAIL, "mid-inside",
				"the okv-luna block is inside another command, a function or a here-document",
				"the block may never run: then " LOST " after an OS major upgrade", FINDING_WIRE_IT,
				"remove the command, function or here-document around the block" },
	[MIDUPGRADE_UNPAIRED] = { FINDING_FAIL, "mid-torn", "the marks of the okv-luna block do not pair up",
				  "okv-luna leaves the file alone, because it cannot tell what belongs to the block",
				  "remove the block and its marks by hand, then: " FINDING_WIRE_IT, NULL },
};

#define DROP_IT FINDING_FIX_IT " --drop-handmade"
#define ARBITRARY \
	"it gets an arbitrary id and no members, and the files keep the old id; the okv-luna block restores all three"

static const struct mid_rule leftover_rules[] = {
	[MIDUPGRADE_LEFTOVER_GROUPADD] = { FINDING_WARN, "mid-handmade", "the HSM group is made by hand here",
					   ARBITRARY, DROP_IT, NULL },
	[MIDUPGRADE_LEFTOVER_NESTED] = { FINDING_WARN, "mid-handmade-nested",
					 "the HSM group is made by hand here, inside another command", ARBITRARY,
					 "remove it by hand", NULL },
	[MIDUPGRADE_LEFTOVER_EXIT] = { FINDING_WARN, "mid-handmade-exit",
				       "the script reports 'changed' here, whatever happened above",
				       "OKV is told of a change that did not happen", DROP_IT, NULL },
	[MIDUPGRADE_LEFTOVER_QUOTE] = { FINDING_FAIL, "mid-curly-quote",
					"there is a typographic quote in a command, as in the guide's printed text",
					"the string does not end: the shell runs what is above, then stops with "
					"status 2 inside the upgrade",
					FINDING_FIX_IT, "write the line again with plain quotes" },
	[MIDUPGRADE_LEFTOVER_SPACE] = { FINDING_FAIL, "mid-space",
					"there is a no-break space, a typographic hyphen or an invisible character in "
					"a command",
					"the shell reads it as part of a word, and does not find the command",
					FINDING_FIX_IT, "write the line again" },
};

/* `works`: the remedy's command is enough. */
static void rule_add(struct okv_checking *c, const struct mid_rule *rule, bool works, size_t line)
{
	finding_add(c->found,
		    FINDING_RULE(rule->severity, rule->word, rule->effect,
				 rule->by_hand == NULL || works ? rule->remedy : rule->by_hand),
		    line, "%s", rule->what);
}

static void block_check(struct okv_checking *c, const struct text *script, enum midupgrade_state state, size_t line)
{
	const struct mid_rule *rule = &block_rules[state];

	if (state != MIDUPGRADE_CURRENT)
		rule_add(c, rule, rule->by_hand != NULL && wiring_moves(c, script), line);
}

struct leftovers {
	struct okv_checking *c;
	bool fixable; /* a shell can parse it once the quotes are plain */
};

static void leftover_check(void *context, enum midupgrade_leftover leftover, size_t line)
{
	const struct leftovers *leftovers = context;

	rule_add(leftovers->c, &leftover_rules[leftover], leftovers->fixable, line);
}

/* Could a shell parse the script with plain quotes and line ends? */
static int fixable_find(const struct text *script, bool *ret_fixable, struct fault *f)
{
	TEXT_AUTO fixed = { 0 };
	struct okv_shell answer;

	if (assign_fix_script(text_string(script), script->length, &fixed, f) < 0 ||
	    okv_shell_ask(&fixed, OKV_SHELL_ANY, &answer, f) < 0)
		return -1;
	*ret_fixable = answer.agreed != 0;
	return 0;
}

/* The line number in "bash: line 7: unexpected EOF ...", or 0. */
static size_t complaint_line(const char *complaint)
{
	const char *at = strstr(complaint, "line ");
	if (at == NULL) {
		/* dash: "sh: 7: Syntax error" */
		at = strchr(complaint, ':');
		return at != NULL ? strtoul(at + 1, NULL, 10) : 0;
	}
	return strtoul(at + 5, NULL, 10);
}

static bool command_exists(int root, const char *bytes, const struct script *s, const char *word, size_t length)
{
	static const char *const places[] = { "/usr/bin", "/bin",           "/usr/sbin",
					      "/sbin",    "/usr/local/bin", "/usr/local/sbin" };
	static const char builtins[] = " . : [ alias bg break builtin cd command continue declare disown do done echo "
				       "elif else enable esac eval exec exit "
				       "export false fc fg fi for function getopts hash if jobs kill let local popd "
				       "printf pushd pwd read readonly return "
				       "select set shift shopt source suspend test then time times trap true type "
				       "typeset ulimit umask unalias unset until "
				       "wait while case ";
	char name[64];

	if (length == 0 || length + 2 >= sizeof(name))
		return true;
	name[0] = ' ';
	memcpy(name + 1, word, length);
	name[length + 1] = ' ';
	name[length + 2] = '\0';
	if (strstr(builtins, name) != NULL)
		return true;
	name[length + 1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", places[i], name + 1);
		if (fs_exists(root, path))
			return true;
	}
	/* A function of this script?  Sourced files are not searched. */
	for (size_t i = 0; i < s->count; i++) {
		const char *first;
		const size_t n = midupgrade_word(bytes + s->lines[i].start, s->lines[i].length, 0, &first);
		if (n >= length + 2 && memcmp(first, word, length) == 0 && first[length] == '(')
			return true;
	}
	return false;
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool is_one_of(char c, const char *characters)
{
	return c != '\0' && strchr(characters, c) != NULL;
}

static bool holds_any(const char *bytes, size_t length, const char *characters)
{
	size_t at = 0;

	while (at < length && !is_one_of(bytes[at], characters))
		at++;
	return at < length;
}

static bool letters_only(const char *word, size_t length)
{
	size_t at = 0;

	while (at < length && is_one_of(word[at], letters))
		at++;
	return at == length && length > 0;
}

int okv_prose_find(const struct okv_job *job, const struct text *script, struct text *ret_marks, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	TEXT_AUTO plain = { 0 };
	bool below = false; /* the line above is a comment, or the rest of one */

	/* Straighten quotes first: one that never ends would hide the lines below it. */
	if (assign_fix_script(text_string(script), script->length, &plain, f) < 0 ||
	    script_read(&s, text_string(&plain), plain.length, f) < 0)
		return -1;
	for (size_t i = 0; i < s.count; i++) {
		const char *line = text_string(&plain) + s.lines[i].start, *word, *second;
		size_t length = midupgrade_word(line, s.lines[i].length, 0, &word);

		/*
		 * Prose has a second word and no shell syntax; an unknown single word may be a function of a sourced
		 * file.
		 */
		bool prose = below && s.lines[i].code && s.lines[i].outer && assign_is_prose(line, s.lines[i].length) &&
			     !holds_any(line, s.lines[i].length, "|&<>$`") &&
			     midupgrade_word(line, s.lines[i].length, 1, &second) > 0 && second[0] != '-';
		if (prose && strchr(".,:", word[length - 1]) != NULL)
			length--;
		prose = prose && letters_only(word, length) &&
			!command_exists(job->root, text_string(&plain), &s, word, length);
		text_add_char(ret_marks, prose ? '#' : ' ');
		/* A ruler ("#-----") has no continuation. */
		below = prose || (line[0] == '#' && holds_any(line, s.lines[i].length, letters));
	}
	return text_check(ret_marks, f);
}

/* A comment that was wrapped in print continues on a line without '#', and the shell runs that line. */
static int prose_check(struct okv_checking *c, const struct text *script, struct fault *f)
{
	TEXT_AUTO marks = { 0 };
	struct text_line line;

	if (okv_prose_find(c->job, script, &marks, f) < 0)
		return -1;
	for (size_t at = 0, i = 0; text_line_next(text_string(script), script->length, &at, &line); i++) {
		const char *word;
		size_t length = midupgrade_word(line.bytes, line.length, 0, &word);

		if (i >= marks.length || marks.bytes[i] != '#')
			continue;
		length -= strchr(".,:", word[length - 1]) != NULL;
		finding_add(c->found,
			    FINDING_RULE(FINDING_WARN, "mid-wrapped-comment",
					 "the shell tries to run it, and under 'set -e' the script ends there",
					 FINDING_FIX_IT),
			    i + 1, "'%s' is not a command; the line looks like the rest of the comment above it",
			    SHOWN_BYTES(word, length));
	}
	return 0;
}

static bool line_holds(const struct text_line *line, const char *bytes)
{
	return memmem(line->bytes, line->length, bytes, strlen(bytes)) != NULL;
}

/* Reports, once each, bytes that Windows editors and printed text bring in. */
static void bytes_check(struct okv_checking *c, const struct text *script)
{
	bool carriage = false, dash = false;
	struct text_line line;

	for (size_t at = 0, number = 1; text_line_next(text_string(script), script->length, &at, &line); number++) {
		if (!carriage && line_holds(&line, "\r")) {
			carriage = true;
			finding_add(c->found,
				    FINDING_RULE(FINDING_FAIL, "mid-carriage-return",
						 "the shell reads the CR as part of the last word: 'exit' gets "
						 "something that is not a number",
						 FINDING_FIX_IT),
				    number, "lines end in CR LF instead of LF");
		}
		/* U+2013, U+2014: printed text has them in place of an option's hyphens. */
		if (!dash && (line_holds(&line, "\xe2\x80\x93") || line_holds(&line, "\xe2\x80\x94"))) {
			dash = true;
			finding_add(c->found,
				    FINDING_RULE(FINDING_WARN, "mid-dash",
						 "the command reads it as an operand, not as an option",
						 "write plain '-' characters"),
				    number, "there is a typographic dash, perhaps in place of an option's '-'");
		}
	}
	if (text_starts(text_string(script), "\xef\xbb\xbf"))
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "mid-bom", "the first line is not a '#!' line any more",
					 FINDING_FIX_IT),
			    1, "the file begins with a byte order mark");
}

int okv_check_mid(struct okv_checking *c, struct fault *f)
{
	TEXT_AUTO script = { 0 };
	struct leftovers leftovers = { .c = c };
	struct okv_shell answer;
	enum midupgrade_state state;
	const char *group = c->job->settings->hsm_group;
	size_t line;

	c->found->file = OKV_MID;
	const int r =
		okv_check_read(c,
			       FINDING_RULE(FINDING_FAIL, "file-missing",
					    "after an OS major upgrade nothing restores the HSM group and its members",
					    FINDING_RESTORE_IT),
			       &script, NULL, f);
	if (r <= 0)
		return r;
	if (midupgrade_look(text_string(&script), script.length, group, &state, &line, f) < 0 ||
	    okv_shell_ask(&script, OKV_SHELL_ANY, &answer, f) < 0)
		return -1;
	leftovers.fixable = answer.agreed != 0;
	if (answer.asked != 0 && answer.agreed == 0) {
		if (fixable_find(&script, &leftovers.fixable, f) < 0)
			return -1;
		finding_add(c->found,
			    FINDING_RULE(FINDING_FAIL, "mid-syntax",
					 "OKV's upgrade runs what is above the fault, then the script ends with "
					 "status 2",
					 leftovers.fixable ? FINDING_FIX_IT : "fix the line, then: bash -n " OKV_MID),
			    complaint_line(answer.complaint), "no shell can read it: %s", answer.complaint);
	}
	bytes_check(c, &script);
	if (midupgrade_leftovers(text_string(&script), script.length, group, leftover_check, &leftovers, f) < 0 ||
	    prose_check(c, &script, f) < 0)
		return -1;
	block_check(c, &script, state, line);
	return 0;
}
