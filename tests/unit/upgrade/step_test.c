#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "upgrade/step.h"
#include "proc/interrupt.h"
#include "proc/child.h"

static struct settings settings = { .slot_timeout = 60 };
static int shared[2]; /* a pipe that a step's children keep open as long as they live */

static int fine(struct step *step, struct fault *f)
{
	(void)f;
	step->changed = true;
	report_say(&step->report, REPORT_RESULT, "one change");
	report_say(&step->report, REPORT_WARNING, "look here");
	step_add_finding(step, STEP_INFO, "a command", "more\nlines", "number %d", 7);
	return 0;
}

static int nothing(struct step *step, struct fault *f)
{
	(void)step;
	(void)f;
	return 0;
}

static int fails(struct step *step, struct fault *f)
{
	(void)step_set_remedy(step, "fix %s", "it");
	return fault_refused(f, "no");
}

static int fails_without_a_word(struct step *step, struct fault *f)
{
	(void)step;
	(void)f;
	return -1;
}

static int fails_unless_clean(struct step *step, struct fault *f)
{
	return step->run->verdict.kind == FAULT_NONE ? 0 : fault_refused(f, "not clean");
}

static int finds_high(struct step *step, struct fault *f)
{
	(void)f;
	step_add_finding(step, STEP_HIGH, NULL, NULL, "the worst");
	return 0;
}

static int hangs(struct step *step, struct fault *f)
{
	(void)step;
	(void)f;
	while (getppid() > 0)
		(void)pause();
	return 0;
}

static int hangs_deaf(struct step *step, struct fault *f)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	return hangs(step, f);
}

static int crashes(struct step *step, struct fault *f)
{
	(void)step;
	(void)f;
	(void)signal(SIGSEGV, SIG_DFL); /* the test runner has a handler of its own */
	(void)raise(SIGSEGV);
	return 0;
}

static int leaves(struct step *step, struct fault *f)
{
	(void)step;
	(void)f;
	_exit(0);
}

/* A tool of the system's that hangs, below a step that hangs with it. */
static int tool_hangs(struct step *step, struct fault *f)
{
	const char *const argv[] = { "/bin/sleep", "1000", NULL };
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;

	(void)step;
	run.argv = argv;
	run.input = shared[0];
	return proc_child_expect(&run, f);
}

static struct upgrade_run run_of(unsigned bound_ms)
{
	return (struct upgrade_run){
		.kind = UPGRADE_PRE, .root = -1, .root_path = "/", .settings = &settings, .bound_ms = bound_ms
	};
}

static void what_a_step_says_comes_back(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(60000);
	struct fault f = { 0 };
	const struct step_row steps[] = {
		{ "fine", "is fine", 20000, STEP_ALWAYS, fine },
		{ "nothing", "does nothing", 20000, STEP_ALWAYS, nothing },
	};

	assert_int_equal(upgrade_run_steps(&run, steps, 2, &f), 0);
	assert_int_equal(run.result_count, 2);
	const struct step_result *result = &run.results[0];
	assert_int_equal(result->outcome, STEP_CHANGED);
	assert_int_equal(result->change_count, 1);
	assert_string_equal(text_string(&result->changes), "one change\n");
	assert_int_equal(result->finding_count, 2);
	assert_int_equal(result->findings[0].severity, STEP_MEDIUM);
	assert_string_equal(result->findings[0].title, "look here");
	assert_int_equal(result->findings[1].severity, STEP_INFO);
	assert_string_equal(result->findings[1].title, "number 7");
	assert_string_equal(result->findings[1].detail, "more\nlines");
	assert_string_equal(result->findings[1].remedy, "a command");
	assert_int_equal(run.results[1].outcome, STEP_UNCHANGED);
	assert_int_equal(run.verdict.kind, FAULT_NONE);
	assert_true(run.changed);
}

static void the_first_failure_is_the_verdict_and_clean_steps_are_skipped(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(60000);
	struct fault f = { 0 };
	const struct step_row steps[] = {
		{ "fails", "fails", 20000, STEP_ALWAYS, fails },
		{ "high", "finds", 20000, STEP_ALWAYS, finds_high },
		{ "careful", "is careful", 20000, STEP_IF_CLEAN, fine },
		{ "fine", "is fine", 20000, STEP_ALWAYS, fine },
	};

	assert_int_equal(upgrade_run_steps(&run, steps, 4, &f), 0);
	assert_int_equal(run.results[0].outcome, STEP_FAILED);
	assert_string_equal(run.results[0].remedy, "fix it");
	assert_int_equal(run.results[2].outcome, STEP_SKIPPED);
	assert_int_equal(run.results[3].outcome, STEP_CHANGED);
	assert_int_equal(run.verdict.kind, FAULT_REFUSED);
	assert_string_equal(run.verdict.text, "no");
}

static void a_high_finding_alone_makes_the_answer_no(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(60000);
	struct fault f = { 0 };
	const struct step_row steps[] = {
		{ "high", "finds", 20000, STEP_ALWAYS, finds_high },
		{ "careful", "is careful", 20000, STEP_IF_CLEAN, fine },
	};

	assert_int_equal(upgrade_run_steps(&run, steps, 2, &f), 0);
	assert_int_equal(run.results[1].outcome, STEP_SKIPPED);
	assert_int_equal(run.verdict.kind, FAULT_NEGATIVE);
	assert_string_equal(run.verdict.text, "the worst");
}

