#include "upgrade/step.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"
#include "conf/finding.h"
#include "proc/child.h"
#include "proc/interrupt.h"

enum { CHANGES_MAX = 512 * 1024, FINDINGS_MAX = 200, TITLE_MAX = 1024 };

/* From a step's child; proc/child sends the fault. */
enum message { MESSAGE_FINDING, MESSAGE_REMEDY, MESSAGE_CHANGE, MESSAGE_ANSWERED, MESSAGE_END };

void step_finding_done(struct step_finding *finding)
{
	free(finding->title);
	free(finding->detail);
	free(finding->remedy);
}

void upgrade_run_done(struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++) {
		struct step_result *result = &run->results[i];
		for (size_t k = 0; k < result->finding_count; k++)
			step_finding_done(&result->findings[k]);
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
	/* The parent is gone, or gave up on us. */
	if (proc_message_write(fd, kind, bytes, length) < 0)
		_exit(1);
}

/* A byte of severity, then title, detail and remedy, each with its NUL; each is cut where it is too long. */
__attribute__((format(printf, 5, 0))) static void send_finding(struct step *step, enum step_severity severity,
							       const char *remedy, const char *detail,
							       const char *title_format, va_list arguments)
{
	TEXT_AUTO message = { 0 };
	char title[TITLE_MAX];

	(void)vsnprintf(title, sizeof(title), title_format, arguments);
	text_add_char(&message, (char)severity);
	text_add(&message, title, strlen(title) + 1);
	if (detail != NULL)
		text_add(&message, detail, strnlen(detail, PROC_MESSAGE_MAX / 2));
	text_add_char(&message, '\0');
	if (remedy != NULL)
		text_add(&message, remedy, strnlen(remedy, TITLE_MAX));
	text_add_char(&message, '\0');
	if (!message.failed)
		send_message(step->pipe, MESSAGE_FINDING, message.bytes, message.length);
}

void step_add_finding(struct step *step, enum step_severity severity, const char *remedy, const char *detail,
		      const char *title_format, ...)
{
	va_list arguments;

	va_start(arguments, title_format);
	send_finding(step, severity, remedy, detail, title_format, arguments);
	va_end(arguments);
}

void step_add_info(struct step *step, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_finding(step, STEP_INFO, NULL, NULL, format, arguments);
	va_end(arguments);
}

