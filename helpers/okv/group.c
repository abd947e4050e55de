#include "okv/group.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/accounts.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "proc/child.h"

enum { PLACE_COUNT = 2, TOOL_ARGUMENTS_MAX = 16, STATUS_MAX = 64 * 1024, REPORTED_MAX = 20 };

/* --- the system's own tools --------------------------------------------------------------------------------------- */

struct tool {
	const char *name, *places[PLACE_COUNT], *root_option;
};

static const struct tool groupadd = { "groupadd", { "/usr/sbin/groupadd", "/sbin/groupadd" }, "-R" };
static const struct tool groupdel = { "groupdel", { "/usr/sbin/groupdel", "/sbin/groupdel" }, "-R" };
static const struct tool gpasswd = { "gpasswd", { "/usr/bin/gpasswd", "/bin/gpasswd" }, "-Q" };

/* Is that directory the root of the running system? */
static bool running_root(int root)
{
	struct stat here, there;

	return fstat(root, &here) == 0 && stat("/", &there) == 0 && fs_same_file(&here, &there);
}

/*
 * On the running system the tool is simply run.  In another tree, the tree's own tool is run inside it (chroot(2)) with
 * its libraries and configuration.  An incomplete tree may lack the tool; then ours is run with its option for another
 * root, which also calls chroot but needs only the account files there.  (`groupadd --prefix` needs no chroot, but
 * gpasswd has no such option, and shadow 4.1 and 4.2 have neither.)
 */
static int tool_run(const struct okv_job *job, const struct tool *tool, const char *const *arguments, struct fault *f)
{
	const bool running = running_root(job->root);
	const char *argv[TOOL_ARGUMENTS_MAX];
	char path[PATH_MAX];
	size_t count = 1;
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;

	if (fs_first(job->root, tool->places, PLACE_COUNT, &argv[0], f) < 0)
		return -1;
	if (!running && argv[0] != NULL)
		run.root = job->root;
	if (!running && argv[0] == NULL) {
		FS_AUTO int ours = -1;
		char link[40];
		if (fs_root_open("/", &ours, f) < 0 || fs_first(ours, tool->places, PLACE_COUNT, &argv[0], f) < 0)
			return -1;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", job->root);
		const ssize_t length = readlink(link, path, sizeof(path) - 1);
		if (length < 0)
			return fault_system(f, errno, "cannot tell the path of the root directory");
		path[length] = '\0';
		argv[count++] = tool->root_option;
		argv[count++] = path;
	}
	if (argv[0] == NULL)
		return fault_absent(f, "there is no %s, neither in this tree nor on this system; install shadow-utils",
				    tool->name);
	for (; *arguments != NULL && count + 1 < TOOL_ARGUMENTS_MAX; arguments++)
		argv[count++] = *arguments;
	argv[count] = NULL;
	run.argv = argv;
	run.deadline_ms = job->tool_ms;
	return proc_child_expect(&run, f);
}

struct files {
	struct text passwd, group, gshadow;
	bool shadowed; /* etc/gshadow exists */
};

static void files_done(struct files *files)
{
	text_done(&files->passwd);
	text_done(&files->group);
	text_done(&files->gshadow);
}

#define FILES_AUTO __attribute__((cleanup(files_done))) struct files

static int files_read(int root, struct files *ret_files, struct fault *f)
{
	FILES_AUTO files = { 0 };
	struct fault why = { 0 };

	if (fs_read_config(root, "/etc/passwd", &files.passwd, f) < 0 ||
	    fs_read_config(root, "/etc/group", &files.group, f) < 0)
		return -1;
	files.shadowed = fs_read_config(root, "/etc/gshadow", &files.gshadow, &why) == 0;
	if (!files.shadowed && fs_absence(&why, f) < 0)
		return -1;
	*ret_files = files;
	files = (struct files){ 0 };
	return 0;
}

/* Runs the tool, then reads the files: they count, not the tool's exit code. */
static int files_change(const struct okv_job *job, const struct tool *tool, const char *const *arguments,
			struct files *ret_after, struct fault *f)
{
	return tool_run(job, tool, arguments, f) < 0 ? -1 : files_read(job->root, ret_after, f);
}

/* Is the id neither a group's nor a user's primary group's? */
static bool gid_free(const struct files *files, gid_t gid)
{
	TEXT_AUTO name = { 0 };

	return !accounts_group_name(&files->group, gid, &name) && !accounts_primary_uses(&files->passwd, gid);
}

