#include "bundle/copies.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle/node.h"
#include "bundle/sealed.h"
#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"

static const char stage_suffix[] = ".okv-luna-new";
static const char bundle_name[] = "hsmbundle";

const char *bundle_copy_kind_name(enum bundle_copy_kind kind)
{
	switch (kind) {
	case BUNDLE_COPY_BUNDLE:
		return "bundle";
	case BUNDLE_COPY_PLAIN:
		return "plain";
	case BUNDLE_COPY_SEALED:
		return "sealed";
	case BUNDLE_COPY_STAGE:
		return "stage";
	}
	return "unknown";
}

void bundle_copies_done(struct bundle_copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		free(copies->items[i].path);
	free(copies->items);
	*copies = (struct bundle_copies){ 0 };
}

static int copy_add(struct bundle_copies *copies, const char *directory, const char *leaf,
		    const struct bundle_copy *copy, struct fault *f)
{
	struct bundle_copy *items = realloc(copies->items, (copies->count + 1) * sizeof(*items));
	if (items == NULL)
		return fault_memory(f);
	copies->items = items;
	items[copies->count] = *copy;
	if (asprintf(&items[copies->count].path, "%s/%s", directory, leaf) < 0)
		return fault_memory(f);
	copies->count++;
	return 0;
}

/* What its first lines say; a header that cannot be read leaves the origin empty. */
static bool sealed_peek(int dir, const char *leaf, char ret_origin[BUNDLE_ORIGIN_SIZE])
{
	struct fault ignored = { 0 };
	struct bundle_header header;
	char head[BUNDLE_HEADER_MAX];
	size_t length;
	FS_AUTO int fd = -1;

	ret_origin[0] = '\0';
	if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, NULL, &ignored) < 0)
		return false;
	const ssize_t got = pread(fd, head, sizeof(head), 0);
	if (got < BUNDLE_MAGIC_SIZE || memcmp(head, BUNDLE_MAGIC, BUNDLE_MAGIC_SIZE) != 0)
		return false;
	if (bundle_header_parse(head, (size_t)got, &header, &length, &ignored) == 0)
		(void)snprintf(ret_origin, BUNDLE_ORIGIN_SIZE, "%s", header.origin);
	return true;
}

/* A regular file of that name as a copy; false where it is none. */
static bool copy_judge(int dir, const char *leaf, struct bundle_copy *ret_copy)
{
	memset(ret_copy, 0, sizeof(*ret_copy));
	if (fstatat(dir, leaf, &ret_copy->status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(ret_copy->status.st_mode))
		return false;
	if (leaf[0] == '.' && text_ends(leaf, stage_suffix)) {
		ret_copy->kind = BUNDLE_COPY_STAGE;
		return true;
	}
	if (sealed_peek(dir, leaf, ret_copy->origin)) {
		ret_copy->kind = BUNDLE_COPY_SEALED;
		return true;
	}
	ret_copy->kind = BUNDLE_COPY_PLAIN;
	return strcmp(leaf, bundle_name) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct bundle_copy *)a)->path, ((const struct bundle_copy *)b)->path);
}

static int directory_scan(int root, const char *directory, struct bundle_copies *copies, struct fault *f)
{
	struct fault ignored = { 0 };
	const size_t first = copies->count;
	FS_AUTO int dir = -1;

	/* Two users may share a home. */
	for (size_t i = 0; i < first; i++)
		if (text_starts(copies->items[i].path, directory) &&
		    strrchr(copies->items[i].path, '/') == copies->items[i].path + strlen(directory))
			return 0;
	/* Not every node has every directory. */
	if (fs_dir_open(root, directory, FS_FOLLOW_TRUSTED, &dir, &ignored) < 0)
		return 0;
	DIR *stream = fdopendir(dir);
	if (stream == NULL)
		return fault_system(f, errno, "cannot read directory '%s'", directory);
	(void)fs_take(&dir);

	int r = 0;
	for (struct dirent *entry; r == 0 && (entry = readdir(stream)) != NULL;) {
		struct bundle_copy copy;
		if (copy_judge(dirfd(stream), entry->d_name, &copy))
			r = copy_add(copies, directory, entry->d_name, &copy, f);
	}
	(void)closedir(stream);
	if (copies->count > first)
		qsort(copies->items + first, copies->count - first, sizeof(*copies->items), by_name);
	return r;
}

