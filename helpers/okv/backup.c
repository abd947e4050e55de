#include "okv/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf/settings.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/edit.h"
#include "okv/job.h"

enum { STAMP_LENGTH = 16 }; /* 20250131T235959Z */

/* "okv_hsm.conf.20250131T235959Z", perhaps with "-2" behind it; okv_hsm.conf.old.2025... is another file's. */
static bool is_backup_of(const char *entry, const char *name)
{
	const size_t length = strlen(name);

	return text_starts(entry, name) && entry[length] == '.' && strlen(entry) >= length + 1 + STAMP_LENGTH &&
	       strspn(entry + length + 1, "0123456789TZ-") == strlen(entry + length + 1);
}

struct shelf {
	char **names; /* owned; sorted by name, which is by date */
	size_t count;
};

static void shelf_done(struct shelf *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->names[i]);
	free(s->names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int shelf_read(int dir, const char *name, struct shelf *s, struct fault *f)
{
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
	int r = 0;

	if (listing == NULL)
		return fault_system(f, errno, "cannot list '%s'", OKV_BACKUP);
	for (const struct dirent *entry; r == 0 && (entry = readdir(listing)) != NULL;) {
		if (!is_backup_of(entry->d_name, name))
			continue;
		char **grown = realloc(s->names, (s->count + 1) * sizeof(*grown));
		char *copy = strdup(entry->d_name);
		if (grown != NULL)
			s->names = grown;
		if (grown == NULL || copy == NULL) {
			free(copy);
			r = fault_memory(f);
		} else {
			s->names[s->count++] = copy;
		}
	}
	(void)closedir(listing);
	if (s->count > 1)
		qsort(s->names, s->count, sizeof(*s->names), by_name);
	return r;
}

static bool holds(int dir, const char *leaf, const struct text *bytes)
{
	struct fault ignored = { 0 };
	FS_AUTO int fd = -1;
	struct stat status;
	TEXT_AUTO kept = { 0 };

	return fs_file_open_at(dir, leaf, O_RDONLY, &fd, &status, &ignored) == 0 &&
	       status.st_size == (off_t)bytes->length && fs_read(fd, leaf, bytes->length, &kept, &ignored) == 0 &&
	       kept.length == bytes->length && memcmp(text_string(&kept), text_string(bytes), kept.length) == 0;
}

int okv_backup(int root, const char *name, const struct text *bytes, struct fault *f)
{
	FS_AUTO int dir = -1;
	__attribute__((cleanup(shelf_done))) struct shelf shelf = { .names = NULL };
	char leaf[FS_NAME_SIZE], stamp[STAMP_LENGTH + 1];
	struct tm utc;

	if (fs_dirs_make(root, OKV_BACKUP, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dir_open(root, OKV_BACKUP, FS_FOLLOW_TRUSTED, &dir, f) < 0 || shelf_read(dir, name, &shelf, f) < 0)
		return -1;
	for (size_t i = 0; i < shelf.count; i++)
		if (holds(dir, shelf.names[i], bytes))
			return 0;

	const time_t now = time(NULL);
	if (gmtime_r(&now, &utc) == NULL || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc) != STAMP_LENGTH)
		return fault_system(f, 0, "the clock shows no date that can be written");
	for (unsigned i = 1;; i++) {
		const int length = i == 1 ? snprintf(leaf, sizeof(leaf), "%s.%s", name, stamp)
					  : snprintf(leaf, sizeof(leaf), "%s.%s-%u", name, stamp, i);
		if (length < 0 || (size_t)length >= sizeof(leaf))
			return fault_refused(f, "name '%s' is too long to be kept", SHOWN(name));
		if (faccessat(dir, leaf, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
	}
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	if (fs_publish_at(dir, leaf, text_string(bytes), bytes->length, &how, f) < 0)
		return fault_prefix(f, "%s: ", OKV_BACKUP);

	/* The oldest shows how things were before this product came; the newest are for yesterday's mistake. */
	for (size_t i = 1; i + BACKUPS_KEPT < shelf.count + 1; i++)
		(void)unlinkat(dir, shelf.names[i], 0);
	return 0;
}
