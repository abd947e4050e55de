#include "upgrade/run.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "proc/child.h"
#include "proc/interrupt.h"

enum { CHANGES_MAX = 512 * 1024, FINDINGS_MAX = 200, TITLE_MAX = 1024 };

/* What a step's child sends; a fault comes by itself. */
enum message { MESSAGE_FINDING, MESSAGE_REMEDY, MESSAGE_CHANGE, MESSAGE_END };

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

static void send_message(int fd, enum message kind, const void *bytes, size_t length)
{
	/* Nobody listens any more: the parent is gone or gave up on us. */
	if (proc_message_write(fd, kind, bytes, length) < 0)
		_exit(1);
}

/* Severity, then title, detail and remedy with their NULs; what is too long is cut at its end. */
static void send_finding(int fd, enum upgrade_severity severity, const char *title, const char *detail,
			 const char *remedy)
{
	TEXT_AUTO message = { 0 };
	const size_t detail_most = PROC_MESSAGE_MAX / 2;

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
		send_message(act->pipe, MESSAGE_CHANGE, line, strnlen(line, PROC_MESSAGE_MAX - 1));
		return;
	case REPORT_DETAIL:
		return;
	}
}

/* What both sides of a step have to do with each other. */
struct stepping {
	const struct upgrade_run *run;
	const struct upgrade_step *step;
	bool clean;
	struct upgrade_result *result;
};

static int step_work(void *context, int tell, struct fault *f)
{
	const struct stepping *s = context;
	struct upgrade_act act = { .run = s->run, .clean = s->clean, .pipe = tell, .report = { .hear = step_hear } };

	act.report.context = &act;
	(void)signal(SIGPIPE, SIG_IGN);
	if (s->step->work(&act, f) < 0)
		return f->kind != FAULT_NONE ? -1 : fault_system(f, 0, "%s failed without a reason", s->step->title);
	const enum upgrade_outcome outcome = act.skipped   ? UPGRADE_SKIPPED
					     : act.changed ? UPGRADE_CHANGED
							   : UPGRADE_UNCHANGED;
	send_message(tell, MESSAGE_END, &outcome, sizeof(outcome));
	return 0;
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

static enum proc_child_answer message_take(void *listener, const struct proc_message *message)
{
	struct upgrade_result *result = ((struct stepping *)listener)->result;

	switch ((enum message)message->kind) {
	case MESSAGE_FINDING:
		return finding_take(result, message->bytes, message->length) ? PROC_CHILD_MORE : PROC_CHILD_GARBLED;
	case MESSAGE_REMEDY:
		free(result->remedy);
		result->remedy = strndup(message->bytes, message->length);
		return result->remedy != NULL ? PROC_CHILD_MORE : PROC_CHILD_GARBLED;
	case MESSAGE_CHANGE:
		result->change_count++;
		if (result->changes.length < CHANGES_MAX) {
			text_add(&result->changes, message->bytes, message->length);
			text_add_char(&result->changes, '\n');
		}
		return PROC_CHILD_MORE;
	case MESSAGE_END:
		if (message->length != sizeof(result->outcome))
			return PROC_CHILD_GARBLED;
		memcpy(&result->outcome, message->bytes, sizeof(result->outcome));
		return PROC_CHILD_ALL;
	}
	return PROC_CHILD_GARBLED;
}

/* 0, or -1 and why there is no good result. */
static int step_run(struct stepping *s, unsigned bound_ms, struct fault *f)
{
	const struct proc_child_options how = {
		.work = step_work,
		.context = s,
		.what = s->step->name,
		.on_message = message_take,
		.listener = s,
		.root = PROC_CHILD_STAY,
		.output = PROC_CHILD_INHERITED,
		.deadline_ms = bound_ms,
	};
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (proc_child_run(&how, &outcome, f) < 0)
		return -1;
	proc_outcome_done(&outcome);
	if (outcome.answered)
		return 0;
	if (outcome.fault.kind != FAULT_NONE) {
		*f = outcome.fault;
		return -1;
	}
	if (outcome.late)
		return fault_late(f, "%s did not end within %u.%u s", s->step->title, bound_ms / 1000,
				  bound_ms % 1000 / 100);
	if (outcome.signal != 0)
		return fault_system(f, 0, "%s was ended by signal %d", s->step->title, outcome.signal);
	return fault_system(f, 0, "%s ended without an answer", s->step->title);
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
			struct stepping stepping = { run, step, clean, result };
			const int64_t start = proc_clock_ms();
			if (step_run(&stepping, (unsigned)(wanted < (uint64_t)left ? wanted : (uint64_t)left),
				     &result->fault) < 0)
				result->outcome = UPGRADE_FAILED;
			result->elapsed_ms = (unsigned)(proc_clock_ms() - start);
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
