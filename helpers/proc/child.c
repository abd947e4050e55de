#include "proc/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/settings.h"
#include "fs/root.h"
#include "proc/interrupt.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* Linux 5.9, the same number on every machine */
#endif

enum {
	DESCRIPTORS_MAX = 1 << 20,
	ENVIRONMENT_MAX = 64,
	DATA_MAX = 768 * 1024 * 1024, /* a PKCS#11 client needs tens of megabytes; its threads' stacks count */
	CPU_GRACE_S = 2,
	BLOCK_SIZE = 64 * 1024,
	DRAIN_ROUNDS = 64,
	WORKER_BUFFER = 128 * 1024, /* what it can send before we read, whatever net.core.wmem_default is */
	SEND_PATIENCE_MS = 1000,
};

/* The memory that sanitizers reserve would exceed the limit. */
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

/* Closes the gaps between the kept ones; false if the kernel lacks close_range(2). */
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

/* Closes those in /proc/self/fd.  Not with readdir(3): it allocates memory, which is not async-signal-safe. */
static bool open_fds_close(const int *keep)
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

	if (ranges_close(keep) || open_fds_close(keep))
		return;
	/* No descriptor is above the hard limit, unless that was lowered since. */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	const int end = limit.rlim_max < DESCRIPTORS_MAX ? (int)limit.rlim_max : DESCRIPTORS_MAX;
	for (int fd = 3; fd < end; fd++)
		descriptor_close(keep, fd);
}

/* --- in the child ------------------------------------------------------------------------------------------------- */

struct pipes {
	int output_read, output_write, tell_read, tell_write;
};

static const char *name_of(const struct proc_child_options *o)
{
	return o->what != NULL ? o->what : o->argv[0];
}

static void signals_reset(const struct proc_child_options *o)
{
	/* The kernel's own struct sigaction: SIG_DFL, no flags and an empty mask are all zeros. */
	static const unsigned char by_default[64];
	sigset_t none;

	/*
	 * Not signal(3), which refuses 32 and 33: posix_spawn(3) may have left them ignored.  8 is the size of the
	 * kernel's signal set.  What our caller ignores (nohup(1)), its program ignores, too; but not ^C and ^\, which
	 * we may ignore only because that program has the terminal.
	 */
	for (long number = 1; number <= 64; number++)
		if (o->caller == NULL || number == SIGINT || number == SIGQUIT)
			(void)syscall(SYS_rt_sigaction, number, by_default, NULL, 8L);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int group_set(const struct proc_child_options *o)
{
	if (o->confined)
		return setsid() < 0 ? errno : 0;
	if (o->group == PROC_CHILD_OWN_GROUP)
		(void)setpgid(0, 0);
	return 0;
}

/* Before chroot(2): the new root may have no /dev/null. */
static int stdio_set(const struct proc_child_options *o, const struct pipes *pipes)
{
	if (o->output == PROC_CHILD_INHERITED && !o->confined)
		return 0;
	FS_AUTO int from = o->input >= 0 && !o->confined ? dup(o->input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	return from < 0 || dup2(from, 0) < 0 || dup2(pipes->output_write, 1) < 0 || dup2(pipes->output_write, 2) < 0
		       ? errno
		       : 0;
}

/* Moves a descriptor to the number `place`, by way of one that is not reserved. */
static int descriptor_move(int fd, int place, int flags)
{
	FS_AUTO int away = fcntl(fd, F_DUPFD_CLOEXEC, PROC_CHILD_ROOT + 1);

	return away < 0 ? -1 : dup3(away, place, flags);
}

/* Closes all but root and tell; only a worker's are inherited over exec. */
static int descriptors_set(struct proc_child_options *o, const struct pipes *pipes, int *root, int *tell)
{
	const int flags = o->worker ? 0 : O_CLOEXEC;

	if (o->caller != NULL)
		return 0;
	if (o->work != NULL && !o->confined) {
		/* With the read end open, a write could never fail: the child would be its own reader. */
		(void)close(pipes->tell_read);
		return 0;
	}
	/* First, because its number may be one of the two reserved ones. */
	if (o->program > 0 && (o->program = fcntl(o->program, F_DUPFD_CLOEXEC, PROC_CHILD_ROOT + 1)) < 0)
		return errno;
	FS_AUTO int kept = *root >= 0 ? fcntl(*root, F_DUPFD_CLOEXEC, PROC_CHILD_ROOT + 1) : -1;
	if ((*root >= 0 && kept < 0) || (*tell = descriptor_move(*tell, PROC_CHILD_TELL, flags)) < 0 ||
	    (kept >= 0 && (*root = descriptor_move(kept, PROC_CHILD_ROOT, flags)) < 0))
		return errno;
	/* -1 ends the list, so an absent one must not come before the other. */
	const int second = o->program > 0 ? o->program : *root;
	proc_child_close_others((const int[]){ PROC_CHILD_TELL, second, *root, -1 });
	return 0;
}

/* A worker calls chroot(2) itself. */
static int root_set(const struct proc_child_options *o, int root)
{
	if (o->root == PROC_CHILD_STAY)
		return 0;
	if (!o->worker && root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
		return errno;
	if (!o->worker && root == PROC_CHILD_ROOT)
		(void)close(root);
	return chdir("/") < 0 ? errno : 0;
}

static int limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit value = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit((enum __rlimit_resource)resource, &value);
}

/* After the change of user, which clears PR_SET_PDEATHSIG. */
static int limits_set(const struct proc_child_options *o, pid_t parent)
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
	 * The parent may have died before prctl(2).  For the first process of a pid namespace getppid(2) is always 0;
	 * then the first write to the pipe fails instead.
	 */
	const pid_t now = getppid();
	return o->life == PROC_CHILD_DIES_WITH_US && now != parent && now != 0 ? ESRCH : 0;
}

static int child_set_up(struct proc_child_options *o, const struct pipes *pipes, pid_t parent, int *tell,
			struct fault *f)
{
	int root = o->root, errnum;

	signals_reset(o);
	if ((errnum = group_set(o)) != 0 || (errnum = stdio_set(o, pipes)) != 0 ||
	    (errnum = descriptors_set(o, pipes, &root, tell)) != 0 || (errnum = root_set(o, root)) != 0)
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(name_of(o)));
	if (o->identity != NULL && proc_identity_become(o->identity, f) < 0)
		return fault_prefix(f, "cannot start '%s': ", SHOWN(name_of(o)));
	if ((errnum = limits_set(o, parent)) != 0)
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(name_of(o)));
	return 0;
}

