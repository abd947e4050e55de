/*
 * killat: run a command and kill it with all its children at one system call.
 *
 *   killat 0 FILE COMMAND...   write the number of every system call, in the order in which they begin, to FILE
 *   killat N - COMMAND...      SIGKILL for every process of the command when the N-th system call begins
 *
 * The calls of all processes are counted together: what is tested is the loss of power or a kill of the whole tree,
 * not that of one process.  Ends with 137 when it killed, with 0 for a list, with 1 when the command had ended before.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WANTED = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE };
enum { SYSCALL_STOP = SIGTRAP | 0x80, ALIVE_MAX = 64 };

static pid_t alive[ALIVE_MAX];

/* 0 is a free place. */
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
 * Not by our own end and EXITKILL alone: shadow's tools take a lock for held as long as the process that made it can
 * be found, and one that is dead but not buried can.
 */
static void kill_all(void)
{
	for (size_t i = 0; i < ALIVE_MAX; i++)
		if (alive[i] != 0)
			(void)kill(alive[i], SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

static int broken(const char *what)
{
	perror(what);
	return 125;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	const long at = strtol(argv[1], NULL, 10);
	FILE *list = at == 0 ? fopen(argv[2], "w") : NULL;
	if (at == 0 && list == NULL)
		return broken(argv[2]);

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return broken("prctl");
	const pid_t first = fork();
	if (first == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(125);
		(void)raise(SIGSTOP);
		(void)execv(argv[3], argv + 3);
		_exit(127);
	}
	int status;
	if (first < 0 || waitpid(first, &status, 0) < 0 || !WIFSTOPPED(status))
		return broken("fork");
	if (ptrace(PTRACE_SETOPTIONS, first, NULL, (void *)(long)(WANTED | PTRACE_O_EXITKILL)) < 0 ||
	    ptrace(PTRACE_SYSCALL, first, NULL, NULL) < 0)
		return broken("ptrace");

	long count = 0;
	for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
		long deliver = 0;
		if (pid < 0)
			continue;
		if (!WIFSTOPPED(status)) {
			alive_drop(pid);
			continue;
		}
		alive_add(pid);
		if (WSTOPSIG(status) == SYSCALL_STOP) {
			struct __ptrace_syscall_info info;
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0 &&
			    info.op == PTRACE_SYSCALL_INFO_ENTRY) {
				if (++count == at) {
					kill_all();
					return 137;
				}
				if (list != NULL)
					fprintf(list, "%llu\n", (unsigned long long)info.entry.nr);
			}
		} else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
			deliver = WSTOPSIG(status);
		}
		/* One that was killed meanwhile is reported by the next wait. */
		(void)ptrace(PTRACE_SYSCALL, pid, NULL, (void *)deliver);
	}
	if (list == NULL)
		return 1;
	return fclose(list) == 0 ? 0 : broken(argv[2]);
}
