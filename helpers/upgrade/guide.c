#include "upgrade/guide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

static const char marks_path[] = SETTINGS_VAR "/guide";

static const char *const procedure_names[] = { [GUIDE_INSTALL] = "install",
					       [GUIDE_UPGRADE] = "upgrade",
					       [GUIDE_RESTORE] = "restore",
					       [GUIDE_CLUSTER] = "cluster" };

enum { PROCEDURES = sizeof(procedure_names) / sizeof(procedure_names[0]) };

const char *guide_procedure_name(enum guide_procedure procedure)
{
	return procedure_names[procedure];
}

bool guide_procedure_find(const char *name, enum guide_procedure *ret_procedure)
{
	for (unsigned i = 0; i < PROCEDURES; i++) {
		if (strcmp(name, procedure_names[i]) != 0)
			continue;
		*ret_procedure = (enum guide_procedure)i;
		return true;
	}
	return false;
}

/* --- which steps this server needs -------------------------------------------------------------------------------- */

bool guide_is_v6(const struct guide_node *node)
{
	return node->client.least >= 500 && node->client.most < 700;
}

/* Do the versions from `from` to `to` (0: open) hold all of the range, or none of it? */
static enum guide_need range_need(const struct guide_range *range, unsigned from, unsigned to)
{
	const unsigned last = to > 0 ? to : GUIDE_ANY;

	if (range->most < from || range->least > last)
		return GUIDE_NOT_NEEDED;
	return range->least >= from && range->most <= last ? GUIDE_NEEDED : GUIDE_DEPENDS;
}

static const char *when_skip(const struct guide_node *node, enum guide_when when)
{
	switch (when) {
	case GUIDE_ALWAYS:
		return NULL;
	case GUIDE_IF_HA:
		return node->ha ? NULL : "only with an HA group (--ha)";
	case GUIDE_IF_CLUSTER:
		return node->cluster ? NULL : "only for a node of a cluster (--cluster)";
	case GUIDE_IF_BUNDLE:
		return node->bundle ? NULL : "only for an existing cluster of several nodes (--bundle)";
	case GUIDE_IF_SINGLE:
		return node->bundle ? "only where a cluster starts with a single node" : NULL;
	}
	return NULL;
}

static const char *or_plain(const char *words, const char *plain)
{
	return words != NULL ? words : plain;
}

/* Why it is not needed, or NULL. */
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
	if (range_need(&node->okv, step->from, step->to) == GUIDE_NOT_NEEDED)
		return or_plain(step->skip_version, "not for this release of OKV");
	if (range_need(&node->client, 0, step->client_to) == GUIDE_NOT_NEEDED)
		return or_plain(step->skip_version, "not for this version of the client");
	return NULL;
}

enum guide_need guide_need(const struct guide_node *node, const struct guide_step *step, struct text *why)
{
	const char *skip = skip_of(node, step);
	const char *open = NULL;

	if (skip != NULL) {
		guide_expand(node, skip, why);
		return GUIDE_NOT_NEEDED;
	}
	if (step->kinds != 0 && node->kind == 0)
		open = "the kind of system: give --kind";
	else if (step->v6 == GUIDE_V6_ALWAYS && guide_is_v6(node))
		return GUIDE_NEEDED;
	else if (range_need(&node->okv, step->from, step->to) == GUIDE_DEPENDS)
		open = "OKV's release: give --okv";
	else if (range_need(&node->client, 0, step->client_to) == GUIDE_DEPENDS)
		open = "the client's version: give --client";
	if (open == NULL)
		return GUIDE_NEEDED;
	text_add_format(why, "depends on %s", open);
	return GUIDE_DEPENDS;
}

/* --- what the administrator has said ------------------------------------------------------------------------------ */

static const char begin_word[] = "begin";

