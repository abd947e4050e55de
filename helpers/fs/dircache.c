#include "fs/dircache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/root.h"
#include "fs/walk.h"

void fs_dircache_done(struct fs_dircache *cache)
{
	while (cache->count > 0)
		fs_close(&cache->steps[--cache->count].fd);
	text_done(&cache->path);
}

/* Closes the open directories that are not on the way to `path` (its first `length` bytes). */
static void steps_keep(struct fs_dircache *cache, const char *path, size_t length)
{
	while (cache->count > 0) {
		const size_t end = cache->steps[cache->count - 1].end;
		if (end <= length && memcmp(cache->path.bytes, path, end) == 0 && (end == length || path[end] == '/'))
			break;
		fs_close(&cache->steps[--cache->count].fd);
	}
	cache->path.length = cache->count > 0 ? cache->steps[cache->count - 1].end : 0;
}

/* Opens the next component, path[start..end). */
static int step_open(struct fs_dircache *cache, const char *path, size_t start, size_t end, struct fault *f)
{
	char name[FS_NAME_SIZE];
	struct stat status;

	if (end - start >= sizeof(name))
		return fault_refused(f, "path '%s' has a component that is too long", SHOWN(path));
	if (cache->count == FS_DIRCACHE_MAX)
		return fault_refused(f, "path '%s' has more than %d components", SHOWN(path), FS_DIRCACHE_MAX);
	memcpy(name, path + start, end - start);
	name[end - start] = '\0';

	const int holder = cache->count > 0 ? cache->steps[cache->count - 1].fd : cache->root;
	FS_AUTO int fd = openat(holder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
		TEXT_AUTO prefix = { 0 };
		text_add(&prefix, path, end);
		if (text_check(&prefix, f) < 0 ||
		    fs_dir_open(cache->root, text_string(&prefix), FS_FOLLOW_TRUSTED, &fd, f) < 0)
			return -1;
	}
	if (fd < 0 || fstat(fd, &status) < 0)
		return fault_errno(f, errno, "cannot open directory '%s'", SHOWN_BYTES(path, end));

	text_add(&cache->path, path + cache->path.length, end - cache->path.length);
	if (text_check(&cache->path, f) < 0)
		return -1;
	cache->steps[cache->count++] = (struct fs_dircache_step){
		.fd = fs_take(&fd),
		.end = end,
		.open_to_others = fs_open_to_others(&status),
	};
	return 0;
}

int fs_dircache_parent(struct fs_dircache *cache, const char *path, int *ret_dir, const char **ret_leaf,
		       bool *ret_open_to_others, struct fault *f)
{
	const char *slash = strrchr(path, '/');
	if (path[0] != '/' || slash[1] == '\0')
		return fault_refused(f, "'%s' names no file", SHOWN(path));
	const size_t length = (size_t)(slash - path);

	steps_keep(cache, path, length);
	while (cache->path.length < length) {
		const size_t start = cache->path.length + strspn(path + cache->path.length, "/");
		const size_t end = start + strcspn(path + start, "/");
		if (step_open(cache, path, start, end, f) < 0)
			return -1;
	}
	*ret_dir = cache->count > 0 ? cache->steps[cache->count - 1].fd : cache->root;
	*ret_leaf = slash + 1;
	*ret_open_to_others = cache->count > 0 && cache->steps[cache->count - 1].open_to_others;
	return 0;
}