static int group_make(const struct okv_job *job, gid_t gid, struct fault *f)
{
	const char *group = job->settings->hsm_group;
	char number[16];

	(void)snprintf(number, sizeof(number), "%" PRIu32, gid);
	const char *const with_id[] = { "-r", "-g", number, group, NULL };
	const char *const any_id[] = { "-r", group, NULL };
	return tool_run(job, &groupadd, gid == OKV_GID_ANY ? any_id : with_id, f);
}

/*
 * A killed groupadd may have written etc/group but not etc/gshadow.  `gpasswd --restrict` adds the line that groupadd
 * would have added, without a usable password.
 */
static int shadow_ensure(const struct okv_job *job, const struct files *files, bool *ret_changed, struct fault *f)
{
	const char *group = job->settings->hsm_group;
	const char *const arguments[] = { "--restrict", group, NULL };
	const bool missing = files->shadowed && !accounts_shadow_has(&files->gshadow, group, NULL);

	if (missing && job->mode == OKV_APPLY) {
		FILES_AUTO after = { 0 };
		if (files_change(job, &gpasswd, arguments, &after, f) < 0)
			return -1;
		if (!accounts_shadow_has(&after.gshadow, group, NULL))
			return fault_system(f, 0, "gpasswd succeeded, but etc/gshadow has no group '%s'", SHOWN(group));
	}
	if (missing)
		report_say(job->report, REPORT_RESULT, "group '%s' %s /etc/gshadow, which lacked it", SHOWN(group),
			   job->mode == OKV_PLAN ? "would be put into" : "put into");
	*ret_changed = missing;
	return 0;
}

/* Creates the group; with OKV_PLAN *ret_gid is OKV_GID_ANY if groupadd will choose. */
static int group_add(const struct okv_job *job, gid_t wanted, gid_t *ret_gid, struct fault *f)
{
	const char *group = job->settings->hsm_group;
	gid_t gid = wanted;

	if (job->mode == OKV_APPLY) {
		FILES_AUTO after = { 0 };
		if (group_make(job, wanted, f) < 0 || files_read(job->root, &after, f) < 0)
			return -1;
		if (!accounts_group_find(&after.group, group, &gid))
			return fault_system(f, 0, "groupadd succeeded, but there is no group '%s'", SHOWN(group));
	}
	if (gid != OKV_GID_ANY)
		report_say(job->report, REPORT_RESULT, "group '%s' %s with id %lu", SHOWN(group),
			   job->mode == OKV_PLAN ? "would be made" : "made", (unsigned long)gid);
	else
		report_say(job->report, REPORT_RESULT, "group '%s' would be made", SHOWN(group));
	*ret_gid = gid;
	return 0;
}

int okv_group_ensure(const struct okv_job *job, gid_t wanted, struct okv_group *ret_group, struct fault *f)
{
	FILES_AUTO files = { 0 };
	struct okv_group group = { .changed = true };

	if (files_read(job->root, &files, f) < 0)
		return -1;
	if (accounts_group_find(&files.group, job->settings->hsm_group, &group.gid)) {
		if (shadow_ensure(job, &files, &group.changed, f) < 0)
			return -1;
	} else {
		const bool taken = wanted != OKV_GID_ANY && !gid_free(&files, wanted);
		if (taken)
			report_say(job->report, REPORT_WARNING,
				   "group id %lu, needed for '%s', belongs to another group", (unsigned long)wanted,
				   SHOWN(job->settings->hsm_group));
		if (group_add(job, taken ? OKV_GID_ANY : wanted, &group.gid, f) < 0)
			return -1;
	}
	group.wanted = wanted == OKV_GID_ANY || group.gid == wanted;
	*ret_group = group;
	return 0;
}

static bool group_is_left(const struct files *files, const char *group)
{
	gid_t gid;

	return accounts_group_find(&files->group, group, &gid) ||
	       (files->shadowed && accounts_shadow_has(&files->gshadow, group, NULL));
}