/* "install initialize 2026-11-30T10:00:00Z" */
static void mark_take(const struct text_line *line, const char *procedure, struct guide_marks *marks)
{
	char words[3][GUIDE_ID_SIZE];
	int64_t when;
	int length = 0;
	char copy[4 * GUIDE_ID_SIZE];

	if (line->length >= sizeof(copy))
		return;
	memcpy(copy, line->bytes, line->length);
	copy[line->length] = '\0';
	if (sscanf(copy, "%23s %23s %23s%n", words[0], words[1], words[2], &length) != 3 ||
	    (size_t)length != line->length || strcmp(words[0], procedure) != 0 ||
	    !time_parse(words[2], strlen(words[2]), &when))
		return;
	if (strcmp(words[1], begin_word) == 0) {
		marks->began = when;
		marks->count = 0;
	} else if (marks->count < GUIDE_MARKS_MAX) {
		memcpy(marks->items[marks->count].id, words[1], GUIDE_ID_SIZE);
		marks->items[marks->count++].when = when;
	}
}

int guide_marks_read(int root, enum guide_procedure procedure, struct guide_marks *ret_marks, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct guide_marks marks = { .count = 0 };
	struct text_line line;
	bool there;

	if (fs_read_optional(root, marks_path, &file, &there, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(file.bytes, file.length, &at, &line);)
		mark_take(&line, procedure_names[procedure], &marks);
	*ret_marks = marks;
	return 0;
}

/* 0: not said. */
static int64_t mark_when(const struct guide_marks *marks, const char *id)
{
	int64_t when = 0;

	for (size_t i = 0; i < marks->count; i++)
		if (strcmp(marks->items[i].id, id) == 0)
			when = marks->items[i].when;
	return when;
}

/* Lines of other procedures stay; with begin_word those of this one go. */
static int mark_write(int root, enum guide_procedure procedure, const char *id, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	const char *name = procedure_names[procedure];
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

static const struct guide_step *step_find(enum guide_procedure procedure, const char *id)
{
	for (size_t i = 0; i < guide_step_count; i++)
		if (guide_steps[i].procedure == procedure && strcmp(guide_steps[i].id, id) == 0)
			return &guide_steps[i];
	return NULL;
}

int guide_mark(int root, const struct guide_node *node, enum guide_procedure procedure, const char *id, struct fault *f)
{
	const struct guide_step *step = step_find(procedure, id);
	TEXT_AUTO why = { 0 };

	if (step == NULL)
		return fault_usage(f, "%s has no step '%s'", procedure_names[procedure], SHOWN(id));
	if (step->done != 0 && !step->said)
		return fault_refused(f, "okv-luna itself checks whether step '%s' is done; --done is not for it", id);
	if (guide_need(node, step, &why) == GUIDE_NOT_NEEDED)
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

static struct guide_line line_of(const struct guide_node *node, const struct guide_step *step, unsigned signs,
				 const struct guide_marks *marks, bool open)
{
	struct guide_line line = { .step = step, .state = open ? GUIDE_LATER : GUIDE_NEXT };
	enum guide_need need = guide_need(node, step, &line.why);

	if (need == GUIDE_NOT_NEEDED && (step->all_the_same & signs) != 0) {
		text_cut(&line.why, 0);
		need = GUIDE_NEEDED;
	}
	if (need == GUIDE_NOT_NEEDED) {
		line.state = GUIDE_SKIP;
		return line;
	}
	if ((step->done & signs) != 0 && (!step->last || !open))
		line.state = GUIDE_DONE;
	else if (step->done == 0 || step->said)
		line.marked = mark_when(marks, step->id);
	if (line.marked != 0)
		line.state = GUIDE_DONE;
	return line;
}

int guide_list_make(const struct guide_node *node, enum guide_procedure procedure, unsigned signs,
		    const struct guide_marks *marks, struct guide_list *ret_list, struct fault *f)
{
	GUIDE_LIST_AUTO list = { .lines = NULL };
	size_t next = guide_step_count;

	for (size_t i = 0; i < guide_step_count; i++) {
		if (guide_steps[i].procedure != procedure)
			continue;
		if (!ARRAY_GROW(list.lines, list.count))
			return fault_memory(f);
		list.lines[list.count] = line_of(node, &guide_steps[i], signs, marks, next < guide_step_count);
		if (list.lines[list.count].state == GUIDE_NEXT)
			next = list.count;
		if (text_check(&list.lines[list.count++].why, f) < 0)
			return -1;
	}
	list.next = next < list.count ? &list.lines[next] : NULL;
	*ret_list = list;
	list = (struct guide_list){ .lines = NULL };
	return 0;
}
