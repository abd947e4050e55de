#include "proc/reaper.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/each.h"
#include "fs/root.h"
#include "proc/interrupt.h"

/* Between two polls. */
static const struct timespec poll_interval = { .tv_nsec = 500000L };

/* The parent's pid: second field after the name, which may itself contain blanks and brackets (proc(5)). */
static pid_t parent_of(int proc, const char *number)
{
	char path[64], stat[512];

	(void)snprintf(path, sizeof(path), "%.20s/stat", number);
	FS_AUTO int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	const ssize_t length = fd >= 0 ? read(fd, stat, sizeof(stat) - 1) : -1;
	if (length <= 0)
		return -1;
	stat[length] = '\0';
	const char *after = strrchr(stat, ')');
	return after != NULL && strlen(after) > 4 ? (pid_t)strtol(after + 4, NULL, 10) : -1;
}

/* Finds our children, at most `most`; -1 if /proc cannot be read. */
static int children_find(pid_t *ret_children, size_t most, size_t *ret_count)
{
	FS_AUTO int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault ignored = { 0 };
	const pid_t self = getpid();
	size_t numbers = 0;
	int more = fs_each_open(proc, "/proc", &each, &ignored) < 0 ? -1 : 1;

	*ret_count = 0;
	while (more > 0 && (more = fs_each_next(&each, &entry, &ignored)) > 0) {
		if (!isdigit((unsigned char)entry.name[0]))
			continue;
		numbers++;
		if (*ret_count < most && parent_of(proc, entry.name) == self)
			ret_children[(*ret_count)++] = (pid_t)strtol(entry.name, NULL, 10);
	}
	return more == 0 && numbers > 0 ? 0 : -1;
}

/* Saves reading /proc in the usual case, that we have no child at all. */
static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

void proc_reaper_begin(struct proc_reaper *reaper)
{
	*reaper = (struct proc_reaper){ .was_reaper = 0 };
	(void)prctl(PR_GET_CHILD_SUBREAPER, &reaper->was_reaper, 0, 0, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (has_children())
		(void)children_find(reaper->before, PROC_REAPER_BEFORE_MAX, &reaper->before_count);
}

static bool was_before(const struct proc_reaper *reaper, pid_t child)
{
	for (size_t i = 0; i < reaper->before_count; i++)
		if (reaper->before[i] == child)
			return true;
	return false;
}

/* True if the kill is what ended it: one that had exited and was only not reaped does not count. */
static bool child_kill(pid_t child)
{
	int status;

	(void)kill(child, SIGKILL);
	return waitpid(child, &status, WNOHANG) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

unsigned proc_reaper_end(struct proc_reaper *reaper, int64_t deadline, bool *ret_left)
{
	pid_t children[2 * PROC_REAPER_BEFORE_MAX];
	size_t count;
	unsigned killed = 0;

	*ret_left = false;
	while (has_children()) {
		bool found = false;
		*ret_left = children_find(children, 2 * PROC_REAPER_BEFORE_MAX, &count) < 0;
		for (size_t i = 0; i < count; i++) {
			if (was_before(reaper, children[i]))
				continue;
			found = true;
			killed += child_kill(children[i]);
		}
		/* An orphan becomes our child when its parent has ended, so a round without any is the last. */
		if (!found || *ret_left)
			break;
		if (proc_clock_ms() >= deadline) {
			*ret_left = true;
			break;
		}
		(void)nanosleep(&poll_interval, NULL);
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, reaper->was_reaper != 0 ? 1UL : 0UL, 0, 0, 0);
	return killed;
}

pid_t proc_reaper_wait(pid_t pid, int64_t deadline, int *ret_status)
{
	pid_t ended;

	while ((ended = waitpid(pid, ret_status, WNOHANG)) == 0 && proc_clock_ms() < deadline)
		(void)nanosleep(&poll_interval, NULL);
	return ended;
}
