/*
 * bundle/act: the acts of the command, from what was asked for to what is told.
 *
 * Promise: each does its act whole and says in `lines` (for people) and `result` (for programs) what it did.  The
 * caller has checked that the options belong to the act and that they do not contradict each other.  Seal, apply and
 * clean hold the lock of this product, and are root's.
 *
 * seal: the sealed file is 0600 from its first byte, takes its name when it is whole, and nothing is left of one that
 * failed.  The bundle itself, by whatever name, is no place for it (FAULT_REFUSED).  A bundle of the wrong owner or of
 * yesterday is told as a warning: sealing does not make it fresh.
 *
 * apply: under SETTINGS_BUNDLE stands at any instant the old bundle or the new one, whole and with its owner and mode.
 * The new one is staged beside it, 0600 and root's, and takes the name only after tag, size and digest were right.
 * FAULT_REFUSED and FAULT_USAGE: nothing was changed, the input included; so is one that is older than what is there
 * (`older` allows it).  Success: the input is gone, and the bundle's time of change is that of its making or sealing.
 * FAULT_INCOMPLETE: the bundle is in place, its input is not gone.  An unsealed hsmbundle is taken as the guide copies
 * it: nothing proves its bytes, so its file must be beyond others' reach: owned by root, OKV's user or `support`, and
 * writable by its owner alone.
 *
 * verify: reads and proves, writes nothing, needs neither root nor an OKV tree.
 *
 * send: each far side gets the sealed file under the same random name, 0600 from its first byte, and answers with size
 * and digest of what it can read back; whatever differs is removed there.  Every node is tried whatever becomes of the
 * others (FAULT_INCOMPLETE when one failed).  A pending interrupt ends the connections, upon which the far sides remove
 * what they have.
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

/* What was asked for; numbers that were not are 0, texts NULL. */
struct bundle_options {
	const char *out, *file, *user, *identity;
	uint64_t max_age, iterations, jobs, timeout, port;
	struct option_list ssh_options;
	bool plain, older, ask;
};

struct bundle_act {
	int root;
	bool own_root; /* the root is this machine's, so its host name is the kernel's */
	bool dry_run;  /* look at everything, prove what can be proven, write nothing */
	bool verbose;
	int64_t now; /* seconds since 1970 */
	const struct settings *settings;
	struct report *report;
	const struct bundle_options *options;
	struct bundle_source passphrase;
	const char *const *operands; /* of the act itself */
	size_t operand_count;
	/* Takes the lock of this product, once, and not with dry_run. */
	int (*lock)(void *holder, struct fault *f);
	void *holder;
	struct text *lines;
	struct json *result; /* the open object that the act adds its members to */
};

int bundle_act_seal(const struct bundle_act *act, struct fault *f);
int bundle_act_apply(const struct bundle_act *act, struct fault *f);
int bundle_act_verify(const struct bundle_act *act, struct fault *f);
int bundle_act_send(const struct bundle_act *act, struct fault *f);

/*
 * Where this node's hsmbundle stands and whose it is.  A tree is OKV's when it has the directory of SETTINGS_BUNDLE and
 * its password and group files know OKV's user and group; anything else is FAULT_REFUSED.
 */
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

/* Not yet what stands there: `present` and `status` are left. */
int bundle_node_find(int root, const struct settings *settings, struct bundle_node *ret_node, struct fault *f);
void bundle_node_done(struct bundle_node *node);
/* Are a bundle's owner and mode what they must be? */
bool bundle_node_owns(const struct bundle_node *node, const struct stat *status);

/*
 * The file that brought a bundle here, somewhere its caller says, often in /tmp: a regular file with one name, opened
 * without following a link and without touching anything else (FAULT_REFUSED otherwise); reading uses the open file, so
 * nobody exchanges it meanwhile.
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

/* For the acts themselves. */
/* Only root, and one of us at a time. */
int bundle_act_claim(const struct bundle_act *act, struct fault *f);
/*
 * This node's bundle, sealed, as an open file of *ret_size bytes that has no name any more, so whatever ends this
 * process, nothing stays behind.  With dry_run the bundle is looked at and *ret_fd stays.
 */
int bundle_seal_unnamed(const struct bundle_act *act, int *ret_fd, uint64_t *ret_size, struct fault *f);

#endif
