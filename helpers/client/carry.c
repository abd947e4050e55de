#include "client/carry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/copy.h"
#include "client/named.h"
#include "client/policy.h"
#include "fs/handle.h"
#include "fs/root.h"

struct carrier {
	int from, to; /* to: -1 to carry nothing and only tell */
	struct client_copy copy;
	struct text kept;
};

static int top_carry(struct carrier *c, const char *name, struct fault *f)
{
	if (faccessat(c->from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the old '%s'", SHOWN(name));
	text_add_format(&c->kept, "%s\n", name);
	return c->to < 0 ? 0 : client_copy_entry(&c->copy, c->from, c->to, name, f);
}

/* Those at the top, under whatever name. */
static int certificates_carry(struct carrier *c, struct fault *f)
{
	const int listed = fcntl(c->from, F_DUPFD_CLOEXEC, 3);
	DIR *stream = listed >= 0 ? fdopendir(listed) : NULL;
	int r = 0;

	if (stream == NULL)
		return fault_system(f, errno, "cannot read the old client's directory");
	rewinddir(stream);
	while (r == 0) {
		errno = 0;
		const struct dirent *entry = readdir(stream);
		if (entry == NULL && errno != 0)
			r = fault_system(f, errno, "cannot read the old client's directory");
		if (entry == NULL)
			break;
		if (text_ends(entry->d_name, ".pem"))
			r = top_carry(c, entry->d_name, f);
	}
	(void)closedir(stream);
	return r;
}

static bool is_vendors(const char *path)
{
	static const char *const tops[] = { "bin/", "lib/", "libs/", "plugins/", "jsp/" };

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		if (text_starts(path, tops[i]))
			return true;
	return false;
}

/* A file that Chrystoki.conf names below the client, at a place of the administrator's own choice. */
static int named_carry(void *context, const char *path, const char *key, struct fault *f)
{
	struct carrier *c = context;
	FS_AUTO int old = -1;
	FS_AUTO int new = -1;
	struct fault cause = { 0 };
	struct stat status;
	char leaf[FS_NAME_SIZE], parent[PATH_MAX];

	(void)key;
	if (strlen(path) >= sizeof(parent) || client_is_identity(path) || is_vendors(path))
		return 0;
	if (fs_parent_open(c->from, path, FS_NOFOLLOW, &old, leaf, &cause) < 0)
		return fs_absence(&cause, f);
	if (fstatat(old, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the old '%s'", SHOWN(path));
	if (!S_ISREG(status.st_mode))
		return 0;
	if (c->to < 0) {
		text_add_format(&c->kept, "%s\n", path);
		return 0;
	}
	if (fs_status(c->to, path, FS_NOFOLLOW, &status, &cause) == 0)
		return 0;
	if (fs_absence(&cause, f) < 0)
		return -1;
	text_add_format(&c->kept, "%s\n", path);
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strlen(path) - strlen(leaf)), path);
	if (fs_dirs_make(c->to, parent, 0755, FS_NOFOLLOW, f) < 0 ||
	    fs_parent_open(c->to, path, FS_NOFOLLOW, &new, leaf, f) < 0)
		return -1;
	return client_copy_file(&c->copy, old, new, leaf, path, f);
}

int client_carry(int from, int to, const char *conf, const char *client_dir, uint64_t room, struct report *report,
		 struct client_carried *ret_carried, struct fault *f)
{
	struct carrier c = { .from = from, .to = to, .copy = { .room = room, .report = report }, .kept = { 0 } };
	int r = 0;

	for (const char *const *name = client_identity; r == 0 && *name != NULL; name++)
		r = top_carry(&c, *name, f);
	if (r == 0)
		r = certificates_carry(&c, f);
	if (r == 0 && conf != NULL)
		r = client_named_each(conf, client_dir, named_carry, &c, f);
	if (r == 0)
		r = text_check(&c.kept, f);
	if (r < 0) {
		text_done(&c.kept);
		return -1;
	}
	*ret_carried = (struct client_carried){ .files = c.copy.files, .bytes = c.copy.bytes, .kept = c.kept };
	return 0;
}
