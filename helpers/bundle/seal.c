#include "bundle/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "bundle/carrier.h"
#include "bundle/node.h"
#include "fs/handle.h"
#include "fs/publish.h"

enum { FRESH_SECONDS = 24 * 60 * 60 };

static int bundle_look(const struct bundle_seal *how, int *ret_fd, struct stat *ret_status, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;

	if (bundle_node_open(how->root, how->settings, &node, f) < 0)
		return -1;
	if (!node.present)
		return fault_absent(f, "there is no '%s'; make it on this node's console: HSM page, Create Bundle",
				    SETTINGS_BUNDLE);
	if (fs_file_open_at(node.dir, node.leaf, O_RDONLY, ret_fd, ret_status, f) < 0)
		return -1;
	if (node.status.st_uid != node.uid)
		report_say(how->report, REPORT_WARNING,
			   "'%s' belongs to user id %lu, not to %s: was it made on the console?", SETTINGS_BUNDLE,
			   (unsigned long)node.status.st_uid, SHOWN(how->settings->okv_user));
	if (how->now - ret_status->st_mtim.tv_sec > FRESH_SECONDS) {
		char made[TIME_STAMP_SIZE];
		time_format(ret_status->st_mtim.tv_sec, made);
		report_say(how->report, REPORT_WARNING, "'%s' was made at %s: is it still the right one?",
			   SETTINGS_BUNDLE, made);
	}
	return 0;
}

static void header_begin(const struct bundle_seal *how, const struct stat *status, struct bundle_sealed *sealed)
{
	memset(sealed, 0, sizeof(*sealed));
	(void)snprintf(sealed->header.origin, sizeof(sealed->header.origin), "%s", how->own_name);
	sealed->header.created = how->now;
	sealed->header.iterations = how->iterations;
	sealed->header.size = (uint64_t)status->st_size;
}

int bundle_seal_descriptor(const struct bundle_seal *how, int out, struct bundle_sealed *ret_sealed, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;
	FS_AUTO int fd = -1;
	struct bundle_sealed sealed;
	struct stat status;

	if (bundle_look(how, &fd, &status, f) < 0)
		return -1;
	header_begin(how, &status, &sealed);
	if (bundle_secret_new(how->report, &secret, f) < 0 ||
	    bundle_passphrase_read(&how->source, BUNDLE_ASK_TWICE, how->report, secret, f) < 0)
		return -1;
	const struct bundle_stream stream = {
		.in = fd, .in_name = SETTINGS_BUNDLE, .out = out, .out_name = "the sealed file", .secret = secret
	};
	if (bundle_sealed_make(&sealed, &stream, f) < 0)
		return -1;
	*ret_sealed = sealed;
	return 0;
}

int bundle_seal_file(const struct bundle_seal *how, const char *out, struct bundle_sealed *ret_sealed, struct fault *f)
{
	const struct fs_publish publish = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1, .force = true };
	FS_AUTO int dir = -1;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	char leaf[FS_NAME_SIZE];

	if (bundle_path_split(out, &dir, leaf, f) < 0)
		return -1;
	if (how->dry_run) {
		FS_AUTO int fd = -1;
		struct stat status;
		if (bundle_look(how, &fd, &status, f) < 0)
			return -1;
		header_begin(how, &status, ret_sealed);
		return 0;
	}
	if (fs_stage_begin(dir, leaf, &publish, &stage, f) < 0)
		return fault_prefix(f, "'%s': ", SHOWN(out));
	if (bundle_seal_descriptor(how, stage.fd, ret_sealed, f) < 0)
		return -1;
	return fs_stage_commit(&stage, f);
}
