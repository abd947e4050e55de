#include "fs/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/each.h"
#include "fs/handle.h"

enum { DEPTH_MAX = 512 };

static int remove_below(int dir, const char *leaf, dev_t device, unsigned depth, struct fault *f)
{
	if (unlinkat(dir, leaf, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fault_system(f, errno, "cannot remove '%s'", SHOWN(leaf));
	if (depth >= DEPTH_MAX)
		return fault_refused(f, "'%s' lies more than %d directories deep", SHOWN(leaf), DEPTH_MAX);

	FS_AUTO int fd = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot remove '%s'", SHOWN(leaf));
	if (status.st_dev != device)
		return fault_refused(f, "'%s' is another file system and is not removed; unmount it", SHOWN(leaf));

	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int r = 0, more = fs_each_open(fd, leaf, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (remove_below(fd, entry.name, device, depth + 1, f) < 0)
			r = -1;
	if (more < 0)
		return -1;
	if (r == 0 && unlinkat(dir, leaf, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = fault_system(f, errno, "cannot remove directory '%s'", SHOWN(leaf));
	return r;
}

int fs_tree_remove(int dir, const char *leaf, struct fault *f)
{
	struct stat status;

	if (fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at '%s'", SHOWN(leaf));
	return remove_below(dir, leaf, status.st_dev, 0, f);
}
