#include "proc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/handle.h"
#include "proc/clock.h"
#include "proc/enter.h"
#include "proc/interrupt.h"

enum { ENVIRONMENT_MAX = 64, CHILD_FD_MAX = 65536 };

/* Nothing beyond standard error outlives exec; what we ourselves opened is marked already. */
static void descriptors_mark(void)
{
#ifdef __NR_close_range
	/* Linux 5.11; the 4 is CLOSE_RANGE_CLOEXEC. */
	if (syscall(__NR_close_range, 3u, ~0u, 4u) == 0)
		return;
#endif
	struct rlimit limit;
	const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < CHILD_FD_MAX;
	const int end = known ? (int)limit.rlim_cur : CHILD_FD_MAX;
	for (int fd = 3; fd < end; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Between fork and exec: only what POSIX calls async-signal-safe, and faults are told by one byte pair. */
static void child_start(const struct proc_run *run, const char *const *environment, int output, int failure,
			pid_t parent)
{
	struct fault f = { 0 };
	int errnum = 0;

	proc_enter_signals();
	if (!run->terminal) {
		if (!run->foreground)
			(void)setpgid(0, 0);
		errnum = proc_enter_standard(run->input, output);
	}
	descriptors_mark();
	if (errnum == 0 && !run->stay)
		errnum = proc_enter_root(run->root);
	if (errnum == 0 && run->identity != NULL && proc_identity_become(run->identity, &f) < 0)
		errnum = f.errnum != 0 ? f.errnum : EPERM;
	/*
	 * What we can no longer wait for must not outlive us; after the change of user, which would take the wish
	 * back.
	 */
	if (!run->terminal && errnum == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		errnum = ESRCH;
	if (errnum == 0) {
		(void)execve(run->argv[0], (char *const *)(uintptr_t)run->argv, (char *const *)(uintptr_t)environment);
		errnum = errno;
	}
	const ssize_t told = write(failure, &errnum, sizeof(errnum));
	_exit(told == sizeof(errnum) ? 127 : 126);
}

static int environment_build(const struct proc_run *run, const char *ret_environment[ENVIRONMENT_MAX], struct fault *f)
{
	size_t count = 0;

	ret_environment[count++] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	ret_environment[count++] = "LC_ALL=C";
	for (const char *const *more = run->environment; more != NULL && *more != NULL; more++) {
		if (count + 1 >= ENVIRONMENT_MAX)
			return fault_system(f, E2BIG, "cannot start '%s'", SHOWN(run->argv[0]));
		ret_environment[count++] = *more;
	}
	ret_environment[count] = NULL;
	return 0;
}

int proc_child_start(const struct proc_run *run, struct proc_child *ret_child, struct fault *f)
{
	const char *environment[ENVIRONMENT_MAX];
	int pipes[2];

	if (environment_build(run, environment, f) < 0)
		return -1;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(run->argv[0]));
	FS_AUTO int failure_read = pipes[0];
	FS_AUTO int failure_write = pipes[1];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(run->argv[0]));
	FS_AUTO int output_read = pipes[0];
	FS_AUTO int output_write = pipes[1];

	const int64_t deadline = run->deadline_ms > 0 ? proc_clock_ms() + run->deadline_ms : 0;
	const bool own_group = !run->terminal && !run->foreground;
	const pid_t parent = getpid();
	const pid_t pid = fork();
	if (pid < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(run->argv[0]));
	if (pid == 0)
		child_start(run, environment, output_write, failure_write, parent);
	if (own_group)
		(void)setpgid(pid, pid);
	fs_close(&failure_write);
	fs_close(&output_write);

	int errnum = 0, status = 0;
	ssize_t told;
	do
		told = read(failure_read, &errnum, sizeof(errnum));
	while (told < 0 && errno == EINTR);
	if (told == sizeof(errnum)) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return fault_errno(f, errnum, "cannot run '%s'", SHOWN(run->argv[0]));
	}
	*ret_child = (struct proc_child){
		.pid = pid,
		.output = run->terminal ? -1 : fs_take(&output_read),
		.deadline = deadline,
		.own_group = own_group,
		.said = { 0 },
	};
	return 0;
}

