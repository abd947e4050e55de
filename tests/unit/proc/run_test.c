/* proc/run: the system's own tools as children, bounded and observed. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>

#include "proc/run.h"

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct proc_run shell(const char *const argv[4])
{
	struct proc_run run = PROC_RUN_INIT;

	run.argv = argv;
	return run;
}
#define SHELL(script) shell((const char *const[4]){ "/bin/sh", "-c", (script), NULL })

/* What the script said. */
static void says(const struct proc_run *run, const char *expected)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	MUST(proc_run(run, &outcome, &f));
	assert_int_equal(outcome.status, 0);
	assert_string_equal(text_string(&outcome.output), expected);
	proc_outcome_done(&outcome);
}

static void the_status_is_the_childs_or_128_and_its_signal(void **state)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {
		{ "exit 0", 0 },
		{ "exit 1", 1 },
		{ "exit 255", 255 },
		{ "kill -TERM $$", 128 + SIGTERM },
		{ "kill -SEGV $$", 128 + SIGSEGV },
		{ "exit 127", 127 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		struct proc_run run = SHELL(cases[i].script);
		struct fault f = { 0 };
		MUST(proc_run(&run, &outcome, &f));
		assert_int_equal(outcome.status, cases[i].status);
		assert_false(outcome.late);
		proc_outcome_done(&outcome);
	}
}

static void output_and_error_come_in_order(void **state)
{
	struct proc_run run = SHELL("echo one; echo two >&2; echo three");

	(void)state;
	says(&run, "one\ntwo\nthree\n");
}

static void the_environment_is_closed(void **state)
{
	static const char *const more[] = { "ChrystokiConfigurationPath=/etc", NULL };
	struct proc_run run = SHELL("exec /usr/bin/env");
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(setenv("LD_PRELOAD_OF_SOMEBODY", "x", 1), 0);
	assert_int_equal(setenv("SECRET", "x", 1), 0);
	run.argv = (const char *const[]){ "/usr/bin/env", NULL };
	run.environment = more;
	MUST(proc_run(&run, &outcome, &f));
	assert_string_equal(text_string(&outcome.output), "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n"
							  "ChrystokiConfigurationPath=/etc\n");
	proc_outcome_done(&outcome);
	assert_int_equal(unsetenv("LD_PRELOAD_OF_SOMEBODY"), 0);
	assert_int_equal(unsetenv("SECRET"), 0);
}

static void no_other_descriptor_reaches_the_child(void **state)
{
	struct proc_run run = SHELL("for fd in 3 9 700 900; do [ ! -e /proc/self/fd/$fd ] || echo $fd; done");

	(void)state;
	const int open_ones[] = { 9, 700, 900 };
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(dup2(0, open_ones[i]), open_ones[i]);
	says(&run, "");
	for (size_t i = 0; i < 3; i++)
		(void)close(open_ones[i]);
}

static void standard_input_is_empty_or_the_descriptor_given(void **state)
{
	const struct unit_place *place = *state;
	struct proc_run run = SHELL("cat");

	says(&run, "");
	unit_write(place->dir, "in", "given\n", 0600);
	FS_AUTO int fd = openat(place->dir, "in", O_RDONLY | O_CLOEXEC);
	run.input = fd;
	says(&run, "given\n");
}

