/*
 * trees: an old client and a new one, beside each other.
 */
#ifndef OKV_UNIT_CLIENT_TREES_H
#define OKV_UNIT_CLIENT_TREES_H

#include "made.h"

static int old = -1, new = -1;

static inline int trees_make(void **state)
{
	(void)unit_place_make(state);
	const int dir = ((const struct unit_place *)*state)->dir;

	unit_dir(dir, "old", 0755);
	unit_dir(dir, "new", 0755);
	old = openat(dir, "old", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	new = openat(dir, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return old < 0 || new < 0;
}

static inline int trees_end(void **state)
{
	fs_close(&old);
	fs_close(&new);
	text_done(&made_told);
	return unit_place_remove(state);
}

#define IN_TREES(test) cmocka_unit_test_setup_teardown(test, trees_make, trees_end)

/* The old client's identity, and a program that is none of it. */
static inline void trees_identity(void)
{
	unit_dir(old, "cert", 02770);
	unit_dir(old, "cert/client", 02770);
	unit_write(old, "cert/client/okvKey.pem", "the key", 0664);
	unit_dir(old, "configData", 02770);
	unit_write(old, "configData/token.db", "", 0660);
	unit_dir(old, "data", 02777);
	unit_write(old, "partition-certificate.pem", "partition", 0640);
	unit_write(old, "Chrystoki.conf", "conf", 0640);
	unit_dir(old, "bin", 0755);
	unit_write(old, "bin/vtl", "old program", 0755);
}

#endif
