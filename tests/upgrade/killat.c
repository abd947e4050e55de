/*
 * killat: runs a command and kills it with all its children, or fails a call, at one system call.
 *
 *   killat [-a] 0 FILE COMMAND...           writes a line for every call to FILE, in the order in which they begin
 *   killat [-a] N FILE COMMAND...           sends SIGKILL to all processes when the N-th call begins
 *   killat [-a] -e ERRNO N FILE COMMAND...  the N-th call is not made and fails with ERRNO; the command goes on
 *
 * It counts the calls that can change the disk or start a program; with -a all calls.  It counts the calls of all
 * processes together, because it simulates a loss of power or a kill of the whole tree.  A line has the call's number,
 * the process, and the path or file if there is one.  With N, FILE gets the line of that call, or stays empty.
 *
 * A seccomp(2) filter reports these calls only, so all others run at full speed.
 * Exits with 137 after a kill, with 125 if it cannot do its work, else with the status of the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WANTED = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
		 PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL
};
enum { ALIVE_MAX = 64, BROKEN = 125, KILLED = 137 };

/* Which argument names the file: a path or a descriptor. */
enum about { NOTHING, PATH_0, PATH_1, FILE_0 };

static const struct call {
	long number;
	enum about about;
} changing[] = {
	{ SYS_open, PATH_0 },      { SYS_openat, PATH_1 },    { SYS_creat, PATH_0 },     { SYS_write, FILE_0 },
	{ SYS_pwrite64, FILE_0 },  { SYS_writev, FILE_0 },    { SYS_ftruncate, FILE_0 }, { SYS_fallocate, FILE_0 },
	{ SYS_truncate, PATH_0 },  { SYS_rename, PATH_0 },    { SYS_renameat, PATH_1 },  { SYS_renameat2, PATH_1 },
	{ SYS_mkdir, PATH_0 },     { SYS_mkdirat, PATH_1 },   { SYS_rmdir, PATH_0 },     { SYS_unlink, PATH_0 },
	{ SYS_unlinkat, PATH_1 },  { SYS_link, PATH_0 },      { SYS_linkat, PATH_1 },    { SYS_symlink, PATH_0 },
	{ SYS_symlinkat, PATH_0 }, { SYS_chmod, PATH_0 },     { SYS_fchmod, FILE_0 },    { SYS_fchmodat, PATH_1 },
	{ SYS_chown, PATH_0 },     { SYS_lchown, PATH_0 },    { SYS_fchown, FILE_0 },    { SYS_fchownat, PATH_1 },
	{ SYS_setxattr, PATH_0 },  { SYS_fsetxattr, FILE_0 }, { SYS_utimensat, PATH_1 }, { SYS_fork, NOTHING },
	{ SYS_vfork, NOTHING },    { SYS_clone, NOTHING },    { SYS_execve, PATH_0 },
};
enum { CHANGING = sizeof(changing) / sizeof(changing[0]) };

static pid_t alive[ALIVE_MAX];

/* 0: a free slot. */
static void alive_add(pid_t pid)
{
	for (size_t i = 0; i < ALIVE_MAX; i++)
		if (alive[i] == pid)
			return;
	for (size_t i = 0; i < ALIVE_MAX; i++)
		if (alive[i] == 0) {
			alive[i] = pid;
			return;
		}
}

static void alive_drop(pid_t pid)
{
	for (size_t i = 0; i < ALIVE_MAX; i++)
		if (alive[i] == pid)
			alive[i] = 0;
}

/*
 * Also reaps all, which our own exit with PTRACE_O_EXITKILL would not: shadow-utils take a lock for held as long as
 * kill(pid, 0) succeeds, and for a zombie it does.
 */
static void kill_all(void)
{
	int status;

	for (size_t i = 0; i < ALIVE_MAX; i++)
		if (alive[i] != 0)
			(void)kill(alive[i], SIGKILL);
	for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;)
		if (pid > 0 && WIFSTOPPED(status))
			(void)kill(pid, SIGKILL);
}

static int broken(const char *what)
{
	perror(what);
	return BROKEN;
}

static int filter_set(int all)
{
	struct sock_filter code[CHANGING + 3];
	unsigned short at = 0;

	code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < CHANGING; i++, at++)
		code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)changing[i].number,
							(unsigned char)(CHANGING - i), 0);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, all ? SECCOMP_RET_TRACE : SECCOMP_RET_ALLOW);
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	const struct sock_fprog program = { .len = at, .filter = code };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static const struct call *call_find(long number)
{
	for (size_t i = 0; i < CHANGING; i++)
		if (changing[i].number == number)
			return &changing[i];
	return NULL;
}

