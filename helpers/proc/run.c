#include "proc/run.h"

#include <string.h>

#include "proc/child.h"

void proc_outcome_done(struct proc_outcome *outcome)
{
	text_done(&outcome->output);
}

int proc_run(const struct proc_run *run, struct proc_outcome *ret_outcome, struct fault *f)
{
	struct proc_child child = PROC_CHILD_INIT;
	struct proc_child *const children[] = { &child };
	size_t which;

	if (proc_child_start(run, &child, f) < 0)
		return -1;
	if (proc_child_wait(children, 1, &which, ret_outcome, f) < 0) {
		proc_child_kill(&child);
		return -1;
	}
	return 0;
}

/*
 * Of the lines that have something to read, the last that begins with the program's name, else the last: warnings come
 * before the reason, and after it at most how to use the program.
 */
static const char *reason_find(const struct text *said, const char *program, size_t *ret_length)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash != NULL ? slash + 1 : program, *found = "";
	const size_t size = strlen(name);
	bool named = false;

	*ret_length = 0;
	for (const char *line = text_string(said); *line != '\0';) {
		const size_t length = strcspn(line, "\n");
		const bool names = length > size && strncmp(line, name, size) == 0 && line[size] == ':';
		if (strspn(line, " \t\r") < length && (names || !named)) {
			found = line;
			*ret_length = length;
			named = names;
		}
		line += length + (line[length] == '\n');
	}
	return found;
}

int proc_run_expect(const struct proc_run *run, struct fault *f)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (proc_run(run, &outcome, f) < 0)
		return -1;

	int r = 0;
	size_t length;
	const char *said = reason_find(&outcome.output, run->argv[0], &length);
	if (outcome.late)
		r = fault_late(f, "'%s' did not end within %u ms", SHOWN(run->argv[0]), run->deadline_ms);
	else if (outcome.status != 0)
		r = fault_system(f, 0, "'%s' ended with status %d%s%s", SHOWN(run->argv[0]), outcome.status,
				 length > 0 ? ": " : "", length > 0 ? SHOWN_BYTES(said, length) : "");
	proc_outcome_done(&outcome);
	return r;
}
