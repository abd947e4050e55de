#include "bundle/act.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"

void bundle_act_begin(const struct bundle_act *act, struct json *ret_json, const char *name)
{
	json_init(ret_json, act->result);
	json_object_begin(ret_json, NULL);
	json_string(ret_json, "command", act->command);
	json_string(ret_json, "act", name);
	json_bool(ret_json, "dry_run", act->dry_run);
}

int bundle_act_claim(const struct bundle_act *act, struct fault *f)
{
	if (geteuid() != 0)
		return fault_system(f, 0, "this must be run by root; use su or sudo");
	return act->lock(act->holder, f);
}

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

int bundle_host_name(const struct bundle_act *act, char ret_name[BUNDLE_ORIGIN_SIZE], struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct utsname system;

	if (uname(&system) < 0)
		return fault_system(f, errno, "cannot learn this node's name");
	const char *name = !act->own_root && tree_name(act->root, &file) ? text_string(&file) : system.nodename;
	const size_t length = strcspn(name, "\n");
	if (length == 0 || length >= BUNDLE_ORIGIN_SIZE)
		return fault_refused(f, "this node's name '%s' cannot be written into a bundle", SHOWN(name));
	memcpy(ret_name, name, length);
	ret_name[length] = '\0';
	return 0;
}

int bundle_path_split(const char *path, int *ret_dir, char ret_leaf[FS_NAME_SIZE], struct fault *f)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *leaf = slash != NULL ? slash + 1 : path;
	const size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	if (leaf[0] == '\0' || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0)
		return fault_refused(f, "'%s' names no file", SHOWN(path));
	if (strlen(leaf) >= FS_NAME_SIZE || length >= sizeof(parent))
		return fault_refused(f, "path '%s' is too long", SHOWN(path));
	memcpy(parent, path, length);
	parent[length] = '\0';
	if (length == 0)
		strcpy(parent, slash != NULL ? "/" : ".");

	const int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fault_errno(f, errno, "cannot open directory '%s'", SHOWN(parent));
	memcpy(ret_leaf, leaf, strlen(leaf) + 1);
	*ret_dir = dir;
	return 0;
}

int bundle_input_open(const char *path, struct bundle_input *ret_input, struct fault *f)
{
	BUNDLE_INPUT_AUTO input = BUNDLE_INPUT_INIT;

	input.path = path;
	if (bundle_path_split(path, &input.dir, input.leaf, f) < 0 ||
	    fs_file_open_at(input.dir, input.leaf, O_RDONLY, &input.fd, &input.status, f) < 0)
		return -1;
	/* A second name would be a copy that stays behind, or one that somebody else writes to. */
	if (input.status.st_nlink != 1)
		return fault_refused(f, "'%s' has %ju names; a bundle has one", SHOWN(path),
				     (uintmax_t)input.status.st_nlink);
	*ret_input = input;
	input = (struct bundle_input)BUNDLE_INPUT_INIT;
	return 0;
}

void bundle_input_done(struct bundle_input *input)
{
	fs_close(&input->fd);
	fs_close(&input->dir);
}
