#include "proc/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/root.h"

enum {
	OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE,
	SYSCALL_STOP = SIGTRAP | 0x80, /* PTRACE_O_TRACESYSGOOD */
	PAGE = 4096,
};

/* Shared by both children.  The watched one waits until the last write end of `go` is closed. */
struct watch {
	const struct proc_trace *trace;
	int go_read, go_write;
	pid_t pid; /* of the watched child */
	int tell;  /* the watcher's message descriptor */
	size_t missed;
};

/* --- in the watcher ----------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

/* System calls that look up a file, and the argument that is its path. */
static const struct {
	long call;
	enum { PATH_FIRST, PATH_SECOND } path; /* second: the first argument is the directory */
} calls[] = {
	{ SYS_open, PATH_FIRST },
	{ SYS_stat, PATH_FIRST },
	{ SYS_lstat, PATH_FIRST },
	{ SYS_access, PATH_FIRST },
	{ SYS_readlink, PATH_FIRST },
	{ SYS_chdir, PATH_FIRST },
	{ SYS_openat, PATH_SECOND },
	{ SYS_newfstatat, PATH_SECOND },
	{ SYS_faccessat, PATH_SECOND },
	{ SYS_readlinkat, PATH_SECOND },
	{ 332 /* statx(2), Linux 4.11 */, PATH_SECOND },
	{ 437 /* openat2(2), Linux 5.6 */, PATH_SECOND },
	{ 439 /* faccessat2(2), Linux 5.8 */, PATH_SECOND },
};

/* Reads page by page, because the page after the string may not be mapped. */
static bool string_read(pid_t pid, uintptr_t from, char *ret_string, size_t size)
{
	for (size_t have = 0; have < size - 1;) {
		size_t want = PAGE - (from + have) % PAGE;
		if (want > size - 1 - have)
			want = size - 1 - have;
		const struct iovec here = { .iov_base = ret_string + have, .iov_len = want };
		const struct iovec there = { .iov_base = (void *)(from + have), .iov_len = want };
		const ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
		if (got <= 0)
			return false;
		if (memchr(ret_string + have, '\0', (size_t)got) != NULL)
			return true;
		have += (size_t)got;
	}
	return false;
}

/* The directory that a relative path starts from: the working directory or an open one. */
static bool directory_read(pid_t pid, int fd, char *ret_path, size_t size)
{
	char link[64];

	if (fd == AT_FDCWD)
		(void)snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	else
		(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
	const ssize_t length = readlink(link, ret_path, size - 1);
	if (length <= 0)
		return false;
	ret_path[length] = '\0';
	return ret_path[0] == '/';
}

static void miss_send(struct watch *watch, pid_t pid, int directory, uintptr_t path, int errnum)
{
	char name[PATH_MAX], base[PATH_MAX] = "";
	TEXT_AUTO message = { 0 };

	if (!string_read(pid, path, name, sizeof(name)) || name[0] == '\0')
		return;
	if (name[0] != '/' && !directory_read(pid, directory, base, sizeof(base)))
		return;
	text_add(&message, &errnum, sizeof(errnum));
	text_add_format(&message, "%s%s%s", base, name[0] != '/' && strcmp(base, "/") != 0 ? "/" : "", name);
	text_add_char(&message, '\0');
	if (watch->missed++ < PROC_TRACE_MAX && !message.failed &&
	    proc_message_write(watch->tell, 0, message.bytes, message.length) < 0)
		_exit(1);
}

/* Also called at the entry of a call, where rax is -ENOSYS and so matches none of these errors. */
static void call_check(struct watch *watch, pid_t pid)
{
	struct user_regs_struct now;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &now) < 0)
		return;
	const long result = (long)now.rax;
	if (result != -ENOENT && result != -ENOTDIR && result != -EACCES && result != -EPERM)
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if ((long)now.orig_rax != calls[i].call)
			continue;
		if (calls[i].path == PATH_FIRST)
			miss_send(watch, pid, AT_FDCWD, (uintptr_t)now.rdi, (int)-result);
		else
			miss_send(watch, pid, (int)now.rdi, (uintptr_t)now.rsi, (int)-result);
		return;
	}
}