int okv_group_remove(const struct okv_job *job, bool *ret_changed, struct fault *f)
{
	const char *group = job->settings->hsm_group;
	const char *const arguments[] = { group, NULL };
	FILES_AUTO files = { 0 };
	gid_t gid;

	if (files_read(job->root, &files, f) < 0)
		return -1;
	const bool left = group_is_left(&files, group);
	if (left && job->mode == OKV_APPLY) {
		FILES_AUTO after = { 0 };
		/* A killed groupdel may have left only the line in etc/gshadow; the next run needs both. */
		if (!accounts_group_find(&files.group, group, &gid) && group_make(job, OKV_GID_ANY, f) < 0)
			return -1;
		if (files_change(job, &groupdel, arguments, &after, f) < 0)
			return -1;
		if (group_is_left(&after, group))
			return fault_system(f, 0, "groupdel succeeded, but there is a group '%s'", SHOWN(group));
	}
	if (left)
		report_say(job->report, REPORT_RESULT, "group '%s' %s", SHOWN(group),
			   job->mode == OKV_PLAN ? "would be removed" : "removed");
	*ret_changed = left;
	return 0;
}

static bool is_member(const struct files *files, const struct accounts_user *user, const char *name, const char *group,
		      gid_t gid)
{
	/* A primary group lists nobody.  Check both files: a killed gpasswd may have written only one. */
	return user->gid == gid || (accounts_group_lists(&files->group, group, name) &&
				    (!files->shadowed || accounts_shadow_has(&files->gshadow, group, name)));
}

int okv_member_ensure(const struct okv_job *job, bool *ret_changed, struct fault *f)
{
	const char *user = job->settings->okv_user, *group = job->settings->hsm_group;
	const char *const arguments[] = { "--add", user, group, NULL };
	TEXT_AUTO remedy = { 0 };
	FILES_AUTO files = { 0 };
	struct accounts_user found;
	gid_t gid;

	if (files_read(job->root, &files, f) < 0)
		return -1;
	if (!accounts_user_find(&files.passwd, user, &found))
		return fault_absent(f, "there is no user '%s'; set OKV_USER in okv-luna.conf to OKV's user",
				    SHOWN(user));
	const bool there = accounts_group_find(&files.group, group, &gid);
	if (!there && job->mode == OKV_APPLY)
		return fault_absent(f, "there is no group '%s' in /etc/group", SHOWN(group));
	const bool missing = !there || !is_member(&files, &found, user, group, gid);
	if (missing && accounts_group_is_malformed(&files.group, group, &remedy))
		return text_check(&remedy, f) < 0 ? -1
						  : fault_refused(f, "gpasswd cannot change group '%s'; %s",
								  SHOWN(group), text_string(&remedy));
	if (missing && job->mode == OKV_APPLY) {
		FILES_AUTO after = { 0 };
		bool entered;
		/* In case okv_group_ensure failed half way: --add would write another password field than groupadd. */
		if (shadow_ensure(job, &files, &entered, f) < 0 ||
		    files_change(job, &gpasswd, arguments, &after, f) < 0)
			return -1;
		if (!is_member(&after, &found, user, group, gid))
			return fault_system(f, 0, "gpasswd succeeded, but '%s' is not in group '%s'", SHOWN(user),
					    SHOWN(group));
	}
	if (missing)
		report_say(job->report, REPORT_RESULT, "user '%s' %s to group '%s'", SHOWN(user),
			   job->mode == OKV_PLAN ? "would be added" : "added", SHOWN(group));
	*ret_changed = missing;
	return 0;
}

static bool is_listed(const struct files *files, const char *user, const char *group)
{
	return accounts_group_lists(&files->group, group, user) ||
	       (files->shadowed && accounts_shadow_has(&files->gshadow, group, user));
}

int okv_member_remove(const struct okv_job *job, bool *ret_changed, struct fault *f)
{
	const char *user = job->settings->okv_user, *group = job->settings->hsm_group;
	const char *const arguments[] = { "--delete", user, group, NULL };
	FILES_AUTO files = { 0 };

	if (files_read(job->root, &files, f) < 0)
		return -1;
	const bool listed = is_listed(&files, user, group);
	if (listed && job->mode == OKV_APPLY) {
		FILES_AUTO after = { 0 };
		if (files_change(job, &gpasswd, arguments, &after, f) < 0)
			return -1;
		if (is_listed(&after, user, group))
			return fault_system(f, 0, "gpasswd succeeded, but '%s' is in group '%s'", SHOWN(user),
					    SHOWN(group));
	}
	if (listed)
		report_say(job->report, REPORT_RESULT, "user '%s' %s from group '%s'", SHOWN(user),
			   job->mode == OKV_PLAN ? "would be removed" : "removed", SHOWN(group));
	*ret_changed = listed;
	return 0;
}

