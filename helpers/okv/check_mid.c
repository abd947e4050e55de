#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/fix.h"
#include "conf/midupgrade.h"
#include "conf/script.h"
#include "fs/root.h"
#include "okv/checking.h"
#include "okv/shell.h"

static const char wire_it[] = "okv-luna config wire";
static const char fix_it[] = "okv-luna config check --fix";

static void block_check(struct checking *c, enum midupgrade_state state, size_t line)
{
	switch (state) {
	case MIDUPGRADE_CURRENT:
		return;
	case MIDUPGRADE_NONE:
		okv_found(c, OKV_FAIL, "mid-unwired", OKV_MID, 0, NEEDS_A_PERSON, "the okv-luna block is not in it",
			  "after an OS major upgrade nobody gives the HSM group, its members and the links back",
			  wire_it);
		return;
	case MIDUPGRADE_STALE:
		okv_found(
			c, OKV_WARN, "mid-stale", OKV_MID, line, NEEDS_A_PERSON,
			"the okv-luna block is of another version, was edited, or something ends the script before it",
			"the upgrade runs what stands there, or does not reach it", wire_it);
		return;
	case MIDUPGRADE_TORN:
		okv_found(c, OKV_FAIL, "mid-torn", OKV_MID, line, NEEDS_A_PERSON,
			  "the marks of the okv-luna block do not pair up",
			  "wiring leaves the file alone, since what belongs to the block cannot be told",
			  "remove the block and its marks by hand, then okv-luna config wire");
		return;
	}
}

struct relics {
	struct checking *c;
	bool mendable; /* with plain quotes a shell can read it */
};

static int relic_check(void *context, enum midupgrade_relic relic, size_t line, struct fault *f)
{
	struct relics *r = context;
	static const char drop_it[] = "okv-luna config check --fix --drop-handmade";

	(void)f;
	switch (relic) {
	case MIDUPGRADE_RELIC_GROUPADD:
		okv_found(r->c, OKV_WARN, "mid-handmade", OKV_MID, line, NEEDS_A_PERSON,
			  "the HSM group is made by hand here",
			  "it gets a number by chance and no members, and the files keep the old number; the block "
			  "does it all",
			  drop_it);
		break;
	case MIDUPGRADE_RELIC_NESTED:
		okv_found(r->c, OKV_WARN, "mid-handmade-nested", OKV_MID, line, NEEDS_A_PERSON,
			  "the HSM group is made by hand here, inside another command",
			  "it gets a number by chance and no members, and the files keep the old number; the block "
			  "does it all",
			  "take it out by hand");
		break;
	case MIDUPGRADE_RELIC_EXIT:
		okv_found(r->c, OKV_WARN, "mid-handmade-exit", OKV_MID, line, NEEDS_A_PERSON,
			  "the script says 'changed' here whatever happened above",
			  "OKV is told of a change that was none", drop_it);
		break;
	case MIDUPGRADE_RELIC_QUOTE:
		okv_found(r->c, OKV_FAIL, "mid-curly-quote", OKV_MID, line, r->mendable ? SAFE_TO_FIX : NEEDS_A_PERSON,
			  "a typographic quote stands in a command, as in the guide's printed text",
			  "the string does not end: the shell runs what stands above, then stops with status 2 inside "
			  "the upgrade",
			  r->mendable ? fix_it : "write the line anew with plain quotes");
		break;
	}
	return 0;
}

/* Whether the file with plain quotes and line ends is one that a shell can read. */
static int mendable_find(const struct text *script, bool *ret_mendable, struct fault *f)
{
	TEXT_AUTO mended = { 0 };
	struct okv_shell answer;

	if (fix_script(text_string(script), script->length, &mended, f) < 0 || okv_shell_ask(&mended, &answer, f) < 0)
		return -1;
	*ret_mendable = answer.agreed != 0;
	return 0;
}

/* "bash: line 7: unexpected EOF ...": the number, or 0. */
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

static bool command_exists(const struct checking *c, const char *bytes, const struct script *s, const char *word,
			   size_t length)
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
		if (fs_exists(c->job->root, path))
			return true;
	}
	/* A function of the script, or of a file it reads in: the name with "()" is looked for here only. */
	for (size_t i = 0; i < s->count; i++) {
		const char *first;
		const size_t n = midupgrade_word(bytes + s->lines[i].start, s->lines[i].length, 0, &first);
		if (n >= length + 2 && memcmp(first, word, length) == 0 && first[length] == '(')
			return true;
	}
	return false;
}

static bool letters_only(const char *word, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!((word[i] >= 'a' && word[i] <= 'z') || (word[i] >= 'A' && word[i] <= 'Z')))
			return false;
	return length > 0;
}