/* The file on disk of a descriptor, or "" for pipes and others, which die with their processes. */
static void file_name(pid_t pid, int fd, char *name, size_t size)
{
	char link[64];
	struct stat st;

	(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
	const ssize_t length = readlink(link, name, size - 1);
	name[length > 0 ? length : 0] = '\0';
	if (stat(link, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || strncmp(name, "/memfd:", 7) == 0)
		name[0] = '\0';
}

static void path_name(pid_t pid, unsigned long address, char *name, size_t size)
{
	const struct iovec to = { .iov_base = name, .iov_len = size - 1 };
	/* Only to the end of the page: the next one may not be mapped. */
	const size_t page = 4096 - address % 4096;
	const struct iovec from = { .iov_base = (void *)address, .iov_len = page < size - 1 ? page : size - 1 };
	const ssize_t length = process_vm_readv(pid, &to, 1, &from, 1, 0);

	name[length > 0 ? length : 0] = '\0';
}

/* True if the call is counted.  Fills `about` with its path or file. */
static int counts(pid_t pid, const struct __ptrace_syscall_info *info, int all, char *about, size_t size)
{
	const unsigned long *arguments = (const unsigned long *)info->seccomp.args;
	const long number = (long)info->seccomp.nr;
	const struct call *call = call_find(number);
	int change = 1;

	about[0] = '\0';
	switch (call != NULL ? call->about : NOTHING) {
	case PATH_0:
		path_name(pid, arguments[0], about, size);
		break;
	case PATH_1:
		path_name(pid, arguments[1], about, size);
		break;
	case FILE_0:
		file_name(pid, (int)arguments[0], about, size);
		change = about[0] != '\0';
		break;
	case NOTHING:
		break;
	}
	if (number == SYS_openat || number == SYS_open)
		change = (arguments[number == SYS_openat ? 2 : 1] & (O_CREAT | O_TRUNC)) != 0;
	return all || change;
}

/* Skips the call and makes it return the error. */
static int call_fail(pid_t pid, int errnum)
{
#ifdef __x86_64__
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) < 0)
		return -1;
	registers.orig_rax = (unsigned long long)-1;
	registers.rax = (unsigned long long)-(long long)errnum;
	return ptrace(PTRACE_SETREGS, pid, NULL, &registers) < 0 ? -1 : 0;
#else
#error "killat knows the registers of x86-64, as OKV's appliances have them"
#endif
}

static void line_write(FILE *file, pid_t pid, unsigned long long number, const char *about)
{
	char path[64], name[32] = "?";

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *comm = fopen(path, "r");
	if (comm != NULL) {
		if (fscanf(comm, "%31[^\n]", name) != 1)
			(void)strcpy(name, "?");
		(void)fclose(comm);
	}
	(void)fprintf(file, "%llu %s %s\n", number, name, about);
}

static pid_t command_start(char **argv, int all)
{
	int status;
	const pid_t first = fork();

	if (first == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(BROKEN);
		(void)raise(SIGSTOP);
		if (filter_set(all) == 0)
			(void)execv(argv[0], argv);
		_exit(BROKEN);
	}
	if (first < 0 || waitpid(first, &status, 0) < 0 || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, first, NULL, (void *)(long)WANTED) < 0 ||
	    ptrace(PTRACE_CONT, first, NULL, NULL) < 0)
		return -1;
	alive_add(first);
	return first;
}

int main(int argc, char **argv)
{
	int all = 0, errnum = 0, status, ended = BROKEN;

	for (int letter; (letter = getopt(argc, argv, "+ae:")) != -1;) {
		all = all || letter == 'a';
		if (letter == 'e')
			errnum = atoi(optarg);
	}
	if (argc - optind < 3)
		return 2;
	const long at = strtol(argv[optind], NULL, 10);
	FILE *file = fopen(argv[optind + 1], "we");
	if (file == NULL)
		return broken(argv[optind + 1]);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return broken("prctl");
	const pid_t first = command_start(argv + optind + 2, all);
	if (first < 0)
		return broken("fork");

	long count = 0;
	for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
		long deliver = 0;
		if (pid < 0)
			continue;
		if (!WIFSTOPPED(status)) {
			alive_drop(pid);
			if (pid == first)
				ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		alive_add(pid);
		if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_SECCOMP << 8))) {
			struct __ptrace_syscall_info info;
			char about[512];
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0 &&
			    counts(pid, &info, all, about, sizeof(about)) && (++count == at || at == 0)) {
				line_write(file, pid, info.seccomp.nr, about);
				if (at != 0 && errnum == 0) {
					kill_all();
					return fclose(file) == 0 ? KILLED : broken("file");
				}
				if (at != 0 && call_fail(pid, errnum) < 0)
					return broken("ptrace");
			}
		} else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
			deliver = WSTOPSIG(status);
		}
		/* If it was killed meanwhile, the next wait reports that. */
		(void)ptrace(PTRACE_CONT, pid, NULL, (void *)deliver);
	}
	return fclose(file) == 0 ? ended : broken("file");
}
