#include "client/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/layout.h"
#include "digest/sha256.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"

enum { WRITE_SIZE = 64 * 1024 };

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
	r = (struct client_record)CLIENT_RECORD_INIT;
	return 0;
}

/* --- every entry, the implied directories too --------------------------------------------------------------------- */

struct teller {
	const struct client_record *record;
	/* `path` is below the client's directory; 0 goes on, 1 stops, -1. */
	int (*hear)(void *context, const struct manifest_entry *entry, const char *path, struct fault *f);
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

static int record_tell(const struct teller *t, struct fault *f)
{
	const char *before = "";
	int r = item_tell(t, "", NULL, f);

	for (size_t i = 0; r == 0 && i < t->record->count; i++) {
		const struct client_record_item *item = &t->record->items[i];
		/* A directory of the archive's may be one of ours, too. */
		if (i > 0 && strcmp(item->path, before) == 0)
			continue;
		r = parents_tell(t, before, item->path, f);
		if (r == 0)
			r = item_tell(t, item->path, item, f);
		before = item->path;
	}
	return r;
}

/* --- compared with what is installed ------------------------------------------------------------------------------ */

struct comparison {
	int client;
	bool same;
};

static int entry_compare(void *context, const struct manifest_entry *e, const char *path, struct fault *f)
{
	static const mode_t types[] = {
		[MANIFEST_FILE] = S_IFREG, [MANIFEST_DIR] = S_IFDIR, [MANIFEST_LINK] = S_IFLNK
	};
	struct comparison *c = context;
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	struct fault cause = FAULT_INIT;
	char leaf[FS_NAME_SIZE], target[PATH_MAX];
	unsigned char digest[SHA256_SIZE];
	struct stat status;

	c->same = false;
	if (path[0] == '\0') {
		if (fstat(c->client, &status) < 0)
			return fault_system(f, errno, "cannot look at the client");
	} else if (fs_parent_open(c->client, path, FS_NOFOLLOW, &dir, leaf, &cause) < 0) {
		return fs_absence(&cause, f) < 0 ? -1 : 1;
	} else if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? 1 : fault_system(f, errno, "cannot look at '%s'", SHOWN(path));
	}
	if ((status.st_mode & S_IFMT) != types[e->type] || status.st_uid != e->uid || status.st_gid != e->gid)
		return 1;
	if (e->type == MANIFEST_LINK) {
		const ssize_t length = readlinkat(dir, leaf, target, sizeof(target));
		if (length < 0)
			return fault_system(f, errno, "cannot read link '%s'", SHOWN(path));
		c->same = text_equal(target, (size_t)length, e->target);
		return c->same ? 0 : 1;
	}
	if ((status.st_mode & 07777) != e->mode)
		return 1;
	if (e->type == MANIFEST_FILE) {
		if ((uint64_t)status.st_size != e->size || status.st_nlink != 1)
			return 1;
		if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, NULL, &cause) < 0)
			return fs_absence(&cause, f) < 0 ? -1 : 1;
		if (digest_sha256_descriptor(fd, path, digest, f) < 0)
			return -1;
		if (memcmp(digest, e->digest, sizeof(digest)) != 0)
			return 1;
	}
	c->same = true;
	return 0;
}

int client_record_matches(int client, const struct client_record *record, bool *ret_same, struct fault *f)
{
	struct comparison c = { .client = client };
	const struct teller t = { .record = record, .hear = entry_compare, .context = &c };

	if (record_tell(&t, f) < 0)
		return -1;
	*ret_same = c.same;
	return 0;
}

/* --- written ------------------------------------------------------------------------------------------------------ */

struct writing {
	int fd;
	struct text *text;
};

static int writing_flush(const struct writing *w, struct fault *f)
{
	if (text_check(w->text, f) < 0 || fs_write(w->fd, CLIENT_RECORD, w->text->bytes, w->text->length, f) < 0)
		return -1;
	text_reset(w->text);
	return 0;
}

static int entry_write(void *context, const struct manifest_entry *e, const char *path, struct fault *f)
{
	const struct writing *w = context;

	(void)path;
	manifest_print_entry(e, w->text);
	return w->text->length >= WRITE_SIZE ? writing_flush(w, f) : 0;
}

