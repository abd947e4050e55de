/*
 * moment REPORT UID GID[,GID...] TREE KIND TARGET AT PROGRAM ARGUMENT...: runs PROGRAM and, as that user, exchanges what
 * it names in its AT-th system call that names something which the user can exchange.  The exchange is done when the call
 * begins, whatever was looked at before, and undone when it has ended.  So it is a race that the user wins each time.
 *
 * Only names below TREE count, and only calls made as root.  KIND: fifo; link (to TARGET, a path below TREE); name (a
 * second name of TARGET); kept (the same, and it stays when the call has ended); own (the file TARGET itself, a full
 * path, where it is again afterwards).  A name that is free is taken.  REPORT gets the number of such calls and, in the
 * second line, the call and the name that was exchanged.  AT 0 exchanges nothing.  The exit status is PROGRAM's, or 124
 * where a call did not end.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUPS_MAX = 8, STUCK_SECONDS = 100, STUCK = 124 };

/* Where a call has its directory's descriptor (-1: none) and its path. */
static const struct call {
	long number;
	const char *name;
	int dir, path;
} calls[] = {
	{ SYS_open, "open", -1, 0 },           { SYS_openat, "openat", 0, 1 },
	{ SYS_openat2, "openat2", 0, 1 },      { SYS_stat, "stat", -1, 0 },
	{ SYS_lstat, "lstat", -1, 0 },         { SYS_newfstatat, "newfstatat", 0, 1 },
	{ SYS_statx, "statx", 0, 1 },          { SYS_readlinkat, "readlinkat", 0, 1 },
	{ SYS_readlink, "readlink", -1, 0 },   { SYS_fchmodat, "fchmodat", 0, 1 },
	{ SYS_chmod, "chmod", -1, 0 },         { SYS_fchownat, "fchownat", 0, 1 },
	{ SYS_chown, "chown", -1, 0 },         { SYS_lchown, "lchown", -1, 0 },
	{ SYS_unlinkat, "unlinkat", 0, 1 },    { SYS_unlink, "unlink", -1, 0 },
	{ SYS_mkdirat, "mkdirat", 0, 1 },      { SYS_mkdir, "mkdir", -1, 0 },
	{ SYS_symlinkat, "symlinkat", 1, 2 },  { SYS_linkat, "linkat", 2, 3 },
	{ SYS_linkat, "linkat", 0, 1 },        { SYS_renameat, "renameat", 2, 3 },
	{ SYS_renameat, "renameat", 0, 1 },    { SYS_renameat2, "renameat2", 2, 3 },
	{ SYS_renameat2, "renameat2", 0, 1 },  { SYS_rename, "rename", -1, 1 },
	{ SYS_rename, "rename", -1, 0 },       { SYS_utimensat, "utimensat", 0, 1 },
	{ SYS_truncate, "truncate", -1, 0 },   { SYS_getxattr, "getxattr", -1, 0 },
	{ SYS_lgetxattr, "lgetxattr", -1, 0 }, { SYS_setxattr, "setxattr", -1, 0 },
	{ SYS_execve, "execve", -1, 0 },
};

static const char *report, *tree, *kind, *target;
static uid_t user;
static unsigned long at, count;
/* The exchange that is under way: the process whose call it is, the name, and where what had it is meanwhile. */
static pid_t owner;
static char name[PATH_MAX], aside[PATH_MAX + 8], done[PATH_MAX + 32];
static bool was_there;
static struct stat planted;

static bool text_read(pid_t pid, unsigned long from, char path[PATH_MAX])
{
	size_t got = 0;

	while (got < PATH_MAX) {
		/* Not over a page's end, after which there may be nothing. */
		size_t size = 4096 - (from + got) % 4096;
		if (size > PATH_MAX - got)
			size = PATH_MAX - got;
		const struct iovec here = { path + got, size }, there = { (void *)(from + got), size };
		if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)size)
			return false;
		if (memchr(path + got, '\0', size) != NULL)
			return path[0] != '\0';
		got += size;
	}
	return false;
}

