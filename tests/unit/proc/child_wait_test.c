/* proc/child: how children end, what they said, and what comes of their deadlines and of a person's ^C. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "proc/child.h"
#include "proc/interrupt.h"

static struct proc_child_options shell(const char *const argv[4])
{
	struct proc_child_options options = PROC_CHILD_OPTIONS_INIT;

	options.argv = argv;
	return options;
}
#define SHELL(script) shell((const char *const[4]){ "/bin/sh", "-c", (script), NULL })

/* Tests set the clock forward rather than wait. */
static int64_t skipped_ms;
static int clock_dir = -1; /* ... or a script does, by the file `late` in there */

static int64_t skipping_clock(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (clock_dir >= 0 && unit_there(clock_dir, "late"))
		skipped_ms = 3600000;
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + skipped_ms;
}

static int clock_begin(void **state)
{
	skipped_ms = 0;
	clock_dir = -1;
	proc_clock_set(skipping_clock);
	return unit_place_make(state);
}

static int clock_end(void **state)
{
	proc_clock_set(NULL);
	return unit_place_remove(state);
}
#define UNIT_WITH_CLOCK(test) cmocka_unit_test_setup_teardown(test, clock_begin, clock_end)

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void the_status_is_the_childs_or_128_and_its_signal(void **state)
{
	static const struct {
		const char *script;
		int status, signal;
	} cases[] = {
		{ "exit 0", 0, 0 },
		{ "exit 1", 1, 0 },
		{ "exit 255", 255, 0 },
		{ "kill -TERM $$", 128 + SIGTERM, SIGTERM },
		{ "kill -SEGV $$", 128 + SIGSEGV, SIGSEGV },
		{ "exit 127", 127, 0 },
		{ "exit 139", 139, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		struct proc_child_options options = SHELL(cases[i].script);
		struct fault f = { 0 };
		MUST(proc_child_run(&options, &outcome, &f));
		assert_int_equal(outcome.status, cases[i].status);
		assert_int_equal(outcome.signal, cases[i].signal);
		assert_false(outcome.late);
		proc_outcome_done(&outcome);
	}
}

static void output_and_error_come_in_order(void **state)
{
	struct proc_child_options options = SHELL("echo one; echo two >&2; echo three");
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	(void)state;
	MUST(proc_child_run(&options, &outcome, &f));
	assert_string_equal(text_string(&outcome.output), "one\ntwo\nthree\n");
	proc_outcome_done(&outcome);
}

static void output_beyond_the_cap_is_read_and_dropped(void **state)
{
	struct proc_child_options options = SHELL("head -c 3000000 /dev/zero | tr '\\0' x; exit 3");
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	(void)state;
	options.deadline_ms = 60000;
	MUST(proc_child_run(&options, &outcome, &f));
	assert_int_equal(outcome.status, 3);
	assert_false(outcome.late);
	assert_int_equal(outcome.output.length, PROC_CHILD_OUTPUT_MAX);
	assert_int_equal(outcome.output_length, 3000000);
	proc_outcome_done(&outcome);
}

static void at_the_deadline_the_whole_group_is_killed(void **state)
{
	const struct unit_place *place = *state;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	char script[256];

	/* A grandchild that holds the output open, and a lock as long as it lives. */
	(void)snprintf(script, sizeof(script),
		       "cd %s; exec 9>alive; flock 9; sleep 1000 & trap '' TERM; echo early; : >late; echo; "
		       "sleep 1000; :",
		       place->path);
	struct proc_child_options options = SHELL(script);
	options.deadline_ms = 600000;
	clock_dir = place->dir;
	MUST(proc_child_run(&options, &outcome, &f));
	assert_true(outcome.late);
	assert_int_equal(outcome.status, 128 + SIGKILL);
	assert_true(text_starts(text_string(&outcome.output), "early\n"));
	proc_outcome_done(&outcome);
	FS_AUTO int alive = openat(place->dir, "alive", O_RDONLY | O_CLOEXEC);
	assert_true(alive >= 0);
	(void)alarm(60);
	assert_int_equal(flock(alive, LOCK_EX), 0);
	(void)alarm(0);
}

static void what_is_expected_to_work_is_a_fault_with_its_reason_otherwise(void **state)
{
	struct fault f = { 0 };

	(void)state;
	struct proc_child_options good = SHELL("echo fine");
	MUST(proc_child_expect(&good, &f));
	struct proc_child_options bad = SHELL("printf 'locale?\\nno\\tway\\n \\n\\n' >&2; exit 9");
	MUST_FAIL(proc_child_expect(&bad, &f), FAULT_SYSTEM, "'/bin/sh' ended with status 9: no\\x09way");
	assert_null(strstr(f.text, "locale"));
	struct proc_child_options named =
		SHELL("printf 'sh: odd locale\\nsh: disk full\\nUsage: sh\\n  -h  help\\n' >&2; exit 3");
	MUST_FAIL(proc_child_expect(&named, &f), FAULT_SYSTEM, "'/bin/sh' ended with status 3: sh: disk full");
	struct proc_child_options mute = SHELL("exit 4");
	MUST_FAIL(proc_child_expect(&mute, &f), FAULT_SYSTEM, "'/bin/sh' ended with status 4");
	struct proc_child_options slow = SHELL("sleep 30");
	slow.deadline_ms = 100;
	MUST_FAIL(proc_child_expect(&slow, &f), FAULT_LATE, "did not end within 100 ms");
}

/* --- several ------------------------------------------------------------------------------------------------------ */

static void start(struct proc_child *child, const char *script, unsigned deadline_ms)
{
	struct proc_child_options options = SHELL(script);
	struct fault f = { 0 };

	options.deadline_ms = deadline_ms;
	MUST(proc_child_start(&options, child, &f));
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

		MUST(proc_child_wait(all, COUNT, &which, &outcome, &f));
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
	struct proc_child slow = { 0 }, quick = { 0 };
	struct proc_child *const all[] = { &slow, &quick };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	size_t which = 2;

	(void)state;
	start(&slow, "exec sleep 1000", 600000);
	start(&quick, "exit 0", 60000);
	MUST(proc_child_wait(all, 2, &which, &outcome, &f));
	assert_int_equal(which, 1);
	assert_false(outcome.late);
	proc_outcome_done(&outcome);
	skipped_ms = 600000;
	MUST(proc_child_wait(all, 2, &which, &outcome, &f));
	assert_int_equal(which, 0);
	assert_true(outcome.late);
	assert_int_equal(outcome.status, 128 + SIGKILL);
	proc_outcome_done(&outcome);
	MUST_FAIL(proc_child_wait(all, 2, &which, &outcome, &f), FAULT_SYSTEM, "no child is left to wait for");
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

struct heard {
	int numbers[16];
	size_t count, wanted; /* 0: there is no last one */
	int64_t skip_ms;      /* what the clock does when the last one came */
};

static enum proc_child_answer hear(void *listener, const struct proc_message *message)
{
	struct heard *heard = listener;

	if (message->kind != 1 || message->length != sizeof(int) || heard->count >= 16)
		return PROC_CHILD_GARBLED;
	memcpy(&heard->numbers[heard->count++], message->bytes, sizeof(int));
	skipped_ms += heard->skip_ms;
	return heard->count == heard->wanted ? PROC_CHILD_ALL : PROC_CHILD_MORE;
}

static void tell_number(int tell, int number)
{
	if (proc_message_write(tell, 1, &number, sizeof(number)) < 0)
		_exit(99);
}

/* Each as a function that is confined, and as one that is not. */
static struct proc_outcome run(int (*work)(void *, int, struct fault *), struct heard *heard, bool confined)
{
	static int number = 42;
	const struct proc_child_options options = {
		.work = work,
		.context = &number,
		.what = "the test",
		.on_message = hear,
		.listener = heard,
		.confined = confined,
		.root = PROC_CHILD_STAY,
		.output = PROC_CHILD_INHERITED,
		.deadline_ms = 600000,
	};
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	MUST(proc_child_run(&options, &outcome, &f));
	return outcome;
}

static int answer(void *context, int tell, struct fault *f)
{
	(void)f;
	for (int i = 0; i < 3; i++)
		tell_number(tell, *(int *)context + i);
	return 0;
}

static void what_a_function_tells_is_heard(void **state)
{
	(void)state;
	for (int confined = 0; confined < 2; confined++) {
		struct heard heard = { .wanted = 3 };
		struct proc_outcome outcome = run(answer, &heard, confined == 1);
		assert_true(outcome.answered);
		assert_false(outcome.garbled || outcome.late);
		assert_int_equal(outcome.status, 0);
		assert_int_equal(outcome.orphans, 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(heard.numbers[i], 42 + i);
		proc_outcome_done(&outcome);
	}
}

static int refuse(void *context, int tell, struct fault *f)
{
	tell_number(tell, *(int *)context);
	return fault_refused(f, "not %d", *(int *)context);
}

static int fail_mutely(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)tell;
	(void)f;
	return -1;
}

static void a_functions_fault_is_the_parents(void **state)
{
	(void)state;
	for (int confined = 0; confined < 2; confined++) {
		struct heard heard = { .wanted = 2 };
		struct proc_outcome outcome = run(refuse, &heard, confined == 1);
		assert_int_equal(heard.count, 1);
		assert_false(outcome.answered);
		assert_int_equal(outcome.status, 1);
		assert_int_equal(outcome.fault.kind, FAULT_REFUSED);
		assert_string_equal(outcome.fault.text, "not 42");
		proc_outcome_done(&outcome);
		outcome = run(fail_mutely, &heard, confined == 1);
		assert_int_equal(outcome.fault.kind, FAULT_SYSTEM);
		assert_string_equal(outcome.fault.text, "'the test' failed without giving a reason");
		proc_outcome_done(&outcome);
	}
}

/* Bytes that are no message; a message of no kind of the listener's; one that only proc/child may send. */
static int garble(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)f;
	(void)!write(tell, "\377\377\377\377\377\377\377\377", 8);
	tell_number(tell, 1);
	return 0;
}

static int speak_of_something_else(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)f;
	return proc_message_write(tell, 2, NULL, 0);
}