static int program_exec(const struct proc_child_options *o, struct fault *f)
{
	const char *environment[ENVIRONMENT_MAX] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C" };
	const char *const *envp = o->worker ? (const char *const[]){ NULL } : environment;
	size_t count = 2;

	for (const char *const *more = o->environment; more != NULL && *more != NULL; more++) {
		if (count + 1 >= ENVIRONMENT_MAX)
			return fault_system(f, E2BIG, "cannot run '%s'", SHOWN(o->argv[0]));
		environment[count++] = *more;
	}
	if (o->caller != NULL)
		envp = (const char *const *)(uintptr_t)o->caller->environment;
	char exec_path[32];
	(void)snprintf(exec_path, sizeof(exec_path), "/proc/self/fd/%d", o->program);
	(void)execve(o->program > 0 ? exec_path : o->argv[0], (char *const *)(uintptr_t)o->argv,
		     (char *const *)(uintptr_t)envp);
	return fault_errno(f, errno,
			   o->worker ? "cannot run '%s'; reinstall the package okv-luna-hooks" : "cannot run '%s'",
			   SHOWN(o->argv[0]));
}

static int function_run(const struct proc_child_options *o, int tell, struct fault *f)
{
	/* The first message, so nothing that foreign code writes can be mistaken for it. */
	if (proc_message_write(tell, PROC_CHILD_STARTED, NULL, 0) < 0)
		_exit(1);
	const int r = o->work(o->context, tell, f);
	/* A failure without a fault must not look like success. */
	return r < 0 && f->kind == FAULT_NONE
		       ? fault_system(f, 0, "'%s' failed without giving a reason", SHOWN(name_of(o)))
		       : r;
}

__attribute__((noreturn)) static void child_main(const struct proc_child_options *o, const struct pipes *pipes,
						 pid_t parent)
{
	struct fault f = { 0 };
	int tell = pipes->tell_write;
	struct proc_child_options own = *o;
	int r = child_set_up(&own, pipes, parent, &tell, &f);

	if (r == 0)
		r = o->argv != NULL ? program_exec(&own, &f) : function_run(&own, tell, &f);
	if (r < 0)
		(void)proc_message_write(tell, PROC_CHILD_FAILED, &f, sizeof(f));
	_exit(r < 0 ? 1 : 0);
}

/* --- in the parent ------------------------------------------------------------------------------------------------ */

