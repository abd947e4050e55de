#include "upgrade/before.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "okv/group.h"
#include "fs/root.h"
#include "upgrade/scan.h"
#include "upgrade/snapshot.h"
#include "perms/apply.h"
#include "perms/journal.h"

enum { TOOL_MS = 10000 };

bool upgrade_before_exists(int root)
{
	SNAPSHOT_AUTO head = { 0 };
	struct fault why = { 0 };

	/* One that cannot be read is there nevertheless: whoever needs it shall hear why. */
	return snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &head, &why) == 0 || why.kind != FAULT_ABSENT;
}

int upgrade_before_write(int root, const struct settings *settings, struct report *report, struct fault *f)
{
	SCAN_AUTO scan = { 0 };
	SNAPSHOT_AUTO s = { 0 };
	const struct scan_request request = {
		.root = root, .settings = settings, .depth = SCAN_ATTRIBUTES, .report = report
	};

	if (scan_preserved(&request, &scan, f) < 0 || snapshot_fill(root, settings, &s, f) < 0)
		return -1;
	s.manifest = scan.manifest;
	scan.manifest = (struct manifest){ 0 };
	return snapshot_write(root, SNAPSHOT_BEFORE_DIR, &s, f);
}

/* --- owners and modes --------------------------------------------------------------------------------------------- */

static mode_t type_of(enum manifest_type type)
{
	switch (type) {
	case MANIFEST_FILE:
		return S_IFREG;
	case MANIFEST_DIR:
		return S_IFDIR;
	case MANIFEST_LINK:
	case MANIFEST_OTHER:
		break;
	}
	return 0;
}

/* 1: what has to be done to the entry; 0: nothing has to. */
static int record_make(int root, const struct manifest_entry *entry, char path[PATH_MAX],
		       struct perms_record *ret_record, struct fault *f)
{
	struct stat st;
	struct fault why = { 0 };
	const size_t length = strlen(entry->path);

	if (!entry->has_attributes || type_of(entry->type) == 0 || length + 2 > PATH_MAX)
		return 0;
	path[0] = '/';
	memcpy(path + 1, entry->path, length + 1);
	if (fs_status(root, path, FS_FOLLOW_TRUSTED, &st, &why) < 0)
		return fs_absence(&why, f);
	if ((st.st_mode & S_IFMT) != type_of(entry->type) ||
	    (st.st_uid == entry->uid && st.st_gid == entry->gid && (st.st_mode & 07777) == entry->mode))
		return 0;
	*ret_record = (struct perms_record){
		.path = path,
		.type = st.st_mode & S_IFMT,
		.device = st.st_dev,
		.inode = st.st_ino,
		.from = { .uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode & 07777 },
		.to = { .uid = entry->uid, .gid = entry->gid, .mode = entry->mode },
		.modified = st.st_mtim,
		.changed = st.st_ctim,
	};
	return 1;
}

int upgrade_before_modes(int root, enum perms_act what, struct report *report, bool *ret_changed, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	PERMS_JOURNAL_AUTO journal = PERMS_JOURNAL_INIT;
	const struct perms_output output = { .report = report };
	struct perms_tally tally = { .entries = 0 };
	size_t count = 0;

	if (snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_WHOLE, &before, f) < 0)
		return -1;
	for (size_t i = 0; i < before.manifest.count; i++) {
		char path[PATH_MAX];
		struct perms_record record;
		const int r = record_make(root, &before.manifest.entries[i], path, &record, f);
		if (r < 0)
			return -1;
		if (r == 0)
			continue;
		if (what == PERMS_APPLY && ((count == 0 && perms_journal_new(root, &journal, f) < 0) ||
					    perms_journal_add(&journal, &record, f) < 0))
			return -1;
		count++;
	}
	if (count > 0)
		report_say(report, REPORT_RESULT, "%zu entries get the owner and mode they had before pre-upgrade",
			   count);
	if (count > 0 && what == PERMS_APPLY) {
		if (perms_journal_seal(&journal, f) < 0 || perms_journal_rewind(&journal, f) < 0 ||
		    perms_apply(root, &journal, PERMS_FORTH, &output, &tally, f) < 0 ||
		    perms_journal_mark(&journal, PERMS_JOURNAL_DONE, f) < 0)
			return -1;
	}
	*ret_changed = count > 0;
	return perms_verdict(&tally, what, f);
}

/* --- the group ---------------------------------------------------------------------------------------------------- */

int upgrade_before_group(int root, const struct settings *settings, bool dry_run, struct report *report,
			 bool *ret_changed, struct fault *f)
{
	SNAPSHOT_AUTO before = { 0 };
	const struct okv_job job = { .root = root,
				     .settings = settings,
				     .mode = dry_run ? OKV_PLAN : OKV_APPLY,
				     .report = report,
				     .tool_ms = TOOL_MS };

	if (snapshot_read(root, SNAPSHOT_BEFORE_DIR, SNAPSHOT_HEAD, &before, f) < 0)
		return -1;
	if (!before.group_there)
		return okv_group_remove(&job, ret_changed, f);
	if (!before.member)
		return okv_member_remove(&job, ret_changed, f);
	*ret_changed = false;
	return 0;
}
