/*
 * bundle/node: what this node is called, and where its hsmbundle stands and whose it is.
 *
 * Promise: a tree is OKV's when it has the directory of SETTINGS_BUNDLE and its password and group files know
 * OKV's user and group; anything else is FAULT_REFUSED.  Names come from the tree itself (etc/hostname), for the
 * running system from its kernel.
 */
#ifndef OKV_BUNDLE_NODE_H
#define OKV_BUNDLE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/fault.h"
#include "bundle/header.h"
#include "conf/settings.h"
#include "fs/root.h"

struct bundle_node {
	int dir; /* holds the bundle */
	char leaf[FS_NAME_SIZE];
	uid_t uid; /* OKV's user and group: the bundle's owner */
	gid_t gid;
	mode_t mode;
	bool present; /* a regular file stands there */
	struct stat status;
};

#define BUNDLE_NODE_INIT \
	{ \
		.dir = -1 \
	}
#define BUNDLE_NODE_AUTO __attribute__((cleanup(bundle_node_done))) struct bundle_node

/* A link or anything but a regular file under the bundle's name is FAULT_REFUSED. */
int bundle_node_open(int root, const struct settings *settings, struct bundle_node *ret_node, struct fault *f);
void bundle_node_done(struct bundle_node *node);
/* Owner and mode are what they must be. */
bool bundle_node_owned(const struct bundle_node *node);

/* `whole_system`: root is "/". */
int bundle_host_name(int root, bool whole_system, char ret_name[BUNDLE_ORIGIN_SIZE], struct fault *f);

#endif
