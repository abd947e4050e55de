#include "fs/read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int fs_read(int fd, const char *name, size_t limit, struct text *ret_text, struct fault *f)
{
	const size_t start = ret_text->length;
	char block[16384];

	for (;;) {
		const ssize_t got = read(fd, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			text_cut(ret_text, start);
			return fault_system(f, errno, "cannot read '%s'", SHOWN(name));
		}
		if (got == 0)
			return text_check(ret_text, f);
		if ((size_t)got > limit - (ret_text->length - start)) {
			text_cut(ret_text, start);
			return fault_refused(f, "'%s' is longer than %zu bytes", SHOWN(name), limit);
		}
		text_add(ret_text, block, (size_t)got);
		if (ret_text->failed) {
			text_cut(ret_text, start);
			return fault_memory(f);
		}
	}
}

int fs_read_file(int root, const char *path, enum fs_follow follow, size_t limit, struct text *ret_text,
		 struct stat *ret_status, struct fault *f)
{
	FS_AUTO int fd = -1;

	if (fs_file_open(root, path, follow, O_RDONLY, &fd, ret_status, f) < 0)
		return -1;
	return fs_read(fd, path, limit, ret_text, f);
}

int fs_read_config(int root, const char *path, struct text *ret_text, struct fault *f)
{
	return fs_read_file(root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, ret_text, NULL, f);
}

int fs_read_linked(int root, const char *path, struct text *ret_text, struct fault *f)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;

	if (fs_place_find(root, path, &place, f) < 0 || fs_name_open(FS_PLACE_NAME(&place), O_RDONLY, &fd, NULL, f) < 0)
		return -1;
	return fs_read(fd, path, FS_READ_CONFIG_MAX, ret_text, f);
}

int fs_read_optional(int root, const char *path, struct text *ret_text, bool *ret_there, struct fault *f)
{
	struct fault cause = { 0 };

	const int r = fs_read_config(root, path, ret_text, &cause);
	if (r < 0 && cause.kind != FAULT_ABSENT) {
		*f = cause;
		return -1;
	}
	*ret_there = r == 0;
	return 0;
}

int fs_write(int fd, const char *name, const void *bytes, size_t length, struct fault *f)
{
	const char *at = bytes;

	while (length > 0) {
		const ssize_t wrote = write(fd, at, length);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return fault_system(f, errno, "cannot write '%s'", SHOWN(name));
		at += wrote;
		length -= (size_t)wrote;
	}
	return 0;
}

int fs_copy(int from, int to, const char *name, struct fault *f)
{
	char block[65536];

	for (;;) {
		const ssize_t got = read(from, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(name));
		if (got == 0)
			return 0;
		if (fs_write(to, name, block, (size_t)got, f) < 0)
			return -1;
	}
}
