#include "client/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int conf_keep(const struct client_keep *keep, struct text *ret_conf, struct fault *f)
{
	struct fs_publish how = FS_PUBLISH_NEW(0600);
	struct stat status;
	bool there;

	if (fs_existence(keep->root, keep->conf_path, &there, f) < 0)
		return -1;
	if (!there)
		return 0;
	if (fs_read_file(keep->root, keep->conf_path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, ret_conf, &status, f) < 0)
		return -1;
	how.mode = status.st_mode & 07777;
	how.uid = status.st_uid;
	how.gid = status.st_gid;
	return fs_publish_at(keep->workshop->dir, "kept.conf", ret_conf->bytes, ret_conf->length, &how, f);
}

int client_keep_make(const struct client_keep *keep, struct client_carried *ret_carried, struct fault *f)
{
	struct client_workshop *w = keep->workshop;
	struct text conf = { 0 };
	FS_AUTO int old = -1;
	FS_AUTO int kept = -1;

	if (client_workshop_present(w, &old, f) < 0)
		return -1;
	int r = conf_keep(keep, &conf, f);
	/* In new/, which a killed run leaves to be thrown away: half a copy must never be put back. */
	if (r == 0 && mkdirat(w->dir, "new/kept", 0700) < 0)
		r = fault_system(f, errno, "cannot set the old client's identity aside");
	if (r == 0) {
		kept = openat(w->dir, "new/kept", DIR_FLAGS);
		if (kept < 0)
			r = fault_system(f, errno, "cannot set the old client's identity aside");
	}
	if (r == 0 && old >= 0)
		r = client_carry(old, kept, conf.length > 0 ? text_string(&conf) : NULL, keep->client_dir, keep->room,
				 keep->report, ret_carried, f);
	if (r == 0 && syncfs(w->dir) < 0)
		r = fault_system(f, errno, "cannot sync what is set aside");
	if (r == 0 && renameat(w->dir, "new/kept", w->dir, "kept") < 0)
		r = fault_system(f, errno, "cannot set the old client's identity aside");
	text_done_secret(&conf);
	return r;
}

static int conf_restore(const struct client_keep *keep, struct fault *f)
{
	struct fs_publish how = { .force = true };
	struct text kept = { 0 }, now = { 0 };
	FS_AUTO int fd = -1;
	struct stat status;
	char beside[PATH_MAX];
	bool same = false, there;
	int r = 0;

	if (fs_existence(keep->workshop->dir, "kept.conf", &there, f) < 0)
		return -1;
	if (!there)
		return 0;
	if (fs_file_open_at(keep->workshop->dir, "kept.conf", O_RDONLY, &fd, &status, f) < 0)
		return -1;
	how.mode = status.st_mode & 07777;
	how.uid = status.st_uid;
	how.gid = status.st_gid;
	r = fs_read(fd, "kept.conf", FS_READ_CONFIG_MAX, &kept, f);
	if (r == 0)
		r = fs_existence(keep->root, keep->conf_path, &there, f);
	if (r == 0 && there) {
		r = fs_read_file(keep->root, keep->conf_path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &now, &status, f);
		same = r == 0 && now.length == kept.length && memcmp(now.bytes, kept.bytes, now.length) == 0 &&
		       (status.st_mode & 07777) == how.mode && status.st_uid == how.uid && status.st_gid == how.gid;
		if (r == 0 && !same && (now.length != kept.length || memcmp(now.bytes, kept.bytes, now.length) != 0)) {
			(void)snprintf(beside, sizeof(beside), "%s.okv-luna-new", keep->conf_path);
			r = fs_publish(keep->root, beside, FS_FOLLOW_TRUSTED, now.bytes, now.length, &how, f);
			report_say(keep->report, REPORT_WARNING,
				   "'%s' is kept as it was; the packages' own is beside it as '%s'",
				   SHOWN(keep->conf_path), SHOWN(beside));
		}
	}
	if (r == 0 && !same)
		r = fs_publish(keep->root, keep->conf_path, FS_FOLLOW_TRUSTED, kept.bytes, kept.length, &how, f);
	text_done_secret(&kept);
	text_done_secret(&now);
	return r;
}

int client_keep_restore(const struct client_keep *keep, struct fault *f)
{
	struct client_workshop *w = keep->workshop;
	struct client_carried carried = { 0 };
	FS_AUTO int kept = -1;
	FS_AUTO int client = -1;
	bool there;

	if (fs_existence(w->dir, "kept", &there, f) < 0)
		return -1;
	if (!there) {
		/* Set aside before anything else was done, and never finished. */
		(void)unlinkat(w->dir, "kept.conf", 0);
		return 0;
	}
	kept = openat(w->dir, "kept", DIR_FLAGS);
	if (kept < 0)
		return fault_system(f, errno, "cannot open what was set aside");
	if (client_workshop_present(w, &client, f) < 0)
		return -1;
	if (client >= 0 &&
	    client_carry(kept, client, NULL, keep->client_dir, UINT64_MAX, keep->report, &carried, f) < 0)
		return -1;
	text_done(&carried.kept);
	if (conf_restore(keep, f) < 0)
		return -1;
	if (syncfs(w->dir) < 0)
		return fault_system(f, errno, "cannot sync what was put back");
	if (fs_tree_remove(w->dir, "kept", f) < 0)
		return -1;
	(void)unlinkat(w->dir, "kept.conf", 0);
	return 0;
}
