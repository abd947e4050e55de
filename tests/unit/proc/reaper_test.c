/* proc/reaper: who was left behind is found, wherever it went. */
#include "unit.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "proc/child.h"

struct heard {
	pid_t pids[3];
	size_t count;
};

static enum proc_child_answer hear(void *listener, const struct proc_message *message)
{
	struct heard *heard = listener;

	assert_true(heard->count < 3);
	memcpy(&heard->pids[heard->count++], message->bytes, sizeof(pid_t));
	return PROC_CHILD_MORE;
}

/* One stays in the group, one leaves the session, one is the child of a daemon's parent that is gone. */
static int leave_three(void *context, int tell, struct fault *f)
{
	int told[2];
	char byte;

	(void)context;
	if (pipe(told) < 0)
		return fault_system(f, 0, "no pipe");
	for (int kind = 0; kind < 3; kind++) {
		const pid_t pid = fork();
		if (pid != 0) {
			/* The daemon's parent is gone before anybody counts. */
			if (kind > 1)
				(void)waitpid(pid, NULL, 0);
			continue;
		}
		if (kind > 0)
			(void)setsid();
		if (kind > 1 && fork() != 0)
			_exit(0);
		const pid_t self = getpid();
		if (proc_message_write(tell, 1, &self, sizeof(self)) < 0 || write(told[1], "t", 1) != 1)
			_exit(99);
		for (;;)
			(void)pause();
	}
	for (int kind = 0; kind < 3; kind++)
		if (read(told[0], &byte, 1) != 1)
			return fault_system(f, 0, "not all are there");
	return 0;
}

static int leave_nobody(void *context, int tell, struct fault *f)
{
	(void)context;
	(void)tell;
	(void)f;
	return 0;
}

static struct proc_outcome run(int (*work)(void *, int, struct fault *), struct heard *heard)
{
	const struct proc_child_options options = { .work = work,
						    .what = "the test",
						    .on_message = hear,
						    .listener = heard,
						    .confined = true,
						    .root = -1,
						    .deadline_ms = 60000 };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	MUST(proc_child_run(&options, &outcome, &f));
	assert_int_equal(outcome.status, 0);
	proc_outcome_done(&outcome);
	return outcome;
}

static void every_process_that_came_of_it_is_killed_wherever_it_went(void **state)
{
	struct heard heard = { .count = 0 };

	(void)state;
	const struct proc_outcome outcome = run(leave_three, &heard);
	assert_int_equal(outcome.orphans, 3);
	assert_false(outcome.orphans_left);
	for (size_t i = 0; i < 3; i++) {
		assert_true(heard.pids[i] > 0);
		assert_int_equal(kill(heard.pids[i], 0), -1);
	}
}

static void children_that_we_had_before_are_left_alone(void **state)
{
	struct heard heard = { .count = 0 };
	int status;

	(void)state;
	const pid_t mine = fork();
	if (mine == 0) {
		for (;;)
			(void)pause();
	}
	assert_int_equal(run(leave_three, &heard).orphans, 3);
	assert_int_equal(waitpid(mine, &status, WNOHANG), 0);
	(void)kill(mine, SIGKILL);
	assert_int_equal(waitpid(mine, &status, 0), mine);
}

static void afterwards_we_are_the_reaper_that_we_were_before(void **state)
{
	int reaper = -1;

	(void)state;
	for (int before = 0; before < 2; before++) {
		(void)prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)before, 0, 0, 0);
		assert_int_equal(run(leave_nobody, NULL).orphans, 0);
		assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0), 0);
		assert_int_equal(reaper, before);
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_process_that_came_of_it_is_killed_wherever_it_went),
		cmocka_unit_test(children_that_we_had_before_are_left_alone),
		cmocka_unit_test(afterwards_we_are_the_reaper_that_we_were_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
