/* What the tests of upgrade/ put into a root of their own, and read from it. */
#ifndef OKV_TESTS_UPGRADE_TREE_H
#define OKV_TESTS_UPGRADE_TREE_H

#include "unit.h"

#include "conf/settings.h"
#include "fs/read.h"
#include "fs/root.h"
#include "upgrade/scan.h"

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

/* A system with a group, a client of two files and our own records. */
static inline int tree_make(void **state)
{
	if (unit_place_make(state) < 0)
		return -1;
	const int root = tree_root(state);
	tree_file(root, "/etc/group", "root:x:0:\nhsmusers:x:986:oracle,other\n");
	tree_file(root, "/etc/passwd", "root:x:0:0::/:\noracle:x:500:500::/:\n");
	tree_file(root, "/etc/os-release", "NAME=x\nPRETTY_NAME=\"An OS \\\"9\\\"\"\n");
	tree_file(root, "/etc/okv-release", "Oracle Key Vault Server 21.9\n");
	tree_file(root, "/etc/Chrystoki.conf", "conf\n");
	tree_file(root, "/usr/safenet/lunaclient/cert/a", "aaa\n");
	tree_file(root, "/usr/safenet/lunaclient/cert/b", "bbb\n");
	tree_file(root, "/opt/okv-luna/var/ours", "not looked at\n");
	return 0;
}

static inline void tree_scan(int root, struct scan *ret_scan)
{
	const struct scan_request request = { .root = root, .settings = tree_settings(), .depth = SCAN_DIGESTS };
	struct fault f = { 0 };

	MUST(scan_preserved(&request, ret_scan, &f));
}

#endif