/* A comment that was wrapped in print continues on a line without '#', which the shell then runs. */
static int prose_check(struct checking *c, const struct text *script, struct fault *f)
{
	SCRIPT_AUTO s = { 0 };
	const char *bytes = text_string(script);

	if (script_read(&s, bytes, script->length, f) < 0)
		return -1;
	for (size_t i = 1; i < s.count; i++) {
		const char *line = bytes + s.lines[i].start, *word, *second;
		size_t length = midupgrade_word(line, s.lines[i].length, 0, &word);

		/* Prose has a second word; a lone unknown word may be a function that is read in elsewhere. */
		if (!s.lines[i].code || !s.lines[i].outer || bytes[s.lines[i - 1].start] != '#' ||
		    midupgrade_word(line, s.lines[i].length, 1, &second) == 0 || second[0] == '-')
			continue;
		if (length > 0 && strchr(".,:", word[length - 1]) != NULL)
			length--;
		if (letters_only(word, length) && !command_exists(c, bytes, &s, word, length))
			okv_found(c, OKV_WARN, "mid-wrapped-comment", OKV_MID, i + 1, NEEDS_A_PERSON,
				  okv_words(c,
					    "'%s' is no command; the line looks like the rest of the comment above it",
					    SHOWN_BYTES(word, length)),
				  "the shell tries to run it, and under 'set -e' the script ends there",
				  "put a '#' before the line");
	}
	return 0;
}

static void bytes_check(struct checking *c, const struct text *script)
{
	size_t number = 1;
	bool carriage = false, foreign = false;

	for (size_t i = 0; i < script->length; i++) {
		const unsigned char byte = (unsigned char)script->bytes[i];
		if (byte == '\n')
			number++;
		if (byte == '\r' && !carriage) {
			carriage = true;
			okv_found(
				c, OKV_FAIL, "mid-carriage-return", OKV_MID, number, SAFE_TO_FIX,
				"lines end in CR LF instead of LF",
				"the shell takes the CR for a part of the last word: 'exit' gets a number that is none",
				fix_it);
		}
		/* U+2013, U+2014: what becomes of the dashes of an option in print. */
		if (byte == 0xe2 && i + 2 < script->length && (unsigned char)script->bytes[i + 1] == 0x80 && !foreign &&
		    ((unsigned char)script->bytes[i + 2] == 0x93 || (unsigned char)script->bytes[i + 2] == 0x94)) {
			foreign = true;
			okv_found(c, OKV_WARN, "mid-dash", OKV_MID, number, NEEDS_A_PERSON,
				  "a typographic dash stands where an option may be meant",
				  "the command takes it for an operand", "write plain '-' characters");
		}
	}
	if (script->length >= 3 && memcmp(script->bytes, "\xef\xbb\xbf", 3) == 0)
		okv_found(c, OKV_FAIL, "mid-bom", OKV_MID, 1, SAFE_TO_FIX, "the file begins with a byte order mark",
			  "the first line is no '#!' line any more", fix_it);
}

int okv_check_mid(struct checking *c, struct fault *f)
{
	TEXT_AUTO script = { 0 };
	struct relics relics = { .c = c };
	struct okv_shell answer;
	enum midupgrade_state state;
	const char *group = c->job->settings->hsm_group;
	size_t line;

	if (!okv_check_read(c, OKV_MID, OKV_FAIL,
			    "after an OS major upgrade nobody gives the HSM group and its members back",
			    "put OKV's own file back, as another node of this release has it", &script, NULL, f))
		return f->kind == FAULT_NONE ? 0 : -1;
	if (midupgrade_look(text_string(&script), script.length, group, &state, &line, f) < 0 ||
	    okv_shell_ask(&script, &answer, f) < 0)
		return -1;
	relics.mendable = answer.agreed != 0;
	if (answer.asked != 0 && answer.agreed == 0) {
		if (mendable_find(&script, &relics.mendable, f) < 0)
			return -1;
		okv_found(c, OKV_FAIL, "mid-syntax", OKV_MID, complaint_line(answer.complaint),
			  relics.mendable ? SAFE_TO_FIX : NEEDS_A_PERSON,
			  okv_words(c, "no shell here can read it: %s", answer.complaint),
			  "OKV's upgrade runs what stands above the fault, then the script ends with status 2",
			  relics.mendable ? fix_it : "fix the line, then: bash -n " OKV_MID);
	}
	bytes_check(c, &script);
	if (midupgrade_relics(text_string(&script), script.length, group, relic_check, &relics, f) < 0 ||
	    prose_check(c, &script, f) < 0)
		return -1;
	block_check(c, state, line);
	return 0;
}
