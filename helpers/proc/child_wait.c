#include "proc/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/handle.h"
#include "proc/interrupt.h"

enum { BLOCK_SIZE = 64 * 1024, DRAIN_ROUNDS = 64 };

void proc_outcome_done(struct proc_outcome *outcome)
{
	text_done(&outcome->output);
}

/* --- what comes of it --------------------------------------------------------------------------------------------- */

static void output_take(struct proc_child *child, const char *bytes, size_t length)
{
	struct proc_outcome *outcome = &child->outcome;
	const size_t room = PROC_CHILD_OUTPUT_MAX - outcome->output.length;

	outcome->output_length += length;
	text_add(&outcome->output, bytes, length < room ? length : room);
}

static bool fault_take(struct fault *fault, const struct proc_message *message)
{
	struct fault told;

	if (message->length != sizeof(told))
		return false;
	memcpy(&told, message->bytes, sizeof(told));
	told.text[FAULT_TEXT_MAX - 1] = '\0';
	if (told.kind <= FAULT_NONE || told.kind > FAULT_LATE)
		return false;
	*fault = told;
	return true;
}

/* False: it is nobody's. */
static bool message_take(struct proc_child *child, const struct proc_message *message)
{
	struct proc_outcome *outcome = &child->outcome;

	if (message->kind == PROC_CHILD_FAILED)
		return fault_take(&outcome->fault, message);
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

static void tell_take(struct proc_child *child, const char *bytes, size_t length)
{
	struct proc_message message;
	int r = 0;

	if (child->outcome.garbled)
		return;
	proc_message_reader_add(&child->reader, bytes, length);
	while (!child->outcome.garbled && (r = proc_message_reader_next(&child->reader, &message)) != 0)
		child->outcome.garbled = r < 0 || !message_take(child, &message);
}

/* One read; a descriptor at its end becomes -1.  True while there may be more at once. */
static bool channel_read(struct proc_child *child, int *fd, void (*take)(struct proc_child *, const char *, size_t))
{
	char block[BLOCK_SIZE];

	if (*fd < 0)
		return false;
	const ssize_t got = read(*fd, block, sizeof(block));
	if (got > 0)
		take(child, block, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		fs_close(fd);
	return got > 0;
}

static bool channels_read(struct proc_child *child)
{
	const bool more = channel_read(child, &child->tell, tell_take);

	return channel_read(child, &child->output, output_take) || more;
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

/* Ended, but not reaped: until its group is killed, nobody else may get its number. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };
	int r;

	do
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG);
	while (r < 0 && errno == EINTR);
	return r < 0 || info.si_pid == pid;
}

/* On a busy machine even a killed process takes time to end, so what is left of the deadline may be used for it. */
static int64_t reap_end(const struct proc_child *child)
{
	const int64_t now = proc_clock_ms();

	if (!child->how.confined)
		return now + PROC_CHILD_REAP_MS;
	return (proc_interrupt_pending() == 0 && child->deadline > now ? child->deadline : now) +
	       PROC_CHILD_CONFINED_REAP_MS;
}

/* Before it has called setsid(2) or setpgid(2), there is no such group yet. */
static void child_kill(const struct proc_child *child)
{
	if (child->how.confined || child->how.group == PROC_CHILD_OWN_GROUP)
		(void)kill(-child->pid, SIGKILL);
	(void)kill(child->pid, SIGKILL);
}

static void child_reap(struct proc_child *child)
{
	struct proc_outcome *outcome = &child->outcome;
	const int64_t until = reap_end(child);
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

/*
 * A program is over when its output has ended, too: what it started may still be writing.  A function is over when its
 * process has ended, whoever else holds the pipes.
 */
static bool child_is_over(struct proc_child *child)
{
	if (child->how.argv != NULL && (child->tell >= 0 || child->output >= 0))
		return false;
	return has_ended(child->pid);
}

/* 1: over, and *ret_outcome is filled; 0: not yet; -1: it never began. */
static int child_look(struct proc_child *child, struct proc_outcome *ret_outcome, struct fault *f)
{
	const bool over = child_is_over(child);

	if (!over && (child->deadline == 0 || proc_clock_ms() < child->deadline))
		return 0;
	/* It may have written just before it ended.  Bounded, because a process that it left behind may never stop. */
	for (int rounds = 0; rounds < DRAIN_ROUNDS && channels_read(child); rounds++)
		;
	child->outcome.late = !over && !child->outcome.answered;
	if (!over || child->how.argv == NULL)
		child_kill(child);
	child_reap(child);
	const bool begun = child->started || child->outcome.fault.kind == FAULT_NONE;
	if (begun) {
		*ret_outcome = child->outcome;
		child->outcome = (struct proc_outcome)PROC_OUTCOME_INIT;
	} else {
		*f = child->outcome.fault;
	}
	child_forget(child);
	return begun ? 1 : -1;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* Sleeps until something comes, a child ends, a deadline has passed or a watched signal comes. */
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
		/* A pipe that has ended is -1, which ppoll(2) ignores. */
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
		const int r = child_look(children[i], ret_outcome, f);
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
	while ((r = children_look(children, count, ret_which, ret_outcome, f)) == 0)
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
 * Of the lines that have something to read, the last that begins with the program's name, else the last: warnings come
 * before the reason, and after it at most how to use the program.
 */
static struct text_line reason_find(const struct text *output, const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash != NULL ? slash + 1 : program;
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
