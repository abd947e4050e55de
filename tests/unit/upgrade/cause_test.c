#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/cause.h"

static struct settings settings = { .slot_timeout = 60 };

static int fails(struct step *step, struct fault *f)
{
	(void)step_set_remedy(step, "restore it");
	return fault_refused(f, "no library");
}

static int fails_otherwise(struct step *step, struct fault *f)
{
	(void)step_set_remedy(step, "make room");
	return fault_system(f, 0, "disk full");
}

static int fails_without_a_remedy(struct step *step, struct fault *f)
{
	(void)step;
	return fault_refused(f, "no");
}

static int finds(struct step *step, struct fault *f)
{
	(void)f;
	step_add_finding(step, STEP_HIGH, "restore it", NULL, "one file");
	step_add_finding(step, STEP_HIGH, "restore it", NULL, "another file");
	step_add_finding(step, STEP_MEDIUM, "look", NULL, "something else");
	return 0;
}

static int warns(struct step *step, struct fault *f)
{
	(void)f;
	step_add_finding(step, STEP_MEDIUM, "restore it", NULL, "only a warning");
	return 0;
}

static struct upgrade_run run_of(const struct step_row *steps, size_t count)
{
	struct upgrade_run run = { .kind = UPGRADE_PRE, .root = -1, .settings = &settings, .bound_ms = 60000 };
	struct fault f = { 0 };

	assert_int_equal(upgrade_run_merged(&run, steps, count, &f), 0);
	assert_int_equal(run.result_count, count);
	return run;
}

static void a_failure_of_the_same_cause_waits_for_the_first(void **state)
{
	(void)state;
	const struct step_row steps[] = {
		{ "first", "fails", 20000, STEP_ALWAYS, fails },
		{ "second", "fails too", 20000, STEP_ALWAYS, fails },
		{ "third", "fails otherwise", 20000, STEP_ALWAYS, fails_otherwise },
	};
	UPGRADE_RUN_AUTO run = run_of(steps, 3);

	assert_int_equal(run.verdict.kind, FAULT_REFUSED);
	assert_int_equal(run.results[0].outcome, STEP_FAILED);
	assert_int_equal(run.results[1].outcome, STEP_SKIPPED);
	assert_null(run.results[1].remedy);
	assert_int_equal(run.results[1].finding_count, 1);
	assert_string_equal(run.results[1].findings[0].title, "waits for first: no library");
	assert_int_equal(run.results[2].outcome, STEP_FAILED);
}

static void findings_of_the_same_cause_wait_once(void **state)
{
	(void)state;
	const struct step_row steps[] = {
		{ "first", "fails", 20000, STEP_ALWAYS, fails },
		{ "second", "finds", 20000, STEP_ALWAYS, finds },
	};
	UPGRADE_RUN_AUTO run = run_of(steps, 2);

	assert_int_equal(run.results[1].outcome, STEP_SKIPPED);
	assert_int_equal(run.results[1].finding_count, 2);
	assert_string_equal(run.results[1].findings[0].title, "waits for first");
	assert_string_equal(run.results[1].findings[1].title, "something else");
}

static void a_warning_is_no_cause_to_wait_for(void **state)
{
	(void)state;
	const struct step_row steps[] = {
		{ "first", "warns", 20000, STEP_ALWAYS, warns },
		{ "second", "fails", 20000, STEP_ALWAYS, fails },
	};
	UPGRADE_RUN_AUTO run = run_of(steps, 2);

	assert_int_equal(run.results[1].outcome, STEP_FAILED);
	assert_string_equal(run.results[1].remedy, "restore it");
}

static void faults_without_a_remedy_have_no_cause_in_common(void **state)
{
	(void)state;
	const struct step_row steps[] = {
		{ "first", "fails", 20000, STEP_ALWAYS, fails_without_a_remedy },
		{ "second", "fails too", 20000, STEP_ALWAYS, fails_without_a_remedy },
	};
	UPGRADE_RUN_AUTO run = run_of(steps, 2);

	assert_int_equal(run.results[0].outcome, STEP_FAILED);
	assert_int_equal(run.results[1].outcome, STEP_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_of_the_same_cause_waits_for_the_first),
		cmocka_unit_test(findings_of_the_same_cause_wait_once),
		cmocka_unit_test(a_warning_is_no_cause_to_wait_for),
		cmocka_unit_test(faults_without_a_remedy_have_no_cause_in_common),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
