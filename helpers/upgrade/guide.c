#include "upgrade/guide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/option.h"
#include "base/time.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/release.h"

static const char marks_path[] = SETTINGS_VAR "/guide";

const char *const guide_procedures[] = { [GUIDE_INSTALL] = "install",
					 [GUIDE_UPGRADE] = "upgrade",
					 [GUIDE_RESTORE] = "restore",
					 [GUIDE_CLUSTER] = "cluster",
					 NULL };

enum { INDENT = 27 };

/* The label of OKV's root key, in later releases too. */
static const char root_key[] = "OKV 18.1 HSM Root Key";

static const char *const who_names[] = { [GUIDE_OURS] = "okv-luna",
					 [GUIDE_CLIENT] = "client",
					 [GUIDE_HSM] = "hsm",
					 [GUIDE_CONSOLE] = "console",
					 [GUIDE_SERVER] = "server" };
static const char *const state_names[] = {
	[GUIDE_DONE] = "done", [GUIDE_NEXT] = "next", [GUIDE_LATER] = "later", [GUIDE_SKIP] = "skip"
};

/* --- words in braces ---------------------------------------------------------------------------------------------- */

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
	else if (!is_from(node, OKV_FIRST_GENERIC))
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

static void place_add(const struct guide_node *node, const char *old, const char *new, struct text *out)
{
	if (is_from(node, 2101))
		text_add_string(out, new);
	else if (is_up_to(node, 1805))
		text_add_string(out, old);
	else
		text_add_format(out, "%s (OKV 21.1 and later) or %s (18.5 and earlier%s)", new, old,
				is_from(node, 1806) ? "; the guide does not say where 18.6 to 18.8 have it" : "");
}

static void page_add(const struct guide_node *node, struct text *out)
{
	place_add(node, "System, Hardware Security Module", "System, Settings, Network Services, HSM", out);
}

static void backup_add(const struct guide_node *node, struct text *out)
{
	place_add(node, "System, System Backup", "System, Settings, System Configuration, Backup and Restore", out);
}

static void minimum_add(const struct guide_node *node, struct text *out)
{
	if (node->kind == GUIDE_CLOUD_MIN)
		text_add_format(out, "The guide skips this for the minimum client, but needs the vendor entry that "
				     "these files create.");
}

static void word_expand(const struct guide_node *node, const char *word, size_t length, struct text *out)
{
	const struct settings *s = node->settings;
	const struct {
		const char *name, *value;
		void (*add)(const struct guide_node *node, struct text *out); /* used if the value is NULL */
	} words[] = {
		{ "lc", s->client_dir, NULL }, { "lib", s->pkcs11_lib, NULL },
		{ "user", s->okv_user, NULL }, { "group", s->hsm_group, NULL },
		{ "host", node->host, NULL },  { "service", GUIDE_SERVICE_DIR, NULL },
		{ "key", root_key, NULL },     { "vendor", NULL, vendor_add },
		{ "label", NULL, label_add },  { "minimum", NULL, minimum_add },
		{ "page", NULL, page_add },    { "backup", NULL, backup_add },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!text_equal(word, length, words[i].name))
			continue;
		if (words[i].value != NULL)
			text_add_string(out, words[i].value);
		else
			words[i].add(node, out);
		return;
	}
	text_add(out, word, length); /* a placeholder, in capitals */
}

static void expand(const struct guide_node *node, const char *words, struct text *out)
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
		expand(node, word, out);
		text_add_char(out, '\0');
		at += length + (at[length] == ' ');
	}
}

/* Quoted for a shell. */
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
	/* Another procedure needs the same options about this server. */
	if (step->command != NULL && strncmp(step->command, "okv-luna guide ", 15) == 0)
		text_add_string(out, text_string(&node->options));
}

/* --- which steps this server needs -------------------------------------------------------------------------------- */

enum need { NEEDED, NOT_NEEDED, DEPENDS };

/* NEEDED: all of the range is within `from` to `to` (0: open); NOT_NEEDED: none of it; DEPENDS: a part. */
static enum need range_need(const struct guide_range *range, unsigned from, unsigned to)
{
	const unsigned last = to > 0 ? to : GUIDE_ANY;

	if (range->most < from || range->least > last)
		return NOT_NEEDED;
	return range->least >= from && range->most <= last ? NEEDED : DEPENDS;
}

