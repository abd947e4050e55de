#include "bundle/act.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/number.h"
#include "base/text.h"
#include "base/time.h"
#include "bundle/sealed.h"
#include "conf/accounts.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/sha256.h"
#include "proc/interrupt.h"

enum {
	CLOCK_SKEW = 300, /* seconds that another node's clock may be ahead */
	AGE_DEFAULT = 24 * 60 * 60,
	/* What a file system needs besides the content: a directory entry, an indirect block. */
	SPACE_MARGIN = 64 * 1024,
};

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

int bundle_node_find(int root, const struct settings *settings, struct bundle_node *ret_node, struct fault *f)
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
	*ret_node = node;
	node.dir = -1;
	return 0;
}

/* Sets `present` and `status` too; FAULT_REFUSED if the bundle's name is a link or anything but a regular file. */
static int node_open(const struct bundle_act *act, struct bundle_node *node, struct fault *f)
{
	if (bundle_node_find(act->root, act->settings, node, f) < 0)
		return -1;
	if (fstatat(node->dir, node->leaf, &node->status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_errno(f, errno, "cannot look at '%s'", SETTINGS_BUNDLE);
	if (!S_ISREG(node->status.st_mode))
		return fault_refused(
			f, "'%s' is not a regular file and is not replaced; move it away, then run this again",
			SETTINGS_BUNDLE);
	node->present = true;
	return 0;
}

void bundle_node_done(struct bundle_node *node)
{
	fs_close(&node->dir);
}

bool bundle_node_owns(const struct bundle_node *node, const struct stat *status)
{
	return status->st_uid == node->uid && status->st_gid == node->gid && (status->st_mode & 07777) == node->mode;
}

/* The host name of a tree that is not the running system's. */
static bool tree_name(int root, struct text *out)
{
	struct fault ignored = { 0 };

	return fs_read_config(root, "/etc/hostname", out, &ignored) == 0 && strcspn(text_string(out), "\n") > 0;
}

static int host_name(const struct bundle_act *act, char ret_name[BUNDLE_ORIGIN_SIZE], struct fault *f)
{
	TEXT_AUTO file = { 0 };
	struct utsname system;

	if (uname(&system) < 0)
		return fault_system(f, errno, "cannot determine this node's name");
	const char *name = !act->own_root && tree_name(act->root, &file) ? text_string(&file) : system.nodename;
	const size_t length = strcspn(name, "\n");
	if (length == 0 || length >= BUNDLE_ORIGIN_SIZE)
		return fault_refused(f, "this node's host name '%s' is empty or longer than %d bytes", SHOWN(name),
				     BUNDLE_ORIGIN_SIZE - 1);
	memcpy(ret_name, name, length);
	ret_name[length] = '\0';
	return 0;
}

/* Opens the directory of the caller's path, following links, and gives the last name of the path. */
static int path_split(const char *path, int *ret_dir, char ret_leaf[FS_NAME_SIZE], struct fault *f)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *leaf = slash != NULL ? slash + 1 : path;
	const size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	if (leaf[0] == '\0' || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0)
		return fault_refused(f, "'%s' is not the name of a file", SHOWN(path));
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
	    fs_name_open(FS_NAME(input.dir, input.leaf, path), O_RDONLY, &input.fd, &input.status, f) < 0)
		return -1;
	/* Under a second name the bundle would stay behind, or somebody else could write to it. */
	if (input.status.st_nlink != 1)
		return fault_refused(f, "'%s' has %ju names (hard links) and must have only one; use a copy of it",
				     SHOWN(path), (uintmax_t)input.status.st_nlink);
	*ret_input = input;
	input = (struct bundle_input)BUNDLE_INPUT_INIT;
	return 0;
}

void bundle_input_done(struct bundle_input *input)
{
	fs_close(&input->fd);
	fs_close(&input->dir);
}

