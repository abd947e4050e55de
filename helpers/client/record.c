#include "client/record.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/layout.h"

void client_record_done(struct client_record *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->items[i].owned);
	free(r->items);
	r->items = NULL;
	r->count = r->capacity = 0;
}

/* --- from the entries --------------------------------------------------------------------------------------------- */

static struct client_record_item *item_new(struct client_record *r, struct fault *f)
{
	if (r->count == r->capacity) {
		const size_t capacity = r->capacity > 0 ? r->capacity * 2 : 256;
		struct client_record_item *more = realloc(r->items, capacity * sizeof(*more));
		if (more == NULL) {
			(void)fault_memory(f);
			return NULL;
		}
		r->items = more;
		r->capacity = capacity;
	}
	r->items[r->count] = (struct client_record_item){ .path = NULL };
	return &r->items[r->count++];
}

static int link_record(void *context, const char *path, const char *target, struct fault *f)
{
	struct client_record_item *item = item_new(context, f);
	const size_t length = strlen(path) + 1, more = strlen(target) + 1;

	if (item == NULL)
		return -1;
	item->type = MANIFEST_LINK;
	item->owned = malloc(length + more);
	if (item->owned == NULL)
		return fault_memory(f);
	memcpy(item->owned, path, length);
	memcpy(item->owned + length, target, more);
	item->path = item->owned;
	item->target = item->owned + length;
	return 0;
}

static int entry_record(struct client_record *r, const struct unpack *entries, const struct client_content *content,
			const struct unpack_entry *e, struct fault *f)
{
	char path[LIMITS_PATH + 1];

	if (!client_layout_path(entries, content, e->path, path) || client_is_identity(path))
		return 0;
	struct client_record_item *item = item_new(r, f);
	if (item == NULL)
		return -1;
	/* Only what was moved has another tail than in the archive. */
	const char *tail = e->path + strlen(content->top);
	if (strcmp(tail, path) != 0) {
		item->owned = strdup(path);
		if (item->owned == NULL)
			return fault_memory(f);
	}
	item->path = item->owned != NULL ? item->owned : tail;
	switch (e->type) {
	case PIPE_ENTRY_DIRECTORY:
		item->type = MANIFEST_DIR;
		break;
	case PIPE_ENTRY_LINK:
		item->type = MANIFEST_LINK;
		item->target = e->target;
		break;
	case PIPE_ENTRY_FILE:
		item->type = MANIFEST_FILE;
		item->file = e;
		break;
	case PIPE_ENTRY_HARD_LINK:
		item->type = MANIFEST_FILE;
		item->file = unpack_find(entries, e->target);
		break;
	}
	return 0;
}

static int item_compare(const void *a, const void *b)
{
	return text_path_compare(((const struct client_record_item *)a)->path,
				 ((const struct client_record_item *)b)->path);
}

int client_record_make(const struct unpack *entries, const struct client_content *content,
		       const struct client_policy *policy, const char *client_dir, struct client_record *ret_record,
		       struct fault *f)
{
	CLIENT_RECORD_AUTO r = { .client_dir = client_dir, .policy = policy };

	for (size_t i = 0; i < entries->count; i++)
		if (entry_record(&r, entries, content, &entries->entries[i], f) < 0)
			return -1;
	if (client_layout_links(entries, content, link_record, &r, f) < 0)
		return -1;
	for (const char *const *path = client_directories; *path != NULL; path++) {
		if (client_is_identity(*path))
			continue;
		struct client_record_item *item = item_new(&r, f);
		if (item == NULL)
			return -1;
		item->type = MANIFEST_DIR;
		item->path = *path;
	}
	qsort(r.items, r.count, sizeof(r.items[0]), item_compare);
	*ret_record = r;
	r = (struct client_record){ 0 };
	return 0;
}

/* --- every entry, the implied directories too --------------------------------------------------------------------- */

struct teller {
	const struct client_record *record;
	client_record_hear *hear;
	void *context;
};

static int item_tell(const struct teller *t, const char *path, const struct client_record_item *item, struct fault *f)
{
	const struct client_record *r = t->record;
	const char *prefix = r->client_dir + strspn(r->client_dir, "/");
	char whole[PATH_MAX];

	(void)snprintf(whole, sizeof(whole), "%s%s%s", prefix, path[0] != '\0' ? "/" : "", path);
	struct manifest_entry e = { .path = whole, .type = MANIFEST_DIR, .has_attributes = true };
	struct client_rights rights = client_policy_directory(r->policy, path);
	if (item != NULL && item->type == MANIFEST_LINK) {
		e.type = MANIFEST_LINK;
		e.target = (char *)(uintptr_t)item->target;
		rights = (struct client_rights){ .gid = 0, .mode = 0777 };
	} else if (item != NULL && item->type == MANIFEST_FILE) {
		e.type = MANIFEST_FILE;
		e.size = item->file->size;
		e.has_digest = true;
		memcpy(e.digest, item->file->sha256, sizeof(e.digest));
		rights = client_policy_file(r->policy, path);
	}
	e.gid = rights.gid;
	e.mode = rights.mode;
	return t->hear(t->context, &e, path, f);
}

/* In order, a directory's content follows it: what `path` does not share with the path before it is new. */
static int parents_tell(const struct teller *t, const char *before, const char *path, struct fault *f)
{
	char parent[LIMITS_PATH + 1];

	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		const size_t length = (size_t)(slash - path);
		if (strncmp(before, path, length) == 0 && (before[length] == '/' || before[length] == '\0'))
			continue;
		memcpy(parent, path, length);
		parent[length] = '\0';
		const int r = item_tell(t, parent, NULL, f);
		if (r != 0)
			return r;
	}
	return 0;
}

int client_record_each(const struct client_record *record, client_record_hear *hear, void *context, struct fault *f)
{
	const struct teller t = { .record = record, .hear = hear, .context = context };
	const char *before = "";
	int r = item_tell(&t, "", NULL, f);

	for (size_t i = 0; r == 0 && i < record->count; i++) {
		const struct client_record_item *item = &record->items[i];
		/* A directory of the archive's may be one of ours, too. */
		if (i > 0 && strcmp(item->path, before) == 0)
			continue;
		r = parents_tell(&t, before, item->path, f);
		if (r == 0)
			r = item_tell(&t, item->path, item, f);
		before = item->path;
	}
	return r;
}