static const char *when_skip(const struct guide_node *node, enum guide_when when)
{
	const struct {
		bool needed;
		const char *otherwise;
	} whens[] = {
		[GUIDE_ALWAYS] = { true, NULL },
		[GUIDE_IF_HA] = { node->ha, "only with an HA group (--ha)" },
		[GUIDE_IF_CLUSTER] = { node->cluster, "only for a node of a cluster (--cluster)" },
		[GUIDE_IF_BUNDLE] = { node->bundle, "only for an existing cluster of several nodes (--bundle)" },
		[GUIDE_IF_SINGLE] = { !node->bundle, "only where a cluster starts with a single node" },
	};

	return whens[when].needed ? NULL : whens[when].otherwise;
}

static const char *or_plain(const char *words, const char *plain)
{
	return words != NULL ? words : plain;
}

/* Why the step is not needed, or NULL. */
static const char *skip_of(const struct guide_node *node, const struct guide_step *step)
{
	const char *skip = when_skip(node, step->when);
	const bool v6 = guide_is_v6(node);

	if (skip != NULL)
		return skip;
	if (step->v6 == GUIDE_V6_NOT && v6)
		return "the guide skips this for a Luna client v6.x";
	if (step->v6 == GUIDE_V6_ONLY && !v6)
		return "only for a Luna client v6.x";
	if (step->kinds != 0 && node->kind != 0 && (step->kinds & node->kind) == 0)
		return or_plain(step->skip_kind, "not for this kind of client");
	if (step->v6 == GUIDE_V6_ALWAYS && v6)
		return NULL;
	if (range_need(&node->okv, step->from, step->to) == NOT_NEEDED)
		return or_plain(step->skip_version, "not for this release of OKV");
	if (range_need(&node->client, 0, step->client_to) == NOT_NEEDED)
		return or_plain(step->skip_version, "not for this version of the client");
	return NULL;
}

static enum need need_of(const struct guide_node *node, const struct guide_step *step, struct text *why)
{
	const char *skip = skip_of(node, step);
	const char *open = NULL;