/* Opens this node's bundle and fills in what the header says about it. */
static int bundle_look(const struct bundle_act *act, int *ret_fd, struct bundle_sealed *ret_sealed, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	struct bundle_header *h = &ret_sealed->header;
	struct stat status;

	memset(ret_sealed, 0, sizeof(*ret_sealed));
	if (host_name(act, h->origin, f) < 0 || node_open(act, &node, f) < 0)
		return -1;
	if (!node.present)
		return fault_absent(f, "there is no '%s'; create it on this node's console: HSM page, Create Bundle",
				    SETTINGS_BUNDLE);
	if (fs_name_open(FS_NAME(node.dir, node.leaf, SETTINGS_BUNDLE), O_RDONLY, ret_fd, &status, f) < 0)
		return -1;
	/* Whoever can create names there could make us seal a file that he cannot read himself. */
	if (status.st_uid != node.uid && status.st_nlink > 1)
		return fault_refused(f,
				     "'%s' belongs to user id %lu and has %ju names: somebody has linked it there; "
				     "create it again on this node's console: HSM page, Create Bundle",
				     SETTINGS_BUNDLE, (unsigned long)status.st_uid, (uintmax_t)status.st_nlink);
	if (node.status.st_uid != node.uid)
		report_say(act->report, REPORT_WARNING,
			   "'%s' belongs to user id %lu, not to %s; unless it was made on the console, create it "
			   "there: HSM page, "
			   "Create Bundle",
			   SETTINGS_BUNDLE, (unsigned long)node.status.st_uid, SHOWN(act->settings->okv_user));
	if (act->now - status.st_mtim.tv_sec > AGE_DEFAULT) {
		char made[TIME_STAMP_SIZE];
		time_format(status.st_mtim.tv_sec, made);
		report_say(act->report, REPORT_WARNING,
			   "'%s' was made at %s, more than a day ago; if in doubt, create it again on this node's "
			   "console: HSM page, Create Bundle",
			   SETTINGS_BUNDLE, made);
	}
	h->created = act->now;
	h->iterations = act->options->iterations != 0 ? (uint32_t)act->options->iterations : BUNDLE_ITERATIONS_LEAST;
	h->size = (uint64_t)status.st_size;
	return 0;
}

/* Seals the bundle that bundle_look has opened, from `in` to `out`. */
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

/* Seal replaces an empty file or a sealed one, and nobody's other file. */
static bool is_replaceable(int dir, const char *leaf)
{
	char head[sizeof(BUNDLE_MAGIC) - 1];
	struct fault ignored = { 0 };
	struct stat status;
	FS_AUTO int fd = -1;

	if (fs_name_open(FS_NAME(dir, leaf, leaf), O_RDONLY, &fd, &status, &ignored) < 0)
		return ignored.kind == FAULT_ABSENT || ignored.kind == FAULT_REFUSED;
	return status.st_size == 0 || (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
				       memcmp(head, BUNDLE_MAGIC, sizeof(head)) == 0);
}

