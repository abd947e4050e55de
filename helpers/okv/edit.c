#include "okv/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "base/array.h"
#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

enum { STAMP_LENGTH = 16 }; /* 20250131T235959Z */

/* --- backups ------------------------------------------------------------------------------------------------------ */

/* "okv_hsm.conf.20250131T235959Z" or "...Z-2" is; "okv_hsm.conf.old.2025..." is a backup of another file. */
static bool is_backup_of(const char *entry, const char *name)
{
	const size_t length = strlen(name);

	return text_starts(entry, name) && entry[length] == '.' && strlen(entry) >= length + 1 + STAMP_LENGTH &&
	       strspn(entry + length + 1, "0123456789TZ-") == strlen(entry + length + 1);
}

struct backups {
	char **names; /* owned; sorted by name, and so by date */
	size_t count;
};

static void backups_done(struct backups *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->names[i]);
	free(b->names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int backups_list(int dir, const char *name, struct backups *b, struct fault *f)
{
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(dir, OKV_BACKUP, &each, f) < 0 ? -1 : 1;

	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		if (!is_backup_of(entry.name, name))
			continue;
		if (!ARRAY_GROW(b->names, b->count) || (b->names[b->count] = strdup(entry.name)) == NULL)
			return fault_memory(f);
		b->count++;
	}
	if (b->count > 1)
		qsort(b->names, b->count, sizeof(*b->names), by_name);
	return more;
}

static bool holds(int dir, const char *leaf, const struct text *bytes)
{
	struct fault ignored = { 0 };
	FS_AUTO int fd = -1;
	struct stat status;
	TEXT_AUTO kept = { 0 };

	return fs_name_open(FS_NAME(dir, leaf, leaf), O_RDONLY, &fd, &status, &ignored) == 0 &&
	       status.st_size == (off_t)bytes->length && fs_read(fd, leaf, bytes->length, &kept, &ignored) == 0 &&
	       text_same(&kept, bytes);
}

/* An unused name for a backup, with the present time. */
static int backup_name(int dir, const char *name, char ret_leaf[FS_NAME_SIZE], struct fault *f)
{
	char now[TIME_STAMP_SIZE], stamp[STAMP_LENGTH + 1];
	size_t used = 0;

	time_format(time_now(), now);
	for (const char *at = now; *at != '\0' && used < STAMP_LENGTH; at++)
		if (*at != '-' && *at != ':')
			stamp[used++] = *at;
	stamp[used] = '\0';
	for (unsigned i = 1;; i++) {
		const int length = i == 1 ? snprintf(ret_leaf, FS_NAME_SIZE, "%s.%s", name, stamp)
					  : snprintf(ret_leaf, FS_NAME_SIZE, "%s.%s-%u", name, stamp, i);
		if (length < 0 || length >= FS_NAME_SIZE)
			return fault_refused(f, "cannot back up '%s': its name is too long", SHOWN(name));
		if (faccessat(dir, ret_leaf, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return 0;
	}
}

static int backup_keep(int root, const char *path, const struct text *bytes, struct fault *f)
{
	const char *name = text_leaf(path);
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	FS_AUTO int dir = -1;
	__attribute__((cleanup(backups_done))) struct backups backups = { .names = NULL };
	char leaf[FS_NAME_SIZE];

	if (fs_dirs_make(root, OKV_BACKUP, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dir_open(root, OKV_BACKUP, FS_FOLLOW_TRUSTED, &dir, f) < 0 || backups_list(dir, name, &backups, f) < 0)
		return -1;
	for (size_t i = 0; i < backups.count; i++)
		if (holds(dir, backups.names[i], bytes))
			return 0;
	if (backup_name(dir, name, leaf, f) < 0)
		return -1;
	if (fs_publish_at(dir, leaf, text_string(bytes), bytes->length, &how, f) < 0)
		return fault_prefix(f, "%s: ", OKV_BACKUP);
	/* Keep the oldest, from before this product, and the newest, for undoing a recent mistake. */
	for (size_t i = 1; i + BACKUPS_KEPT < backups.count + 1; i++)
		(void)unlinkat(dir, backups.names[i], 0);
	return 0;
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

/*
 * Removes the old version that a run left beside the file if it was killed after the exchange.  Publishing does that,
 * too; this is for runs that publish nothing.
 */
static int stage_clear(const struct okv_job *job, const char *path, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];

	if (fs_parent_open(job->root, path, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0)
		return -1;
	return fs_stage_sweep(dir, leaf, f);
}

static int edit_once(const struct okv_job *job, const struct okv_edit *edit, bool *ret_changed, struct fault *f)
{
	/* Chrystoki.conf may hold a secret. */
	TEXT_SECRET_AUTO now = { 0 };
	TEXT_SECRET_AUTO next = { 0 };
	struct stat status;
	struct fault absent = { 0 };

	const bool there =
		fs_read_file(job->root, edit->path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &now, &status, &absent) == 0;
	if (!there && (absent.kind != FAULT_ABSENT || edit->create == 0)) {
		*f = absent;
		return -1;
	}
	if (edit->change(edit->context, &now, &next, f) < 0)
		return fault_prefix(f, "%s: ", SHOWN(text_leaf(edit->path)));
	if (text_check(&next, f) < 0)
		return -1;
	if (there && text_same(&now, &next)) {
		*ret_changed = false;
		return job->mode == OKV_APPLY ? stage_clear(job, edit->path, f) : 0;
	}
	if (job->mode == OKV_APPLY) {
		const struct fs_publish how = {
			.mode = edit->create, .uid = (uid_t)-1, .gid = (gid_t)-1, .expected = there ? &status : NULL
		};
		if ((there && backup_keep(job->root, edit->path, &now, f) < 0) ||
		    (edit->announce != NULL && edit->announce(edit->context, &now, &next, f) < 0) ||
		    fs_publish(job->root, edit->path, FS_FOLLOW_TRUSTED, text_string(&next), next.length, &how, f) < 0)
			return -1;
	}
	*ret_changed = true;
	return 0;
}

int okv_edit(const struct okv_job *job, const struct okv_edit *edit, bool *ret_changed, struct fault *f)
{
	int r;

	for (unsigned tries = 0; tries < EDIT_TRIES; tries++) {
		struct fault now = { 0 };

		r = edit_once(job, edit, ret_changed, &now);
		if (r == 0)
			return 0;
		*f = now;
		/* fs_publish says FAULT_INCOMPLETE if the file was changed meanwhile. */
		if (now.kind != FAULT_INCOMPLETE)
			return -1;
	}
	return -1;
}
