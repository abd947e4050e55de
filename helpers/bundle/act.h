/*
 * bundle/act: the actions seal, apply, verify and send of okv-luna bundle.
 *
 * Promise: each action is done as a whole, and reports in `lines` (for people) and `result` (for programs) what it did.
 * The caller has checked that the options belong to the action and do not contradict each other.  Seal and apply, and
 * send where it seals, need root and take the product's lock.
 *
 * seal: the sealed file has mode 0600 from its first byte and gets its name when it is complete; a failed run leaves
 * nothing behind.  It cannot replace the bundle itself, whatever its name (FAULT_REFUSED).  A bundle that belongs to
 * another user than OKV's, or that is more than a day old, draws a warning, because sealing hides both.
 *
 * apply: at any moment SETTINGS_BUNDLE is the old bundle or the new one, complete and with its owner and mode.  The new
 * one is staged beside it, 0600 and owned by root, and gets the name only after tag, size and digest were checked.
 * FAULT_REFUSED and FAULT_USAGE: nothing was changed, and the input is still there; a bundle older than the present one
 * is refused too, unless `older` is set.  Success: the input is removed, and the bundle's modification time is the time
 * at which it was made or sealed.  FAULT_INCOMPLETE: the bundle is in place, but the input could not be removed.
 * Nothing proves the content of an unsealed hsmbundle, which the guide copies by hand.  So nobody else may be able to
 * change its file: it belongs to root, OKV's user or `support`, and only its owner can write it.
 *
 * verify: checks everything that apply proves about a sealed file; it writes nothing and needs neither root nor OKV.
 *
 * send: each node receives the sealed file under the same random name, 0600 from its first byte, and answers with the
 * size and digest of what it can read back; a file that differs is removed there.  Every node is tried, even if others
 * fail (FAULT_INCOMPLETE).  A pending interrupt ends the connections, and the nodes then remove what they received.
 */
#ifndef OKV_BUNDLE_ACT_H
#define OKV_BUNDLE_ACT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/json.h"
#include "base/option.h"
#include "base/report.h"
#include "base/text.h"
#include "bundle/sealed.h"
#include "conf/settings.h"
#include "fs/root.h"

/* The options; a number that was not given is 0, a text NULL. */
struct bundle_options {
	const char *out, *file, *user, *identity;
	uint64_t max_age, iterations, jobs, timeout, port;
	struct option_list ssh_options;
	bool plain, older, ask;
};

struct bundle_act {
	int root;
	bool own_root; /* the root is this machine's: the kernel knows its host name */
	bool dry_run;  /* check everything, write nothing */
	bool verbose;
	int64_t now; /* seconds since 1970 */
	const struct settings *settings;
	struct report *report;
	const struct bundle_options *options;
	struct bundle_source passphrase;
	const char *const *operands; /* without the action's name */
	size_t operand_count;
	/* Takes the product's lock, once; does nothing with dry_run. */
	int (*lock)(void *holder, struct fault *f);
	void *holder;
	struct text *lines;
	struct json *result; /* an open object, to which the action adds members */
};

int bundle_act_seal(const struct bundle_act *act, struct fault *f);
int bundle_act_apply(const struct bundle_act *act, struct fault *f);
int bundle_act_verify(const struct bundle_act *act, struct fault *f);
int bundle_act_send(const struct bundle_act *act, struct fault *f);

/*
 * Where this node's hsmbundle is, and who must own it.  FAULT_REFUSED unless the tree has the directory of
 * SETTINGS_BUNDLE, and OKV's user and group in its passwd and group files.
 */
struct bundle_node {
	int dir; /* the bundle's directory */
	char leaf[FS_NAME_SIZE];
	uid_t uid; /* OKV's user and group: the bundle's owner */
	gid_t gid;
	mode_t mode;
	bool present; /* the bundle exists, and is a regular file */
	struct stat status;
};

#define BUNDLE_NODE_INIT \
	{ \
		.dir = -1 \
	}
#define BUNDLE_NODE_AUTO __attribute__((cleanup(bundle_node_done))) struct bundle_node

/* Sets everything but `present` and `status`. */
int bundle_node_find(int root, const struct settings *settings, struct bundle_node *ret_node, struct fault *f);
void bundle_node_done(struct bundle_node *node);
/* Does a bundle with this status have the owner, group and mode that it must have? */
bool bundle_node_owns(const struct bundle_node *node, const struct stat *status);

/*
 * The file that a bundle was brought in, at a path that the caller gives, often in /tmp.  FAULT_REFUSED unless it is a
 * regular file with one name.  It is opened once, without following a link, so nobody can exchange it while it is read.
 */
struct bundle_input {
	const char *path; /* borrowed */
	int dir, fd;
	char leaf[FS_NAME_SIZE];
	struct stat status;
};

#define BUNDLE_INPUT_INIT \
	{ \
		.dir = -1, .fd = -1 \
	}
#define BUNDLE_INPUT_AUTO __attribute__((cleanup(bundle_input_done))) struct bundle_input

int bundle_input_open(const char *path, struct bundle_input *ret_input, struct fault *f);
void bundle_input_done(struct bundle_input *input);

/* For the actions themselves.  Checks that root runs it, and takes the lock. */
int bundle_act_claim(const struct bundle_act *act, struct fault *f);
/*
 * Seals this node's bundle into an open file of *ret_size bytes without a name, so that nothing is left behind however
 * this process ends.  With dry_run the bundle is only checked, and *ret_fd is not set.
 */
int bundle_seal_unnamed(const struct bundle_act *act, int *ret_fd, uint64_t *ret_size, struct fault *f);

#endif