/* --- processes without the group ---------------------------------------------------------------------------------- */

struct processes {
	const struct okv_job *job;
	const char *user;
	uid_t uid;
	gid_t gid;
	struct stat root;
	bool seen; /* there are processes, so /proc is mounted */
	size_t count;
};

/* The text after a name such as "\nUid:"; NULL if there is no such line. */
static const char *status_value(const struct text *status, const char *name)
{
	const char *line = strstr(text_string(status), name);

	return line != NULL ? line + strlen(name) : NULL;
}

/* Is the number on this line?  strtoul stops at the next line, which begins with a letter. */
static bool line_has(const char *line, unsigned long number)
{
	for (;;) {
		char *next;
		const unsigned long one = strtoul(line, &next, 10);
		if (next == line)
			return false;
		if (one == number)
			return true;
		line = next;
	}
}

static bool lacks_group(const struct text *status, uid_t uid, gid_t gid)
{
	const char *uids = status_value(status, "\nUid:"), *gids = status_value(status, "\nGid:");
	const char *groups = status_value(status, "\nGroups:");

	/* A process that has just ended has none of these lines. */
	return uids != NULL && gids != NULL && groups != NULL && line_has(uids, uid) && !line_has(gids, gid) &&
	       !line_has(groups, gid);
}

/* Reads /proc/PID/status, if the process's root directory is the tree's. */
static bool process_read(int process, const struct stat *root, struct text *status)
{
	struct stat its_root;
	struct fault ignored = { 0 };

	if (fstatat(process, "root", &its_root, 0) < 0 || !fs_same_file(&its_root, root))
		return false;
	FS_AUTO int fd = openat(process, "status", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fs_read(fd, "status", STATUS_MAX, status, &ignored) == 0;
}

static void process_look(struct processes *p, int proc, const char *pid)
{
	TEXT_AUTO status = { 0 };
	struct stat owner;

	if (pid[0] < '1' || pid[0] > '9')
		return;
	p->seen = true;
	/* A non-dumpable process is owned by root in /proc, whatever its user. */
	if (fstatat(proc, pid, &owner, AT_SYMLINK_NOFOLLOW) < 0 || (owner.st_uid != p->uid && owner.st_uid != 0))
		return;
	FS_AUTO int process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process < 0 || !process_read(process, &p->root, &status) || !lacks_group(&status, p->uid, p->gid))
		return;
	const char *name = status_value(&status, "Name:\t");
	if (p->count++ < REPORTED_MAX)
		report_say(p->job->report, REPORT_WARNING, "process %s (%s) of user '%s' still lacks group '%s'", pid,
			   name != NULL ? SHOWN_BYTES(name, strcspn(name, "\n")) : "?", SHOWN(p->user),
			   SHOWN(p->job->settings->hsm_group));
}

static int processes_look(struct processes *p, struct fault *f)
{
	FS_AUTO int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;

	if (proc < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot open '/proc'");
	int more = fs_each_open(proc, "/proc", &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		process_look(p, proc, entry.name);
	return more;
}

int okv_processes_without_group(const struct okv_job *job, const char *user, size_t *ret_count, struct fault *f)
{
	struct processes p = { .job = job, .user = user };
	FILES_AUTO files = { 0 };
	struct accounts_user found;

	if (files_read(job->root, &files, f) < 0)
		return -1;
	if (!accounts_user_find(&files.passwd, user, &found) ||
	    !accounts_group_find(&files.group, job->settings->hsm_group, &p.gid)) {
		*ret_count = 0;
		return 0;
	}
	p.uid = found.uid;
	if (fstat(job->root, &p.root) < 0)
		return fault_system(f, errno, "cannot look at the root directory");
	if (processes_look(&p, f) < 0)
		return -1;
	if (!p.seen)
		report_say(job->report, REPORT_WARNING,
			   "/proc is not mounted, so processes that still lack group '%s' cannot be found",
			   SHOWN(job->settings->hsm_group));
	if (p.count > REPORTED_MAX)
		report_say(job->report, REPORT_WARNING, "and %zu more processes", p.count - REPORTED_MAX);
	if (p.count > 0)
		report_say(job->report, REPORT_WARNING,
			   "a process keeps the groups it started with: once okv-luna slots shows the slots, reboot, "
			   "as the integration guide requires after adding the user");
	*ret_count = p.count;
	return 0;
}
