#include "bundle/act.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/number.h"
#include "base/text.h"
#include "base/time.h"
#include "bundle/sealed.h"
#include "conf/accounts.h"
#include "fs/publish.h"
#include "fs/read.h"

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
		return fault_refused(f, "this is not an OKV node: there is no user '%s'", SHOWN(settings->okv_user));
	if (!accounts_group_find(&group, settings->okv_group, &node->gid))
		return fault_refused(f, "this is not an OKV node: there is no group '%s'", SHOWN(settings->okv_group));
	node->uid = user.uid;
	return 0;
}

int bundle_node_open(int root, const struct settings *settings, struct bundle_node *ret_node, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;

	if (fs_parent_open(root, SETTINGS_BUNDLE, FS_FOLLOW_TRUSTED, &node.dir, node.leaf, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return -1;
		return fault_refused(f, "this is not an OKV node: there is no directory '%s'", SETTINGS_OKV_HSM);
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
		return fault_system(f, errno, "cannot determine this node's name");
	const char *name = !act->own_root && tree_name(act->root, &file) ? text_string(&file) : system.nodename;
	const size_t length = strcspn(name, "\n");
	if (length == 0 || length >= BUNDLE_ORIGIN_SIZE)
		return fault_refused(f, "this node's name '%s' cannot be written into a bundle", SHOWN(name));
	memcpy(ret_name, name, length);
	ret_name[length] = '\0';
	return 0;
}

/* The directory part of a caller's path, opened as the caller means it (links allowed), and the name in it. */
static int path_split(const char *path, int *ret_dir, char ret_leaf[FS_NAME_SIZE], struct fault *f)
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
	if (path_split(path, &input.dir, input.leaf, f) < 0 ||
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

enum { FRESH_SECONDS = 24 * 60 * 60 };

/* This node's bundle, and what its header is going to say. */
static int bundle_look(const struct bundle_act *act, int *ret_fd, struct bundle_sealed *ret_sealed, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	struct bundle_header *h = &ret_sealed->header;
	struct stat status;

	memset(ret_sealed, 0, sizeof(*ret_sealed));
	if (bundle_host_name(act, h->origin, f) < 0 || bundle_node_open(act->root, act->settings, &node, f) < 0)
		return -1;
	if (!node.present)
		return fault_absent(f, "there is no '%s'; make it on this node's console: HSM page, Create Bundle",
				    SETTINGS_BUNDLE);
	if (fs_file_open_at(node.dir, node.leaf, O_RDONLY, ret_fd, &status, f) < 0)
		return -1;
	/* Whoever can make names there could have a file sealed that he cannot read himself. */
	if (status.st_uid != node.uid && status.st_nlink > 1)
		return fault_refused(f,
				     "'%s' belongs to user id %lu and has %ju names: somebody has linked it there; "
				     "create it again on this node's console: HSM page, Create Bundle",
				     SETTINGS_BUNDLE, (unsigned long)status.st_uid, (uintmax_t)status.st_nlink);
	if (node.status.st_uid != node.uid)
		report_say(act->report, REPORT_WARNING,
			   "'%s' belongs to user id %lu, not to %s: was it made on the console?", SETTINGS_BUNDLE,
			   (unsigned long)node.status.st_uid, SHOWN(act->settings->okv_user));
	if (act->now - status.st_mtim.tv_sec > FRESH_SECONDS) {
		char made[TIME_STAMP_SIZE];
		time_format(status.st_mtim.tv_sec, made);
		report_say(act->report, REPORT_WARNING, "'%s' was made at %s: is it still the right one?",
			   SETTINGS_BUNDLE, made);
	}
	h->created = act->now;
	h->iterations = act->options->iterations != 0 ? (uint32_t)act->options->iterations : BUNDLE_ITERATIONS_LEAST;
	h->size = (uint64_t)status.st_size;
	return 0;
}

/* As bundle_look left it, from `in` to `out`. */
static int bundle_seal(const struct bundle_act *act, int in, int out, struct bundle_sealed *sealed, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (bundle_secret_read(&act->passphrase, BUNDLE_ASK_TWICE, act->report, &secret, f) < 0)
		return -1;
	const struct bundle_stream stream = {
		.in = in, .in_name = SETTINGS_BUNDLE, .out = out, .out_name = "the sealed file", .secret = secret
	};
	return bundle_sealed_make(sealed, &stream, f);
}

/* Nobody's file is taken: there is none of that name, an empty one, or an older sealed one. */
static bool is_free_or_sealed(int dir, const char *leaf)
{
	char head[sizeof(BUNDLE_MAGIC) - 1];
	struct fault ignored = { 0 };
	struct stat status;
	FS_AUTO int fd = -1;

	if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, &status, &ignored) < 0)
		return ignored.kind == FAULT_ABSENT || ignored.kind == FAULT_REFUSED;
	return status.st_size == 0 || (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
				       memcmp(head, BUNDLE_MAGIC, sizeof(head)) == 0);
}

/* By whatever path, link or further name: a bundle that is sealed in its place is none that OKV can apply. */
static int out_check(const char *out, int dir, const char *leaf, int bundle, struct fault *f)
{
	struct stat status, own;

	if (fstat(bundle, &own) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SETTINGS_BUNDLE);
	if (fstatat(dir, leaf, &status, 0) == 0 && status.st_dev == own.st_dev && status.st_ino == own.st_ino)
		return fault_refused(f, "'%s' is the bundle itself; seal it into another file", SHOWN(out));
	return is_free_or_sealed(dir, leaf)
		       ? 0
		       : fault_refused(f,
				       "'%s' is there and is no sealed bundle, so it stays as it is;"
				       " seal into another file",
				       SHOWN(out));
}

static int seal_file(const struct bundle_act *act, struct bundle_sealed *ret_sealed, struct fault *f)
{
	const struct fs_publish publish = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1, .force = true };
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	char leaf[FS_NAME_SIZE];

	if (path_split(act->options->out, &dir, leaf, f) < 0 || bundle_look(act, &fd, ret_sealed, f) < 0 ||
	    out_check(act->options->out, dir, leaf, fd, f) < 0)
		return -1;
	if (act->dry_run)
		return 0;
	if (fs_stage_begin(dir, leaf, &publish, &stage, f) < 0)
		return fault_prefix(f, "'%s': ", SHOWN(act->options->out));
	if (bundle_seal(act, fd, stage.fd, ret_sealed, f) < 0)
		return -1;
	return fs_stage_commit(&stage, f);
}

