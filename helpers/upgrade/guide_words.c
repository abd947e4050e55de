/* The words of a step for one server: what stands in braces, the list for people, and the JSON. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "upgrade/guide.h"

enum { COLUMNS = 79, INDENT = 27 };

static const char *const who_names[] = { [GUIDE_OURS] = "okv-luna",
					 [GUIDE_CLIENT] = "client",
					 [GUIDE_HSM] = "hsm",
					 [GUIDE_CONSOLE] = "console",
					 [GUIDE_SERVER] = "server" };
static const char *const state_names[] = {
	[GUIDE_DONE] = "done", [GUIDE_NEXT] = "next", [GUIDE_LATER] = "later", [GUIDE_SKIP] = "skip"
};

/* --- what stands in braces ---------------------------------------------------------------------------------------- */

static bool is_up_to(const struct guide_node *node, unsigned last)
{
	return node->okv.most <= last;
}

static bool is_from(const struct guide_node *node, unsigned first)
{
	return node->okv.least >= first;
}

static void vendor_add(const struct guide_node *node, struct text *out)
{
	const char *name = node->settings->vendor_name;

	if (is_up_to(node, 1804))
		text_add_string(out, "SafeNet");
	else if (is_from(node, 1805) && is_up_to(node, 2102))
		text_add_string(out, "Thales");
	else if (is_up_to(node, 2102))
		text_add_string(out, "SafeNet (OKV 18.4 and earlier) or Thales (18.5 to 21.2)");
	else if (!is_from(node, 2103))
		text_add_format(out, "SafeNet (OKV 18.4 and earlier), Thales (18.5 to 21.2) or %s (21.3 and later)",
				name);
	else if (guide_is_v6(node))
		text_add_string(out,
				"the guide names no vendor for a v6.x client from OKV 21.3 on; ask Thales support");
	else if (node->kind == GUIDE_CLOUD_MIN)
		text_add_format(out, "%s (the guide does not say it for the minimum client)", name);
	else
		text_add_string(out, name);
}

static void label_add(const struct guide_node *node, struct text *out)
{
	const char *label = node->settings->token_label;

	if (is_up_to(node, 1803)) {
		text_add_string(out, "none; OKV 18.3 and earlier do not support it");
		return;
	}
	text_add_string(out, "tick Use Token Label and enter the partition's label");
	if (label[0] != '\0')
		text_add_format(out, ", '%s'", SHOWN(label));
	if (!is_from(node, 1804))
		text_add_string(out, " (OKV 18.3 and earlier do not support it)");
}

static void page_add(const struct guide_node *node, const char *old, const char *new, struct text *out)
{
	if (is_from(node, 2101))
		text_add_string(out, new);
	else if (is_up_to(node, 1805))
		text_add_string(out, old);
	else
		text_add_format(out, "%s (OKV 21.1 and later) or %s (18.5 and earlier%s)", new, old,
				is_from(node, 1806) ? "; the guide does not say where 18.6 to 18.8 have it" : "");
}

static void minimum_add(const struct guide_node *node, struct text *out)
{
	if (node->kind == GUIDE_CLOUD_MIN)
		text_add_format(out, "The guide skips this for the minimum client, but needs the vendor entry that "
				     "these files create.");
}

static bool word_is(const char *word, size_t length, const char *name)
{
	return text_equal(word, length, name);
}

static void word_expand(const struct guide_node *node, const char *word, size_t length, struct text *out)
{
	const struct settings *s = node->settings;

	if (word_is(word, length, "lc"))
		text_add_string(out, s->client_dir);
	else if (word_is(word, length, "lib"))
		text_add_string(out, s->pkcs11_lib);
	else if (word_is(word, length, "user"))
		text_add_string(out, s->okv_user);
	else if (word_is(word, length, "group"))
		text_add_string(out, s->hsm_group);
	else if (word_is(word, length, "host"))
		text_add_string(out, node->host);
	else if (word_is(word, length, "service"))
		text_add_string(out, GUIDE_SERVICE_DIR);
	else if (word_is(word, length, "key"))
		text_add_string(out, GUIDE_ROOT_KEY);
	else if (word_is(word, length, "vendor"))
		vendor_add(node, out);
	else if (word_is(word, length, "label"))
		label_add(node, out);
	else if (word_is(word, length, "minimum"))
		minimum_add(node, out);
	else if (word_is(word, length, "page"))
		page_add(node, "System, Hardware Security Module", "System, Settings, Network Services, HSM", out);
	else if (word_is(word, length, "backup"))
		page_add(node, "System, System Backup", "System, Settings, System Configuration, Backup and Restore",
			 out);
	else
		text_add(out, word, length); /* in capitals: for a person to fill in */
}

