#include "upgrade/step.h"

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

const char *step_severity_name(enum step_severity severity)
{
	return severity_names[severity];
}

const char *step_outcome_name(enum step_outcome outcome)
{
	return outcome_names[outcome];
}

void upgrade_run_done(struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++) {
		struct step_result *result = &run->results[i];
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
static void send_finding(int fd, enum step_severity severity, const char *title, const char *detail, const char *remedy)
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

void step_add_finding(struct step *step, enum step_severity severity, const char *remedy, const char *detail,
		      const char *title_format, ...)
{
	char title[TITLE_MAX];
	va_list arguments;

	va_start(arguments, title_format);
	(void)vsnprintf(title, sizeof(title), title_format, arguments);
	va_end(arguments);
	send_finding(step->pipe, severity, title, detail != NULL ? detail : "", remedy != NULL ? remedy : "");
}

void step_set_remedy(struct step *step, const char *format, ...)
{
	char remedy[TITLE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(remedy, sizeof(remedy), format, arguments);
	va_end(arguments);
	send_message(step->pipe, MESSAGE_REMEDY, remedy, strlen(remedy) + 1);
}

static void step_hear(struct report *self, enum report_level level, const char *line)
{
	struct step *step = self->context;

	switch (level) {
	case REPORT_WARNING:
		step_add_finding(step, STEP_MEDIUM, NULL, NULL, "%s", line);
		return;
	case REPORT_RESULT:
		send_message(step->pipe, MESSAGE_CHANGE, line, strnlen(line, PROC_MESSAGE_MAX - 1));
		return;
	case REPORT_DETAIL:
		return;
	}
}

/* What both sides of a step have to do with each other. */
struct stepping {
	const struct upgrade_run *run;
	const struct step_row *row;
	bool clean;
	struct step_result *result;
};

static int step_work(void *context, int tell, struct fault *f)
{
	const struct stepping *s = context;
	struct step step = { .run = s->run, .clean = s->clean, .pipe = tell, .report = { .hear = step_hear } };

	step.report.context = &step;
	(void)signal(SIGPIPE, SIG_IGN);
	if (s->row->work(&step, f) < 0)
		return f->kind != FAULT_NONE ? -1 : fault_system(f, 0, "%s failed without a reason", s->row->title);
	const enum step_outcome outcome = step.skipped ? STEP_SKIPPED : step.changed ? STEP_CHANGED : STEP_UNCHANGED;
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

static bool finding_take(struct step_result *result, const char *bytes, size_t length)
{
	if (length < 4 || bytes[0] < '0' || bytes[0] > '0' + STEP_HIGH)
		return false;
	struct step_finding finding = { .severity = (enum step_severity)(bytes[0] - '0') };
	/* A tree with ten thousand odd entries makes no report that anyone reads; what decides is always kept. */
	if (result->finding_count >= FINDINGS_MAX && finding.severity != STEP_HIGH)
		return true;

	const char *at = bytes + 1;
	size_t left = length - 1;
	finding.title = piece_take(&at, &left);
	finding.detail = piece_take(&at, &left);
	finding.remedy = piece_take(&at, &left);
	struct step_finding *grown =
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
	struct step_result *result = ((struct stepping *)listener)->result;

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
		.what = s->row->name,
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
		return fault_late(f, "%s did not end within %u.%u s", s->row->title, bound_ms / 1000,
				  bound_ms % 1000 / 100);
	if (outcome.signal != 0)
		return fault_system(f, 0, "%s was ended by signal %d", s->row->title, outcome.signal);
	return fault_system(f, 0, "%s ended without an answer", s->row->title);
}

int upgrade_run_steps(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f)
{
	const int64_t begun = proc_clock_ms();
	bool clean = true, begun_well = true;

	run->started = time_now();
	run->results = calloc(count, sizeof(run->results[0]));
	if (run->results == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < count; i++) {
		const struct step_row *row = &rows[i];
		struct step_result *result = &run->results[run->result_count++];
		*result = (struct step_result){ .row = row, .outcome = STEP_SKIPPED, .changes = { 0 } };

		if ((row->when == STEP_IF_CLEAN && !clean) ||
		    ((row->when == STEP_BEGIN || row->when == STEP_IF_BEGUN) && !begun_well))
			continue;
		if (run->progress != NULL)
			run->progress(run, row, i, count);
		const uint64_t wanted =
			row->bound_ms > 0 ? row->bound_ms : run->settings->slot_timeout * 1000 + STEP_SLOTS_GRACE_MS;
		const int64_t left = begun + run->bound_ms - proc_clock_ms();
		if (left <= 0) {
			result->outcome = STEP_FAILED;
			(void)fault_late(&result->fault, "no time was left for it: %s", row->title);
		} else {
			struct stepping stepping = { run, row, clean, result };
			const int64_t start = proc_clock_ms();
			if (step_run(&stepping, (unsigned)(wanted < (uint64_t)left ? wanted : (uint64_t)left),
				     &result->fault) < 0)
				result->outcome = STEP_FAILED;
			result->elapsed_ms = (unsigned)(proc_clock_ms() - start);
		}
		for (size_t k = 0; k < result->finding_count; k++)
			clean = clean && result->findings[k].severity != STEP_HIGH;
		clean = clean && result->outcome != STEP_FAILED;
		begun_well = begun_well && (row->when != STEP_BEGIN || result->outcome != STEP_FAILED);
	}
	run->elapsed_ms = (unsigned)(proc_clock_ms() - begun);
	return 0;
}

static const struct step_finding *high_finding(const struct step_result *result)
{
	for (size_t k = 0; k < result->finding_count; k++)
		if (result->findings[k].severity == STEP_HIGH)
			return &result->findings[k];
	return NULL;
}

const struct step_result *upgrade_run_failure(const struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++)
		if (run->results[i].outcome == STEP_FAILED || high_finding(&run->results[i]) != NULL)
			return &run->results[i];
	return NULL;
}

int upgrade_run_verdict(const struct upgrade_run *run, struct fault *f)
{
	const struct step_result *failure = upgrade_run_failure(run);

	if (failure == NULL)
		return 0;
	if (failure->outcome == STEP_FAILED) {
		*f = failure->fault;
		return -1;
	}
	return fault_negative(f, "%s", high_finding(failure)->title);
}

bool upgrade_run_changed(const struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++)
		if (run->results[i].outcome == STEP_CHANGED)
			return true;
	return false;
}
