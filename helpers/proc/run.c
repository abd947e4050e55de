#include "proc/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/handle.h"

enum { ENVIRONMENT_MAX = 64, CHILD_FD_MAX = 1024 };

void proc_outcome_done(struct proc_outcome *outcome)
{
	text_done(&outcome->output);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between fork and exec: only what POSIX calls async-signal-safe, and faults are told by one byte pair. */
static void child_start(const struct proc_run *run, const char *const *environment, int output, int failure)
{
	struct fault f = FAULT_INIT;
	int errnum = 0;
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);

	if (!run->terminal) {
		FS_AUTO int input = run->input >= 0 ? dup(run->input) : open("/dev/null", O_RDONLY);
		(void)setpgid(0, 0);
		if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
			errnum = errno;
	}
	for (int fd = 3; fd < CHILD_FD_MAX; fd++)
		if (fd != failure && fd != run->root)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (errnum == 0 && run->root >= 0 && (fchdir(run->root) < 0 || chroot(".") < 0))
		errnum = errno;
	if (errnum == 0 && chdir("/") < 0)
		errnum = errno;
	if (run->root >= 0)
		(void)fcntl(run->root, F_SETFD, FD_CLOEXEC);
	if (errnum == 0 && run->identity != NULL && proc_identity_become(run->identity, &f) < 0)
		errnum = f.errnum != 0 ? f.errnum : EPERM;
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

/* Reads until end of file or the deadline; true when the deadline came first. */
static bool output_collect(int fd, int64_t deadline, struct text *output)
{
	char block[4096];

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		const int64_t left = deadline > 0 ? deadline - now_ms() : -1;
		if (deadline > 0 && left <= 0)
			return true;
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		const ssize_t got = read(fd, block, sizeof(block));
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		if (got > 0 && output->length < PROC_OUTPUT_MAX)
			text_add(output, block, (size_t)got);
	}
}

/* Waits for the child itself, at most until the deadline; its output may have ended long before. */
static bool child_wait(pid_t pid, int64_t deadline, int *ret_status)
{
	for (;;) {
		const pid_t ended = waitpid(pid, ret_status, deadline > 0 ? WNOHANG : 0);
		if (ended == pid || (ended < 0 && errno != EINTR))
			return true;
		if (deadline > 0) {
			if (now_ms() >= deadline)
				return false;
			const struct timespec pause = { .tv_sec = 0, .tv_nsec = 2000000L };
			(void)nanosleep(&pause, NULL);
		}
	}
}

int proc_run(const struct proc_run *run, struct proc_outcome *ret_outcome, struct fault *f)
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

	const int64_t deadline = run->deadline_ms > 0 ? now_ms() + run->deadline_ms : 0;
	const pid_t pid = fork();
	if (pid < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(run->argv[0]));
	if (pid == 0)
		child_start(run, environment, output_write, failure_write);
	if (!run->terminal)
		(void)setpgid(pid, pid);
	fs_close(&failure_write);
	fs_close(&output_write);

	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	int errnum = 0, status = 0;
	ssize_t told;
	do
		told = read(failure_read, &errnum, sizeof(errnum));
	while (told < 0 && errno == EINTR);
	if (told == sizeof(errnum)) {
		(void)child_wait(pid, 0, &status);
		return fault_errno(f, errnum, "cannot run '%s'", SHOWN(run->argv[0]));
	}

	if (!run->terminal)
		outcome.late = output_collect(output_read, deadline, &outcome.output);
	if (outcome.late || !child_wait(pid, deadline, &status)) {
		outcome.late = true;
		(void)kill(run->terminal ? pid : -pid, SIGKILL);
		(void)child_wait(pid, 0, &status);
	}
	outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	*ret_outcome = outcome;
	return 0;
}

int proc_run_expect(const struct proc_run *run, struct fault *f)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (proc_run(run, &outcome, f) < 0)
		return -1;

	int r = 0;
	const char *said = text_string(&outcome.output);
	const size_t length = strcspn(said, "\n");
	if (outcome.late)
		r = fault_late(f, "'%s' did not end within %u ms", SHOWN(run->argv[0]), run->deadline_ms);
	else if (outcome.status != 0)
		r = fault_system(f, 0, "'%s' ended with status %d%s%s", SHOWN(run->argv[0]), outcome.status,
				 length > 0 ? ": " : "", length > 0 ? SHOWN_BYTES(said, length) : "");
	proc_outcome_done(&outcome);
	return r;
}
