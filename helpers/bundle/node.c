#include "bundle/node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"

static int owner_find(int root, const struct settings *settings, struct bundle_node *node, struct fault *f)
{
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO group = { 0 };
	struct accounts_user user;

	if (fs_read_config(root, "/etc/passwd", &passwd, f) < 0 || fs_read_config(root, "/etc/group", &group, f) < 0)
		return -1;
	if (!accounts_user_find(&passwd, settings->okv_user, &user))
		return fault_refused(f, "this is no OKV node: there is no user '%s'", SHOWN(settings->okv_user));
	if (!accounts_group_find(&group, settings->okv_group, &node->gid))
		return fault_refused(f, "this is no OKV node: there is no group '%s'", SHOWN(settings->okv_group));
	node->uid = user.uid;
	return 0;
}

int bundle_node_open(int root, const struct settings *settings, struct bundle_node *ret_node, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;

	if (fs_parent_open(root, SETTINGS_BUNDLE, FS_FOLLOW_TRUSTED, &node.dir, node.leaf, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		return fault_refused(f, "this is no OKV node: there is no directory '%s'", SETTINGS_OKV_HSM);
	}
	if (owner_find(root, settings, &node, f) < 0)
		return -1;
	node.mode = settings->bundle_mode;
	if (fstatat(node.dir, node.leaf, &node.status, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(node.status.st_mode))
			return fault_refused(f, "'%s' is a symbolic link and is not replaced", SETTINGS_BUNDLE);
		if (!S_ISREG(node.status.st_mode))
			return fault_refused(f, "'%s' is not a regular file", SETTINGS_BUNDLE);
		node.present = true;
	} else if (errno != ENOENT) {
		return fault_errno(f, errno, "cannot look at '%s'", SETTINGS_BUNDLE);
	}
	*ret_node = node;
	node.dir = -1;
	return 0;
}

void bundle_node_done(struct bundle_node *node)
{
	fs_close(&node->dir);
}

bool bundle_node_owned(const struct bundle_node *node)
{
	return node->status.st_uid == node->uid && node->status.st_gid == node->gid &&
	       (node->status.st_mode & 07777) == node->mode;
}

/* A tree that is not running has its name in a file. */
static bool tree_name(int root, struct text *out)
{
	struct fault ignored = { 0 };

	return fs_read_config(root, "/etc/hostname", out, &ignored) == 0 && strcspn(text_string(out), "\n") > 0;
}

int bundle_host_name(int root, bool whole_system, char ret_name[BUNDLE_ORIGIN_SIZE], struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct utsname system;

	if (uname(&system) < 0)
		return fault_system(f, errno, "cannot learn this node's name");
	const char *name = !whole_system && tree_name(root, &file) ? text_string(&file) : system.nodename;
	const size_t length = strcspn(name, "\n");
	if (length == 0 || length >= BUNDLE_ORIGIN_SIZE)
		return fault_refused(f, "this node's name '%s' cannot be written into a bundle", SHOWN(name));
	memcpy(ret_name, name, length);
	ret_name[length] = '\0';
	return 0;
}
