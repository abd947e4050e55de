#include "upgrade/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/handle.h"
#include "base/time.h"
#include "proc/clock.h"

enum { CHANGES_MAX = 512 * 1024, FINDINGS_MAX = 200, MESSAGE_MAX = 16 * 1024, TITLE_MAX = 1024, REAP_MS = 1000 };

/* What a step's child sends: a letter, the length of the rest, the rest. */
enum message { MESSAGE_FINDING = 'F', MESSAGE_REMEDY = 'R', MESSAGE_CHANGE = 'C', MESSAGE_END = 'E' };

struct message_head {
	uint32_t kind, length;
};

struct message_end {
	uint32_t outcome;
	struct fault fault;
};

static const char *const severity_names[] = { "info", "low", "medium", "high" };
static const char *const outcome_names[] = { "unchanged", "changed", "skipped", "failed" };

const char *upgrade_severity_name(enum upgrade_severity severity)
{
	return severity_names[severity];
}

const char *upgrade_outcome_name(enum upgrade_outcome outcome)
{
	return outcome_names[outcome];
}

void upgrade_run_done(struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++) {
		struct upgrade_result *result = &run->results[i];
		for (size_t k = 0; k < result->finding_count; k++) {
			free(result->findings[k].title);
			free(result->findings[k].detail);
			free(result->findings[k].remedy);
		}
		free(result->findings);
		free(result->remedy);
		text_done(&result->changes);
	}
	text_done(&run->complaints);
	free(run->results);
	run->results = NULL;
	run->result_count = 0;
}

/* --- in the child ---------------------------------------------------------------------------------------------- */

static void send_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		const ssize_t wrote = write(fd, at, length);
		if (wrote < 0 && errno == EINTR)
			continue;
		/* Nobody listens any more: the parent is gone or gave up on us. */
		if (wrote <= 0)
			_exit(1);
		at += wrote;
		length -= (size_t)wrote;
	}
}

static void send_message(int fd, enum message kind, const void *bytes, size_t length)
{
	const struct message_head head = { .kind = kind, .length = (uint32_t)length };

	send_all(fd, &head, sizeof(head));
	send_all(fd, bytes, length);
}

/* Severity, then title, detail and remedy with their NULs; what is too long is cut at its end. */
static void send_finding(int fd, enum upgrade_severity severity, const char *title, const char *detail,
			 const char *remedy)
{
	TEXT_AUTO message = { 0 };
	const size_t detail_most = MESSAGE_MAX / 2;

	text_add_char(&message, (char)('0' + severity));
	text_add(&message, title, strlen(title));
	text_add_char(&message, '\0');
	text_add(&message, detail, strnlen(detail, detail_most));
	text_add_char(&message, '\0');
	text_add(&message, remedy, strnlen(remedy, TITLE_MAX));
	text_add_char(&message, '\0');
	if (!message.failed)
		send_message(fd, MESSAGE_FINDING, message.bytes, message.length);
}

void upgrade_act_find(struct upgrade_act *act, enum upgrade_severity severity, const char *remedy, const char *detail,
		      const char *title_format, ...)
{
	char title[TITLE_MAX];
	va_list arguments;

	va_start(arguments, title_format);
	(void)vsnprintf(title, sizeof(title), title_format, arguments);
	va_end(arguments);
	send_finding(act->pipe, severity, title, detail != NULL ? detail : "", remedy != NULL ? remedy : "");
}

