#include "fs/each.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "fs/root.h"

int fs_each_open(int dir, const char *path, struct fs_each *ret_each, struct fault *f)
{
	FS_AUTO int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (stream == NULL)
		return fault_errno(f, errno, "cannot read directory '%s'", SHOWN(path));
	(void)fs_take(&fd);
	*ret_each = (struct fs_each){ .stream = stream, .path = path };
	return 0;
}

int fs_each_next(struct fs_each *each, struct fs_each_entry *ret_entry, struct fault *f)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(each->stream);
		if (entry == NULL)
			return errno == 0 ? 0
					  : fault_errno(f, errno, "cannot read directory '%s' to its end",
							SHOWN(each->path));
	} while (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	*ret_entry = (struct fs_each_entry){ .name = entry->d_name, .type = entry->d_type };
	return 1;
}

void fs_each_close(struct fs_each *each)
{
	if (each->stream != NULL)
		(void)closedir(each->stream);
	each->stream = NULL;
}
