#include "okv/edit.h"

#include <string.h>

#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "okv/backup.h"

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* A run that was killed after the exchange left the old bytes beside; where nothing is to be published, no one else
 * would take them away. */
static int stage_clear(const struct okv_job *job, const char *path, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	bool was_there;

	if (fs_parent_open(job->root, path, FS_FOLLOW_TRUSTED, &dir, leaf, f) < 0)
		return -1;
	return fs_stage_sweep(dir, leaf, &was_there, f);
}

static int edit_once(const struct okv_job *job, const struct okv_edit *edit, bool *ret_changed, struct fault *f)
{
	/* Chrystoki.conf may hold a secret. */
	__attribute__((cleanup(text_done_secret))) struct text now = { 0 };
	__attribute__((cleanup(text_done_secret))) struct text next = { 0 };
	struct stat status;

	if (fs_read_file(job->root, edit->path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &now, &status, f) < 0)
		return -1;
	if (edit->change(edit->context, &now, &next, f) < 0)
		return fault_prefix(f, "%s: ", SHOWN(leaf_of(edit->path)));
	if (text_check(&next, f) < 0)
		return -1;
	if (now.length == next.length && memcmp(text_string(&now), text_string(&next), now.length) == 0) {
		*ret_changed = false;
		return job->mode == OKV_APPLY ? stage_clear(job, edit->path, f) : 0;
	}
	if (job->mode == OKV_APPLY) {
		const struct fs_publish how = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1, .expected = &status };
		if (okv_backup(job->root, leaf_of(edit->path), &now, f) < 0 ||
		    (edit->announce != NULL && edit->announce(edit->context, &now, &next, f) < 0) ||
		    fs_publish(job->root, edit->path, FS_FOLLOW_TRUSTED, text_string(&next), next.length, &how, f) < 0)
			return -1;
	}
	*ret_changed = true;
	return 0;
}

int okv_edit(const struct okv_job *job, const struct okv_edit *edit, bool *ret_changed, struct fault *f)
{
	int r;

	for (unsigned tries = 0; tries < EDIT_TRIES; tries++) {
		struct fault now = { 0 };

		r = edit_once(job, edit, ret_changed, &now);
		if (r == 0)
			return 0;
		*f = now;
		/* FAULT_INCOMPLETE is the publisher's word for "changed meanwhile". */
		if (now.kind != FAULT_INCOMPLETE)
			return -1;
	}
	return -1;
}
