/*
 * staged: the staging directory of a client below a root of the test's own.
 */
#ifndef OKV_UNIT_CLIENT_STAGED_H
#define OKV_UNIT_CLIENT_STAGED_H

#include "client/staging.h"
#include "failing.h"
#include "unit.h"

#define CLIENT  "/usr/safenet/lunaclient"
#define STAGING "usr/safenet/.lunaclient.okv-luna"

static int root;
static struct client_staging s = CLIENT_STAGING_INIT(-1, CLIENT, NULL);

static inline int staging_make(void **state)
{
	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	return 0;
}

static inline int staging_end(void **state)
{
	fs_close(&s.dir);
	fs_close(&s.parent);
	return unit_place_remove(state);
}

#define IN_STAGING(test) cmocka_unit_test_setup_teardown(test, staging_make, staging_end)

/* As each run begins; the one before it was killed. */
static inline int reopen(enum client_staging_use use, struct fault *f)
{
	fs_close(&s.dir);
	fs_close(&s.parent);
	s = (struct client_staging)CLIENT_STAGING_INIT(root, CLIENT, NULL);
	return client_staging_open(&s, use, f);
}

static inline void open_it(void)
{
	struct fault f = { 0 };

	MUST(reopen(CLIENT_STAGING_ROLLBACK, &f));
}

/* A new client in the staging directory, told by one file. */
static inline void stage(const char *which)
{
	FS_AUTO int tree = -1;
	struct fault f = { 0 };

	MUST(client_staging_tree(&s, &tree, &f));
	unit_dir(tree, "top", 0755);
	unit_write(tree, "top/which", which, 0644);
}

static inline void swap(const char *which)
{
	struct fault f = { 0 };

	stage(which);
	MUST(client_staging_swap(&s, "tree/top/", &f));
}

#endif
