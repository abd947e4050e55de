#include "perms/parents.h"

#include <string.h>

#include "fs/handle.h"
#include "fs/root.h"

static bool seen_before(struct perms_parents *parents, const char *path, size_t length)
{
	const struct text *seen = &parents->seen;

	for (size_t at = 0; at < seen->length; at += strlen(seen->bytes + at) + 1)
		if (text_equal(path, length, seen->bytes + at))
			return true;
	text_add(&parents->seen, path, length);
	text_add_char(&parents->seen, '\0');
	return false;
}

void perms_parent_judge(const char *path, const struct stat *status, struct report *report, struct perms_tally *tally)
{
	const mode_t writers = status->st_mode & (S_IWGRP | S_IWOTH);
	const bool group_of_root = status->st_gid == 0 && (writers & S_IWOTH) == 0;

	if (status->st_uid != 0) {
		tally->parents++;
		report_say(report, REPORT_WARNING,
			   "'%s' belongs to user id %lu, who can exchange what lies below; fix: chown root '%s'",
			   SHOWN(path), (unsigned long)status->st_uid, SHOWN(path));
		return;
	}
	if (writers == 0 || group_of_root || (status->st_mode & S_ISVTX) != 0)
		return;
	tally->parents++;
	report_say(report, REPORT_WARNING,
		   "'%s' can be written by others (mode %04o), who can exchange what lies below; fix: chmod go-w '%s'",
		   SHOWN(path), (unsigned)(status->st_mode & 07777), SHOWN(path));
}

void perms_parents_look(struct perms_parents *parents, int root, const char *path, struct report *report,
			struct perms_tally *tally)
{
	for (const char *slash = strrchr(path, '/'); slash != NULL;) {
		const size_t length = slash > path ? (size_t)(slash - path) : 1;
		if (seen_before(parents, path, length))
			return;

		TEXT_AUTO above = { 0 };
		struct fault ignored = { 0 };
		struct stat status;
		text_add(&above, path, length);
		FS_AUTO int dir = -1;
		if (fs_dir_open(root, text_string(&above), FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
		    fstat(dir, &status) == 0)
			perms_parent_judge(text_string(&above), &status, report, tally);
		slash = slash > path ? memrchr(path, '/', length) : NULL;
	}
}