/* Takes what has come; true at the end of its output. */
static bool output_take(struct proc_child *child)
{
	char block[4096];
	const ssize_t got = read(child->output, block, sizeof(block));

	if (got > 0 && child->said.length < PROC_OUTPUT_MAX)
		text_add(&child->said, block, (size_t)got);
	return got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

static void child_forget(struct proc_child *child)
{
	fs_close(&child->output);
	text_done(&child->said);
	child->pid = 0;
}

static void child_signal(const struct proc_child *child)
{
	(void)kill(child->own_group ? -child->pid : child->pid, SIGKILL);
}

void proc_child_kill(struct proc_child *child)
{
	int status;

	if (child->pid <= 0)
		return;
	child_signal(child);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child_forget(child);
}

static bool child_late(const struct proc_child *child)
{
	return child->deadline > 0 && proc_clock_ms() >= child->deadline;
}

/* 1: ended, and *ret_outcome is filled; 0: not yet. */
static int child_look(struct proc_child *child, struct proc_outcome *ret_outcome)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	int status = 0;

	/* Its output may have ended long before itself; and a grandchild may hold the output past its end. */
	if (child->output < 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) {
		/* ended by itself */
	} else if (child_late(child)) {
		outcome.late = true;
		child_signal(child);
		while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
			;
	} else {
		return 0;
	}
	outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	outcome.output = child->said;
	child->said = (struct text){ 0 };
	child_forget(child);
	*ret_outcome = outcome;
	return 1;
}

/* Sleeps until output comes, a child ends, a deadline has passed or a watched signal comes. */
static void children_sleep(const struct proc_interrupt_hold *hold, struct proc_child *const children[], size_t count)
{
	struct pollfd waits[PROC_CHILDREN_MAX];
	size_t which[PROC_CHILDREN_MAX], open = 0;
	int64_t patience = -1;

	for (size_t i = 0; i < count; i++) {
		const struct proc_child *child = children[i];
		if (child->pid <= 0)
			continue;
		if (child->deadline > 0) {
			const int64_t left = child->deadline - proc_clock_ms();
			if (patience < 0 || left < patience)
				patience = left > 0 ? left : 0;
		}
		if (child->output >= 0) {
			which[open] = i;
			waits[open++] = (struct pollfd){ .fd = child->output, .events = POLLIN };
		}
	}
	if (proc_interrupt_sleep(hold, waits, open, patience) <= 0)
		return;
	for (size_t i = 0; i < open; i++)
		if (waits[i].revents != 0 && output_take(children[which[i]]))
			fs_close(&children[which[i]]->output);
}

/* 1: one has ended; 0: none yet. */
static int children_look(struct proc_child *const children[], size_t count, size_t *ret_which,
			 struct proc_outcome *ret_outcome, struct fault *f)
{
	size_t alive = 0;

	if (proc_interrupt_check(f) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (children[i]->pid <= 0)
			continue;
		alive++;
		if (child_look(children[i], ret_outcome) == 1) {
			*ret_which = i;
			return 1;
		}
	}
	return alive > 0 ? 0 : fault_system(f, ECHILD, "no child is left to wait for");
}

int proc_child_wait(struct proc_child *const children[], size_t count, size_t *ret_which,
		    struct proc_outcome *ret_outcome, struct fault *f)
{
	struct proc_interrupt_hold hold;
	int r;

	if (count > PROC_CHILDREN_MAX)
		return fault_system(f, E2BIG, "cannot watch %zu children", count);
	proc_interrupt_hold(&hold);
	while ((r = children_look(children, count, ret_which, ret_outcome, f)) == 0)
		children_sleep(&hold, children, count);
	proc_interrupt_release(&hold);
	return r < 0 ? -1 : 0;
}