int step_set_remedy(struct step *step, const char *format, ...)
{
	char remedy[TITLE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(remedy, sizeof(remedy), format, arguments);
	va_end(arguments);
	send_message(step->pipe, MESSAGE_REMEDY, remedy, strlen(remedy));
	return -1;
}

void step_set_answered(struct step *step)
{
	send_message(step->pipe, MESSAGE_ANSWERED, "", 0);
}

/* A room's line may end in "; fix: COMMAND": returns the remedy or NULL, and the length of the line without it. */
static const char *remedy_find(const char *line, size_t *ret_length)
{
	static const char command[] = "; fix: ", install[] = "; " FINDING_INSTALL_IT;
	const char *at = strstr(line, command), *remedy = at != NULL ? at + strlen(command) : NULL;

	if (at == NULL && (at = strstr(line, install)) != NULL)
		remedy = at + strlen("; ");
	*ret_length = at != NULL ? (size_t)(at - line) : strlen(line);
	return remedy;
}

static void warning_add(struct step *step, const char *line)
{
	size_t length;
	const char *remedy = remedy_find(line, &length);

	step_add_finding(step, STEP_MEDIUM, remedy, NULL, "%.*s", (int)length, line);
}

static void line_add(struct report *self, enum report_level level, const char *line)
{
	struct step *step = self->context;

	switch (level) {
	case REPORT_WARNING:
		warning_add(step, line);
		return;
	case REPORT_RESULT:
		send_message(step->pipe, MESSAGE_CHANGE, line, strnlen(line, PROC_MESSAGE_MAX - 1));
		return;
	case REPORT_DETAIL:
		return;
	}
}

/* What parent and child of a step share. */
struct work {
	const struct upgrade_run *run;
	struct step_result *result;
};

static int step_work(void *context, int tell, struct fault *f)
{
	const struct work *work = context;
	const struct step_row *row = work->result->row;
	struct step step = { .run = work->run, .pipe = tell, .report = { .on_line = line_add, .context = &step } };

	(void)signal(SIGPIPE, SIG_IGN);
	if (row->work(&step, f) < 0) {
		size_t length;
		const char *remedy = remedy_find(f->text, &length);
		if (remedy != NULL) {
			(void)step_set_remedy(&step, "%s", remedy);
			f->text[length] = '\0';
		}
		return f->kind != FAULT_NONE ? -1 : fault_system(f, 0, "%s failed without giving a reason", row->title);
	}
	const enum step_outcome outcome = step.skipped   ? STEP_SKIPPED
					  : step.partial ? STEP_PARTIAL
					  : step.changed ? STEP_CHANGED
							 : STEP_UNCHANGED;
	send_message(tell, MESSAGE_END, &outcome, sizeof(outcome));
	return 0;
}

/* --- in the parent --------------------------------------------------------------------------------------------- */

static bool finding_receive(struct step_result *result, const char *bytes, size_t length)
{
	if (length < 4 || bytes[0] < STEP_INFO || bytes[0] > STEP_UNLESS_ANSWERED || bytes[length - 1] != '\0')
		return false;
	const enum step_severity severity = (enum step_severity)bytes[0];
	/* Nobody reads more findings, but always keep those that decide the answer. */
	if (result->finding_count >= FINDINGS_MAX && severity < STEP_HIGH)
		return true;

	const char *title = bytes + 1, *detail = title + strlen(title) + 1;
	const char *remedy = detail < bytes + length ? detail + strlen(detail) + 1 : NULL;
	if (remedy == NULL || remedy >= bytes + length || !ARRAY_GROW(result->findings, result->finding_count))
		return false;
	struct step_finding *finding = &result->findings[result->finding_count++];
	*finding = (struct step_finding){
		.severity = severity, .title = strdup(title), .detail = strdup(detail), .remedy = strdup(remedy)
	};
	return finding->title != NULL && finding->detail != NULL && finding->remedy != NULL;
}

static bool is_answered(const struct upgrade_run *run)
{
	for (size_t i = 0; i < run->result_count; i++)
		if (run->results[i].answered && run->results[i].outcome != STEP_FAILED)
			return true;
	return false;
}

static int finding_downgrade(struct step_finding *finding, struct fault *f)
{
	TEXT_AUTO title = { 0 };

	text_add_format(&title, "%s; yet the HSM answers", finding->title);
	if (text_check(&title, f) < 0)
		return -1;
	free(finding->title);
	finding->title = text_take(&title);
	finding->severity = STEP_LOW;
	return 0;
}

/* At the end of the run, when it is known whether the HSM answers: replaces STEP_UNLESS_ANSWERED. */
static int severities_resolve(struct upgrade_run *run, struct fault *f)
{
	const bool answered = is_answered(run);

	for (size_t i = 0; i < run->result_count; i++) {
		for (size_t k = 0; k < run->results[i].finding_count; k++) {
			struct step_finding *finding = &run->results[i].findings[k];
			if (finding->severity != STEP_UNLESS_ANSWERED)
				continue;
			if (answered && finding_downgrade(finding, f) < 0)
				return -1;
			if (answered)
				continue;
			finding->severity = STEP_HIGH;
			if (run->verdict.kind == FAULT_NONE)
				(void)fault_negative(&run->verdict, "%s", finding->title);
		}
	}
	return 0;
}

static enum proc_child_answer message_receive(void *listener, const struct proc_message *message)
{
	struct step_result *result = ((struct work *)listener)->result;

	switch ((enum message)message->kind) {
	case MESSAGE_FINDING:
		return finding_receive(result, message->bytes, message->length) ? PROC_CHILD_MORE : PROC_CHILD_GARBLED;
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
	case MESSAGE_ANSWERED:
		result->answered = true;
		return PROC_CHILD_MORE;
	case MESSAGE_END:
		if (message->length != sizeof(result->outcome))
			return PROC_CHILD_GARBLED;
		memcpy(&result->outcome, message->bytes, sizeof(result->outcome));
		return PROC_CHILD_ALL;
	}
	return PROC_CHILD_GARBLED;
}

static int step_run(struct work *work, unsigned bound_ms, struct fault *f)
{
	const struct step_row *row = work->result->row;
	struct proc_child_options how = proc_child_function(step_work, work, row->name, message_receive);
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	how.deadline_ms = bound_ms;
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
		return fault_late(f, "%s did not end within %u.%u s", row->title, bound_ms / 1000,
				  bound_ms % 1000 / 100);
	if (outcome.signal != 0)
		return fault_system(f, 0, "%s was ended by signal %d", row->title, outcome.signal);
	return fault_system(f, 0, "%s ended without an answer", row->title);
}

/* `end`: when the hook's time is over. */
static void step_run_bounded(const struct upgrade_run *run, int64_t end, struct step_result *result)
{
	struct work work = { .run = run, .result = result };
	const int64_t begun = proc_clock_ms(), left = end - begun;
	const struct step_row *row = result->row;
	const uint64_t wanted =
		row->bound_ms > 0 ? row->bound_ms : run->settings->slot_timeout * 1000 + STEP_SLOTS_GRACE_MS;
	const int r = left <= 0 ? fault_late(&result->fault, "no time was left for it: %s", row->title)
				: step_run(&work, (unsigned)(wanted < (uint64_t)left ? wanted : (uint64_t)left),
					   &result->fault);

	if (r < 0)
		result->outcome = STEP_FAILED;
	result->elapsed_ms = (unsigned)(proc_clock_ms() - begun);
}

static void result_add(struct upgrade_run *run, const struct step_result *result)
{
	run->changed = run->changed || result->outcome == STEP_CHANGED || result->outcome == STEP_PARTIAL;
	if (run->verdict.kind != FAULT_NONE)
		return;
	if (result->outcome == STEP_FAILED)
		run->verdict = result->fault;
	for (size_t i = 0; i < result->finding_count && run->verdict.kind == FAULT_NONE; i++)
		if (result->findings[i].severity == STEP_HIGH)
			(void)fault_negative(&run->verdict, "%s", result->findings[i].title);
}

bool step_result_is_bad(const struct step_result *result)
{
	bool bad = result->outcome == STEP_FAILED;

	for (size_t i = 0; i < result->finding_count; i++)
		bad = bad || result->findings[i].severity == STEP_HIGH;
	return bad;
}

const struct step_result *upgrade_result_of(const struct upgrade_run *run, int (*work)(struct step *, struct fault *))
{
	for (size_t i = 0; i < run->result_count; i++)
		if (run->results[i].row->work == work)
			return &run->results[i];
	return NULL;
}

enum step_outcome upgrade_outcome_of(const struct upgrade_run *run, int (*work)(struct step *, struct fault *))
{
	const struct step_result *result = upgrade_result_of(run, work);

	return result != NULL ? result->outcome : STEP_SKIPPED;
}

int upgrade_run_steps(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f)
{
	const int64_t begun = proc_clock_ms();
	bool undoable = true;

	run->started = time_now();
	run->results = calloc(count, sizeof(run->results[0]));
	if (run->results == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < count; i++) {
		const struct step_row *row = &rows[i];
		struct step_result *result = &run->results[run->result_count++];

		*result = (struct step_result){ .row = row, .outcome = STEP_SKIPPED };
		if ((row->when == STEP_IF_CLEAN && run->verdict.kind != FAULT_NONE) ||
		    ((row->when == STEP_RECORD || row->when == STEP_IF_RECORDED) && !undoable))
			continue;
		if (run->progress != NULL)
			run->progress(run, row, i, count);
		step_run_bounded(run, begun + run->bound_ms, result);
		result_add(run, result);
		undoable = undoable && (row->when != STEP_RECORD || result->outcome != STEP_FAILED);
	}
	run->elapsed_ms = (unsigned)(proc_clock_ms() - begun);
	return severities_resolve(run, f);
}