int bundle_act_seal(const struct bundle_act *act, struct fault *f)
{
	const char *out = act->options->out;
	struct bundle_sealed sealed;

	if (out == NULL)
		return fault_usage(f, "seal needs --out FILE");
	if (bundle_act_claim(act, f) < 0 || seal_file(act, &sealed, f) < 0)
		return -1;
	json_string(act->result, "out", out);
	if (act->dry_run) {
		text_add_format(act->lines, "would seal '%s' (%s bytes) of %s as '%s'\n", SETTINGS_BUNDLE,
				NUMBER_GROUPED(sealed.header.size), SHOWN(sealed.header.origin), SHOWN(out));
	} else {
		text_add_format(act->lines, "sealed '%s' as '%s'\n", SETTINGS_BUNDLE, SHOWN(out));
		bundle_sealed_show(&sealed, act->verbose ? BUNDLE_FULL : BUNDLE_BRIEF, act->lines, act->result);
		text_add_string(act->lines,
				"next: bring it to every other node and run 'okv-luna bundle apply' there\n");
	}
	return 0;
}

int bundle_seal_unnamed(const struct bundle_act *act, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	struct bundle_sealed sealed;
	FS_AUTO int dir = -1;
	FS_AUTO int in = -1;
	FS_AUTO int fd = -1;

	if (bundle_look(act, &in, &sealed, f) < 0)
		return -1;
	if (act->dry_run)
		return 0;
	if (fs_dir_open(act->root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	/* Left by a run that was killed between the next two calls. */
	(void)unlinkat(dir, SETTINGS_OUTGOING, 0);
	fd = openat(dir, SETTINGS_OUTGOING, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(dir, SETTINGS_OUTGOING, 0) < 0)
		return fault_system(f, errno, "cannot make a private file in '%s'", SETTINGS_VAR);
	if (bundle_seal(act, in, fd, &sealed, f) < 0)
		return -1;
	*ret_size = sealed.head_length + sealed.header.size + BUNDLE_TAG_SIZE;
	*ret_fd = fs_take(&fd);
	return 0;
}
