/* The record against a client that is installed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "client/record.h"
#include "fs/sha256.h"
#include "fs/handle.h"
#include "fs/root.h"

struct comparison {
	int client;
	bool same;
};

static int entry_compare(void *context, const struct manifest_entry *e, const char *path, struct fault *f)
{
	static const mode_t types[] = {
		[MANIFEST_FILE] = S_IFREG, [MANIFEST_DIR] = S_IFDIR, [MANIFEST_LINK] = S_IFLNK
	};
	struct comparison *c = context;
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	struct fault cause = { 0 };
	char leaf[FS_NAME_SIZE], target[PATH_MAX];
	unsigned char digest[SHA256_SIZE];
	struct stat status;

	c->same = false;
	if (path[0] == '\0') {
		if (fstat(c->client, &status) < 0)
			return fault_system(f, errno, "cannot look at the client");
	} else if (fs_parent_open(c->client, path, FS_NOFOLLOW, &dir, leaf, &cause) < 0) {
		return fs_absence(&cause, f) < 0 ? -1 : 1;
	} else if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? 1 : fault_system(f, errno, "cannot look at '%s'", SHOWN(path));
	}
	if ((status.st_mode & S_IFMT) != types[e->type] || status.st_uid != e->uid || status.st_gid != e->gid)
		return 1;
	if (e->type == MANIFEST_LINK) {
		const ssize_t length = readlinkat(dir, leaf, target, sizeof(target));
		if (length < 0)
			return fault_system(f, errno, "cannot read link '%s'", SHOWN(path));
		c->same = text_equal(target, (size_t)length, e->target);
		return c->same ? 0 : 1;
	}
	if ((status.st_mode & 07777) != e->mode)
		return 1;
	if (e->type == MANIFEST_FILE) {
		if ((uint64_t)status.st_size != e->size || status.st_nlink != 1)
			return 1;
		if (fs_file_open_at(dir, leaf, O_RDONLY, &fd, NULL, &cause) < 0)
			return fs_absence(&cause, f) < 0 ? -1 : 1;
		if (fs_sha256_descriptor(fd, path, digest, f) < 0)
			return -1;
		if (memcmp(digest, e->digest, sizeof(digest)) != 0)
			return 1;
	}
	c->same = true;
	return 0;
}

int client_record_matches(int client, const struct client_record *record, bool *ret_same, struct fault *f)
{
	struct comparison c = { .client = client };

	if (client_record_each(record, entry_compare, &c, f) < 0)
		return -1;
	*ret_same = c.same;
	return 0;
}
