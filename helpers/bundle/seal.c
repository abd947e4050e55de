#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "base/time.h"
#include "bundle/act.h"
#include "bundle/sealed.h"
#include "fs/handle.h"
#include "fs/publish.h"

enum { FRESH_SECONDS = 24 * 60 * 60 };

/* This node's bundle, and what its header is going to say. */
static int bundle_look(const struct bundle_act *act, int *ret_fd, struct bundle_sealed *ret_sealed, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	struct bundle_header *h = &ret_sealed->header;
	struct stat status;

	memset(ret_sealed, 0, sizeof(*ret_sealed));
	if (bundle_host_name(act, h->origin, f) < 0 || bundle_node_open(act->root, act->settings, &node, f) < 0)
		return -1;
	if (!node.present)
		return fault_absent(f, "there is no '%s'; make it on this node's console: HSM page, Create Bundle",
				    SETTINGS_BUNDLE);
	if (fs_file_open_at(node.dir, node.leaf, O_RDONLY, ret_fd, &status, f) < 0)
		return -1;
	/* Whoever can make names there could have a file sealed that he cannot read himself. */
	if (status.st_uid != node.uid && status.st_nlink > 1)
		return fault_refused(
			f,
			"'%s' belongs to user id %lu and has %ju names: somebody has linked it there; make "
			"it anew on this node's console: HSM page, Create Bundle",
			SETTINGS_BUNDLE, (unsigned long)status.st_uid, (uintmax_t)status.st_nlink);
	if (node.status.st_uid != node.uid)
		report_say(act->report, REPORT_WARNING,
			   "'%s' belongs to user id %lu, not to %s: was it made on the console?", SETTINGS_BUNDLE,
			   (unsigned long)node.status.st_uid, SHOWN(act->settings->okv_user));
	if (act->now - status.st_mtim.tv_sec > FRESH_SECONDS) {
		char made[TIME_STAMP_SIZE];
		time_format(status.st_mtim.tv_sec, made);
		report_say(act->report, REPORT_WARNING, "'%s' was made at %s: is it still the right one?",
			   SETTINGS_BUNDLE, made);
	}
	h->created = act->now;
	h->iterations = act->options->iterations != 0 ? (uint32_t)act->options->iterations : BUNDLE_ITERATIONS_LEAST;
	h->size = (uint64_t)status.st_size;
	return 0;
}

/* As bundle_look left it, from `in` to `out`. */
static int bundle_seal(const struct bundle_act *act, int in, int out, struct bundle_sealed *sealed, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (bundle_secret_read(&act->passphrase, BUNDLE_ASK_TWICE, act->report, &secret, f) < 0)
		return -1;
	const struct bundle_stream stream = {
		.in = in, .in_name = SETTINGS_BUNDLE, .out = out, .out_name = "the sealed file", .secret = secret
	};
	return bundle_sealed_make(sealed, &stream, f);
}

/* By whatever path, link or further name: a bundle that is sealed in its place is none that OKV can apply. */
static int out_check(const char *out, int dir, const char *leaf, int bundle, struct fault *f)
{
	struct stat status, own;

	if (fstat(bundle, &own) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SETTINGS_BUNDLE);
	if (fstatat(dir, leaf, &status, 0) == 0 && status.st_dev == own.st_dev && status.st_ino == own.st_ino)
		return fault_refused(f, "'%s' is the bundle itself; seal it into another file", SHOWN(out));
	return 0;
}

static int seal_file(const struct bundle_act *act, struct bundle_sealed *ret_sealed, struct fault *f)
{
	const struct fs_publish publish = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1, .force = true };
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	FS_STAGE_AUTO stage = FS_STAGE_INIT;
	char leaf[FS_NAME_SIZE];

	if (bundle_path_split(act->options->out, &dir, leaf, f) < 0 || bundle_look(act, &fd, ret_sealed, f) < 0 ||
	    out_check(act->options->out, dir, leaf, fd, f) < 0)
		return -1;
	if (act->dry_run)
		return 0;
	if (fs_stage_begin(dir, leaf, &publish, &stage, f) < 0)
		return fault_prefix(f, "'%s': ", SHOWN(act->options->out));
	if (bundle_seal(act, fd, stage.fd, ret_sealed, f) < 0)
		return -1;
	return fs_stage_commit(&stage, f);
}

int bundle_act_seal(const struct bundle_act *act, struct fault *f)
{
	const char *out = act->options->out;
	struct bundle_sealed sealed;
	struct json j;

	if (out == NULL)
		return fault_usage(f, "seal needs --out FILE");
	if (bundle_act_claim(act, f) < 0 || seal_file(act, &sealed, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "seal");
	json_string(&j, "out", out);
	if (act->dry_run) {
		text_add_format(act->lines, "would seal '%s' (%s bytes) of %s as '%s'\n", SETTINGS_BUNDLE,
				NUMBER_GROUPED(sealed.header.size), SHOWN(sealed.header.origin), SHOWN(out));
	} else {
		text_add_format(act->lines, "sealed '%s' as '%s'\n", SETTINGS_BUNDLE, SHOWN(out));
		bundle_sealed_show(&sealed, act->verbose ? BUNDLE_FULL : BUNDLE_BRIEF, act->lines, &j);
		text_add_string(act->lines,
				"next: bring it to every other node and run 'okv-luna bundle apply' there\n");
	}
	json_object_end(&j);
	return 0;
}

int bundle_seal_unnamed(const struct bundle_act *act, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	struct bundle_sealed sealed;
	FS_AUTO int dir = -1;
	FS_AUTO int in = -1;
	FS_AUTO int fd = -1;

	if (bundle_look(act, &in, &sealed, f) < 0)
		return -1;
	if (act->dry_run)
		return 0;
	if (fs_dir_open(act->root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	/* Left by a run that was killed between the next two calls. */
	(void)unlinkat(dir, SETTINGS_OUTGOING, 0);
	fd = openat(dir, SETTINGS_OUTGOING, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(dir, SETTINGS_OUTGOING, 0) < 0)
		return fault_system(f, errno, "cannot make a private file in '%s'", SETTINGS_VAR);
	if (bundle_seal(act, in, fd, &sealed, f) < 0)
		return -1;
	*ret_size = sealed.head_length + sealed.header.size + BUNDLE_TAG_SIZE;
	*ret_fd = fs_take(&fd);
	return 0;
}