/* One known name; `kind` is what it is, whatever it looks like. */
static int name_look(int root, const char *directory, const char *leaf, enum bundle_copy_kind kind,
		     struct bundle_copies *copies, struct fault *f)
{
	struct fault ignored = { 0 };
	struct bundle_copy copy;
	FS_AUTO int dir = -1;

	if (fs_dir_open(root, directory, FS_FOLLOW_TRUSTED, &dir, &ignored) < 0)
		return 0;
	memset(&copy, 0, sizeof(copy));
	if (fstatat(dir, leaf, &copy.status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(copy.status.st_mode))
		return 0;
	copy.kind = kind;
	return copy_add(copies, directory, leaf, &copy, f);
}

/* Where people and scp come in: the home of `user` as the tree's password file has it, or `usual`. */
static int home_scan(int root, const struct text *passwd, const char *user, const char *usual,
		     struct bundle_copies *copies, struct fault *f)
{
	TEXT_AUTO home = { 0 };

	if (!accounts_user_home(passwd, user, &home))
		text_add_string(&home, usual);
	if (text_check(&home, f) < 0)
		return -1;
	/* The top of the tree is the home of accounts that have none. */
	if (strcmp(text_string(&home), "/") == 0)
		return 0;
	return directory_scan(root, text_string(&home), copies, f);
}

int bundle_copies_find(int root, const struct settings *settings, struct bundle_copies *ret_copies, struct fault *f)
{
	BUNDLE_COPIES_AUTO copies = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct fault ignored = { 0 };
	char usual[256], stage[FS_NAME_SIZE];

	(void)fs_read_file(root, "/etc/passwd", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &passwd, NULL, &ignored);
	(void)snprintf(usual, sizeof(usual), "/home/%s", settings->okv_user);
	(void)snprintf(stage, sizeof(stage), ".%s%s", bundle_name, stage_suffix);
	if (name_look(root, SETTINGS_OKV_HSM, bundle_name, BUNDLE_COPY_BUNDLE, &copies, f) < 0 ||
	    name_look(root, SETTINGS_OKV_HSM, stage, BUNDLE_COPY_STAGE, &copies, f) < 0 ||
	    name_look(root, SETTINGS_VAR, BUNDLE_OUTGOING, BUNDLE_COPY_STAGE, &copies, f) < 0 ||
	    directory_scan(root, "/tmp", &copies, f) < 0 || directory_scan(root, "/var/tmp", &copies, f) < 0 ||
	    home_scan(root, &passwd, "root", "/root", &copies, f) < 0 ||
	    home_scan(root, &passwd, BUNDLE_SUPPORT_USER, "/home/" BUNDLE_SUPPORT_USER, &copies, f) < 0 ||
	    home_scan(root, &passwd, settings->okv_user, usual, &copies, f) < 0)
		return -1;
	*ret_copies = copies;
	copies = (struct bundle_copies){ 0 };
	return 0;
}

int bundle_copy_remove(int root, const struct bundle_copy *copy, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	struct stat now;

	if (fs_parent_open(root, copy->path, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0)
		return -1;
	if (fstatat(dir, leaf, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(copy->path));
	if (now.st_dev != copy->status.st_dev || now.st_ino != copy->status.st_ino)
		return fault_incomplete(f, "'%s' was exchanged meanwhile; run it again", SHOWN(copy->path));
	if (unlinkat(dir, leaf, 0) < 0 && errno != ENOENT)
		return fault_incomplete(f, "cannot remove '%s': %s", SHOWN(copy->path), fault_errno_text(errno));
	if (fsync(dir) < 0 && errno != EINVAL)
		return fault_system(f, errno, "cannot sync the directory of '%s'", SHOWN(copy->path));
	return 0;
}
