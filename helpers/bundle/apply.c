#include "bundle/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/time.h"
#include "bundle/carrier.h"
#include "bundle/node.h"
#include "fs/sha256.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "proc/interrupt.h"

int bundle_rules_check(const struct bundle_rules *rules, const char *origin, int64_t created, struct fault *f)
{
	char made[TIME_STAMP_SIZE];

	if (rules->own_name != NULL && strcasecmp(rules->own_name, origin) == 0)
		return fault_refused(f, "it was sealed on this very node, '%s': its hsmbundle is here already",
				     SHOWN(origin));
	time_format(created, made);
	if (created > rules->now + BUNDLE_CLOCK_SKEW)
		return fault_refused(f, "it was made in the future, at %s; compare the clocks of the nodes", made);
	if (rules->max_age > 0 && created < rules->now && (uint64_t)(rules->now - created) > rules->max_age)
		return fault_refused(f,
				     "it is too old: made at %s, %jd seconds ago; --max-age is %ju; seal a fresh one",
				     made, (intmax_t)(rules->now - created), (uintmax_t)rules->max_age);
	return 0;
}

/* Header, rules, passphrase, content: the part that verify and apply share. */
static int sealed_read(const struct bundle_apply *how, const struct bundle_carrier *carrier,
		       struct bundle_sealed *sealed, int sink, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (bundle_secret_new(how->report, &secret, f) < 0 ||
	    bundle_passphrase_read(&how->source, BUNDLE_ASK_ONCE, how->report, secret, f) < 0)
		return -1;
	const struct bundle_stream stream = {
		.in = carrier->fd, .in_name = carrier->path, .out = sink, .out_name = "the stage", .secret = secret
	};
	return bundle_sealed_open(sealed, &stream, f);
}

static int sealed_look(const struct bundle_apply *how, const char *path, struct bundle_carrier *carrier,
		       struct bundle_sealed *sealed, struct fault *f)
{
	if (bundle_carrier_open(path, carrier, f) < 0 || bundle_sealed_look(carrier->fd, path, sealed, f) < 0)
		return -1;
	if (bundle_rules_check(&how->rules, sealed->header.origin, sealed->header.created, f) < 0)
		return fault_prefix(f, "'%s' is not accepted: ", SHOWN(path));
	return 0;
}

static void sealed_tell(const struct bundle_sealed *sealed, struct bundle_applied *ret_applied)
{
	ret_applied->header = sealed->header;
	ret_applied->size = sealed->header.size;
	memcpy(ret_applied->sha256, sealed->header.sha256, sizeof(ret_applied->sha256));
	ret_applied->derivation_us = sealed->derivation_us;
}

int bundle_verify(const struct bundle_apply *how, const char *path, struct bundle_applied *ret_applied, struct fault *f)
{
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;
	struct bundle_sealed sealed;

	if (sealed_look(how, path, &carrier, &sealed, f) < 0 || sealed_read(how, &carrier, &sealed, -1, f) < 0)
		return -1;
	sealed_tell(&sealed, ret_applied);
	ret_applied->changed = false;
	return 0;
}

/* Does this very bundle stand there already, as it should? */
static bool in_place(const struct bundle_node *node, uint64_t size, const unsigned char sha256[BUNDLE_DIGEST_SIZE])
{
	struct fault ignored = { 0 };
	unsigned char digest[BUNDLE_DIGEST_SIZE];
	FS_AUTO int fd = -1;

	return node->present && bundle_node_owned(node) && (uint64_t)node->status.st_size == size &&
	       fs_file_open_at(node->dir, node->leaf, O_RDONLY, &fd, NULL, &ignored) == 0 &&
	       fs_sha256_descriptor(fd, node->leaf, digest, &ignored) == 0 &&
	       memcmp(digest, sha256, sizeof(digest)) == 0;
}

static int stage_begin(const struct bundle_node *node, struct fs_stage *stage, struct fault *f)
{
	const struct fs_publish publish = { .mode = node->mode, .uid = node->uid, .gid = node->gid, .force = true };

	return fs_stage_begin(node->dir, node->leaf, &publish, stage, f);
}

/* The proven stage takes the name, or is dropped where it would change nothing; then the carrier has served. */
static int stage_settle(const struct bundle_apply *how, const struct bundle_node *node, struct fs_stage *stage,
			const struct bundle_carrier *carrier, struct bundle_applied *applied, struct fault *f)
{
	applied->changed = !in_place(node, applied->size, applied->sha256);
	if (how->dry_run)
		return 0;
	if (!applied->changed)
		fs_stage_cancel(stage);
	else if (fs_stage_commit(stage, f) < 0)
		return -1;
	return bundle_carrier_remove(carrier, f);
}

