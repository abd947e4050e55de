/* proc/child and proc/interrupt: several children, their deadlines and a person's ^C. */
#include "unit.h"

#include <signal.h>

#include "proc/child.h"
#include "proc/interrupt.h"

static void start(struct proc_child *child, const char *script, unsigned deadline_ms)
{
	struct fault f = { 0 };
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct proc_run run = PROC_RUN_INIT;

	run.argv = argv;
	run.deadline_ms = deadline_ms;
	if (proc_child_start(&run, child, &f) < 0)
		fail_msg("%s", f.text);
}

/* Each waits for all: one after another none would end. */
static void children_run_at_the_same_time_and_each_is_told(void **state)
{
	enum { COUNT = 5 };
	const struct unit_place *place = *state;
	struct proc_child children[COUNT];
	struct proc_child *all[COUNT];
	unsigned seen = 0;

	for (size_t i = 0; i < COUNT; i++) {
		char script[256];
		children[i] = (struct proc_child)PROC_CHILD_INIT;
		(void)snprintf(script, sizeof(script),
			       "cd %s && : >%zu; until [ \"$(echo *)\" = '0 1 2 3 4' ]; do sleep 0.01; done; "
			       "echo child %zu; exit %zu",
			       place->path, i, i, i);
		start(&children[i], script, 60000);
		all[i] = &children[i];
	}
	for (size_t i = 0; i < COUNT; i++) {
		struct fault f = { 0 };
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		size_t which = COUNT;
		char expected[16];

		assert_int_equal(proc_child_wait(all, COUNT, &which, &outcome, &f), 0);
		assert_true(which < COUNT);
		assert_int_equal(outcome.status, which);
		assert_false(outcome.late);
		(void)snprintf(expected, sizeof(expected), "child %zu\n", which);
		assert_string_equal(text_string(&outcome.output), expected);
		proc_outcome_done(&outcome);
		seen |= 1U << which;
	}
	assert_int_equal(seen, (1U << COUNT) - 1);
}

static void only_the_late_one_is_killed(void **state)
{
	struct proc_child slow = PROC_CHILD_INIT, quick = PROC_CHILD_INIT;
	struct proc_child *const all[] = { &slow, &quick };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	size_t which = 2;

	(void)state;
	start(&slow, "exec sleep 1000", 2000);
	start(&quick, "exit 0", 60000);
	assert_int_equal(proc_child_wait(all, 2, &which, &outcome, &f), 0);
	assert_int_equal(which, 1);
	assert_false(outcome.late);
	proc_outcome_done(&outcome);
	assert_int_equal(proc_child_wait(all, 2, &which, &outcome, &f), 0);
	assert_int_equal(which, 0);
	assert_true(outcome.late);
	assert_int_equal(outcome.status, 128 + SIGKILL);
	proc_outcome_done(&outcome);
	assert_int_equal(proc_child_wait(all, 2, &which, &outcome, &f), -1);
}

static void a_program_that_is_not_there_is_absent(void **state)
{
	struct proc_child child = PROC_CHILD_INIT;
	struct fault f = { 0 };
	const char *argv[] = { "/no/such/program", NULL };
	struct proc_run run = PROC_RUN_INIT;

	(void)state;
	run.argv = argv;
	assert_int_equal(proc_child_start(&run, &child, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_int_equal(child.pid, 0);
}

/* Last, since the interrupt stays pending. */
static void an_interrupt_ends_the_wait_and_the_child_can_be_killed(void **state)
{
	struct proc_child child = PROC_CHILD_INIT;
	struct proc_child *const all[] = { &child };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	size_t which;

	(void)state;
	proc_interrupt_watch();
	assert_int_equal(proc_interrupt_pending(), 0);
	start(&child, "kill -TERM $PPID; exec sleep 60", 0);
	const pid_t pid = child.pid;
	assert_int_equal(proc_child_wait(all, 1, &which, &outcome, &f), -1);
	assert_int_equal(f.kind, FAULT_INCOMPLETE);
	assert_int_equal(proc_interrupt_pending(), SIGTERM);
	proc_child_kill(&child);
	assert_int_equal(child.pid, 0);
	assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(children_run_at_the_same_time_and_each_is_told),
		cmocka_unit_test(only_the_late_one_is_killed),
		cmocka_unit_test(a_program_that_is_not_there_is_absent),
		cmocka_unit_test(an_interrupt_ends_the_wait_and_the_child_can_be_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
