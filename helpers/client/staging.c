#include "client/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/root.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void client_staging_done(struct client_staging *s)
{
	fs_close(&s->parent);
	fs_close(&s->dir);
}

static int names_set(struct client_staging *s, struct fault *f)
{
	if (fs_parent_open(s->root, s->client_dir, FS_FOLLOW_TRUSTED, &s->parent, s->leaf, f) < 0)
		return -1;
	if (strlen(s->leaf) > FS_NAME_SIZE - 16)
		return fault_refused(f, "the name '%s' is too long", SHOWN(s->leaf));
	(void)snprintf(s->name, sizeof(s->name), ".%.200s.okv-luna", s->leaf);
	return 0;
}

/* One that somebody else has made, or can enter, is none. */
static int dir_open(struct client_staging *s, struct fault *f)
{
	struct stat status;

	s->dir = openat(s->parent, s->name, DIR_FLAGS);
	if (s->dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(s->name));
	if (fstat(s->dir, &status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(s->name));
	if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return fault_refused(
			f, "'%s' beside the client can be changed by others than root; check it and move it away",
			SHOWN(s->name));
	return 0;
}

/* The first directory on the way to the client's that is not there yet. */
static int made_find(int root, const char *client_dir, char ret_made[PATH_MAX], struct fault *f)
{
	bool there;

	for (const char *slash = strchr(client_dir + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(ret_made, PATH_MAX, "%.*s", (int)(slash - client_dir), client_dir);
		if (fs_existence(root, ret_made, &there, f) < 0)
			return -1;
		if (!there)
			return 0;
	}
	ret_made[0] = '\0';
	return 0;
}

/* Cuts the last component off. */
static void path_shorten(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
}

int client_staging_look(int root, const char *client_dir, struct report *report, struct client_staging *ret_staging,
			struct fault *f)
{
	CLIENT_STAGING_AUTO s = { .root = root, .client_dir = client_dir, .report = report, .parent = -1, .dir = -1 };
	struct fault absent = { 0 };
	bool there, mounted = false;

	if (names_set(&s, &absent) < 0) {
		if (absent.kind != FAULT_ABSENT) {
			*f = absent;
			return -1;
		}
	} else if (fs_mount_point(s.parent, s.leaf, &mounted, f) < 0 || fs_existence(s.parent, s.name, &there, f) < 0 ||
		   (there && dir_open(&s, f) < 0)) {
		return -1;
	}
	if (mounted)
		return fault_refused(f, "'%s' is a mount point and cannot be replaced; unmount it, or give --to DIR",
				     SHOWN(client_dir));
	*ret_staging = s;
	s = (struct client_staging)CLIENT_STAGING_INIT;
	return 0;
}

int client_staging_open(int root, const char *client_dir, struct report *report, struct client_staging *ret_staging,
			struct fault *f)
{
	CLIENT_STAGING_AUTO s = CLIENT_STAGING_INIT;
	char made[PATH_MAX], parent[PATH_MAX];

	(void)snprintf(parent, sizeof(parent), "%s", client_dir);
	path_shorten(parent);
	if (made_find(root, client_dir, made, f) < 0 || fs_dirs_make(root, parent, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    client_staging_look(root, client_dir, report, &s, f) < 0)
		return -1;
	memcpy(s.made, made, sizeof(s.made));
	if (s.dir < 0 && mkdirat(s.parent, s.name, 0700) < 0)
		return fault_errno(f, errno, "cannot make '%s' beside the client", SHOWN(s.name));
	if (s.dir < 0 && dir_open(&s, f) < 0)
		return -1;
	*ret_staging = s;
	s = (struct client_staging)CLIENT_STAGING_INIT;
	return 0;
}

void client_staging_close(struct client_staging *s)
{
	struct fault ignored = { 0 };
	char path[PATH_MAX], leaf[FS_NAME_SIZE];

	if (s->parent < 0 || s->dir < 0 || fs_tree_remove(s->dir, "new", &ignored) < 0 ||
	    unlinkat(s->parent, s->name, AT_REMOVEDIR) < 0)
		return;
	/* rmdir(2) stops by itself at the first that holds something. */
	(void)snprintf(path, sizeof(path), "%s", s->client_dir);
	path_shorten(path);
	while (s->made[0] != '\0' && strlen(path) >= strlen(s->made)) {
		FS_AUTO int dir = -1;
		if (fs_parent_open(s->root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &ignored) < 0 ||
		    unlinkat(dir, leaf, AT_REMOVEDIR) < 0)
			return;
		path_shorten(path);
	}
}

int client_staging_tree(struct client_staging *s, int *ret_tree, struct fault *f)
{
	FS_AUTO int outer = -1;
	FS_AUTO int tree = -1;

	if (fs_tree_remove(s->dir, "new", f) < 0)
		return -1;
	if (mkdirat(s->dir, "new", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	outer = openat(s->dir, "new", DIR_FLAGS);
	if (outer < 0 || mkdirat(outer, "tree", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	tree = openat(outer, "tree", DIR_FLAGS);
	if (tree < 0)
		return fault_errno(f, errno, "cannot open the new client's directory");
	*ret_tree = fs_take(&tree);
	return 0;
}

int client_staging_present(const struct client_staging *s, int *ret_dir, struct fault *f)
{
	struct stat status;

	if (fstatat(s->parent, s->leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SHOWN(s->leaf));
	if (!S_ISDIR(status.st_mode))
		return fault_refused(f, "'%s' exists and is not a directory; move it away", SHOWN(s->leaf));
	const int dir = openat(s->parent, s->leaf, DIR_FLAGS);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(s->leaf));
	*ret_dir = dir;
	return 0;
}

int client_staging_previous(const struct client_staging *s, int *ret_dir, struct fault *f)
{
	struct stat status;

	if (s->dir < 0)
		return 0;
	if (fstatat(s->dir, "previous", &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look for the previous client");
	if (!S_ISDIR(status.st_mode))
		return 0;
	const int dir = openat(s->dir, "previous", DIR_FLAGS);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open the previous client");
	*ret_dir = dir;
	return 0;
}