static int start_again(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)f;
	return proc_message_write(tell, PROC_CHILD_STARTED, NULL, 0);
}

static int fail_oddly(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)f;
	return proc_message_write(tell, PROC_CHILD_FAILED, "no fault", 8);
}

static void what_is_no_message_is_said_and_what_follows_is_not_heard(void **state)
{
	int (*const works[])(void *, int, struct fault *) = { garble, speak_of_something_else, start_again,
							      fail_oddly };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct heard heard = { .wanted = 1 };
		struct proc_outcome outcome = run(works[i], &heard, true);
		assert_true(outcome.garbled);
		assert_false(outcome.answered);
		assert_int_equal(outcome.fault.kind, FAULT_NONE);
		assert_int_equal(heard.count, 0);
		proc_outcome_done(&outcome);
	}
}

static int hang_deaf(void *context, int tell, struct fault *f)
{
	sigset_t all;

	(void)context;
	(void)f;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	tell_number(tell, getpid());
	for (;;)
		(void)pause();
	return 0;
}

/* On a busy machine a killed process may take longer to end than its parent waits. */
static bool is_ended_soon(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000L };

	for (int tries = 0; tries < 6000; tries++) {
		if (kill(pid, 0) < 0)
			return errno == ESRCH;
		(void)waitpid(pid, NULL, WNOHANG);
		(void)nanosleep(&moment, NULL);
	}
	return false;
}

