/* The record as a file: of what was just installed, or of what lies there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/record.h"
#include "fs/sha256.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"

enum { WRITE_SIZE = 64 * 1024 };

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
	TEXT_AUTO text = { 0 };
	struct writing w = { .text = &text };
	char leaf[FS_NAME_SIZE];

	if (place_make(root, f) < 0 || fs_parent_open(root, CLIENT_RECORD, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0 ||
	    fs_stage_begin(dir, leaf, &how, &stage, f) < 0)
		return -1;
	w.fd = stage.fd;
	manifest_print_head(comment, &text);
	above_print(record->client_dir, &text);
	if (client_record_each(record, entry_write, &w, f) < 0 || writing_flush(&w, f) < 0)
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
		    fs_sha256_descriptor(fd, path, e->digest, f) < 0)
			return -1;
	}
	return e->type == MANIFEST_DIR ? FS_WALK_ENTER : FS_WALK_PASS;
}

int client_record_rewrite(int root, int client, const char *client_dir, const char *comment, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	MANIFEST_AUTO m = { 0 };
	TEXT_AUTO out = { 0 };
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
