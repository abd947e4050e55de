/*
 * client/content, layout and record with any list of names: what is placed stays in the client, each path once, in order,
 * and no link leads out.  One entry a line: "d", "f", "l" or "h" and its path; the target of a link behind a blank.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/identity.h"
#include "client/layout.h"
#include "client/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 200 };

static void must(bool held)
{
	if (!held)
		abort();
}

/* A path as the judge lets it pass. */
static bool is_clean(const char *path)
{
	if (path[0] == '\0' || strlen(path) > LIMITS_PATH)
		return false;
	for (const char *at = path;; at++) {
		const size_t length = strcspn(at, "/");
		if (length == 0 || (length == 1 && at[0] == '.') || (length == 2 && strncmp(at, "..", 2) == 0))
			return false;
		at += length;
		if (*at == '\0')
			return true;
	}
}

static int entry_order(const void *a, const void *b)
{
	return text_path_compare(((const struct unpack_entry *)a)->path, ((const struct unpack_entry *)b)->path);
}

static bool entry_read(char *line, struct unpack_entry *ret_entry)
{
	static const char letters[] = "dflh";
	static const enum unpack_type types[] = { UNPACK_DIRECTORY, UNPACK_FILE, UNPACK_LINK, UNPACK_HARD_LINK };
	const char *letter = line[0] != '\0' ? strchr(letters, line[0]) : NULL;

	if (letter == NULL)
		return false;
	*ret_entry = (struct unpack_entry){ .path = line + 1, .type = types[letter - letters] };
	if (ret_entry->type == UNPACK_LINK || ret_entry->type == UNPACK_HARD_LINK) {
		char *blank = strchr(line, ' ');
		if (blank == NULL)
			return false;
		*blank = '\0';
		ret_entry->target = blank + 1;
	}
	return is_clean(ret_entry->path);
}

/* In order, each path once, and hard links to files only: as client/archive/unpack gives them. */
static void entries_read(char *text, struct unpack *u)
{
	size_t kept = 0;

	for (char *line = strtok(text, "\n"); line != NULL && u->count < MOST; line = strtok(NULL, "\n"))
		u->count += entry_read(line, &u->entries[u->count]);
	if (u->count > 0)
		qsort(u->entries, u->count, sizeof(u->entries[0]), entry_order);
	for (size_t i = 0; i < u->count; i++)
		if (kept == 0 || strcmp(u->entries[kept - 1].path, u->entries[i].path) != 0)
			u->entries[kept++] = u->entries[i];
	u->count = kept;
	for (size_t i = 0; i < u->count; i++) {
		struct unpack_entry *e = &u->entries[i];
		const struct unpack_entry *to = e->type == UNPACK_HARD_LINK ? unpack_find(u, e->target) : NULL;
		if (e->type == UNPACK_HARD_LINK && (to == NULL || to->type != UNPACK_FILE))
			e->type = UNPACK_FILE;
	}
}

/* From the directory of `path`, the target never leaves the client. */
static int link_check(void *context, const char *path, const char *target, struct fault *f)
{
	int depth = 0;

	(void)context;
	(void)f;
	must(is_clean(path) && target[0] != '/');
	for (const char *at = path; (at = strchr(at, '/')) != NULL; at++)
		depth++;
	for (const char *at = target; *at != '\0';) {
		const size_t length = strcspn(at, "/");
		depth += length == 2 && strncmp(at, "..", 2) == 0 ? -1 : 1;
		must(depth >= 0);
		at += length + (at[length] == '/');
	}
	return 0;
}

/* Each path once and in order, below the client's directory, and nothing of the identity. */
static void record_check(const struct manifest *record)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct manifest_entry *e = &record->entries[i];
		must(i == 0 || text_path_compare(record->entries[i - 1].path, e->path) < 0);
		must(e->type == MANIFEST_LINK || (e->mode & 06002) == 0);
		if (!e->has_attributes || strcmp(e->path, "usr/client") == 0)
			continue;
		must(text_starts(e->path, "usr/client/"));
		must(is_clean(e->path + strlen("usr/client/")) && !client_is_identity(e->path + strlen("usr/client/")));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct unpack_entry entries[MOST];
	static const struct client_ownership ownership = { .group = 7, .has_group = true };
	struct client_content content = { .unpacked = { .entries = entries } };
	const struct unpack *u = &content.unpacked;
	MANIFEST_AUTO record = { 0 };
	struct fault f = { 0 };
	char path[LIMITS_PATH + 1];
	char *text = malloc(size + 1);

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	entries_read(text, &content.unpacked);
	if (client_content_find(&content, NULL, &f) < 0) {
		must(f.kind == FAULT_REFUSED);
	} else if (content.kind != CLIENT_FULL) {
		must(strlen(content.top) == 0 || text_ends(content.top, "/"));
		for (size_t i = 0; i < u->count; i++)
			must(!client_layout_path(&content, u->entries[i].path, path) || is_clean(path));
		must(client_layout_links(&content, link_check, NULL, &f) == 0);
		must(client_record_make(&content, &ownership, "/usr/client", &record, &f) == 0);
		record_check(&record);
	}
	free(text);
	return 0;
}
