/* A directory of one's own as root for a unit test, gone afterwards. */
#ifndef OKV_TESTS_PHASE_TREE_H
#define OKV_TESTS_PHASE_TREE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/tree.h"

static char tree_path[64];

static inline int tree_setup(void **state)
{
	(void)snprintf(tree_path, sizeof(tree_path), "/tmp/okv-luna-test.XXXXXX");
	if (mkdtemp(tree_path) == NULL)
		return -1;
	int *root = malloc(sizeof(*root));
	*root = open(tree_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = root;
	return *root < 0 ? -1 : 0;
}

static inline int tree_teardown(void **state)
{
	struct fault f = FAULT_INIT;
	FS_AUTO int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)close(*(int *)*state);
	free(*state);
	return fs_tree_remove(parent, tree_path + 5, &f);
}

/* Writes a file and the directories above it. */
static inline void tree_file(int root, const char *path, const char *bytes)
{
	struct fault f = FAULT_INIT;
	char parent[256];
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (fs_dirs_make(root, parent, 0755, FS_FOLLOW_TRUSTED, &f) < 0)
		fail_msg("%s", f.text);
	FS_AUTO int fd = openat(root, path + 1, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
}

static inline void tree_read(int root, const char *path, struct text *ret_text)
{
	struct fault f = FAULT_INIT;
	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, 1 << 20, ret_text, NULL, &f) < 0)
		fail_msg("%s", f.text);
}

#endif