/* The directory that the record lies in. */
static int place_make(int root, struct fault *f)
{
	return fs_dirs_make(root, SETTINGS_PREFIX, 0755, FS_FOLLOW_TRUSTED, f) < 0
		       ? -1
		       : fs_dirs_make(root, SETTINGS_VAR, 0700, FS_FOLLOW_TRUSTED, f);
}

/* The directories above, so that stock tools can read it from the root: whose they are is not our affair. */
static void above_print(const char *client_dir, struct text *out)
{
	const char *prefix = client_dir + strspn(client_dir, "/");
	char above[PATH_MAX];

	for (const char *slash = strchr(prefix, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(above, sizeof(above), "%.*s", (int)(slash - prefix), prefix);
		const struct manifest_entry e = { .path = above, .type = MANIFEST_DIR };
		manifest_print_entry(&e, out);
	}
}

int client_record_write(int root, const struct client_record *record, const char *comment, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	FS_AUTO int dir = -1;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	TEXT_AUTO text = TEXT_INIT;
	struct writing w = { .text = &text };
	const struct teller t = { .record = record, .hear = entry_write, .context = &w };
	char leaf[FS_NAME_SIZE];

	if (place_make(root, f) < 0 || fs_parent_open(root, CLIENT_RECORD, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0 ||
	    fs_stage_begin(dir, leaf, &how, &stage, f) < 0)
		return -1;
	w.fd = stage.fd;
	manifest_print_head(comment, &text);
	above_print(record->client_dir, &text);
	if (record_tell(&t, f) < 0 || writing_flush(&w, f) < 0)
		return -1;
	return fs_stage_commit(&stage, f);
}

/* --- read from the disk ------------------------------------------------------------------------------------------- */

struct reader {
	struct manifest *manifest;
	const char *prefix;
};

static int entry_read(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const struct reader *r = context;
	const char *path = entry->path + strspn(entry->path, "/");
	FS_AUTO int fd = -1;
	char whole[PATH_MAX], target[PATH_MAX];
	ssize_t length = -1;

	(void)state;
	if (client_is_identity(path))
		return FS_WALK_PASS;
	if (S_ISLNK(entry->status->st_mode)) {
		length = readlinkat(entry->dir, entry->name, target, sizeof(target) - 1);
		if (length < 0)
			return fault_system(f, errno, "cannot read link '%s'", SHOWN(path));
		target[length] = '\0';
	}
	(void)snprintf(whole, sizeof(whole), "%s%s%s", r->prefix, path[0] != '\0' ? "/" : "", path);
	struct manifest_entry *e = manifest_add(r->manifest, whole, length >= 0 ? target : NULL, f);
	if (e == NULL)
		return -1;
	e->type = S_ISDIR(entry->status->st_mode)   ? MANIFEST_DIR
		  : S_ISLNK(entry->status->st_mode) ? MANIFEST_LINK
		  : S_ISREG(entry->status->st_mode) ? MANIFEST_FILE
						    : MANIFEST_OTHER;
	e->has_attributes = true;
	e->uid = entry->status->st_uid;
	e->gid = entry->status->st_gid;
	e->mode = entry->status->st_mode & 07777;
	if (e->type == MANIFEST_FILE) {
		e->size = (uint64_t)entry->status->st_size;
		e->has_digest = true;
		if (fs_file_open_at(entry->dir, entry->name, O_RDONLY, &fd, NULL, f) < 0 ||
		    digest_sha256_descriptor(fd, path, e->digest, f) < 0)
			return -1;
	}
	return e->type == MANIFEST_DIR ? FS_WALK_ENTER : FS_WALK_PASS;
}

int client_record_rewrite(int root, int client, const char *client_dir, const char *comment, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	MANIFEST_AUTO m = MANIFEST_INIT;
	TEXT_AUTO out = TEXT_INIT;
	const char *prefix = client_dir + strspn(client_dir, "/");
	struct reader r = { .manifest = &m, .prefix = prefix };
	const struct fs_walk walk = { .context = &r, .visit = entry_read };

	if (fs_walk(client, ".", "", NULL, &walk, f) < 0 || manifest_sort(&m, f) < 0 || place_make(root, f) < 0)
		return -1;
	manifest_print_head(comment, &out);
	above_print(client_dir, &out);
	for (size_t i = 0; i < m.count; i++)
		manifest_print_entry(&m.entries[i], &out);
	if (text_check(&out, f) < 0)
		return -1;
	return fs_publish(root, CLIENT_RECORD, FS_FOLLOW_TRUSTED, out.bytes, out.length, &how, f);
}