static void at_the_deadline_it_is_killed_though_it_blocks_every_signal(void **state)
{
	(void)state;
	for (int confined = 0; confined < 2; confined++)
		for (size_t wanted = 1; wanted <= 2; wanted++) {
			struct heard heard = { .wanted = wanted, .skip_ms = 600000 };
			struct proc_outcome outcome = run(hang_deaf, &heard, confined == 1);
			/* It is not late who has told all. */
			assert_int_equal(outcome.late, wanted == 2);
			assert_int_equal(outcome.answered, wanted == 1);
			assert_int_equal(outcome.signal, SIGKILL);
			assert_int_equal(heard.count, 1);
			assert_true(is_ended_soon(heard.numbers[0]));
			proc_outcome_done(&outcome);
		}
}

static int print_much(void *context, int tell, struct fault *f)
{
	(void)context;
	for (int i = 0; i < 100000; i++)
		if (write(i % 2 == 0 ? 1 : 2, "0123456789", 10) != 10)
			return fault_system(f, errno, "cannot print");
	tell_number(tell, 1);
	return 0;
}

static void a_confined_ones_output_is_caught_counted_and_bounded(void **state)
{
	struct heard heard = { .wanted = 1 };

	(void)state;
	struct proc_outcome outcome = run(print_much, &heard, true);
	assert_true(outcome.answered);
	assert_int_equal(outcome.output_length, 1000000);
	assert_int_equal(outcome.output.length, PROC_CHILD_OUTPUT_MAX);
	assert_memory_equal(outcome.output.bytes, "01234567890123456789", 20);
	proc_outcome_done(&outcome);
}

