#include "proc/strays.h"

#include <ctype.h>
#include <dirent.h>
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

#include "fs/handle.h"
#include "proc/clock.h"

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
	DIR *listing = proc >= 0 ? fdopendir(dup(proc)) : NULL;
	const pid_t self = getpid();
	size_t numbers = 0;

	if (listing == NULL)
		return -1;
	for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		numbers++;
		if (parent_of(proc, entry->d_name) == self)
			visit(context, (pid_t)strtol(entry->d_name, NULL, 10));
	}
	(void)closedir(listing);
	return numbers > 0 ? 0 : -1;
}

/* The usual case costs one system call: nobody at all is our child. */
static bool any_child(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

static void remember(void *context, pid_t child)
{
	struct proc_strays *strays = context;

	if (strays->before_count < PROC_STRAYS_BEFORE_MAX)
		strays->before[strays->before_count++] = child;
}

void proc_strays_begin(struct proc_strays *strays)
{
	*strays = (struct proc_strays){ .was_reaper = 0 };
	(void)prctl(PR_GET_CHILD_SUBREAPER, &strays->was_reaper, 0, 0, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (any_child())
		(void)children_visit(remember, strays);
}

struct sweep {
	const struct proc_strays *strays;
	unsigned met, killed;
};

static void sweep_one(void *context, pid_t child)
{
	struct sweep *sweep = context;
	int status;

	for (size_t i = 0; i < sweep->strays->before_count; i++)
		if (sweep->strays->before[i] == child)
			return;
	sweep->met++;
	(void)kill(child, SIGKILL);
	/* One that had ended by itself and was only never waited for is nothing to speak of. */
	if (waitpid(child, &status, WNOHANG) == child)
		sweep->killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

unsigned proc_strays_end(struct proc_strays *strays, int64_t deadline_ms, bool *ret_left)
{
	struct sweep sweep = { .strays = strays };

	*ret_left = false;
	while (any_child()) {
		const struct timespec pause = { .tv_nsec = 500000L };
		sweep.met = 0;
		if (children_visit(sweep_one, &sweep) < 0)
			*ret_left = true;
		/* An orphan comes to us only once its parent is gone, so one round without any is the end. */
		if (sweep.met == 0 || *ret_left)
			break;
		if (proc_clock_ms() >= deadline_ms) {
			*ret_left = true;
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, strays->was_reaper != 0 ? 1UL : 0UL, 0, 0, 0);
	return sweep.killed;
}
