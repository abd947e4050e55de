/*
 * A tree with what makes a node OKV's, in the place of a unit test, and the bundle, settings and passphrase that go with it.
 */
#ifndef OKV_TESTS_UNIT_BUNDLE_TREE_H
#define OKV_TESTS_UNIT_BUNDLE_TREE_H

#include "unit.h"

#include "bundle/secret.h"
#include "conf/settings.h"

#define TREE_HSM    "usr/local/okv/hsm"
#define TREE_BUNDLE TREE_HSM "/hsmbundle"

static inline void tree_make(int dir)
{
	static const char *const directories[] = { "etc",       "tmp",           "var",   "var/tmp",      "root",
						   "home",      "home/support",  "opt",   "opt/okv-luna", "usr",
						   "usr/local", "usr/local/okv", TREE_HSM };

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		unit_dir(dir, directories[i], 0755);
	unit_dir(dir, "opt/okv-luna/var", 0700);
	unit_write(dir, "etc/passwd",
		   "root:x:0:0::/root:/bin/sh\noracle:x:1001:1001::/var/lib/oracle:/bin/sh\n"
		   "support:x:1002:1002::/home/support:/bin/sh\n",
		   0644);
	unit_write(dir, "etc/group", "root:x:0:\noinstall:x:1001:\n", 0644);
	unit_write(dir, "etc/hostname", "okv2\n", 0644);
}

static inline void tree_bundle(int dir, const char *bytes)
{
	unit_write(dir, TREE_BUNDLE, bytes, 0600);
	assert_int_equal(fchownat(dir, TREE_BUNDLE, 1001, 1001, 0), 0);
}

/* A passphrase as if it had been typed. */
static inline void tree_passphrase(struct bundle_secret *secret)
{
	static const char typed[] = "correct horse battery staple";

	memcpy(secret->passphrase, typed, sizeof(typed) - 1);
	secret->length = sizeof(typed) - 1;
}

static inline bool tree_all_zero(const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	while (length > 0 && at[length - 1] == 0)
		length--;
	return length == 0;
}

#endif