static bool path_of(pid_t pid, const struct call *call, const unsigned long long *arguments, char ret_path[PATH_MAX])
{
	char leaf[PATH_MAX], link[64], holder[PATH_MAX] = "";
	const int dir = call->dir < 0 ? AT_FDCWD : (int)arguments[call->dir];

	if (!text_read(pid, arguments[call->path], leaf))
		return false;
	if (leaf[0] != '/') {
		if (dir == AT_FDCWD)
			(void)snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
		else
			(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, dir);
		const ssize_t length = readlink(link, holder, sizeof(holder) - 1);
		if (length <= 0)
			return false;
		holder[length] = '\0';
	}
	return snprintf(ret_path, PATH_MAX, "%s%s%s", holder, holder[0] != '\0' ? "/" : "", leaf) < PATH_MAX;
}

static bool made_as_root(pid_t pid)
{
	char path[64], line[256];
	unsigned effective = 1;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Uid: %*u %u", &effective) == 1)
			break;
	if (file != NULL)
		(void)fclose(file);
	return effective == 0;
}

/* May the user give the name to something else, or take it where it is free?  Looked at only: a rename would show. */
static bool exchangeable(const char *path)
{
	char holder[PATH_MAX];
	struct stat dir, entry;
	const char *slash = strrchr(path, '/');

	if (slash[1] == '\0' || strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
		return false;
	(void)snprintf(holder, sizeof(holder), "%.*s", (int)(slash - path), path);
	(void)setfsuid(user);
	const bool able = syscall(SYS_faccessat2, AT_FDCWD, holder, W_OK | X_OK, AT_EACCESS) == 0;
	(void)setfsuid(0);
	if (!able || lstat(holder, &dir) < 0)
		return false;
	return (dir.st_mode & S_ISVTX) == 0 || dir.st_uid == user || lstat(path, &entry) < 0 || entry.st_uid == user;
}

/* The way from beside the name to TARGET, the same for who takes the tree for the whole of the machine. */
static void way_make(char ret_way[2 * PATH_MAX])
{
	size_t length = 0;

	for (const char *from = name + strlen(tree) + 1; length < PATH_MAX && (from = strchr(from, '/')) != NULL;
	     from++)
		length += (size_t)sprintf(ret_way + length, "../");
	(void)snprintf(ret_way + length, PATH_MAX, "%s", target);
}

static bool plant(void)
{
	char way[2 * PATH_MAX];

	if (strcmp(kind, "own") == 0)
		return rename(target, name) == 0;
	if (strcmp(kind, "fifo") == 0)
		return mknod(name, S_IFIFO | 0666, 0) == 0 && lchown(name, user, user) == 0;
	if (strcmp(kind, "link") == 0) {
		way_make(way);
		return symlink(way, name) == 0 && lchown(name, user, user) == 0;
	}
	(void)snprintf(way, sizeof(way), "%s/%s", tree, target);
	return link(way, name) == 0;
}

static bool report_write(void)
{
	FILE *file = fopen(report, "w");

	return file != NULL && fprintf(file, "%lu\n%s\n", count, done) > 0 && fclose(file) == 0;
}

static void exchange(pid_t pid, const struct call *call, const char *path)
{
	(void)snprintf(name, sizeof(name), "%s", path);
	(void)snprintf(aside, sizeof(aside), "%s~aside", path);
	was_there = rename(name, aside) == 0;
	if (!plant()) {
		if (was_there)
			(void)rename(aside, name);
		return;
	}
	owner = pid;
	(void)lstat(name, &planted);
	(void)snprintf(done, sizeof(done), "%s %s", call->name, path);
	/* Already: the call may never end. */
	(void)report_write();
}

/* As a user would, who waits for his chance: where the name is gone or another's by now, he leaves it alone. */
static void exchange_end(void)
{
	struct stat now;
	const bool there = lstat(name, &now) == 0;

	owner = 0;
	if (strcmp(kind, "kept") == 0)
		return;
	if (there && now.st_ino == planted.st_ino && now.st_dev == planted.st_dev)
		(void)(strcmp(kind, "own") == 0 ? rename(name, target) : unlink(name));
	else if (there)
		was_there = false;
	if (was_there)
		(void)rename(aside, name);
}

static void entered(pid_t pid, unsigned long long number, const unsigned long long *arguments)
{
	char path[PATH_MAX];
	const size_t length = strlen(tree);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].number != (long)number || !path_of(pid, &calls[i], arguments, path))
			continue;
		if (strncmp(path, tree, length) != 0 || path[length] != '/' || strstr(path, "/../") != NULL ||
		    !made_as_root(pid) || !exchangeable(path))
			continue;
		if (++count == at && owner == 0)
			exchange(pid, &calls[i], path);
	}
}