void guide_expand(const struct guide_node *node, const char *words, struct text *out)
{
	for (const char *open; (open = strchr(words, '{')) != NULL;) {
		const size_t length = strcspn(open + 1, "}");
		text_add(out, words, (size_t)(open - words));
		word_expand(node, open + 1, length, out);
		words = open + 1 + length + 1;
	}
	text_add_string(out, words);
}

void guide_words(const struct guide_node *node, const struct guide_step *step, struct text *out)
{
	for (const char *at = step->command; at != NULL && *at != '\0';) {
		const size_t length = strcspn(at, " ");
		char word[128];
		(void)snprintf(word, sizeof(word), "%.*s", (int)length, at);
		guide_expand(node, word, out);
		text_add_char(out, '\0');
		at += length + (at[length] == ' ');
	}
}

/* As it is typed: a word that a shell would take apart is quoted. */
static void command_add(const struct guide_node *node, const struct guide_step *step, struct text *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=@%+-";
	TEXT_AUTO words = { 0 };

	guide_words(node, step, &words);
	for (size_t at = 0; at < words.length; at += strlen(words.bytes + at) + 1) {
		const char *word = words.bytes + at;
		const char *quote = word[strspn(word, plain)] != '\0' ? "'" : "";
		text_add_string(out, at > 0 ? " " : "");
		text_add_string(out, quote);
		for (const char *c = word; *c != '\0'; c++)
			if (*c == '\'')
				text_add_string(out, "'\\''");
			else
				text_add_char(out, *c);
		text_add_string(out, quote);
	}
}

static bool can_be_said(const struct guide_line *line)
{
	return (line->state == GUIDE_NEXT || line->state == GUIDE_LATER) && (line->step->done == 0 || line->step->said);
}

static void said_add(const struct guide_node *node, enum guide_procedure procedure, const struct guide_line *line,
		     struct text *out)
{
	text_add_format(out, "okv-luna guide %s%s --done %s", guide_procedure_name(procedure),
			text_string(&node->options), line->step->id);
}

/* --- for people --------------------------------------------------------------------------------------------------- */

/* Words from that column on, and on further lines as long as they are. */
static void wrapped_add(struct text *out, int indent, const char *words)
{
	size_t column = (size_t)indent;

	text_add_format(out, "%*s", indent, "");
	while (*words != '\0') {
		const size_t length = strcspn(words, " ");
		if (column > (size_t)indent && column + 1 + length > COLUMNS) {
			text_add_format(out, "\n%*s", indent, "");
			column = (size_t)indent;
		}
		if (column > (size_t)indent) {
			text_add_char(out, ' ');
			column++;
		}
		text_add(out, words, length);
		column += length;
		words += length + (words[length] == ' ');
	}
	text_add_char(out, '\n');
}

/* What is to be done at a step: its command, its text, and how to say that it is done. */
static void work_add(const struct guide_node *node, enum guide_procedure procedure, const struct guide_line *line,
		     int indent, struct text *out)
{
	TEXT_AUTO words = { 0 };

	if (line->step->command != NULL) {
		text_add_format(out, "%*s", indent, "");
		command_add(node, line->step, out);
		text_add_char(out, '\n');
	}
	if (line->step->text != NULL)
		guide_expand(node, line->step->text, &words);
	if (words.length > 0)
		wrapped_add(out, indent, text_string(&words));
	if (line->why.length > 0)
		wrapped_add(out, indent, text_string(&line->why));
	if (can_be_said(line)) {
		text_add_format(out, "%*swhen done: ", indent, "");
		said_add(node, procedure, line, out);
		text_add_char(out, '\n');
	}
}

static void line_add(const struct guide_node *node, enum guide_procedure procedure, const struct guide_line *line,
		     struct text *out)
{
	char stamp[TIME_STAMP_SIZE];
	TEXT_AUTO title = { 0 };

	guide_expand(node, line->step->title, &title);
	text_add_format(out, "  %-6s%-*s%s", line->state == GUIDE_SKIP ? "-" : state_names[line->state], INDENT - 8 - 0,
			line->step->id, text_string(&title));
	if (line->state == GUIDE_SKIP) {
		text_add_char(out, '\n');
		TEXT_AUTO why = { 0 };
		text_add_format(&why, "not needed: %s", text_string(&line->why));
		wrapped_add(out, INDENT, text_string(&why));
		return;
	}
	if (line->marked != 0) {
		time_format(line->marked, stamp);
		text_add_format(out, " (marked on %.10s)", stamp);
	}
	text_add_char(out, '\n');
	if (line->state == GUIDE_LATER)
		work_add(node, procedure, line, INDENT, out);
}