void proc_child_program(const char *name, char ret_path[PATH_MAX])
{
	char self[PATH_MAX];
	const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *prefix = SETTINGS_PREFIX;

	for (unsigned cut = 0; cut < 2 && length > 0; cut++) {
		self[cut == 0 ? (size_t)length : strlen(self)] = '\0';
		char *slash = strrchr(self, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
		prefix = cut == 1 ? self : prefix;
	}
	if (snprintf(ret_path, PATH_MAX, "%s/libexec/%s", prefix, name) < PATH_MAX && access(ret_path, X_OK) == 0)
		return;
	/* /proc/self/exe does not help after chroot(2): use the path in this root. */
	if (snprintf(ret_path, PATH_MAX, SETTINGS_PREFIX "/libexec/%s", name) >= PATH_MAX)
		ret_path[0] = '\0';
}

int proc_child_program_open(const char *name, int *ret_fd, struct fault *f)
{
	char path[PATH_MAX];

	proc_child_program(name, path);
	const int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return fault_errno(f, errno, "cannot run '%s'; reinstall the package okv-luna-hooks", SHOWN(path));
	*ret_fd = fd;
	return 0;
}

struct proc_child_options proc_child_function(int (*work)(void *context, int tell, struct fault *f), void *context,
					      const char *what,
					      enum proc_child_answer (*on_message)(void *listener,
										   const struct proc_message *message))
{
	return (struct proc_child_options){
		.work = work,
		.context = context,
		.what = what,
		.on_message = on_message,
		.listener = context,
		.root = PROC_CHILD_STAY,
		.output = PROC_CHILD_INHERITED,
	};
}

/* The read end does not block: what a child leaves in the pipe is drained, without waiting for more. */
static int pipe_open(int *ret_read, int *ret_write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ret_read = ends[0];
	*ret_write = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

/* Both directions, for a worker. */
static int socket_open(int *ret_ours, int *ret_its)
{
	const int room = WORKER_BUFFER;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	*ret_ours = ends[0];
	*ret_its = ends[1];
	return setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0
		       ? -1
		       : fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

int proc_child_start(const struct proc_child_options *o, struct proc_child *ret_child, struct fault *f)
{
	FS_AUTO int output_read = -1;
	FS_AUTO int output_write = -1;
	FS_AUTO int tell_read = -1;
	FS_AUTO int tell_write = -1;
	struct proc_child child = { 0 };

	if ((o->worker ? socket_open : pipe_open)(&tell_read, &tell_write) < 0 ||
	    pipe_open(&output_read, &output_write) < 0)
		return fault_system(f, errno, "cannot start '%s'", SHOWN(name_of(o)));
	child.how = *o;
	child.started = o->worker;
	child.deadline = o->deadline_ms > 0 ? proc_clock_ms() + o->deadline_ms : 0;
	/* Otherwise a forked function prints our buffered output again, and a program's output comes before it. */
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
		return fault_system(f, errnum, "cannot start '%s'", SHOWN(name_of(o)));
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

int proc_child_send(const struct proc_child *child, const struct text *messages, struct fault *f)
{
	if (text_check(messages, f) < 0)
		return -1;
	for (size_t done = 0; done < messages->length;) {
		const ssize_t sent = send(child->tell, messages->bytes + done, messages->length - done, MSG_NOSIGNAL);
		if (sent >= 0) {
			done += (size_t)sent;
		} else if (errno == EAGAIN) {
			struct pollfd wait = { .fd = child->tell, .events = POLLOUT };
			if (poll(&wait, 1, SEND_PATIENCE_MS) == 0)
				return fault_system(f, ETIMEDOUT, "cannot ask '%s'", SHOWN(child->how.what));
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0;
		} else if (errno != EINTR) {
			return fault_system(f, errno, "cannot ask '%s'", SHOWN(child->how.what));
		}
	}
	return 0;
}

void proc_outcome_done(struct proc_outcome *outcome)
{
	text_done(&outcome->output);
}

/* --- what comes of it --------------------------------------------------------------------------------------------- */

static void output_append(struct proc_child *child, const char *bytes, size_t length)
{
	struct proc_outcome *outcome = &child->outcome;
	const size_t room = PROC_CHILD_OUTPUT_MAX - outcome->output.length;

	outcome->output_length += length;
	text_add(&outcome->output, bytes, length < room ? length : room);
}

/* The text may quote foreign input, or foreign code may have sent it. */
static bool is_printable(const char *text)
{
	const size_t length = strlen(text);

	for (size_t at = 0; at < length;) {
		uint32_t character;
		const size_t part = text_utf8_next(text + at, length - at, &character);
		if (part == 0 || text_is_deceptive(character))
			return false;
		at += part;
	}
	return true;
}

static bool fault_decode(struct fault *fault, const struct proc_message *message)
{
	struct fault received;

	if (message->length != sizeof(received))
		return false;
	memcpy(&received, message->bytes, sizeof(received));
	received.text[FAULT_TEXT_MAX - 1] = '\0';
	if (received.kind <= FAULT_NONE || received.kind > FAULT_LATE)
		return false;
	*fault = received;
	if (!is_printable(received.text))
		(void)snprintf(fault->text, sizeof(fault->text), "%s", SHOWN(received.text));
	return true;
}

/* False if the message is not valid. */
static bool message_handle(struct proc_child *child, const struct proc_message *message)
{
	struct proc_outcome *outcome = &child->outcome;

	if (message->kind == PROC_CHILD_FAILED)
		return fault_decode(&outcome->fault, message);
	if (message->kind == PROC_CHILD_STARTED && !child->started) {
		child->started = true;
		return true;
	}
	if (!child->started || message->kind >= PROC_CHILD_KINDS || child->how.on_message == NULL)
		return false;
	if (outcome->answered)
		return true;
	const enum proc_child_answer answer = child->how.on_message(child->how.listener, message);
	outcome->answered = answer == PROC_CHILD_ALL;
	return answer != PROC_CHILD_GARBLED;
}

static void messages_handle(struct proc_child *child, const char *bytes, size_t length)
{
	struct proc_message message;
	int r = 0;

	if (child->outcome.garbled)
		return;
	proc_message_reader_add(&child->reader, bytes, length);
	while (!child->outcome.garbled && (r = proc_message_reader_next(&child->reader, &message)) != 0)
		child->outcome.garbled = r < 0 || !message_handle(child, &message);
}

/* Reads once; at end of file *fd becomes -1.  True if there may be more to read now. */
static bool channel_read(struct proc_child *child, int *fd, void (*handle)(struct proc_child *, const char *, size_t))
{
	char block[BLOCK_SIZE];

	if (*fd < 0)
		return false;
	const ssize_t got = read(*fd, block, sizeof(block));
	if (got > 0)
		handle(child, block, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		fs_close(fd);
	return got > 0;
}

static bool channels_read(struct proc_child *child)
{
	const bool more = channel_read(child, &child->tell, messages_handle);

	return channel_read(child, &child->output, output_append) || more;
}

/* --- its end ------------------------------------------------------------------------------------------------------ */

static void child_forget(struct proc_child *child)
{
	fs_close(&child->tell);
	fs_close(&child->output);
	proc_message_reader_done(&child->reader);
	proc_outcome_done(&child->outcome);
	child->pid = 0;
}

/* Does not reap: the pid must not be reused before its process group is killed. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	do
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG);
	while (r < 0 && errno == EINTR);
	return r < 0 || info.si_pid == pid;
}

/*
 * Until when to wait for a killed process.  On a busy machine it takes time to end: it may use the rest of its
 * deadline.
 */
static int64_t reap_deadline(const struct proc_child *child)
{
	const int64_t now = proc_clock_ms();

	if (!child->how.confined)
		return now + PROC_CHILD_REAP_MS;
	return (proc_interrupt_pending() == 0 && child->deadline > now ? child->deadline : now) +
	       PROC_CHILD_CONFINED_REAP_MS;
}

/* Both: there is no such group until the child has called setsid(2) or setpgid(2). */
static void child_kill(const struct proc_child *child)
{
	if (child->how.confined || child->how.group == PROC_CHILD_OWN_GROUP)
		(void)kill(-child->pid, SIGKILL);
	(void)kill(child->pid, SIGKILL);
}

static void child_reap(struct proc_child *child)
{
	struct proc_outcome *outcome = &child->outcome;
	const int64_t until = reap_deadline(child);
	int status = 0;

	const bool left = proc_reaper_wait(child->pid, until, &status) != child->pid;
	if (left)
		status = SIGKILL;
	if (child->how.confined)
		outcome->orphans = proc_reaper_end(&child->reaper, until, &outcome->orphans_left);
	outcome->orphans_left = outcome->orphans_left || left;
	outcome->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	outcome->status = outcome->signal != 0 ? 128 + outcome->signal : WEXITSTATUS(status);
}

void proc_child_kill(struct proc_child *child)
{
	if (child->pid <= 0)
		return;
	child_kill(child);
	child_reap(child);
	child_forget(child);
}

static bool is_program(const struct proc_child *child)
{
	return child->how.argv != NULL && !child->how.worker;
}

/*
 * A program is over when its output has ended as well: its own children may still be writing.  A function or worker is
 * over when its process has ended, whoever else has the pipes open.
 */
static bool child_is_over(struct proc_child *child)
{
	if (is_program(child) && (child->tell >= 0 || child->output >= 0))
		return false;
	return has_ended(child->pid);
}

/* 1: over, and *ret_outcome is filled; 0: not yet; -1: it could not be started. */
static int child_poll(struct proc_child *child, struct proc_outcome *ret_outcome, struct fault *f)
{
	const bool over = child_is_over(child);

	if (!over && (child->deadline == 0 || proc_clock_ms() < child->deadline))
		return 0;
	/* Read what it wrote last.  Bounded, because a process that it left behind may write forever. */
	for (int rounds = 0; rounds < DRAIN_ROUNDS && channels_read(child); rounds++)
		;
	child->outcome.late = !over && !child->outcome.answered;
	if (!over || !is_program(child))
		child_kill(child);
	child_reap(child);
	const bool has_started = child->started || child->outcome.fault.kind == FAULT_NONE;
	if (has_started) {
		*ret_outcome = child->outcome;
		child->outcome = (struct proc_outcome)PROC_OUTCOME_INIT;
	} else {
		*f = child->outcome.fault;
	}
	child_forget(child);
	return has_started ? 1 : -1;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* Sleeps until there is something to read, a child ends, a deadline passes or a watched signal arrives. */
static void children_sleep(const struct proc_interrupt_hold *hold, struct proc_child *const children[], size_t count)
{
	struct pollfd waits[2 * PROC_CHILDREN_MAX];
	size_t open = 0;
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
		/* ppoll(2) ignores -1, a pipe at end of file. */
		waits[open++] = (struct pollfd){ .fd = child->tell, .events = POLLIN };
		waits[open++] = (struct pollfd){ .fd = child->output, .events = POLLIN };
	}
	if (proc_interrupt_sleep(hold, waits, open, patience) <= 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (children[i]->pid > 0)
			(void)channels_read(children[i]);
}

/* 1: one has ended; 0: none yet. */
static int children_poll(struct proc_child *const children[], size_t count, size_t *ret_which,
			 struct proc_outcome *ret_outcome, struct fault *f)
{
	size_t alive = 0;

	if (proc_interrupt_check(f) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (children[i]->pid <= 0)
			continue;
		alive++;
		const int r = child_poll(children[i], ret_outcome, f);
		if (r > 0)
			*ret_which = i;
		if (r != 0)
			return r;
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
	while ((r = children_poll(children, count, ret_which, ret_outcome, f)) == 0)
		children_sleep(&hold, children, count);
	proc_interrupt_release(&hold);
	return r < 0 ? -1 : 0;
}

/* --- one alone ---------------------------------------------------------------------------------------------------- */

int proc_child_run(const struct proc_child_options *options, struct proc_outcome *ret_outcome, struct fault *f)
{
	struct proc_child child = { 0 };
	struct proc_child *const children[] = { &child };
	size_t which;

	if (proc_child_start(options, &child, f) < 0)
		return -1;
	const int r = proc_child_wait(children, 1, &which, ret_outcome, f);
	proc_child_kill(&child);
	return r;
}

/*
 * The last non-blank line that begins with "PROGRAM:", else the last non-blank one: warnings come before the reason,
 * and after it at most usage hints.
 */
static struct text_line reason_find(const struct text *output, const char *program)
{
	const char *name = text_leaf(program);
	const size_t size = strlen(name);
	struct text_line found = { .bytes = "" }, line;
	bool named = false;

	for (size_t at = 0; text_line_next(output->bytes, output->length, &at, &line);) {
		const bool names = line.length > size && memcmp(line.bytes, name, size) == 0 && line.bytes[size] == ':';
		if (strspn(line.bytes, " \t\r") < line.length && (names || !named)) {
			found = line;
			named = names;
		}
	}
	return found;
}

int proc_child_expect(const struct proc_child_options *options, struct fault *f)
{
	const char *name = options->what != NULL ? options->what : options->argv[0];
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	int r = 0;

	if (proc_child_run(options, &outcome, f) < 0)
		return -1;
	if (outcome.fault.kind != FAULT_NONE) {
		*f = outcome.fault;
		r = -1;
	} else if (outcome.late) {
		r = fault_late(f, "'%s' did not end within %u ms", SHOWN(name), options->deadline_ms);
	} else if (outcome.status != 0) {
		const struct text_line reason = reason_find(&outcome.output, name);
		r = fault_system(f, 0, "'%s' ended with status %d%s%s", SHOWN(name), outcome.status,
				 reason.length > 0 ? ": " : "",
				 reason.length > 0 ? SHOWN_BYTES(reason.bytes, reason.length) : "");
	}
	proc_outcome_done(&outcome);
	return r;
}