/* Sealing over the bundle itself, through any path, link or second name, would leave OKV without it. */
static int out_check(const char *out, int dir, const char *leaf, int bundle, struct fault *f)
{
	struct stat status, own;

	if (fstat(bundle, &own) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SETTINGS_BUNDLE);
	if (fstatat(dir, leaf, &status, 0) == 0 && fs_same_file(&status, &own))
		return fault_refused(f, "'%s' is the bundle itself; seal it into another file", SHOWN(out));
	return is_replaceable(dir, leaf)
		       ? 0
		       : fault_refused(f,
				       "'%s' exists and is not a sealed bundle, so it was not replaced;"
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
				"next: copy it to every other node, and run 'okv-luna bundle apply FILE' there\n");
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
	/* A run that was killed between the next two calls may have left one. */
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

/* --- verify and apply --------------------------------------------------------------------------------------------- */

/* Refuses a time in the future, or more than `max_age` seconds ago; 0: any age. */
static int age_check(const struct bundle_act *act, int64_t created, uint64_t max_age, struct fault *f)
{
	char made[TIME_STAMP_SIZE];

	time_format(created, made);
	if (created > act->now + CLOCK_SKEW)
		return fault_refused(f, "it was made in the future, at %s; compare the clocks of the nodes", made);
	if (max_age > 0 && created < act->now && (uint64_t)(act->now - created) > max_age)
		return fault_refused(f,
				     "it is too old: made at %s, %jd seconds ago, and --max-age is %ju seconds; bring "
				     "a new one, or give a "
				     "larger --max-age",
				     made, (intmax_t)(act->now - created), (uintmax_t)max_age);
	return 0;
}

static uint64_t apply_max_age(const struct bundle_act *act)
{
	return act->options->max_age != 0 ? act->options->max_age : AGE_DEFAULT;
}

/* Reads the header; refuses a bundle that the node `own_name` has sealed (NULL: any node may have). */
static int sealed_look(const struct bundle_act *act, const char *own_name, uint64_t max_age,
		       const struct bundle_input *input, struct bundle_sealed *sealed, struct fault *f)
{
	const struct bundle_header *h = &sealed->header;

	if (bundle_sealed_look(input->fd, input->path, sealed, f) < 0)
		return -1;
	if (own_name != NULL && strcasecmp(own_name, h->origin) == 0)
		(void)fault_refused(f, "it was sealed on this very node, '%s': its hsmbundle is here already",
				    SHOWN(h->origin));
	else if (age_check(act, h->created, max_age, f) == 0)
		return 0;
	return fault_prefix(f, "'%s' is not accepted: ", SHOWN(input->path));
}

static int sealed_read(const struct bundle_act *act, const struct bundle_input *input, struct bundle_sealed *sealed,
		       int out, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (bundle_secret_read(&act->passphrase, BUNDLE_ASK_ONCE, act->report, &secret, f) < 0)
		return -1;
	const struct bundle_stream stream = {
		.in = input->fd, .in_name = input->path, .out = out, .out_name = "the stage", .secret = secret
	};
	return bundle_sealed_open(sealed, &stream, f);
}

int bundle_act_verify(const struct bundle_act *act, struct fault *f)
{
	BUNDLE_INPUT_AUTO input = BUNDLE_INPUT_INIT;
	const char *path = act->operands[0];
	struct bundle_sealed sealed;

	/* A bundle may be verified on the node that sealed it, and when it is old. */
	if (bundle_input_open(path, &input, f) < 0 ||
	    sealed_look(act, NULL, act->options->max_age, &input, &sealed, f) < 0 ||
	    sealed_read(act, &input, &sealed, -1, f) < 0)
		return -1;
	text_add_format(act->lines, "'%s': genuine\n", SHOWN(path));
	bundle_sealed_show(&sealed, act->verbose ? BUNDLE_FULL : BUNDLE_BRIEF, act->lines, act->result);
	json_number(act->result, "age_seconds", act->now - sealed.header.created);
	return 0;
}

/* --- into its place ----------------------------------------------------------------------------------------------- */

static int space_check(const struct bundle_node *node, uint64_t bytes, struct fault *f)
{
	struct statvfs space;

	if (fstatvfs(node->dir, &space) < 0)
		return fault_system(f, errno, "cannot determine the free space of '%s'", SETTINGS_OKV_HSM);
	const uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	if (free_bytes < bytes + SPACE_MARGIN)
		return fault_refused(f, "'%s' has %ju bytes free and the bundle needs %ju; make room there",
				     SETTINGS_OKV_HSM, (uintmax_t)free_bytes, (uintmax_t)(bytes + SPACE_MARGIN));
	return 0;
}

/* Does nothing with dry_run. */
static int stage_begin(const struct bundle_act *act, const struct bundle_node *node, struct fs_stage *stage,
		       struct fault *f)
{
	const struct fs_publish publish = { .mode = node->mode, .uid = node->uid, .gid = node->gid, .force = true };

	return act->dry_run ? 0 : fs_stage_begin(node->dir, node->leaf, &publish, stage, f);
}

static int sealed_stage(const struct bundle_act *act, const struct bundle_input *input, struct bundle_node *node,
			struct fs_stage *stage, struct bundle_sealed *sealed, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];

	if (host_name(act, own_name, f) < 0 || sealed_look(act, own_name, apply_max_age(act), input, sealed, f) < 0 ||
	    node_open(act, node, f) < 0 || space_check(node, sealed->header.size, f) < 0 ||
	    stage_begin(act, node, stage, f) < 0)
		return -1;
	return sealed_read(act, input, sealed, stage->fd, f);
}

/* The user as whom files are copied to a node, if it exists. */
static bool is_support(int root, uid_t uid)
{
	TEXT_AUTO passwd = { 0 };
	struct fault ignored = { 0 };
	struct accounts_user user;

	return fs_read_config(root, "/etc/passwd", &passwd, &ignored) == 0 &&
	       accounts_user_find(&passwd, SETTINGS_SUPPORT_USER, &user) && user.uid == uid;
}

static int plain_check(const struct bundle_act *act, const struct bundle_input *input, const struct bundle_node *node,
		       struct fault *f)
{
	const struct stat *status = &input->status;
	char magic[BUNDLE_MAGIC_SIZE];

