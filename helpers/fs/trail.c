#include "fs/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/root.h"
#include "fs/walk.h"

void fs_trail_done(struct fs_trail *trail)
{
	while (trail->count > 0)
		fs_close(&trail->steps[--trail->count].fd);
	free(trail->steps);
	trail->steps = NULL;
	text_done(&trail->path);
}

/* Keeps the steps that the directory part of `path` begins with. */
static void trail_keep(struct fs_trail *trail, const char *path, size_t length)
{
	while (trail->count > 0) {
		const size_t end = trail->steps[trail->count - 1].end;
		if (end <= length && memcmp(trail->path.bytes, path, end) == 0 && (end == length || path[end] == '/'))
			break;
		fs_close(&trail->steps[--trail->count].fd);
	}
	trail->path.length = trail->count > 0 ? trail->steps[trail->count - 1].end : 0;
}

/* Opens one component more; `path` up to `end` is its full path. */
static int trail_step(struct fs_trail *trail, const char *path, size_t start, size_t end, struct fault *f)
{
	char name[FS_NAME_SIZE];
	struct stat status;

	if (end - start >= sizeof(name))
		return fault_refused(f, "path '%s' has a component that is too long", SHOWN(path));
	if (trail->count == FS_TRAIL_MAX)
		return fault_refused(f, "path '%s' has more than %d components", SHOWN(path), FS_TRAIL_MAX);
	memcpy(name, path + start, end - start);
	name[end - start] = '\0';

	const int holder = trail->count > 0 ? trail->steps[trail->count - 1].fd : trail->root;
	FS_AUTO int fd = openat(holder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
		TEXT_AUTO prefix = { 0 };
		text_add(&prefix, path, end);
		if (text_check(&prefix, f) < 0 ||
		    fs_dir_open(trail->root, text_string(&prefix), FS_FOLLOW_TRUSTED, &fd, f) < 0)
			return -1;
	}
	if (fd < 0 || fstat(fd, &status) < 0)
		return fault_errno(f, errno, "cannot open directory '%s'", SHOWN_BYTES(path, end));

	text_add(&trail->path, path + trail->path.length, end - trail->path.length);
	if (text_check(&trail->path, f) < 0)
		return -1;
	trail->steps[trail->count++] = (struct fs_trail_step){
		.fd = fs_take(&fd),
		.end = end,
		.open_to_others = fs_open_to_others(&status),
	};
	return 0;
}

int fs_trail_parent(struct fs_trail *trail, const char *path, int *ret_dir, const char **ret_leaf,
		    bool *ret_open_to_others, struct fault *f)
{
	const char *slash = strrchr(path, '/');
	if (path[0] != '/' || slash[1] == '\0')
		return fault_refused(f, "'%s' names no file", SHOWN(path));
	const size_t length = (size_t)(slash - path);

	if (trail->steps == NULL) {
		trail->steps = calloc(FS_TRAIL_MAX, sizeof(*trail->steps));
		if (trail->steps == NULL)
			return fault_memory(f);
	}
	trail_keep(trail, path, length);
	while (trail->path.length < length) {
		const size_t start = trail->path.length + strspn(path + trail->path.length, "/");
		const size_t end = start + strcspn(path + start, "/");
		if (trail_step(trail, path, start, end, f) < 0)
			return -1;
	}
	*ret_dir = trail->count > 0 ? trail->steps[trail->count - 1].fd : trail->root;
	*ret_leaf = slash + 1;
	*ret_open_to_others = trail->count > 0 && trail->steps[trail->count - 1].open_to_others;
	return 0;
}
