#include "client/drift.h"

#include <string.h>
#include <sys/stat.h>

#include "client/policy.h"
#include "fs/root.h"
#include "fs/walk.h"

struct drift {
	int before;
	struct text *paths;
};

static bool is_restless(const char *path)
{
	return text_equal(path, strcspn(path, "/"), "data") || text_equal(path, strcspn(path, "/"), "lock");
}

static int entry_look(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct drift *d = context;
	const struct stat *now = entry->status;
	const char *path = entry->path + strspn(entry->path, "/");
	struct fault cause = { 0 };
	struct stat before;

	(void)state;
	if (path[0] == '\0')
		return FS_WALK_ENTER;
	if (!client_is_identity(path) || is_restless(path))
		return FS_WALK_PASS;
	if (S_ISDIR(now->st_mode))
		return FS_WALK_ENTER;
	if (fs_status(d->before, path, FS_NOFOLLOW, &before, &cause) < 0) {
		if (fs_absence(&cause, f) < 0)
			return -1;
	} else if ((before.st_mode & S_IFMT) == (now->st_mode & S_IFMT) && before.st_size == now->st_size &&
		   (S_ISLNK(now->st_mode) ||
		    (before.st_mtim.tv_sec == now->st_mtim.tv_sec && before.st_mtim.tv_nsec == now->st_mtim.tv_nsec))) {
		return FS_WALK_PASS;
	}
	text_add_format(d->paths, "%s\n", path);
	return FS_WALK_PASS;
}

int client_drift_find(int now, int before, struct text *paths, struct fault *f)
{
	struct drift d = { .before = before, .paths = paths };
	const struct fs_walk walk = { .context = &d, .visit = entry_look };

	return fs_walk(now, ".", "", NULL, &walk, f) < 0 ? -1 : text_check(paths, f);
}
