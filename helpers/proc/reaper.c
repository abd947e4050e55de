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
#include "fs/handle.h"
#include "proc/interrupt.h"

/* Between two looks at what is about to end. */
static const struct timespec moment = { .tv_nsec = 500000L };

/* Parent of a process: the second field after the name, which may itself hold blanks and brackets (proc(5)). */
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

/* Calls `visit` for each child of ours; -1 where /proc does not tell. */
static int children_visit(void (*visit)(void *context, pid_t child), void *context)
{
	FS_AUTO int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault ignored = { 0 };
	const pid_t self = getpid();
	size_t numbers = 0;
	int more = fs_each_open(proc, "/proc", &each, &ignored) < 0 ? -1 : 1;

	while (more > 0 && (more = fs_each_next(&each, &entry, &ignored)) > 0) {
		if (!isdigit((unsigned char)entry.name[0]))
			continue;
		numbers++;
		if (parent_of(proc, entry.name) == self)
			visit(context, (pid_t)strtol(entry.name, NULL, 10));
	}
	return more == 0 && numbers > 0 ? 0 : -1;
}

/* The usual case costs one system call: nobody at all is our child. */
static bool any_child(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

static void remember(void *context, pid_t child)
{
	struct proc_reaper *reaper = context;

	if (reaper->before_count < PROC_REAPER_BEFORE_MAX)
		reaper->before[reaper->before_count++] = child;
}

void proc_reaper_begin(struct proc_reaper *reaper)
{
	*reaper = (struct proc_reaper){ .was_reaper = 0 };
	(void)prctl(PR_GET_CHILD_SUBREAPER, &reaper->was_reaper, 0, 0, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (any_child())
		(void)children_visit(remember, reaper);
}

struct sweep {
	const struct proc_reaper *reaper;
	unsigned met, killed;
};

static void sweep_one(void *context, pid_t child)
{
	struct sweep *sweep = context;
	int status;

	for (size_t i = 0; i < sweep->reaper->before_count; i++)
		if (sweep->reaper->before[i] == child)
			return;
	sweep->met++;
	(void)kill(child, SIGKILL);
	/* One that had ended by itself and was only never waited for is nothing to speak of. */
	if (waitpid(child, &status, WNOHANG) == child)
		sweep->killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

unsigned proc_reaper_end(struct proc_reaper *reaper, int64_t deadline, bool *ret_left)
{
	struct sweep sweep = { .reaper = reaper };

	*ret_left = false;
	while (any_child()) {
		sweep.met = 0;
		if (children_visit(sweep_one, &sweep) < 0)
			*ret_left = true;
		/* An orphan comes to us only once its parent is gone, so one round without any is the end. */
		if (sweep.met == 0 || *ret_left)
			break;
		if (proc_clock_ms() >= deadline) {
			*ret_left = true;
			break;
		}
		(void)nanosleep(&moment, NULL);
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, reaper->was_reaper != 0 ? 1UL : 0UL, 0, 0, 0);
	return sweep.killed;
}

pid_t proc_reaper_wait(pid_t pid, int64_t deadline, int *ret_status)
{
	pid_t ended;

	while ((ended = waitpid(pid, ret_status, WNOHANG)) == 0 && proc_clock_ms() < deadline)
		(void)nanosleep(&moment, NULL);
	return ended;
}
