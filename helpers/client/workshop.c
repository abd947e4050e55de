#include "client/workshop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void client_workshop_done(struct client_workshop *w)
{
	fs_close(&w->parent);
	fs_close(&w->dir);
}

static int names_set(int root, const char *client_dir, struct client_workshop *w, struct fault *f)
{
	if (fs_parent_open(root, client_dir, FS_FOLLOW_TRUSTED, &w->parent, w->leaf, f) < 0)
		return -1;
	if (strlen(w->leaf) > FS_NAME_SIZE - 16)
		return fault_refused(f, "the name '%s' is too long", SHOWN(w->leaf));
	(void)snprintf(w->name, sizeof(w->name), ".%.200s.okv-luna", w->leaf);
	return 0;
}

/* A workshop that somebody else has made, or can enter, is none. */
static int dir_open(struct client_workshop *w, struct fault *f)
{
	struct stat status;

	w->dir = openat(w->parent, w->name, DIR_FLAGS);
	if (w->dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(w->name));
	if (fstat(w->dir, &status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(w->name));
	if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
		return fault_refused(f, "'%s' beside the client is not root's alone; look at it and move it away",
				     SHOWN(w->name));
	return 0;
}

/* The first directory on the way to the client's that is not there yet. */
static int made_find(int root, const char *client_dir, char made[PATH_MAX], struct fault *f)
{
	bool there;

	for (const char *slash = strchr(client_dir + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		(void)snprintf(made, PATH_MAX, "%.*s", (int)(slash - client_dir), client_dir);
		if (fs_existence(root, made, &there, f) < 0)
			return -1;
		if (!there)
			return 0;
	}
	made[0] = '\0';
	return 0;
}

static void parent_of(const char *path, char ret_parent[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(ret_parent, PATH_MAX, "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
}

int client_workshop_open(int root, const char *client_dir, struct report *report, struct client_workshop *ret_workshop,
			 struct fault *f)
{
	CLIENT_WORKSHOP_AUTO w = CLIENT_WORKSHOP_INIT;
	char parent[PATH_MAX];

	parent_of(client_dir, parent);
	if (made_find(root, client_dir, w.made, f) < 0 || fs_dirs_make(root, parent, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    names_set(root, client_dir, &w, f) < 0)
		return -1;
	if (mkdirat(w.parent, w.name, 0700) < 0 && errno != EEXIST)
		return fault_errno(f, errno, "cannot make '%s' beside the client", SHOWN(w.name));
	if (dir_open(&w, f) < 0 || client_workshop_recover(&w, report, f) < 0)
		return -1;
	*ret_workshop = w;
	w = (struct client_workshop)CLIENT_WORKSHOP_INIT;
	return 0;
}

void client_workshop_close(struct client_workshop *w, int root, const char *client_dir)
{
	struct fault ignored = { 0 };
	char path[PATH_MAX], parent[PATH_MAX], leaf[FS_NAME_SIZE];

	if (w->parent < 0 || w->dir < 0 || client_workshop_clear(w, &ignored) < 0 ||
	    unlinkat(w->parent, w->name, AT_REMOVEDIR) < 0)
		return;
	/* rmdir(2) stops by itself at the first that holds something. */
	parent_of(client_dir, path);
	while (w->made[0] != '\0' && strlen(path) >= strlen(w->made)) {
		FS_AUTO int dir = -1;
		if (fs_parent_open(root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &ignored) < 0 ||
		    unlinkat(dir, leaf, AT_REMOVEDIR) < 0)
			return;
		parent_of(path, parent);
		memcpy(path, parent, sizeof(path));
	}
}

int client_workshop_look(int root, const char *client_dir, struct client_workshop *ret_workshop, struct fault *f)
{
	CLIENT_WORKSHOP_AUTO w = CLIENT_WORKSHOP_INIT;
	struct fault absent = { 0 };
	bool there;

	if (names_set(root, client_dir, &w, &absent) < 0) {
		if (absent.kind != FAULT_ABSENT) {
			*f = absent;
			return -1;
		}
	} else if (fs_existence(w.parent, w.name, &there, f) < 0 || (there && dir_open(&w, f) < 0)) {
		return -1;
	}
	*ret_workshop = w;
	w = (struct client_workshop)CLIENT_WORKSHOP_INIT;
	return 0;
}

int client_workshop_present(const struct client_workshop *w, int *ret_dir, struct fault *f)
{
	struct stat status;

	if (fstatat(w->parent, w->leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SHOWN(w->leaf));
	if (!S_ISDIR(status.st_mode))
		return fault_refused(f, "'%s' is there and is no directory; move it away", SHOWN(w->leaf));
	const int dir = openat(w->parent, w->leaf, DIR_FLAGS);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(w->leaf));
	*ret_dir = dir;
	return 0;
}

/* --- the stage ---------------------------------------------------------------------------------------------------- */

int client_workshop_stage(struct client_workshop *w, uid_t uid, gid_t gid, int *ret_tree, struct fault *f)
{
	FS_AUTO int outer = -1;
	FS_AUTO int tree = -1;

	if (client_workshop_clear(w, f) < 0)
		return -1;
	if (mkdirat(w->dir, "new", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	outer = openat(w->dir, "new", DIR_FLAGS);
	if (outer < 0 || mkdirat(outer, "tree", 0700) < 0)
		return fault_errno(f, errno, "cannot make the new client's directory");
	tree = openat(outer, "tree", DIR_FLAGS);
	if (tree < 0 || fchown(tree, uid, gid) < 0)
		return fault_errno(f, errno, "cannot give the new client's directory away");
	*ret_tree = fs_take(&tree);
	return 0;
}

int client_workshop_clear(struct client_workshop *w, struct fault *f)
{
	return fs_tree_remove(w->dir, "new", f);
}

/* --- the client before this one ----------------------------------------------------------------------------------- */

int client_workshop_has_previous(const struct client_workshop *w, bool *ret_has, struct fault *f)
{
	struct stat status;
	bool has = false;

	if (w->dir >= 0) {
		has = fstatat(w->dir, "previous", &status, AT_SYMLINK_NOFOLLOW) == 0;
		if (!has && errno != ENOENT)
			return fault_system(f, errno, "cannot look for the previous client");
	}
	*ret_has = has && S_ISDIR(status.st_mode);
	return 0;
}

int client_workshop_previous(const struct client_workshop *w, int *ret_dir, struct fault *f)
{
	bool has = false;

	if (client_workshop_has_previous(w, &has, f) < 0)
		return -1;
	if (!has)
		return fault_absent(f, "no previous client is kept beside '%s'", SHOWN(w->leaf));
	*ret_dir = openat(w->dir, "previous", DIR_FLAGS);
	return *ret_dir < 0 ? fault_errno(f, errno, "cannot open the previous client") : 0;
}
