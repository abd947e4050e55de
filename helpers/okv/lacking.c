/* Processes that still lack a group (okv/group.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "okv/group.h"
#include "base/text.h"
#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"

enum { STATUS_MAX = 64 * 1024, TOLD_MAX = 20 };

/* The value of one line of /proc/PID/status, "Groups:\t1 2 3"; NULL where there is no such line. */
static const char *status_line(const struct text *status, const char *name)
{
	const size_t length = strlen(name);
	const char *at = text_string(status);

	while (strncmp(at, name, length) != 0) {
		at = strchr(at, '\n');
		if (at == NULL)
			return NULL;
		at++;
	}
	return at + length;
}

/* Is the number among those on the line? */
static bool line_has(const char *line, unsigned long number)
{
	while (*line != '\0' && *line != '\n') {
		char *end;
		if (*line < '0' || *line > '9') {
			line++;
			continue;
		}
		if (strtoul(line, &end, 10) == number)
			return true;
		line = end;
	}
	return false;
}

static bool lacks(const struct text *status, uid_t uid, gid_t gid)
{
	const char *uids = status_line(status, "Uid:");
	const char *gids = status_line(status, "Gid:");
	const char *groups = status_line(status, "Groups:");

	/* A kernel thread or a process that just ended has nothing to say. */
	if (uids == NULL || gids == NULL || groups == NULL)
		return false;
	return line_has(uids, uid) && !line_has(gids, gid) && !line_has(groups, gid);
}

/* Reads /proc/PID/status of a process whose root directory is the tree's. */
static bool process_read(int process, const struct stat *root, struct text *status)
{
	struct stat its_root;
	struct fault ignored = { 0 };

	if (fstatat(process, "root", &its_root, 0) < 0 || its_root.st_dev != root->st_dev ||
	    its_root.st_ino != root->st_ino)
		return false;
	FS_AUTO int fd = openat(process, "status", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fs_read(fd, "status", STATUS_MAX, status, &ignored) == 0;
}

static void process_tell(const char *pid, const struct text *status, const char *user, const char *group,
			 struct report *report)
{
	const char *name = status_line(status, "Name:");
	const size_t blank = name != NULL ? strspn(name, "\t ") : 0;

	const char *shown = name != NULL ? SHOWN_BYTES(name + blank, strcspn(name + blank, "\n")) : "?";
	report_say(report, REPORT_WARNING, "process %s (%s) of user '%s' still lacks group '%s'", pid, shown,
		   SHOWN(user), SHOWN(group));
}

static size_t processes_look(DIR *processes, const struct stat *root, uid_t uid, gid_t gid, const char *user,
			     const char *group, struct report *report)
{
	size_t count = 0;

	for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
		struct stat owner;
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    fstatat(dirfd(processes), entry->d_name, &owner, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		/* A process that may not be dumped belongs to root in /proc, whosever it is. */
		if (owner.st_uid != uid && owner.st_uid != 0)
			continue;
		FS_AUTO int process = openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		TEXT_AUTO status = { 0 };
		if (process < 0 || !process_read(process, root, &status) || !lacks(&status, uid, gid))
			continue;
		if (count < TOLD_MAX)
			process_tell(entry->d_name, &status, user, group, report);
		count++;
	}
	if (count > TOLD_MAX)
		report_say(report, REPORT_WARNING, "and %zu processes more", count - TOLD_MAX);
	return count;
}

int okv_lacking(int root, const char *user, const char *group, struct report *report, size_t *ret_count,
		struct fault *f)
{
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO groups = { 0 };
	struct accounts_user found;
	struct stat status;
	gid_t gid;

	if (fs_read_file(root, "/etc/passwd", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &passwd, NULL, f) < 0 ||
	    fs_read_file(root, "/etc/group", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &groups, NULL, f) < 0)
		return -1;
	*ret_count = 0;
	if (!accounts_user_find(&passwd, user, &found) || !accounts_group_find(&groups, group, &gid))
		return 0;
	if (fstat(root, &status) < 0)
		return fault_system(f, errno, "cannot look at the root directory");

	DIR *processes = opendir("/proc");
	if (processes == NULL)
		return 0;
	*ret_count = processes_look(processes, &status, found.uid, gid, user, group, report);
	(void)closedir(processes);
	if (*ret_count > 0)
		report_say(report, REPORT_WARNING,
			   "a process keeps the groups it started with: reboot, as the "
			   "integration guide asks after the user was added");
	return 0;
}