	if (skip != NULL) {
		expand(node, skip, why);
		return NOT_NEEDED;
	}
	if (step->kinds != 0 && node->kind == 0)
		open = "the kind of system: give --kind";
	else if (step->v6 == GUIDE_V6_ALWAYS && guide_is_v6(node))
		return NEEDED;
	else if (range_need(&node->okv, step->from, step->to) == DEPENDS)
		open = "OKV's release: give --okv";
	else if (range_need(&node->client, 0, step->client_to) == DEPENDS)
		open = "the client's version: give --client";
	if (open == NULL)
		return NEEDED;
	text_add_format(why, "depends on %s", open);
	return DEPENDS;
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static const char begin_word[] = "begin";

enum { ID_SIZE = 24 };

/*
 * When the step was last marked since the procedure's last begin, or with begin_word, when that was; 0: never.  A line
 * of the file is "install initialize 2026-11-30T10:00:00Z".
 */
static int64_t mark_when(const struct text *marks, enum guide_procedure procedure, const char *id)
{
	char words[3][ID_SIZE], copy[4 * ID_SIZE];
	struct text_line line;
	int64_t when = 0, then;

	for (size_t at = 0; text_line_next(marks->bytes, marks->length, &at, &line);) {
		int length = 0;
		if (snprintf(copy, sizeof(copy), "%.*s", (int)line.length, line.bytes) >= (int)sizeof(copy) ||
		    sscanf(copy, "%23s %23s %23s%n", words[0], words[1], words[2], &length) != 3 ||
		    (size_t)length != line.length || strcmp(words[0], guide_procedures[procedure]) != 0 ||
		    !time_parse(words[2], strlen(words[2]), &then))
			continue;
		if (strcmp(words[1], id) == 0)
			when = then;
		else if (strcmp(words[1], begin_word) == 0)
			when = 0;
	}
	return when;
}

/* Adds a line.  With begin_word, removes the other lines of this procedure. */
static int mark_write(int root, enum guide_procedure procedure, const char *id, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	const char *name = guide_procedures[procedure];
	TEXT_AUTO file = { 0 };
	TEXT_AUTO next = { 0 };
	char stamp[TIME_STAMP_SIZE];
	struct text_line line;
	bool there;

	if (fs_read_optional(root, marks_path, &file, &there, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(file.bytes, file.length, &at, &line);)
		if (strcmp(id, begin_word) != 0 || line.length <= strlen(name) ||
		    !text_equal(line.bytes, strlen(name), name) || line.bytes[strlen(name)] != ' ')
			text_add_format(&next, "%.*s\n", (int)line.length, line.bytes);
	time_format(time_now(), stamp);
	text_add_format(&next, "%s %s %s\n", name, id, stamp);
	if (text_check(&next, f) < 0)
		return -1;
	return fs_publish(root, marks_path, FS_FOLLOW_TRUSTED, text_string(&next), next.length, &how, f);
}

int guide_begin(int root, enum guide_procedure procedure, struct fault *f)
{
	return mark_write(root, procedure, begin_word, f);
}

int guide_mark(int root, const struct guide_node *node, enum guide_procedure procedure, const char *id, struct fault *f)
{
	const struct guide_step *step = guide_steps[procedure].items, *end = step + guide_steps[procedure].count;
	struct nearest nearest = { .word = id, .length = strlen(id) };
	char hint[NEAREST_HINT_SIZE];
	TEXT_AUTO why = { 0 };

	for (; step < end && strcmp(step->id, id) != 0; step++)
		nearest_offer(&nearest, step->id);
	if (step == end)
		return fault_usage(f, "%s has no step '%s'%s", guide_procedures[procedure], SHOWN(id),
				   nearest_hint(&nearest, "", "", hint));
	if (step->done != 0 && !step->markable)
		return fault_refused(f, "okv-luna itself checks whether step '%s' is done; --done is not for it", id);
	if (need_of(node, step, &why) == NOT_NEEDED)
		return fault_refused(f, "step '%s' is not needed here: %s", id, text_string(&why));
	return mark_write(root, procedure, id, f);
}

/* --- the checklist ------------------------------------------------------------------------------------------------ */

void guide_list_done(struct guide_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		text_done(&list->lines[i].why);
	free(list->lines);
	*list = (struct guide_list){ .lines = NULL };
}

static struct guide_line line_of(const struct guide_list *list, const struct guide_step *step, unsigned signs,
				 const struct text *marks)
{
	const bool open = list->next != NULL;
	struct guide_line line = { .step = step, .state = open ? GUIDE_LATER : GUIDE_NEXT };
	enum need need = need_of(list->node, step, &line.why);

	if (need == NOT_NEEDED && (step->needed_by & signs) != 0) {
		text_cut(&line.why, 0);
		need = NEEDED;
	}
	if (need == NOT_NEEDED) {
		line.state = GUIDE_SKIP;
		return line;
	}
	if ((step->done & signs) != 0 && (!step->last || !open))
		line.state = GUIDE_DONE;
	else if (step->done == 0 || step->markable)
		line.marked = mark_when(marks, list->procedure, step->id);
	if (line.marked != 0)
		line.state = GUIDE_DONE;
	return line;
}

static int list_make(const struct guide_node *node, enum guide_procedure procedure, unsigned signs,
		     const struct text *marks, struct guide_list *ret_list, struct fault *f)
{
	const struct guide_steps *steps = &guide_steps[procedure];
	GUIDE_LIST_AUTO list = { .procedure = procedure,
				 .node = node,
				 .lines = calloc(steps->count, sizeof(list.lines[0])) };

	if (list.lines == NULL)
		return fault_memory(f);
	while (list.count < steps->count) {
		struct guide_line *line = &list.lines[list.count];
		*line = line_of(&list, &steps->items[list.count++], signs, marks);
		if (line->state == GUIDE_NEXT)
			list.next = line;
		if (text_check(&line->why, f) < 0)
			return -1;
	}
	*ret_list = list;
	list = (struct guide_list){ .lines = NULL };
	return 0;
}

int guide_list_find(struct upgrade_run *run, const struct guide_node *node, enum guide_procedure procedure,
		    struct guide_list *ret_list, struct fault *f)
{
	TEXT_AUTO marks = { 0 };
	unsigned signs;
	bool there;

	if (fs_read_optional(run->root, marks_path, &marks, &there, f) < 0 ||
	    guide_look(run, node, mark_when(&marks, procedure, begin_word), &signs, f) < 0)
		return -1;
	return list_make(node, procedure, signs, &marks, ret_list, f);
}

static bool is_markable(const struct guide_line *line)
{
	return (line->state == GUIDE_NEXT || line->state == GUIDE_LATER) &&
	       (line->step->done == 0 || line->step->markable);
}

/* The command that prints this list. */
static void guide_command_add(const struct guide_list *list, struct text *out)
{
	text_add_format(out, "okv-luna guide %s%s%s%s", guide_procedures[list->procedure],
			text_string(&list->node->options),
			list->procedure == GUIDE_UPGRADE && list->node->cluster ? " --cluster" : "",
			list->procedure == GUIDE_CLUSTER && list->node->bundle ? " --bundle" : "");
}

static void mark_command_add(const struct guide_list *list, const struct guide_line *line, struct text *out)
{
	guide_command_add(list, out);
	text_add_format(out, " --done %s", line->step->id);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

/* Wraps the words into lines that begin at that column. */
static void wrapped_add(struct text *out, int indent, const char *words)
{
	text_add_format(out, "%*s", indent, "");
	option_help_wrap(out, words, (size_t)indent);
}

/* What to do: the step's command, its text, and how to mark it. */
static void instructions_add(const struct guide_list *list, const struct guide_line *line, int indent, struct text *out)
{
	TEXT_AUTO words = { 0 };

	if (line->step->command != NULL) {
		text_add_format(out, "%*s", indent, "");
		command_add(list->node, line->step, out);
		text_add_char(out, '\n');
	}
	if (line->step->text != NULL)
		expand(list->node, line->step->text, &words);
	if (words.length > 0)
		wrapped_add(out, indent, text_string(&words));
	if (line->why.length > 0)
		wrapped_add(out, indent, text_string(&line->why));
	if (is_markable(line)) {
		text_add_format(out, "%*swhen done: ", indent, "");
		mark_command_add(list, line, out);
		text_add_char(out, '\n');
	}
}

static void line_add(const struct guide_list *list, const struct guide_line *line, struct text *out)
{
	char stamp[TIME_STAMP_SIZE];
	TEXT_AUTO title = { 0 };

	expand(list->node, line->step->title, &title);
	text_add_format(out, "  %-6s%-*s%s", line->state == GUIDE_SKIP ? "-" : state_names[line->state], INDENT - 8,
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
		instructions_add(list, line, INDENT, out);
}

void guide_format_next(const struct guide_list *list, struct text *out)
{
	const char *name = guide_procedures[list->procedure];
	TEXT_AUTO title = { 0 };

	if (list->next != NULL) {
		expand(list->node, list->next->step->title, &title);
		text_add_format(out, "next: %s: %s\n", list->next->step->id, text_string(&title));
		instructions_add(list, list->next, 6, out);
		return;
	}
	text_add_format(out, "All steps of %s are done", name);
	if (list->procedure != GUIDE_INSTALL) {
		text_add_string(out, "; before the next time: ");
		guide_command_add(list, out);
		text_add_string(out, " --again");
	}
	text_add_char(out, '\n');
}

void guide_format(const struct guide_list *list, struct text *out)
{
	struct text_line note;

	guide_format_next(list, out);
	text_add_format(out, "\nguide %s, %s\n", guide_procedures[list->procedure],
			text_string(&list->node->described));
	for (size_t at = 0; text_line_next(list->node->notes.bytes, list->node->notes.length, &at, &note);)
		text_add_format(out, "note: %.*s\n", (int)note.length, note.bytes);
	text_add_char(out, '\n');
	for (size_t i = 0; i < list->count; i++)
		line_add(list, &list->lines[i], out);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

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
		expand(node, words, &text);
	json_string(j, key, text.length > 0 ? text_string(&text) : NULL);
}

static void line_json(const struct guide_list *list, const struct guide_line *line, struct json *j)
{
	TEXT_AUTO command = { 0 };
	TEXT_AUTO mark = { 0 };
	char stamp[TIME_STAMP_SIZE];

	json_object_begin(j, NULL);
	json_string(j, "id", line->step->id);
	json_string(j, "state", state_names[line->state]);
	json_string(j, "who", who_names[line->step->who]);
	expanded_json(list->node, "title", line->step->title, j);
	command_add(list->node, line->step, &command);
	json_string(j, "command", command.length > 0 ? text_string(&command) : NULL);
	placeholders_json(line->step, j);
	expanded_json(list->node, "text", line->step->text, j);
	json_string(j, "why", line->why.length > 0 ? text_string(&line->why) : NULL);
	if (is_markable(line))
		mark_command_add(list, line, &mark);
	json_string(j, "when_done", mark.length > 0 ? text_string(&mark) : NULL);
	if (line->marked != 0)
		time_format(line->marked, stamp);
	json_string(j, "said", line->marked != 0 ? stamp : NULL);
	json_object_end(j);
}

void guide_json(const struct guide_list *list, struct json *j)
{
	json_string(j, "procedure", guide_procedures[list->procedure]);
	json_string(j, "server", text_string(&list->node->described));
	json_lines(j, "notes", &list->node->notes);
	json_string(j, "next", list->next != NULL ? list->next->step->id : NULL);
	json_array_begin(j, "steps");
	for (size_t i = 0; i < list->count; i++)
		line_json(list, &list->lines[i], j);
	json_array_end(j);
}