void upgrade_act_remedy(struct upgrade_act *act, const char *format, ...)
{
	char remedy[TITLE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(remedy, sizeof(remedy), format, arguments);
	va_end(arguments);
	send_message(act->pipe, MESSAGE_REMEDY, remedy, strlen(remedy) + 1);
}

static void step_hear(struct report *self, enum report_level level, const char *line)
{
	struct upgrade_act *act = self->context;

	switch (level) {
	case REPORT_WARNING:
		upgrade_act_find(act, UPGRADE_MEDIUM, NULL, NULL, "%s", line);
		return;
	case REPORT_RESULT:
		send_message(act->pipe, MESSAGE_CHANGE, line, strnlen(line, MESSAGE_MAX - 1));
		return;
	case REPORT_DETAIL:
		return;
	}
}

static void __attribute__((noreturn))
step_child(const struct upgrade_run *run, const struct upgrade_step *step, bool clean, int pipe, pid_t parent)
{
	struct upgrade_act act = { .run = run, .clean = clean, .pipe = pipe, .report = { .hear = step_hear } };
	struct message_end end = { .fault = { 0 } };

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A timer of the parent's is not inherited; a step that forgets its own ends is ended by its parent. */
	act.report.context = &act;
	const int r = step->work(&act, &end.fault);
	if (r == 0)
		end.fault = (struct fault){ 0 };
	/* A step that failed without a word must never pass for a good one. */
	else if (end.fault.kind == FAULT_NONE)
		(void)fault_system(&end.fault, 0, "%s failed without a reason", step->title);
	end.outcome = r < 0         ? UPGRADE_FAILED
		      : act.skipped ? UPGRADE_SKIPPED
		      : act.changed ? UPGRADE_CHANGED
				    : UPGRADE_UNCHANGED;
	send_message(pipe, MESSAGE_END, &end, sizeof(end));
	_exit(0);
}

/* --- in the parent --------------------------------------------------------------------------------------------- */

static char *piece_take(const char **at, size_t *left)
{
	const char *end = memchr(*at, '\0', *left);

	if (end == NULL)
		return NULL;
	char *copy = strdup(*at);
	*left -= (size_t)(end - *at) + 1;
	*at = end + 1;
	return copy;
}

static bool finding_take(struct upgrade_result *result, const char *bytes, size_t length)
{
	if (length < 4 || bytes[0] < '0' || bytes[0] > '0' + UPGRADE_HIGH)
		return false;
	struct upgrade_finding finding = { .severity = (enum upgrade_severity)(bytes[0] - '0') };
	/* A tree with ten thousand odd entries makes no report that anyone reads; what decides is always kept. */
	if (result->finding_count >= FINDINGS_MAX && finding.severity != UPGRADE_HIGH)
		return true;

	const char *at = bytes + 1;
	size_t left = length - 1;
	finding.title = piece_take(&at, &left);
	finding.detail = piece_take(&at, &left);
	finding.remedy = piece_take(&at, &left);
	struct upgrade_finding *grown =
		realloc(result->findings, (result->finding_count + 1) * sizeof(result->findings[0]));
	if (grown != NULL)
		result->findings = grown;
	if (grown == NULL || finding.title == NULL || finding.detail == NULL || finding.remedy == NULL) {
		free(finding.title);
		free(finding.detail);
		free(finding.remedy);
		return false;
	}
	result->findings[result->finding_count++] = finding;
	return true;
}

/* Takes one message; *ret_end is set with the last one. */
static bool message_take(struct upgrade_result *result, const struct message_head *head, const char *bytes,
			 bool *ret_end)
{
	switch (head->kind) {
	case MESSAGE_FINDING:
		return finding_take(result, bytes, head->length);
	case MESSAGE_REMEDY:
		free(result->remedy);
		result->remedy = strndup(bytes, head->length);
		return result->remedy != NULL;
	case MESSAGE_CHANGE:
		result->change_count++;
		if (result->changes.length < CHANGES_MAX) {
			text_add(&result->changes, bytes, head->length);
			text_add_char(&result->changes, '\n');
		}
		return true;
	case MESSAGE_END: {
		struct message_end end;
		if (head->length != sizeof(end))
			return false;
		memcpy(&end, bytes, sizeof(end));
		end.fault.text[FAULT_TEXT_MAX - 1] = '\0';
		result->outcome = (enum upgrade_outcome)end.outcome;
		result->fault = end.fault;
		*ret_end = true;
		return true;
	}
	}
	return false;
}

/* Reads messages until the last one, the end of the pipe or the deadline; true when the deadline came first. */
static bool messages_read(int fd, int64_t deadline, struct upgrade_result *result, bool *ret_end)
{
	TEXT_AUTO held = { 0 };
	char block[8192];

	for (;;) {
		const int64_t left = deadline - proc_clock_ms();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		if (left <= 0)
			return true;
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		const ssize_t got = read(fd, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		text_add(&held, block, (size_t)got);
		if (held.failed)
			return false;

		size_t at = 0;
		struct message_head head;
		while (held.length - at >= sizeof(head)) {
			memcpy(&head, held.bytes + at, sizeof(head));
			if (head.length > MESSAGE_MAX)
				return false;
			if (held.length - at - sizeof(head) < head.length)
				break;
			if (!message_take(result, &head, held.bytes + at + sizeof(head), ret_end) || *ret_end)
				return false;
			at += sizeof(head) + head.length;
		}
		memmove(held.bytes, held.bytes + at, held.length - at);
		held.length -= at;
	}
}

/* A killed child that the kernel holds (a dead disk, a dead network file system) is not waited for without end. */
static int step_wait(pid_t pid)
{
	const int64_t deadline = proc_clock_ms() + REAP_MS;
	int status = 0;

	for (;;) {
		const pid_t ended = waitpid(pid, &status, WNOHANG);
		if (ended == pid)
			return status;
		if ((ended < 0 && errno != EINTR) || proc_clock_ms() >= deadline)
			return SIGKILL;
		const struct timespec pause = { .tv_sec = 0, .tv_nsec = 200000L };
		(void)nanosleep(&pause, NULL);
	}
}

static void step_run(const struct upgrade_run *run, const struct upgrade_step *step, bool clean, unsigned bound_ms,
		     struct upgrade_result *result)
{
	int pipes[2];

	result->outcome = UPGRADE_FAILED;
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		(void)fault_system(&result->fault, errno, "cannot start the step '%s'", step->name);
		return;
	}
	FS_AUTO int from = pipes[0];
	FS_AUTO int to = pipes[1];
	const pid_t parent = getpid();

	/* Nothing that waits in our buffers may be written twice. */
	(void)fflush(NULL);
	const int64_t begun = proc_clock_ms();
	const pid_t pid = fork();
	if (pid < 0) {
		(void)fault_system(&result->fault, errno, "cannot start the step '%s'", step->name);
		return;
	}
	if (pid == 0) {
		(void)close(from);
		step_child(run, step, clean, to, parent);
	}
	(void)setpgid(pid, pid);
	fs_close(&to);

	bool ended = false;
	const bool late = messages_read(from, begun + bound_ms, result, &ended);
	if (!ended)
		(void)kill(-pid, SIGKILL);
	const int status = step_wait(pid);
	result->elapsed_ms = (unsigned)(proc_clock_ms() - begun);
	if (ended)
		return;
	if (late)
		(void)fault_late(&result->fault, "%s did not end within %u.%u s", step->title, bound_ms / 1000,
				 bound_ms % 1000 / 100);
	else if (WIFSIGNALED(status))
		(void)fault_system(&result->fault, 0, "%s was ended by signal %d", step->title, WTERMSIG(status));
	else
		(void)fault_system(&result->fault, 0, "%s ended without an answer", step->title);
}

int upgrade_run_steps(struct upgrade_run *run, const struct upgrade_step *steps, size_t count, struct fault *f)
{
	const int64_t begun = proc_clock_ms();
	bool clean = true, begun_well = true;

	run->started = time_now();
	run->results = calloc(count, sizeof(run->results[0]));
	if (run->results == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < count; i++) {
		const struct upgrade_step *step = &steps[i];
		struct upgrade_result *result = &run->results[run->result_count++];
		*result = (struct upgrade_result){ .step = step, .outcome = UPGRADE_SKIPPED, .changes = { 0 } };

		if ((step->when == UPGRADE_IF_CLEAN && !clean) ||
		    ((step->when == UPGRADE_BEGIN || step->when == UPGRADE_IF_BEGUN) && !begun_well))
			continue;
		if (run->progress != NULL)
			run->progress(run, step, i, count);
		const uint64_t wanted = step->bound_ms > 0
						? step->bound_ms
						: run->settings->slot_timeout * 1000 + UPGRADE_SLOTS_GRACE_MS;
		const int64_t left = begun + run->bound_ms - proc_clock_ms();
		if (left <= 0) {
			result->outcome = UPGRADE_FAILED;
			(void)fault_late(&result->fault, "no time was left for it: %s", step->title);
		} else {
			step_run(run, step, clean, (unsigned)(wanted < (uint64_t)left ? wanted : (uint64_t)left),
				 result);
		}
		for (size_t k = 0; k < result->finding_count; k++)
			clean = clean && result->findings[k].severity != UPGRADE_HIGH;
		clean = clean && result->outcome != UPGRADE_FAILED;
		begun_well = begun_well && (step->when != UPGRADE_BEGIN || result->outcome != UPGRADE_FAILED);
	}
	run->elapsed_ms = (unsigned)(proc_clock_ms() - begun);
	return 0;
}

static const struct upgrade_finding *high_finding(const struct upgrade_result *result)
{
	for (size_t k = 0; k < result->finding_count; k++)
		if (result->findings[k].severity == UPGRADE_HIGH)
			return &result->findings[k];
	return NULL;
}

const struct upgrade_result *upgrade_run_failure(const struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++)
		if (run->results[i].outcome == UPGRADE_FAILED || high_finding(&run->results[i]) != NULL)
			return &run->results[i];
	return NULL;
}

int upgrade_run_verdict(const struct upgrade_run *run, struct fault *f)
{
	const struct upgrade_result *failure = upgrade_run_failure(run);

	if (failure == NULL)
		return 0;
	if (failure->outcome == UPGRADE_FAILED) {
		*f = failure->fault;
		return -1;
	}
	return fault_negative(f, "%s", high_finding(failure)->title);
}

bool upgrade_run_changed(const struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++)
		if (run->results[i].outcome == UPGRADE_CHANGED)
			return true;
	return false;
}
