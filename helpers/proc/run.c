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

int proc_run_expect(const struct proc_run *run, struct fault *f)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (proc_run(run, &outcome, f) < 0)
		return -1;

	int r = 0;
	const char *said = text_string(&outcome.output);
	const size_t length = strcspn(said, "\n");
	if (outcome.late)
		r = fault_late(f, "'%s' did not end within %u ms", SHOWN(run->argv[0]), run->deadline_ms);
	else if (outcome.status != 0)
		r = fault_system(f, 0, "'%s' ended with status %d%s%s", SHOWN(run->argv[0]), outcome.status,
				 length > 0 ? ": " : "", length > 0 ? SHOWN_BYTES(said, length) : "");
	proc_outcome_done(&outcome);
	return r;
}