/* Of all calls only those of the table stop: what is traced runs nearly as fast as it does alone. */
static int filter_set(void)
{
	enum { CALLS = sizeof(calls) / sizeof(calls[0]) };
	struct sock_filter filter[CALLS + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};

	for (unsigned i = 0; i < CALLS; i++)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number,
							     (unsigned char)(CALLS - i), 0);
	filter[CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[CALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	const struct sock_fprog program = { CALLS + 3, filter };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void stopped(pid_t pid, int status)
{
	struct __ptrace_syscall_info info;
	int signal = WSTOPSIG(status);
	const bool begins = status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);

	if (signal == (SIGTRAP | 0x80) || begins) {
		signal = 0;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0) {
			if (begins && info.op == PTRACE_SYSCALL_INFO_SECCOMP)
				entered(pid, info.seccomp.nr, (const unsigned long long *)info.seccomp.args);
			else if (info.op == PTRACE_SYSCALL_INFO_EXIT && pid == owner)
				exchange_end();
		}
	} else if (status >> 16 != 0 || signal == SIGSTOP) {
		signal = 0;
	}
	/* The end of a call matters where it began with an exchange. */
	(void)ptrace(pid == owner ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, signal);
}

static void stuck(int signal)
{
	static const char said[] = "a call did not end\n";

	(void)signal;
	(void)!write(STDERR_FILENO, said, sizeof(said) - 1);
	/* PTRACE_O_EXITKILL ends the others. */
	_exit(STUCK);
}

static int follow(pid_t first)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			     PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
	int status, result = 5;

	if (waitpid(first, &status, __WALL) != first || ptrace(PTRACE_SETOPTIONS, first, 0, options) < 0)
		return 5;
	(void)ptrace(PTRACE_CONT, first, 0, 0);
	for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
		(void)alarm(STUCK_SECONDS);
		if (WIFSTOPPED(status)) {
			stopped(pid, status);
			continue;
		}
		if (pid == owner)
			exchange_end();
		if (pid == first)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return result;
}

int main(int argc, char **argv)
{
	gid_t groups[GROUPS_MAX];
	size_t members = 0;

	if (argc < 9)
		return 2;
	for (char *from = argv[3]; *from != '\0' && members < GROUPS_MAX; from += *from == ',')
		groups[members++] = (gid_t)strtoul(from, &from, 10);
	user = (uid_t)strtoul(argv[2], NULL, 10);
	report = argv[1], tree = argv[4], kind = argv[5], target = argv[6], at = strtoul(argv[7], NULL, 10);

	const pid_t first = fork();
	if (first == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		(void)raise(SIGSTOP);
		if (filter_set() < 0)
			_exit(126);
		(void)execv(argv[8], argv + 8);
		_exit(127);
	}
	if (first < 0 || setgroups(members, groups) < 0)
		return 5;
	(void)setfsgid(groups[0]);
	(void)signal(SIGALRM, stuck);
	(void)alarm(STUCK_SECONDS);
	(void)umask(0);
	const int result = follow(first);
	return report_write() ? result : 5;
}