static void a_step_that_fails_without_a_word_has_failed(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(5000);
	struct fault f = { 0 };
	const struct step_row step = { "mute", "the mute step", 1000, STEP_ALWAYS, fails_without_a_word };

	assert_int_equal(upgrade_run_steps(&run, &step, 1, &f), 0);
	assert_int_equal(run.verdict.kind, FAULT_SYSTEM);
	assert_string_equal(run.verdict.text, "the mute step failed without giving a reason");
}

static void where_the_beginning_failed_nothing_is_begun(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(5000);
	struct fault f = { 0 };
	const struct step_row steps[] = {
		{ "clean", "knows that it is clean", 1000, STEP_ALWAYS, fails_unless_clean },
		{ "first", "begins", 1000, STEP_RECORD, nothing },
		{ "begun", "is begun", 1000, STEP_IF_RECORDED, fine },
		{ "second", "does not begin", 1000, STEP_RECORD, fails },
		{ "third", "is not tried", 1000, STEP_RECORD, fine },
		{ "never", "is not begun", 1000, STEP_IF_RECORDED, fine },
		{ "unclean", "knows that it is not clean", 1000, STEP_ALWAYS, fails_unless_clean },
	};
	static const enum step_outcome wanted[] = { STEP_UNCHANGED, STEP_UNCHANGED, STEP_CHANGED, STEP_FAILED,
						    STEP_SKIPPED,   STEP_SKIPPED,   STEP_FAILED };

	assert_int_equal(upgrade_run_steps(&run, steps, 7, &f), 0);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(run.results[i].outcome, wanted[i]);
}

static void a_step_that_hangs_or_dies_costs_its_bound_and_fails_alone(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(60000);
	struct fault f = { 0 };
	/* Of the machine's own time nobody knows: what need not hang has long bounds, and what hangs would for ever. */
	const struct step_row steps[] = {
		{ "hangs", "it", 200, STEP_ALWAYS, hangs },       { "deaf", "it", 200, STEP_ALWAYS, hangs_deaf },
		{ "crashes", "it", 20000, STEP_ALWAYS, crashes }, { "leaves", "it", 20000, STEP_ALWAYS, leaves },
		{ "fine", "it", 20000, STEP_ALWAYS, fine },
	};
	const int64_t begun = proc_clock_ms();

	assert_int_equal(upgrade_run_steps(&run, steps, 5, &f), 0);
	assert_in_range(proc_clock_ms() - begun, 400, 15000);
	assert_int_equal(run.results[0].fault.kind, FAULT_LATE);
	assert_int_equal(run.results[1].fault.kind, FAULT_LATE);
	assert_int_equal(run.results[2].fault.kind, FAULT_SYSTEM);
	assert_non_null(strstr(run.results[2].fault.text, "signal 11"));
	assert_int_equal(run.results[3].fault.kind, FAULT_SYSTEM);
	assert_int_equal(run.results[4].outcome, STEP_CHANGED);
	/* Nobody is left behind, not even a zombie. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void with_no_time_left_no_step_is_started(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(300);
	struct fault f = { 0 };
	const struct step_row steps[] = {
		{ "hangs", "it", 60000, STEP_ALWAYS, hangs },
		{ "fine", "it", 60000, STEP_ALWAYS, fine },
	};
	const int64_t begun = proc_clock_ms();

	assert_int_equal(upgrade_run_steps(&run, steps, 2, &f), 0);
	assert_in_range(proc_clock_ms() - begun, 300, 15000);
	assert_int_equal(run.results[1].outcome, STEP_FAILED);
	assert_int_equal(run.results[1].fault.kind, FAULT_LATE);
	assert_int_equal(run.results[1].finding_count, 0);
}

static void a_step_without_a_bound_has_the_slot_timeout(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(30000);
	struct fault f = { 0 };
	const struct step_row steps[] = { { "fine", "it", 0, STEP_ALWAYS, fine } };

	assert_int_equal(upgrade_run_steps(&run, steps, 1, &f), 0);
	assert_int_equal(run.results[0].outcome, STEP_CHANGED);
}

static void a_steps_own_children_die_with_it(void **state)
{
	(void)state;
	UPGRADE_RUN_AUTO run = run_of(60000);
	struct fault f = { 0 };
	const struct step_row steps[] = { { "tool", "it", 300, STEP_ALWAYS, tool_hangs } };
	char byte;

	assert_int_equal(pipe(shared), 0);
	assert_int_equal(upgrade_run_steps(&run, steps, 1, &f), 0);
	assert_int_equal(run.results[0].fault.kind, FAULT_LATE);
	/* Reading ends of the pipe are gone with the children: writing to it fails. */
	(void)close(shared[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	ssize_t wrote = 1;
	for (int tries = 0; tries < 1000 && wrote == 1; tries++) {
		const struct timespec pause = { .tv_sec = 0, .tv_nsec = 10000000L };
		(void)nanosleep(&pause, NULL);
		byte = 'x';
		wrote = write(shared[1], &byte, 1);
	}
	assert_int_equal(wrote, -1);
	(void)close(shared[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_step_says_comes_back),
		cmocka_unit_test(the_first_failure_is_the_verdict_and_clean_steps_are_skipped),
		cmocka_unit_test(a_high_finding_alone_makes_the_answer_no),
		cmocka_unit_test(a_step_that_fails_without_a_word_has_failed),
		cmocka_unit_test(where_the_beginning_failed_nothing_is_begun),
		cmocka_unit_test(a_step_that_hangs_or_dies_costs_its_bound_and_fails_alone),
		cmocka_unit_test(with_no_time_left_no_step_is_started),
		cmocka_unit_test(a_step_without_a_bound_has_the_slot_timeout),
		cmocka_unit_test(a_steps_own_children_die_with_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
