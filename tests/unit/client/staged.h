/*
 * staged: the staging directory of a client below a root of the test's own.
 */
#ifndef OKV_UNIT_CLIENT_STAGED_H
#define OKV_UNIT_CLIENT_STAGED_H

#include "client/swap.h"
#include "failing.h"
#include "unit.h"

#define CLIENT  "/usr/safenet/lunaclient"
#define STAGING "usr/safenet/.lunaclient.okv-luna"

static int root;
static struct client_staging s = CLIENT_STAGING_INIT;

static inline int staging_make(void **state)
{
	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	return 0;
}

static inline int staging_end(void **state)
{
	client_staging_done(&s);
	return unit_place_remove(state);
}

#define IN_STAGING(test) cmocka_unit_test_setup_teardown(test, staging_make, staging_end)

/* As each run begins. */
static inline int reopen(struct fault *f)
{
	client_staging_done(&s);
	return client_staging_open(root, CLIENT, NULL, &s, f) < 0 ? -1 : client_swap_recover(&s, f);
}

static inline void open_it(void)
{
	struct fault f = { 0 };

	MUST(reopen(&f));
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
	MUST(client_swap(&s, "top/", &f));
}

#endif
