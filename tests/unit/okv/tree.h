/*
 * tree: a root with OKV's generic directory in it, for tests of the room okv.
 */
#ifndef OKV_UNIT_OKV_TREE_H
#define OKV_UNIT_OKV_TREE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "okv/job.h"

struct tree {
	char path[64];
	int root;
	struct settings settings;
};

static inline void tree_write(const struct tree *t, const char *path, const struct text *bytes)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0640);
	struct fault f = { 0 };

	if (fs_publish(t->root, path, FS_NOFOLLOW, text_string(bytes), bytes->length, &how, &f) < 0)
		fail_msg("%s", f.text);
}

static inline void tree_put(const struct tree *t, const char *path, const char *string)
{
	TEXT_AUTO bytes = { 0 };

	text_add_string(&bytes, string);
	tree_write(t, path, &bytes);
}

static inline struct text tree_read(const struct tree *t, const char *path)
{
	struct text bytes = { 0 };
	struct fault f = { 0 };

	if (fs_read_file(t->root, path, FS_NOFOLLOW, FS_READ_CONFIG_MAX, &bytes, NULL, &f) < 0)
		fail_msg("%s", f.text);
	return bytes;
}

static inline struct tree tree_make(void)
{
	static const char *const folders[] = {
		SETTINGS_GENERIC,
		"/etc/systemd/system",
		"/usr/lib/systemd/system",
		"/usr/sbin",
		"/usr/share/man/man8",
		"/usr/safenet/lunaclient/lib",
		SETTINGS_PREFIX "/hooks",
		SETTINGS_PREFIX "/bin",
		SETTINGS_PREFIX "/share/systemd",
		SETTINGS_PREFIX "/share/man/man8",
	};
	static const char *const files[] = {
		SETTINGS_PREFIX "/hooks/pre-upgrade",
		SETTINGS_PREFIX "/hooks/post-upgrade",
		SETTINGS_PREFIX "/bin/okv-luna",
		SETTINGS_PREFIX "/share/systemd/okv-luna-post-upgrade.service",
		SETTINGS_PREFIX "/share/man/man8/okv-luna.8",
		"/etc/Chrystoki.conf",
	};
	struct tree t = { .root = -1, .settings = { 0 } };
	struct fault f = { 0 };

	/* In memory where there is room for it: what is synced there costs nothing. */
	const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(t.path, sizeof(t.path), "%s/okv-tree-XXXXXX", memory);
	assert_non_null(mkdtemp(t.path));
	assert_int_equal(fs_root_open(t.path, &t.root, &f), 0);
	assert_int_equal(settings_init(&t.settings, &f), 0);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (fs_dirs_make(t.root, folders[i], 0755, FS_NOFOLLOW, &f) < 0)
			fail_msg("%s", f.text);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		tree_put(&t, files[i], "");
	return t;
}

static inline void tree_done(struct tree *t)
{
	struct fault f = { 0 };
	const int parent = open(strncmp(t->path, "/dev/shm", 8) == 0 ? "/dev/shm" : "/tmp", O_RDONLY | O_DIRECTORY);

	if (fs_tree_remove(parent, strrchr(t->path, '/') + 1, &f) < 0)
		fail_msg("%s", f.text);
	(void)close(parent);
	(void)close(t->root);
	settings_done(&t->settings);
}

#endif
