#include "proc/ward.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/handle.h"
#include "proc/clock.h"
#include "proc/strays.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9, the same number on every machine */
#endif

enum {
	WORK_DATA_MAX = 768 * 1024 * 1024, /* a PKCS#11 client needs tens of megabytes; its threads' stacks count */
	CPU_GRACE_S = 2,
	CLOSE_MAX = 65536,
	PATIENCE_MS = 20, /* how long a child that ended without a word can go unnoticed */
	CLOSING_ROUNDS = 64,
	DRAIN_ROUNDS = 64,
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

void proc_ward_end_done(struct proc_ward_end *end)
{
	text_done(&end->said);
}

static void signals_default(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void descriptors_close(void)
{
	if (syscall(SYS_close_range, PROC_WARD_TELL + 1U, ~0U, 0U) == 0)
		return;
	struct rlimit files = { .rlim_cur = CLOSE_MAX };
	(void)getrlimit(RLIMIT_NOFILE, &files);
	const int most = files.rlim_cur < CLOSE_MAX ? (int)files.rlim_cur : CLOSE_MAX;
	for (int fd = PROC_WARD_TELL + 1; fd < most; fd++)
		(void)close(fd);
}

/* Standard descriptors first: below a bare root there is no /dev/null to open. */
static int descriptors_arrange(const struct proc_ward *child, int output)
{
	if (child->terminal)
		return 0;
	FS_AUTO int input = child->input >= 0 ? dup(child->input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -1;
	return 0;
}

static int foreign_bound(const struct proc_ward *child, pid_t parent)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };
	const struct rlimit data = { .rlim_cur = WORK_DATA_MAX, .rlim_max = WORK_DATA_MAX };
	const rlim_t seconds = child->deadline_ms / 1000 + CPU_GRACE_S;
	const struct rlimit cpu = { .rlim_cur = seconds, .rlim_max = seconds + 1 };

	(void)umask(022);
	if (setrlimit(RLIMIT_CORE, &none) < 0 || (DATA_LIMIT_FITS && setrlimit(RLIMIT_DATA, &data) < 0) ||
	    (child->deadline_ms > 0 && setrlimit(RLIMIT_CPU, &cpu) < 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    /* After becoming another user: that act clears it. */
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	if (getppid() != parent)
		_exit(1); /* the parent was gone before we asked to go with it */
	return 0;
}

/* The status word that is told before anything else: 0, or the errno of what could not be set up. */
static int child_set_up(const struct proc_ward *child, int output, int *tell, pid_t parent)
{
	struct fault f = FAULT_INIT;

	signals_default();
	if (descriptors_arrange(child, output) < 0 || (!child->terminal && setsid() < 0))
		return errno;
	if (child->root >= 0 && (fchdir(child->root) < 0 || chroot(".") < 0))
		return errno;
	if (chdir("/") < 0)
		return errno;
	if (*tell != PROC_WARD_TELL && dup3(*tell, PROC_WARD_TELL, O_CLOEXEC) < 0)
		return errno;
	*tell = PROC_WARD_TELL;
	descriptors_close();
	if (child->identity != NULL && proc_identity_become(child->identity, &f) < 0)
		return f.errnum != 0 ? f.errnum : EPERM;
	if (child->care == PROC_WARD_FOREIGN && foreign_bound(child, parent) < 0)
		return errno;
	return 0;
}

static void child_main(const struct proc_ward *child, int output, int tell, pid_t parent)
{
	const int32_t errnum = child_set_up(child, output, &tell, parent);

	if (write(tell, &errnum, sizeof(errnum)) != sizeof(errnum) || errnum != 0)
		_exit(126);
	_exit(child->work(child->context, tell));
}

/* What the parent knows while it listens. */
struct listening {
	const struct proc_ward *child;
	pid_t pid;
	int64_t deadline; /* 0: none */
	int tell, output; /* -1 once at their end */
	int32_t errnum;
	size_t errnum_length;
	bool ended;
	struct proc_ward_end end;
};

static void tell_take(struct listening *l, const char *bytes, size_t length)
{
	const size_t lead = sizeof(l->errnum) - l->errnum_length;
	const size_t first = length < lead ? length : lead;

	memcpy((char *)&l->errnum + l->errnum_length, bytes, first);
	l->errnum_length += first;
	if (length > first && l->child->hear != NULL && !l->end.heard_all)
		l->end.heard_all = l->child->hear(l->child->listener, bytes + first, length - first);
}

static void output_take(struct listening *l, const char *bytes, size_t length)
{
	const size_t room = PROC_SAID_MAX - l->end.said.length;

	l->end.said_length += length;
	text_add(&l->end.said, bytes, length < room ? length : room);
}

/* One read; a descriptor at its end becomes -1.  True while there may be more at once. */
static bool channel_drain(struct listening *l, int *fd, void (*take)(struct listening *, const char *, size_t))
{
	char block[16384];

	if (*fd < 0)
		return false;
	const ssize_t got = read(*fd, block, sizeof(block));
	if (got > 0)
		take(l, block, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		fs_close(fd);
	return got > 0;
}

/* Ended, but not reaped: until we have killed its group, nobody else may get its number. */
static void child_look(struct listening *l, int flags)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	do
		r = waitid(P_PID, (id_t)l->pid, &info, WEXITED | WNOWAIT | flags);
	while (r < 0 && errno == EINTR);
	l->ended = r < 0 || info.si_pid == l->pid;
}

/*
 * The end of a pipe tells of an end at once, unless somebody else holds it too; then, and in the short time between
 * a pipe's end and the process's, looking again is all there is.
 */
static void wait_some(struct listening *l, int64_t left, unsigned rounds)
{
	struct pollfd wait[2] = { { .fd = l->tell, .events = POLLIN }, { .fd = l->output, .events = POLLIN } };
	const bool closing = l->end.heard_all || (l->tell < 0 && l->output < 0);
	const int patience = closing && rounds < CLOSING_ROUNDS ? 1 : PATIENCE_MS;

	(void)poll(wait, 2, left < patience ? (int)left : patience);
	(void)channel_drain(l, &l->tell, tell_take);
	(void)channel_drain(l, &l->output, output_take);
}

/* Listens until all was heard and the child is gone, or it is too late. */
static void listen_to(struct listening *l)
{
	for (unsigned rounds = 0; !l->ended; rounds++) {
		const int64_t left = l->deadline > 0 ? l->deadline - proc_clock_ms() : PATIENCE_MS;
		if (left <= 0) {
			l->end.late = !l->end.heard_all;
			return;
		}
		if (l->deadline == 0 && l->tell < 0 && l->output < 0) {
			child_look(l, 0);
			break;
		}
		wait_some(l, left, rounds);
		child_look(l, WNOHANG);
	}
	/*
	 * It may have told and ended between our look and our wait.  Bounded: a process that it left behind may write
	 * for ever.
	 */
	for (int rounds = 0; rounds < DRAIN_ROUNDS; rounds++) {
		const bool more = channel_drain(l, &l->tell, tell_take);
		if (!channel_drain(l, &l->output, output_take) && !more)
			break;
	}
}

/* The child and its first group; then, of foreign code, whoever else came of it. */
static void listening_end(struct listening *l, struct proc_strays *strays)
{
	const bool foreign = l->child->care == PROC_WARD_FOREIGN;
	const int64_t until = proc_clock_ms() + PROC_WARD_REAP_MS;

	if (!l->child->terminal && (foreign || !l->ended))
		(void)kill(-l->pid, SIGKILL);
	if (!l->ended)
		(void)kill(l->pid, SIGKILL);
	pid_t reaped;
	while ((reaped = waitpid(l->pid, &l->end.status, WNOHANG)) == 0 && proc_clock_ms() < until) {
		const struct timespec pause = { .tv_nsec = 500000L };
		(void)nanosleep(&pause, NULL);
	}
	if (foreign)
		l->end.strays = proc_strays_end(strays, until, &l->end.strays_left);
	if (reaped == 0)
		l->end.strays_left = true;
}

static int pipe_open(int *ret_read, int *ret_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ret_read = ends[0];
	*ret_write = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

int proc_ward_run(const struct proc_ward *child, const char *what, struct proc_ward_end *ret_end, struct fault *f)
{
	FS_AUTO int tell_read = -1;
	FS_AUTO int tell_write = -1;
	FS_AUTO int output_read = -1;
	FS_AUTO int output_write = -1;
	struct proc_strays strays;

	if (pipe_open(&tell_read, &tell_write) < 0 ||
	    (!child->terminal && pipe_open(&output_read, &output_write) < 0))
		return fault_system(f, errno, "cannot start '%s'", SHOWN(what));
	/* What we had buffered must not come out of the child a second time. */
	(void)fflush(stdout);

	const bool foreign = child->care == PROC_WARD_FOREIGN;
	const pid_t parent = getpid();
	if (foreign)
		proc_strays_begin(&strays);
	struct listening l = { .child = child, .end = PROC_WARD_END_INIT };
	l.deadline = child->deadline_ms > 0 ? proc_clock_ms() + child->deadline_ms : 0;
	l.pid = fork();
	if (l.pid < 0) {
		const int errnum = errno;
		if (foreign)
			(void)proc_strays_end(&strays, 0, &l.end.strays_left);
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(what));
	}
	if (l.pid == 0)
		child_main(child, output_write, tell_write, parent);
	fs_close(&tell_write);
	fs_close(&output_write);
	l.tell = tell_read;
	l.output = output_read;
	tell_read = output_read = -1;

	listen_to(&l);
	listening_end(&l, &strays);
	fs_close(&l.tell);
	fs_close(&l.output);
	if (l.errnum_length == sizeof(l.errnum) && l.errnum != 0) {
		proc_ward_end_done(&l.end);
		return fault_system(f, l.errnum, "cannot make the child for '%s' ready", SHOWN(what));
	}
	*ret_end = l.end;
	return 0;
}