#else

static void call_check(struct watch *watch, pid_t pid)
{
	(void)watch;
	(void)pid;
}

#endif

/* Handles one ptrace stop and lets the process go on. */
static void stop_handle(struct watch *watch, pid_t pid, int status)
{
	const int number = WSTOPSIG(status), event = status >> 16;
	/* The watched child's own calls are not traced. */
	const enum __ptrace_request request = pid == watch->pid ? PTRACE_CONT : PTRACE_SYSCALL;

	if (number == SYSCALL_STOP) {
		call_check(watch, pid);
		(void)ptrace(request, pid, NULL, NULL);
	} else if (event == PTRACE_EVENT_STOP &&
		   (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU)) {
		/* A group-stop (ptrace(2)): it stays stopped. */
		(void)ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	} else {
		(void)ptrace(request, pid, NULL, (void *)(uintptr_t)(event != 0 ? 0 : number));
	}
}

/* Until all traced processes have ended; the watcher has no children of its own. */
static int watcher_work(void *context, int tell, struct fault *f)
{
	struct watch *watch = context;
	int status;
	pid_t pid;

	watch->tell = tell;
	fs_close(&watch->go_read);
	if (ptrace(PTRACE_SEIZE, watch->pid, NULL, (void *)(uintptr_t)OPTIONS) < 0)
		return fault_system(f, errno, "cannot watch process %d", (int)watch->pid);
	fs_close(&watch->go_write);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (pid > 0 && WIFSTOPPED(status))
			stop_handle(watch, pid, status);
	return 0;
}

/* --- in who is watched, and in the parent ------------------------------------------------------------------------- */

static int watched_work(void *context, int tell, struct fault *f)
{
	struct watch *watch = context;
	char nothing;

	fs_close(&watch->go_write);
	while (read(watch->go_read, &nothing, 1) < 0 && errno == EINTR)
		;
	fs_close(&watch->go_read);
	return watch->trace->child->work(watch->trace->child->context, tell, f);
}

static enum proc_child_answer miss_receive(void *listener, const struct proc_message *message)
{
	const struct proc_trace *trace = ((const struct watch *)listener)->trace;
	const char *path = (const char *)message->bytes + sizeof(int);
	int errnum;

	if (message->length <= sizeof(errnum) || path[message->length - sizeof(errnum) - 1] != '\0')
		return PROC_CHILD_GARBLED;
	memcpy(&errnum, message->bytes, sizeof(errnum));
	trace->on_missed(trace->context, path, errnum);
	return PROC_CHILD_MORE;
}

/* Returns the outcome of the watched child.  Why the watcher failed helps nobody. */
static int both_wait(struct proc_child *const children[2], struct proc_outcome *ret_outcome, struct fault *f)
{
	while (children[0]->pid > 0 || children[1]->pid > 0) {
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		size_t which;
		if (proc_child_wait(children, 2, &which, &outcome, f) < 0)
			return -1;
		if (which == 0)
			*ret_outcome = outcome;
		else
			proc_outcome_done(&outcome);
	}
	return 0;
}

int proc_trace_run(const struct proc_trace *trace, struct proc_outcome *ret_outcome, struct fault *f)
{
	struct watch watch = { .trace = trace };
	struct proc_child watched = { 0 }, watcher = { 0 };
	struct proc_child_options how = *trace->child, beside = how;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_system(f, errno, "cannot start '%s'", how.what);
	watch.go_read = ends[0];
	watch.go_write = ends[1];
	how.work = watched_work;
	how.context = &watch;
	beside.work = watcher_work;
	beside.context = beside.listener = &watch;
	beside.on_message = miss_receive;
	int r = proc_child_start(&how, &watched, f);
	watch.pid = watched.pid;
	if (r == 0)
		r = proc_child_start(&beside, &watcher, f);
	fs_close(&watch.go_read);
	fs_close(&watch.go_write);
	if (r == 0)
		r = both_wait((struct proc_child *const[]){ &watched, &watcher }, ret_outcome, f);
	proc_child_kill(&watched);
	proc_child_kill(&watcher);
	return r;
}