int bundle_apply_sealed(const struct bundle_apply *how, const char *path, struct bundle_applied *ret_applied,
			struct fault *f)
{
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	struct bundle_sealed sealed;
	struct bundle_applied applied;

	if (sealed_look(how, path, &carrier, &sealed, f) < 0 ||
	    bundle_node_open(how->root, how->settings, &node, f) < 0 ||
	    bundle_node_room(&node, sealed.header.size, f) < 0 ||
	    (!how->dry_run && stage_begin(&node, &stage, f) < 0) ||
	    sealed_read(how, &carrier, &sealed, stage.fd, f) < 0)
		return -1;
	sealed_tell(&sealed, &applied);
	if (stage_settle(how, &node, &stage, &carrier, &applied, f) < 0)
		return -1;
	*ret_applied = applied;
	return 0;
}

/* --- unsealed -------------------------------------------------------------------------------------------------- */

static int plain_judge(const struct bundle_apply *how, const struct bundle_carrier *carrier, uid_t okv_user,
		       struct fault *f)
{
	const struct stat *status = &carrier->status;
	char magic[BUNDLE_MAGIC_SIZE];
	uid_t support;
	const bool has_support = bundle_node_support(how->root, &support);

	if (status->st_size == 0)
		return fault_refused(f, "'%s' is empty", SHOWN(carrier->path));
	if (pread(carrier->fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    memcmp(magic, BUNDLE_MAGIC, sizeof(magic)) == 0)
		return fault_refused(f, "'%s' is sealed; apply it without --plain", SHOWN(carrier->path));
	if (status->st_uid != 0 && status->st_uid != okv_user && !(has_support && status->st_uid == support))
		return fault_refused(f, "'%s' belongs to user id %lu; an unsealed bundle is root's, %s's or support's",
				     SHOWN(carrier->path), (unsigned long)status->st_uid,
				     SHOWN(how->settings->okv_user));
	if ((status->st_mode & 022) != 0)
		return fault_refused(f, "'%s' can be written by others (mode %04o): whose bytes are these?",
				     SHOWN(carrier->path), (unsigned)(status->st_mode & 07777));
	/* Its own time of change is all that an unsealed one tells about its age. */
	const struct bundle_rules rules = { .own_name = NULL, .max_age = how->rules.max_age, .now = how->rules.now };
	if (bundle_rules_check(&rules, "", status->st_mtim.tv_sec, f) < 0)
		return fault_prefix(f, "'%s' is not accepted: ", SHOWN(carrier->path));
	return 0;
}

static int plain_copy(const struct bundle_carrier *carrier, int sink, struct bundle_applied *applied, struct fault *f)
{
	enum { BLOCK = 64 * 1024 };
	SHA256_AUTO digest = SHA256_INIT;
	unsigned char block[BLOCK];

	applied->size = 0;
	if (fs_sha256_start(&digest, f) < 0)
		return -1;
	for (;;) {
		const ssize_t got = read(carrier->fd, block, sizeof(block));
		if (proc_interrupt_check(f) < 0)
			return -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(carrier->path));
		if (got == 0)
			break;
		applied->size += (uint64_t)got;
		if (applied->size > (uint64_t)carrier->status.st_size)
			break;
		if (fs_sha256_add(&digest, block, (size_t)got, f) < 0 ||
		    (sink >= 0 && fs_write(sink, "the stage", block, (size_t)got, f) < 0))
			return -1;
	}
	if (applied->size != (uint64_t)carrier->status.st_size)
		return fault_refused(f, "'%s' was changed while it was read", SHOWN(carrier->path));
	return fs_sha256_finish(&digest, applied->sha256, f);
}

int bundle_apply_plain(const struct bundle_apply *how, const char *path, struct bundle_applied *ret_applied,
		       struct fault *f)
{
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	struct bundle_applied applied = { .size = 0 };

	if (bundle_carrier_open(path, &carrier, f) < 0 || bundle_node_open(how->root, how->settings, &node, f) < 0 ||
	    plain_judge(how, &carrier, node.uid, f) < 0 ||
	    bundle_node_room(&node, (uint64_t)carrier.status.st_size, f) < 0)
		return -1;
	if (node.present && node.status.st_dev == carrier.status.st_dev && node.status.st_ino == carrier.status.st_ino)
		return fault_refused(f, "'%s' is the bundle in its place, not a copy", SHOWN(path));
	/* As the guide has it, so nothing to prove first: owner and mode before the first byte. */
	if (!how->dry_run && (stage_begin(&node, &stage, f) < 0 || fs_stage_own(&stage, f) < 0))
		return -1;
	if (plain_copy(&carrier, stage.fd, &applied, f) < 0 ||
	    stage_settle(how, &node, &stage, &carrier, &applied, f) < 0)
		return -1;
	*ret_applied = applied;
	return 0;
}