	if (status->st_size == 0)
		return fault_refused(f, "'%s' is empty; copy it again", SHOWN(input->path));
	if (pread(input->fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    memcmp(magic, BUNDLE_MAGIC, sizeof(magic)) == 0)
		return fault_refused(f, "'%s' is sealed; apply it without --plain", SHOWN(input->path));
	if (status->st_uid != 0 && status->st_uid != node->uid && !is_support(act->root, status->st_uid))
		return fault_refused(f,
				     "'%s' belongs to user id %lu, not to root, %s or support; check where it comes "
				     "from, and if you trust "
				     "it: chown root %s",
				     SHOWN(input->path), (unsigned long)status->st_uid, SHOWN(act->settings->okv_user),
				     TYPED(input->path));
	if ((status->st_mode & 022) != 0)
		return fault_refused(f,
				     "'%s' can be written by others (mode %04o); check where it comes from, and if you "
				     "trust it: chmod go-w %s",
				     SHOWN(input->path), (unsigned)(status->st_mode & 07777), TYPED(input->path));
	/* Only its modification time tells how old an unsealed bundle is. */
	if (age_check(act, status->st_mtim.tv_sec, apply_max_age(act), f) < 0)
		return fault_prefix(f, "'%s' is not accepted: ", SHOWN(input->path));
	return 0;
}

static int plain_copy(const struct bundle_input *input, int out, struct bundle_header *header, struct fault *f)
{
	enum { BLOCK = 64 * 1024 };
	SHA256_AUTO digest = SHA256_INIT;
	unsigned char block[BLOCK];

	if (fs_sha256_start(&digest, f) < 0)
		return -1;
	for (;;) {
		const ssize_t got = read(input->fd, block, sizeof(block));
		if (proc_interrupt_check(f) < 0)
			return -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(input->path));
		header->size += (uint64_t)got;
		if (got == 0 || header->size > (uint64_t)input->status.st_size)
			break;
		if (fs_sha256_add(&digest, block, (size_t)got, f) < 0 ||
		    (out >= 0 && fs_write(out, "the stage", block, (size_t)got, f) < 0))
			return -1;
	}
	if (header->size != (uint64_t)input->status.st_size)
		return fault_refused(f, "'%s' was changed while it was read; run this again", SHOWN(input->path));
	return fs_sha256_finish(&digest, header->sha256, f);
}

static int plain_stage(const struct bundle_act *act, const struct bundle_input *input, struct bundle_node *node,
		       struct fs_stage *stage, struct bundle_sealed *sealed, struct fault *f)
{
	memset(sealed, 0, sizeof(*sealed));
	sealed->header.created = input->status.st_mtim.tv_sec;
	if (node_open(act, node, f) < 0 || plain_check(act, input, node, f) < 0 ||
	    space_check(node, (uint64_t)input->status.st_size, f) < 0)
		return -1;
	if (node->present && fs_same_file(&node->status, &input->status))
		return fault_refused(f, "'%s' is this node's bundle itself; apply takes the file from another node",
				     SHOWN(input->path));
	/* There is no proof to wait for, so it gets its owner and mode before the first byte. */
	if (stage_begin(act, node, stage, f) < 0 || (!act->dry_run && fs_stage_own(stage, f) < 0))
		return -1;
	return plain_copy(input, stage->fd, &sealed->header, f);
}

/* Is the same bundle in place already? */
static bool is_in_place(const struct bundle_node *node, const struct bundle_header *header)
{
	struct fault ignored = { 0 };
	unsigned char digest[BUNDLE_DIGEST_SIZE];
	FS_AUTO int fd = -1;

	return node->present && (uint64_t)node->status.st_size == header->size &&
	       fs_name_open(FS_NAME(node->dir, node->leaf, SETTINGS_BUNDLE), O_RDONLY, &fd, NULL, &ignored) == 0 &&
	       fs_sha256_descriptor(fd, node->leaf, digest, &ignored) == 0 &&
	       memcmp(digest, header->sha256, sizeof(digest)) == 0;
}

/*
 * The modification time of the bundle in place is the time at which it was made.  One that apply put there has the time
 * of its sealed file (or unsealed file) in whole seconds.  One that this node's console made has fractions of a second,
 * and this node's clock may differ from the sealing node's.
 */
