#include "bundle/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "fs/handle.h"

int bundle_path_split(const char *path, int *ret_dir, char ret_leaf[FS_NAME_SIZE], struct fault *f)
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
	if (bundle_path_split(path, &input.dir, input.leaf, f) < 0 ||
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
