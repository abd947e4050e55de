#include "hsm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "fs/handle.h"

enum { DEPTH_MAX = 64 };

/* Group 0 is root's own: what it may write, only root may. */
static bool only_root_writes(const struct stat *status)
{
	return status->st_uid == 0 && (status->st_mode & 002) == 0 &&
	       ((status->st_mode & 020) == 0 || status->st_gid == 0);
}

static int refuse_writable(const struct stat *status, const char *what, const char *path, size_t length,
			   struct fault *f)
{
	if (status->st_uid != 0)
		return fault_refused(
			f, "%s '%s' belongs to user id %lu, not to root, so what is loaded is not root's choice", what,
			SHOWN_BYTES(path, length), (unsigned long)status->st_uid);
	return fault_refused(f,
			     "%s '%s' (mode %04o) can be written by others than root, who could exchange the library",
			     what, SHOWN_BYTES(path, length), (unsigned)(status->st_mode & 07777));
}

/* From the directory that holds the file up to the root, by ".." of the real tree. */
static int parents_check(int root, const struct fs_place *place, struct fault *f)
{
	FS_AUTO int dir = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat top, here;
	size_t length = strlen(place->path);

	if (dir < 0 || fstat(root, &top) < 0)
		return fault_system(f, errno, "cannot look above '%s'", SHOWN(place->path));
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		while (length > 0 && place->path[length - 1] != '/')
			length--;
		if (fstat(dir, &here) < 0)
			return fault_system(f, errno, "cannot look above '%s'", SHOWN(place->path));
		if (!only_root_writes(&here))
			return refuse_writable(&here, "directory", place->path, length > 1 ? length - 1 : 1, f);
		if (here.st_dev == top.st_dev && here.st_ino == top.st_ino)
			return 0;
		length = length > 0 ? length - 1 : 0;
		const int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (above < 0)
			return fault_system(f, errno, "cannot look above '%s'", SHOWN(place->path));
		fs_close(&dir);
		dir = above;
	}
	return fault_refused(f, "'%s' lies too deep", SHOWN(place->path));
}

void hsm_file_done(struct hsm_file *file)
{
	fs_close(&file->fd);
	fs_place_done(&file->place);
}

int hsm_file_open(int root, const char *path, struct hsm_file *ret_file, struct fault *f)
{
	HSM_FILE_AUTO file = HSM_FILE_INIT;
	struct stat status;

	if (fs_place_find(root, path, &file.place, f) < 0)
		return -1;
	if (parents_check(root, &file.place, f) < 0)
		return -1;
	if (fs_file_open_at(file.place.dir, file.place.leaf, O_RDONLY, &file.fd, &status, f) < 0) {
		if (f->kind != FAULT_ABSENT)
			return fault_prefix(f, "'%s': ", SHOWN(path));
		if (file.place.links == NULL)
			return fault_absent(f, "there is no file '%s'", SHOWN(path));
		return fault_absent(f, "'%s' leads to '%s', which is not there (%s)", SHOWN(path),
				    SHOWN(file.place.path), SHOWN(file.place.links));
	}
	if (!only_root_writes(&status))
		return refuse_writable(&status, "library", file.place.path, strlen(file.place.path), f);
	*ret_file = file;
	file = (struct hsm_file)HSM_FILE_INIT;
	return 0;
}
