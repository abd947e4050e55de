#include "proc/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/handle.h"
#include "proc/interrupt.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9, the same number on every machine */
#endif

enum {
	DESCRIPTORS_MAX = 1 << 20,
	ENVIRONMENT_MAX = 64,
	DATA_MAX = 768 * 1024 * 1024, /* a PKCS#11 client needs tens of megabytes; its threads' stacks count */
	CPU_GRACE_S = 2,
};

/* Memory that the sanitizers reserve would count against the limit. */
#if defined(__SANITIZE_ADDRESS__)
#define DATA_LIMIT_FITS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DATA_LIMIT_FITS false
#endif
#endif
#ifndef DATA_LIMIT_FITS
#define DATA_LIMIT_FITS true
#endif

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static void descriptor_close(const int *keep, int fd)
{
	for (; *keep >= 0; keep++)
		if (*keep == fd)
			return;
	(void)close(fd);
}

/* From gap to gap; false where the kernel has no such call. */
static bool ranges_close(const int *keep)
{
	for (unsigned from = 3, next;; from = next + 1) {
		next = UINT_MAX;
		for (const int *k = keep; *k >= 0; k++)
			if ((unsigned)*k >= from && (unsigned)*k < next)
				next = (unsigned)*k;
		if (next > from && syscall(SYS_close_range, from, next - 1, 0U) < 0)
			return false;
		if (next == UINT_MAX)
			return true;
	}
}

/* Those that are open, as /proc lists them; without readdir(3), which takes memory. */
static bool listed_close(const int *keep)
{
	_Alignas(struct dirent64) char block[4096];
	FS_AUTO int listing = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got = -1;

	while (listing >= 0 && (got = syscall(SYS_getdents64, listing, block, sizeof(block))) > 0)
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(block + at);
			const int fd = entry->d_name[0] == '.' ? -1 : (int)strtol(entry->d_name, NULL, 10);
			if (fd > 2 && fd != listing)
				descriptor_close(keep, fd);
			at += entry->d_reclen;
		}
	return got == 0;
}

void proc_child_close_others(const int *keep)
{
	struct rlimit limit = { .rlim_max = DESCRIPTORS_MAX };

	if (ranges_close(keep) || listed_close(keep))
		return;
	/* Below the hard limit, unless that was lowered meanwhile. */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	const int end = limit.rlim_max < DESCRIPTORS_MAX ? (int)limit.rlim_max : DESCRIPTORS_MAX;
	for (int fd = 3; fd < end; fd++)
		descriptor_close(keep, fd);
}

/* --- in the child ------------------------------------------------------------------------------------------------- */

struct pipes {
	int output_read, output_write, tell_read, tell_write;
};

static const char *what_of(const struct proc_child_options *o)
{
	return o->what != NULL ? o->what : o->argv[0];
}