static void signals_start_at_their_defaults_and_unblocked(void **state)
{
	struct proc_run run = SHELL("sed -n '/^Sig[BI]/s/[\\t0]*//gp' /proc/self/status");
	sigset_t all, before;

	(void)state;
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	/* signal(3) would refuse to touch this one; posix_spawn(3) leaves it ignored. */
	const struct {
		void *handler;
		unsigned long rest[4];
	} ignored = { .handler = (void *)SIG_IGN };
	assert_int_equal(syscall(SYS_rt_sigaction, 32L, &ignored, NULL, 8L), 0);
	says(&run, "SigBlk:\nSigIgn:\n");
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	(void)signal(SIGUSR1, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
}

static void a_program_that_is_not_there_is_absent_and_one_that_cannot_run_a_fault(void **state)
{
	const struct unit_place *place = *state;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct proc_run run = PROC_RUN_INIT;
	struct fault f = { 0 };
	char path[128];

	run.argv = (const char *const[]){ "/nowhere/at/all", NULL };
	MUST_FAIL(proc_run(&run, &outcome, &f), FAULT_ABSENT, "cannot run '/nowhere/at/all': No such file");
	unit_write(place->dir, "plain", "text", 0644);
	(void)snprintf(path, sizeof(path), "%s/plain", place->path);
	run.argv = (const char *const[]){ path, NULL };
	MUST_FAIL(proc_run(&run, &outcome, &f), FAULT_SYSTEM, "Permission denied");
	/* PATH is not asked. */
	run.argv = (const char *const[]){ "sh", NULL };
	MUST_FAIL(proc_run(&run, &outcome, &f), FAULT_ABSENT, "cannot run 'sh'");
	assert_int_equal(outcome.status, -1);
}

static void at_the_deadline_the_whole_group_is_killed(void **state)
{
	const struct unit_place *place = *state;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	char script[256];

	/* A grandchild that holds the output open, and a lock as long as it lives. */
	(void)snprintf(script, sizeof(script),
		       "exec 9>%s/alive; flock 9; sleep 1000 & trap '' TERM; echo early; sleep 1000; :", place->path);
	struct proc_run run = SHELL(script);
	run.deadline_ms = 1500;
	const int64_t start = now_ms();
	MUST(proc_run(&run, &outcome, &f));
	assert_true(now_ms() - start >= 1500 && now_ms() - start < 100000);
	assert_true(outcome.late);
	assert_int_equal(outcome.status, 128 + SIGKILL);
	assert_string_equal(text_string(&outcome.output), "early\n");
	proc_outcome_done(&outcome);
	FS_AUTO int alive = openat(place->dir, "alive", O_RDONLY | O_CLOEXEC);
	assert_true(alive >= 0);
	(void)alarm(60);
	assert_int_equal(flock(alive, LOCK_EX), 0);
	(void)alarm(0);
}

static void output_beyond_the_cap_is_read_and_dropped(void **state)
{
	struct proc_run run = SHELL("head -c 3000000 /dev/zero | tr '\\0' x; exit 3");
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	(void)state;
	run.deadline_ms = 60000;
	MUST(proc_run(&run, &outcome, &f));
	assert_int_equal(outcome.status, 3);
	assert_false(outcome.late);
	assert_true(outcome.output.length >= PROC_OUTPUT_MAX && outcome.output.length < PROC_OUTPUT_MAX + 8192);
	proc_outcome_done(&outcome);
}

static void the_child_becomes_the_identity_given(void **state)
{
	static const struct proc_identity identity = {
		.uid = 7000,
		.gid = 7001,
		.groups = { 7001, 7002 },
		.group_count = 2,
	};
	struct proc_run run = SHELL("id -u; id -g; id -G");

	(void)state;
	run.identity = &identity;
	says(&run, "7000\n7001\n7001 7002\n");
}

static void the_child_is_rooted_in_the_directory_given(void **state)
{
	const struct unit_place *place = *state;
	struct proc_run run = PROC_RUN_INIT;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	/* The name leads nowhere under that root, whatever is under ours. */
	run.argv = (const char *const[]){ "/bin/true", NULL };
	run.root = place->dir;
	MUST_FAIL(proc_run(&run, &outcome, &f), FAULT_ABSENT, "cannot run '/bin/true'");
	FS_AUTO int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_run inside = SHELL("pwd; [ ! -e /proc/self/fd/3 ] && echo none");
	inside.root = root;
	says(&inside, "/\nnone\n");
}

static void what_is_expected_to_work_is_a_fault_with_its_reason_otherwise(void **state)
{
	struct fault f = { 0 };

	(void)state;
	struct proc_run good = SHELL("echo fine");
	MUST(proc_run_expect(&good, &f));
	struct proc_run bad = SHELL("printf 'locale?\\nno\\tway\\n \\n\\n' >&2; exit 9");
	MUST_FAIL(proc_run_expect(&bad, &f), FAULT_SYSTEM, "'/bin/sh' ended with status 9: no\\x09way");
	assert_null(strstr(f.text, "locale"));
	struct proc_run named =
		SHELL("printf 'sh: odd locale\\nsh: disk full\\nUsage: sh\\n  -h  help\\n' >&2; exit 3");
	MUST_FAIL(proc_run_expect(&named, &f), FAULT_SYSTEM, "'/bin/sh' ended with status 3: sh: disk full");
	struct proc_run mute = SHELL("exit 4");
	MUST_FAIL(proc_run_expect(&mute, &f), FAULT_SYSTEM, "'/bin/sh' ended with status 4");
	struct proc_run slow = SHELL("sleep 30");
	slow.deadline_ms = 100;
	MUST_FAIL(proc_run_expect(&slow, &f), FAULT_LATE, "did not end within 100 ms");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_is_the_childs_or_128_and_its_signal),
		cmocka_unit_test(output_and_error_come_in_order),
		cmocka_unit_test(the_environment_is_closed),
		cmocka_unit_test(no_other_descriptor_reaches_the_child),
		UNIT_IN_PLACE(standard_input_is_empty_or_the_descriptor_given),
		cmocka_unit_test(signals_start_at_their_defaults_and_unblocked),
		UNIT_IN_PLACE(a_program_that_is_not_there_is_absent_and_one_that_cannot_run_a_fault),
		UNIT_IN_PLACE(at_the_deadline_the_whole_group_is_killed),
		cmocka_unit_test(output_beyond_the_cap_is_read_and_dropped),
		cmocka_unit_test(the_child_becomes_the_identity_given),
		UNIT_IN_PLACE(the_child_is_rooted_in_the_directory_given),
		cmocka_unit_test(what_is_expected_to_work_is_a_fault_with_its_reason_otherwise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
