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
#include "proc/enter.h"
#include "proc/interrupt.h"
#include "proc/strays.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9, the same number on every machine */
#endif

enum {
	DATA_MAX = 768 * 1024 * 1024, /* a PKCS#11 client needs tens of megabytes; its threads' stacks count */
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

static int limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit value = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit((enum __rlimit_resource)resource, &value);
}

/* After becoming another user: that act clears the wish to die with the parent. */
static int child_bind(const struct proc_ward *ward, pid_t parent)
{
	const rlim_t seconds = ward->deadline_ms / 1000 + CPU_GRACE_S;

	(void)umask(022);
	if (limit(RLIMIT_CORE, 0, 0) < 0 || limit(RLIMIT_CPU, seconds, seconds + 1) < 0 ||
	    (DATA_LIMIT_FITS && limit(RLIMIT_DATA, DATA_MAX, DATA_MAX) < 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return errno;
	if (getppid() != parent)
		_exit(1); /* it was gone before we asked to go with it */
	return 0;
}

/* 0, or the errno of what could not be set up; *tell moves to its place on the way. */
static int child_set_up(const struct proc_ward *ward, int output, int *tell, pid_t parent)
{
	struct fault f = { 0 };

	proc_enter_signals();
	int errnum = proc_enter_standard(-1, output);
	if (errnum == 0 && setsid() < 0)
		errnum = errno;
	if (errnum == 0)
		errnum = proc_enter_root(ward->root);
	if (errnum == 0 && *tell != PROC_WARD_TELL && dup3(*tell, PROC_WARD_TELL, O_CLOEXEC) < 0)
		errnum = errno;
	if (errnum != 0)
		return errnum;
	*tell = PROC_WARD_TELL;
	descriptors_close();
	if (ward->identity != NULL && proc_identity_become(ward->identity, &f) < 0)
		return f.errnum != 0 ? f.errnum : EPERM;
	return child_bind(ward, parent);
}

/* A status word is told before anything else. */
static void child_main(const struct proc_ward *ward, int output, int tell, pid_t parent)
{
	const int32_t errnum = child_set_up(ward, output, &tell, parent);

	if (write(tell, &errnum, sizeof(errnum)) != sizeof(errnum) || errnum != 0)
		_exit(126);
	_exit(ward->work(ward->context, tell));
}

/* What the parent knows while it listens. */
struct listening {
	const struct proc_ward *ward;
	pid_t pid;
	int64_t deadline;
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
	if (length > first && !l->end.heard_all)
		l->end.heard_all = l->ward->hear(l->ward->listener, bytes + first, length - first);
}

static void output_take(struct listening *l, const char *bytes, size_t length)
{
	const size_t room = PROC_WARD_SAID_MAX - l->end.said.length;

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

/* Ended, but not reaped: until its group is killed, nobody else may get its number. */
static bool child_has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	do
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG);
	while (r < 0 && errno == EINTR);
	return r < 0 || info.si_pid == pid;
}

/*
 * The end of a pipe tells of an end at once, unless somebody else holds it too; then, and in the short time between a
 * pipe's end and the process's, looking again is all there is.
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

/* Listens until the child has ended, it is too late, or a person has had enough. */
static int listen_to(struct listening *l, struct fault *f)
{
	unsigned closing = 0;

	while (!(l->ended = child_has_ended(l->pid))) {
		const int64_t left = l->deadline - proc_clock_ms();
		if (proc_interrupt_check(f) < 0)
			return -1;
		if (left <= 0) {
			l->end.late = !l->end.heard_all;
			return 0;
		}
		wait_some(l, left, closing);
		closing += l->end.heard_all || l->tell < 0;
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
	return 0;
}

/* A busy machine is slow to bury even what is killed, so all of the time that was given may be taken for it. */
static int64_t reap_end(const struct listening *l)
{
	const int64_t now = proc_clock_ms();
	const bool patient = proc_interrupt_pending() == 0 && l->deadline > now;

	return (patient ? l->deadline : now) + PROC_WARD_REAP_MS;
}

/* The child and its session's first group, then whoever else came of it. */
static void listening_end(struct listening *l, struct proc_strays *strays)
{
	const int64_t until = reap_end(l);
	pid_t reaped;

	(void)kill(-l->pid, SIGKILL);
	(void)kill(l->pid, SIGKILL);
	while ((reaped = waitpid(l->pid, &l->end.status, WNOHANG)) == 0 && proc_clock_ms() < until) {
		const struct timespec pause = { .tv_nsec = 500000L };
		(void)nanosleep(&pause, NULL);
	}
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

int proc_ward_run(const struct proc_ward *ward, const char *what, struct proc_ward_end *ret_end, struct fault *f)
{
	FS_AUTO int tell_read = -1;
	FS_AUTO int tell_write = -1;
	FS_AUTO int output_read = -1;
	FS_AUTO int output_write = -1;
	struct proc_strays strays;

	if (pipe_open(&tell_read, &tell_write) < 0 || pipe_open(&output_read, &output_write) < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(what));
	/* What we had buffered must not come out of the child a second time. */
	(void)fflush(stdout);

	const pid_t parent = getpid();
	struct listening l = { .ward = ward, .end = PROC_WARD_END_INIT };
	l.deadline = proc_clock_ms() + ward->deadline_ms;
	proc_strays_begin(&strays);
	l.pid = fork();
	if (l.pid < 0) {
		const int errnum = errno;
		(void)proc_strays_end(&strays, 0, &l.end.strays_left);
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(what));
	}
	if (l.pid == 0)
		child_main(ward, output_write, tell_write, parent);
	fs_close(&tell_write);
	fs_close(&output_write);
	l.tell = fs_take(&tell_read);
	l.output = fs_take(&output_read);

	int r = listen_to(&l, f);
	listening_end(&l, &strays);
	fs_close(&l.tell);
	fs_close(&l.output);
	if (r == 0 && l.errnum_length == sizeof(l.errnum) && l.errnum != 0)
		r = fault_system(f, l.errnum, "cannot make the child for '%s' ready", SHOWN(what));
	if (r < 0)
		proc_ward_end_done(&l.end);
	else
		*ret_end = l.end;
	return r;
}