/* Every signal at its default and none blocked, whatever the parent had. */
static void signals_reset(const struct proc_child_options *o)
{
	/* The kernel's struct sigaction with SIG_DFL and nothing else is all zeros. */
	static const unsigned char by_default[64];
	sigset_t none;

	/*
	 * Not by signal(3): it keeps its hands off 32 and 33, and a parent that was started by posix_spawn(3) has these
	 * two ignored.  8 is the size of the kernel's signal set.  What our caller had us ignore (nohup(1)) is for the
	 * caller's program to ignore, too; but a ^C is ours to ignore only, while it is in front.
	 */
	for (long number = 1; number <= 64; number++)
		if (o->caller == NULL || number == SIGINT || number == SIGQUIT)
			(void)syscall(SYS_rt_sigaction, number, by_default, NULL, 8L);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int group_enter(const struct proc_child_options *o)
{
	if (o->confined)
		return setsid() < 0 ? errno : 0;
	if (o->group == PROC_CHILD_OWN_GROUP)
		(void)setpgid(0, 0);
	return 0;
}

/* Before the root changes: below a bare one there is no /dev/null. */
static int standard_enter(const struct proc_child_options *o, const struct pipes *pipes)
{
	if (o->output == PROC_CHILD_INHERITED && !o->confined)
		return 0;
	FS_AUTO int from = o->input >= 0 && !o->confined ? dup(o->input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	return from < 0 || dup2(from, 0) < 0 || dup2(pipes->output_write, 1) < 0 || dup2(pipes->output_write, 2) < 0
		       ? errno
		       : 0;
}

/* Nothing but root and tell is left; they move to where they are not in the way, and do not outlive exec. */
static int descriptors_enter(const struct proc_child_options *o, const struct pipes *pipes, int *root, int *tell)
{
	if (o->caller != NULL)
		return 0;
	if (o->work != NULL && !o->confined) {
		/* Or it would be its own listener. */
		(void)close(pipes->tell_read);
		return 0;
	}
	if (*root >= 0 && (*root = fcntl(*root, F_DUPFD_CLOEXEC, PROC_CHILD_TELL + 1)) < 0)
		return errno;
	if (*tell != PROC_CHILD_TELL && dup3(*tell, PROC_CHILD_TELL, O_CLOEXEC) < 0)
		return errno;
	*tell = PROC_CHILD_TELL;
	proc_child_close_others((const int[]){ PROC_CHILD_TELL, *root, -1 });
	return 0;
}

static int root_enter(const struct proc_child_options *o, int root)
{
	if (o->root == PROC_CHILD_STAY)
		return 0;
	if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
		return errno;
	if (root != o->root)
		(void)close(root);
	return chdir("/") < 0 ? errno : 0;
}

static int limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit value = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit((enum __rlimit_resource)resource, &value);
}

/* After becoming another user: that act clears the wish to die with the parent. */
static int bounds_enter(const struct proc_child_options *o, pid_t parent)
{
	const rlim_t seconds = o->deadline_ms / 1000 + CPU_GRACE_S;

	if (o->confined) {
		(void)umask(022);
		if (limit(RLIMIT_CORE, 0, 0) < 0 || limit(RLIMIT_CPU, seconds, seconds + 1) < 0 ||
		    (DATA_LIMIT_FITS && limit(RLIMIT_DATA, DATA_MAX, DATA_MAX) < 0) ||
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return errno;
	}
	if (o->caller != NULL) {
		(void)umask(o->caller->umask);
		(void)setrlimit(RLIMIT_CORE, &o->caller->core);
	}
	if (o->life == PROC_CHILD_DIES_WITH_US && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return errno;
	/*
	 * It was gone before we asked to go with it.  To the first process of a process namespace its parent has number
	 * 0, gone or not; the pipe that the first message goes to tells.
	 */
	const pid_t now = getppid();
	return o->life == PROC_CHILD_DIES_WITH_US && now != parent && now != 0 ? ESRCH : 0;
}

static int child_enter(const struct proc_child_options *o, const struct pipes *pipes, pid_t parent, int *tell,
		       struct fault *f)
{
	int root = o->root, errnum;

	signals_reset(o);
	if ((errnum = group_enter(o)) != 0 || (errnum = standard_enter(o, pipes)) != 0 ||
	    (errnum = descriptors_enter(o, pipes, &root, tell)) != 0 || (errnum = root_enter(o, root)) != 0)
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(what_of(o)));
	if (o->identity != NULL && proc_identity_become(o->identity, f) < 0)
		return fault_prefix(f, "cannot start '%s': ", SHOWN(what_of(o)));
	if ((errnum = bounds_enter(o, parent)) != 0)
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(what_of(o)));
	return 0;
}

/* Returns only with a fault. */
static int program_become(const struct proc_child_options *o, struct fault *f)
{
	const char *environment[ENVIRONMENT_MAX] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C" };
	const char *const *whole = environment;
	size_t count = 2;

	for (const char *const *more = o->environment; more != NULL && *more != NULL; more++) {
		if (count + 1 >= ENVIRONMENT_MAX)
			return fault_system(f, E2BIG, "cannot run '%s'", SHOWN(o->argv[0]));
		environment[count++] = *more;
	}
	if (o->caller != NULL)
		whole = (const char *const *)(uintptr_t)o->caller->environment;
	(void)execve(o->argv[0], (char *const *)(uintptr_t)o->argv, (char *const *)(uintptr_t)whole);
	return fault_errno(f, errno, "cannot run '%s'", SHOWN(o->argv[0]));
}

static int work_do(const struct proc_child_options *o, int tell, struct fault *f)
{
	/* Foreign code may write messages, too, but none before this one. */
	if (proc_message_write(tell, PROC_CHILD_STARTED, NULL, 0) < 0)
		_exit(1);
	const int r = o->work(o->context, tell, f);
	/* What failed without a word must never pass for good. */
	return r < 0 && f->kind == FAULT_NONE ? fault_system(f, 0, "'%s' failed without a reason", SHOWN(what_of(o)))
					      : r;
}

static void __attribute__((noreturn))
child_main(const struct proc_child_options *o, const struct pipes *pipes, pid_t parent)
{
	struct fault f = { 0 };
	int tell = pipes->tell_write;
	int r = child_enter(o, pipes, parent, &tell, &f);

	if (r == 0)
		r = o->argv != NULL ? program_become(o, &f) : work_do(o, tell, &f);
	if (r < 0)
		(void)proc_message_write(tell, PROC_CHILD_FAILED, &f, sizeof(f));
	_exit(r < 0 ? 1 : 0);
}

/* --- in the parent ------------------------------------------------------------------------------------------------ */

/* Our end never blocks: what a child leaves behind is read to the end that it has at that moment. */
static int pipe_open(int *ret_read, int *ret_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ret_read = ends[0];
	*ret_write = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

int proc_child_start(const struct proc_child_options *o, struct proc_child *ret_child, struct fault *f)
{
	FS_AUTO int output_read = -1;
	FS_AUTO int output_write = -1;
	FS_AUTO int tell_read = -1;
	FS_AUTO int tell_write = -1;
	struct proc_child child = { 0 };

	if (pipe_open(&tell_read, &tell_write) < 0 || pipe_open(&output_read, &output_write) < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(what_of(o)));
	child.how = *o;
	child.deadline = o->deadline_ms > 0 ? proc_clock_ms() + o->deadline_ms : 0;
	/* What we have buffered must not come out of a function's process again, nor behind a program's words. */
	if (o->argv == NULL || o->output == PROC_CHILD_INHERITED)
		(void)fflush(NULL);
	if (o->confined)
		proc_reaper_begin(&child.reaper);

	const struct pipes pipes = { output_read, output_write, tell_read, tell_write };
	const pid_t parent = getpid();
	child.pid = fork();
	if (child.pid < 0) {
		const int errnum = errno;
		bool left;
		if (o->confined)
			(void)proc_reaper_end(&child.reaper, 0, &left);
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(what_of(o)));
	}
	if (child.pid == 0)
		child_main(o, &pipes, parent);
	if (!o->confined && o->group == PROC_CHILD_OWN_GROUP)
		(void)setpgid(child.pid, child.pid);
	child.tell = fs_take(&tell_read);
	child.output = fs_take(&output_read);
	*ret_child = child;
	return 0;
}