static int older_check(const struct bundle_act *act, const struct bundle_input *input, const struct bundle_node *node,
		       int64_t created, struct fault *f)
{
	const struct timespec *changed = &node->status.st_mtim;
	char made[TIME_STAMP_SIZE], there[TIME_STAMP_SIZE];

	if (act->options->older || !node->present || fs_same_file(&node->status, &input->status) ||
	    created + (changed->tv_nsec != 0 ? CLOCK_SKEW : 0) >= changed->tv_sec)
		return 0;
	time_format(created, made);
	time_format(node->status.st_mtim.tv_sec, there);
	return fault_refused(
		f, "'%s', made at %s, is older than this node's bundle, made at %s; --older applies it anyway",
		SHOWN(input->path), made, there);
}

/* Puts the checked bundle in its place. */
static int stage_publish(struct fs_stage *stage, int64_t created, struct fault *f)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = created } };

	if (futimens(stage->fd, times) < 0)
		return fault_system(f, errno, "cannot set the time of the new bundle");
	return fs_stage_commit(stage, f);
}

static int input_remove(const struct bundle_input *input, const struct bundle_node *node, struct fault *f)
{
	/* If the sealed file was in the bundle's own place, it has been replaced already. */
	return fs_same_file(&input->status, &node->status)
		       ? 0
		       : fs_name_remove(FS_NAME(input->dir, input->leaf, input->path), &input->status, f);
}

/* --- output ------------------------------------------------------------------------------------------------------- */

/* The console step that comes next, in which order, and when to remove the bundle. */
static void next_show(struct text *lines, struct json *j)
{
	static const char order[] = "apply the bundle on all nodes before the first node is reverse-migrated";

	text_add_format(lines,
			"next, on this node's console: HSM page, Apply Bundle (it asks for the recovery passphrase)\n"
			"order: %s;\n       then HSM-enable each node (HSM page, Initialize)\n"
			"last:  when every node is HSM-enabled and replication is verified, 'okv-luna bundle clean'\n"
			"       on all nodes\n",
			order);
	json_string(j, "next", "HSM page, Apply Bundle");
	json_string(j, "order", order);
}

static void applied_show(const struct bundle_act *act, const struct bundle_sealed *sealed, bool changed)
{
	const char *input = act->operands[0];
	const char *words = !changed       ? "nothing to change, the same bundle is at"
			    : act->dry_run ? "would be put at"
					   : "applied to";

	json_string(act->result, "carrier", input);
	json_string(act->result, "target", SETTINGS_BUNDLE);
	json_bool(act->result, "changed", changed);
	text_add_format(act->lines, "'%s': %s '%s' (%s:%s %04o)%s\n", SHOWN(input), words, SETTINGS_BUNDLE,
			SHOWN(act->settings->okv_user), SHOWN(act->settings->okv_group),
			(unsigned)act->settings->bundle_mode,
			act->dry_run ? "" : "; the file that brought it is removed");
	if (act->options->plain) {
		bundle_header_show(&sealed->header, act->lines, act->result);
		text_add_string(act->lines, "  unsealed: compare the SHA-256 with that on the first node\n");
	} else {
		bundle_sealed_show(sealed, act->verbose ? BUNDLE_FULL : BUNDLE_BRIEF, act->lines, act->result);
	}
	next_show(act->lines, act->result);
}

int bundle_act_apply(const struct bundle_act *act, struct fault *f)
{
	BUNDLE_INPUT_AUTO input = BUNDLE_INPUT_INIT;
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	const struct bundle_options *o = act->options;
	struct bundle_sealed sealed;

	if (o->plain && !bundle_source_is_terminal(&act->passphrase))
		return fault_usage(f, "--plain takes an unsealed bundle, which has no passphrase");
	if (bundle_act_claim(act, f) < 0 || bundle_input_open(act->operands[0], &input, f) < 0 ||
	    (o->plain ? plain_stage : sealed_stage)(act, &input, &node, &stage, &sealed, f) < 0)
		return -1;
	const bool there = is_in_place(&node, &sealed.header),
		   changed = !there || !bundle_node_owns(&node, &node.status);
	if (!there && older_check(act, &input, &node, sealed.header.created, f) < 0)
		return -1;
	if (!act->dry_run &&
	    ((changed && stage_publish(&stage, sealed.header.created, f) < 0) || input_remove(&input, &node, f) < 0))
		return -1;
	applied_show(act, &sealed, changed);
	return 0;
}