static int die(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)f;
	tell_number(tell, 1);
	(void)raise(SIGABRT);
	return 0;
}

static void a_signal_that_ends_it_is_told(void **state)
{
	(void)state;
	for (int confined = 0; confined < 2; confined++) {
		struct heard heard = { .wanted = 2 };
		struct proc_outcome outcome = run(die, &heard, confined == 1);
		assert_int_equal(heard.count, 1);
		assert_false(outcome.answered);
		assert_int_equal(outcome.signal, SIGABRT);
		assert_int_equal(outcome.status, 128 + SIGABRT);
		proc_outcome_done(&outcome);
	}
}

/* --- a person's ^C ------------------------------------------------------------------------------------------------ */

/* As hear(), and tells the person that the child is at work. */
static int at_work[2];

static enum proc_child_answer hear_and_show(void *listener, const struct proc_message *message)
{
	const enum proc_child_answer heard = hear(listener, message);

	if (write(at_work[1], "w", 1) != 1)
		_exit(99);
	return heard;
}

static void a_persons_interrupt_ends_the_wait_and_the_child(void **state)
{
	struct heard heard = { .wanted = 2 };
	const struct proc_child_options options = { .work = hang_deaf,
						    .what = "the test",
						    .on_message = hear_and_show,
						    .listener = &heard,
						    .confined = true,
						    .root = -1,
						    .deadline_ms = 120000 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(pipe(at_work), 0);
	const pid_t tester = fork();
	if (tester == 0) {
		proc_interrupt_watch();
		(void)alarm(60); /* the test must not hang */
		const pid_t person = fork();
		if (person == 0) {
			char byte;
			/* A moment more, for the wait to be one. */
			struct timespec moment = { .tv_nsec = 100 * 1000 * 1000L };
			if (read(at_work[0], &byte, 1) == 1 && nanosleep(&moment, NULL) == 0)
				(void)kill(getppid(), SIGINT);
			_exit(0);
		}
		const int r = proc_child_run(&options, &outcome, &f);
		_exit(r == -1 && f.kind == FAULT_INCOMPLETE && is_ended_soon(heard.numbers[0]) ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(tester, &status, 0), tester);
	assert_int_equal(status, 0);
}

/* Last, since the interrupt stays pending. */
static void an_interrupt_ends_the_wait_and_the_child_can_be_killed(void **state)
{
	struct proc_child child = { 0 };
	struct proc_child *const all[] = { &child };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	size_t which;

	(void)state;
	proc_interrupt_watch();
	assert_int_equal(proc_interrupt_pending(), 0);
	start(&child, "kill -TERM $PPID; exec sleep 60", 0);
	const pid_t pid = child.pid;
	MUST_FAIL(proc_child_wait(all, 1, &which, &outcome, &f), FAULT_INCOMPLETE, "interrupted");
	assert_int_equal(proc_interrupt_pending(), SIGTERM);
	proc_child_kill(&child);
	assert_int_equal(child.pid, 0);
	assert_true(is_ended_soon(pid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_is_the_childs_or_128_and_its_signal),
		cmocka_unit_test(output_and_error_come_in_order),
		cmocka_unit_test(output_beyond_the_cap_is_read_and_dropped),
		UNIT_WITH_CLOCK(at_the_deadline_the_whole_group_is_killed),
		cmocka_unit_test(what_is_expected_to_work_is_a_fault_with_its_reason_otherwise),
		UNIT_IN_PLACE(children_run_at_the_same_time_and_each_is_told),
		UNIT_WITH_CLOCK(only_the_late_one_is_killed),
		cmocka_unit_test(what_a_function_tells_is_heard),
		cmocka_unit_test(a_functions_fault_is_the_parents),
		cmocka_unit_test(what_is_no_message_is_said_and_what_follows_is_not_heard),
		UNIT_WITH_CLOCK(at_the_deadline_it_is_killed_though_it_blocks_every_signal),
		cmocka_unit_test(a_confined_ones_output_is_caught_counted_and_bounded),
		cmocka_unit_test(a_signal_that_ends_it_is_told),
		cmocka_unit_test(a_persons_interrupt_ends_the_wait_and_the_child),
		cmocka_unit_test(an_interrupt_ends_the_wait_and_the_child_can_be_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