void guide_format_next(const struct guide_node *node, enum guide_procedure procedure, const struct guide_list *list,
		       struct text *out)
{
	const char *name = guide_procedure_name(procedure);
	TEXT_AUTO title = { 0 };

	if (list->next != NULL) {
		guide_expand(node, list->next->step->title, &title);
		text_add_format(out, "next: %s: %s\n", list->next->step->id, text_string(&title));
		work_add(node, procedure, list->next, 6, out);
		return;
	}
	text_add_format(out, "All steps of %s are done", name);
	if (procedure != GUIDE_INSTALL)
		text_add_format(out, "; before the next time: okv-luna guide %s%s --again", name,
				text_string(&node->options));
	text_add_char(out, '\n');
}

void guide_format(const struct guide_node *node, enum guide_procedure procedure, const struct guide_list *list,
		  struct text *out)
{
	struct text_line note;

	guide_format_next(node, procedure, list, out);
	text_add_format(out, "\nguide %s, %s\n", guide_procedure_name(procedure), text_string(&node->described));
	for (size_t at = 0; text_line_next(node->notes.bytes, node->notes.length, &at, &note);)
		text_add_format(out, "note: %.*s\n", (int)note.length, note.bytes);
	text_add_char(out, '\n');
	for (size_t i = 0; i < list->count; i++)
		line_add(node, procedure, &list->lines[i], out);
}

/* --- for scripts -------------------------------------------------------------------------------------------------- */

/* What a person fills in: the words in capitals in braces. */
static void placeholders_json(const struct guide_step *step, struct json *j)
{
	json_array_begin(j, "placeholders");
	for (const char *at = step->command; at != NULL && (at = strchr(at, '{')) != NULL; at++)
		if (at[1] >= 'A' && at[1] <= 'Z')
			json_string_bytes(j, NULL, at + 1, strcspn(at + 1, "}"));
	json_array_end(j);
}

static void expanded_json(const struct guide_node *node, const char *key, const char *words, struct json *j)
{
	TEXT_AUTO text = { 0 };

	if (words != NULL)
		guide_expand(node, words, &text);
	json_string(j, key, text.length > 0 ? text_string(&text) : NULL);
}

static void line_json(const struct guide_node *node, enum guide_procedure procedure, const struct guide_line *line,
		      struct json *j)
{
	TEXT_AUTO command = { 0 };
	TEXT_AUTO said = { 0 };
	char stamp[TIME_STAMP_SIZE];

	json_object_begin(j, NULL);
	json_string(j, "id", line->step->id);
	json_string(j, "state", state_names[line->state]);
	json_string(j, "who", who_names[line->step->who]);
	expanded_json(node, "title", line->step->title, j);
	command_add(node, line->step, &command);
	json_string(j, "command", command.length > 0 ? text_string(&command) : NULL);
	placeholders_json(line->step, j);
	expanded_json(node, "text", line->step->text, j);
	json_string(j, "why", line->why.length > 0 ? text_string(&line->why) : NULL);
	if (can_be_said(line))
		said_add(node, procedure, line, &said);
	json_string(j, "when_done", said.length > 0 ? text_string(&said) : NULL);
	if (line->marked != 0)
		time_format(line->marked, stamp);
	json_string(j, "said", line->marked != 0 ? stamp : NULL);
	json_object_end(j);
}

void guide_json(const struct guide_node *node, enum guide_procedure procedure, const struct guide_list *list,
		struct text *out)
{
	struct text_line note;
	struct json j;

	json_init(&j, out);
	json_object_begin(&j, NULL);
	json_string(&j, "command", "okv-luna-guide");
	json_number(&j, "exit", list->next != NULL ? 1 : 0);
	json_string(&j, "procedure", guide_procedure_name(procedure));
	json_string(&j, "server", text_string(&node->described));
	json_array_begin(&j, "notes");
	for (size_t at = 0; text_line_next(node->notes.bytes, node->notes.length, &at, &note);)
		json_string_bytes(&j, NULL, note.bytes, note.length);
	json_array_end(&j);
	json_string(&j, "next", list->next != NULL ? list->next->step->id : NULL);
	json_array_begin(&j, "steps");
	for (size_t i = 0; i < list->count; i++)
		line_json(node, procedure, &list->lines[i], &j);
	json_array_end(&j);
	json_object_end(&j);
}
