/* What the tests of phase/ put into a root of their own, and read from it. */
#ifndef OKV_TESTS_PHASE_TREE_H
#define OKV_TESTS_PHASE_TREE_H

#include "unit.h"

#include "conf/settings.h"
#include "fs/read.h"
#include "fs/root.h"

/* The place of the test is the root. */
static inline int tree_root(void **state)
{
	return ((const struct unit_place *)*state)->dir;
}

/* The defaults, made once; a main gives them back by settings_done. */
static inline struct settings *tree_settings(void)
{
	static struct settings settings = { 0 };
	struct fault f = { 0 };

	if (settings.client_dir == NULL)
		MUST(settings_init(&settings, &f));
	return &settings;
}

/* Writes a file and the directories above it. */
static inline void tree_file(int root, const char *path, const char *bytes)
{
	struct fault f = { 0 };
	char parent[256];

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	MUST(fs_dirs_make(root, parent, 0755, FS_FOLLOW_TRUSTED, &f));
	unit_write(root, path + 1, bytes, 0644);
}

static inline void tree_read(int root, const char *path, struct text *ret_text)
{
	struct fault f = { 0 };

	MUST(fs_read_file(root, path, FS_FOLLOW_TRUSTED, 1 << 20, ret_text, NULL, &f));
}

#endif
