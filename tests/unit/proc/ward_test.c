/* proc/ward and proc/strays: one function in a child that hangs, crashes, lies, forks or is just done. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "proc/clock.h"
#include "proc/interrupt.h"
#include "proc/strays.h"
#include "proc/ward.h"
#include "unit.h"

/* What the children below tell: one number each. */
struct heard {
	int numbers[16];
	size_t count, wanted;
};

static bool hear(void *listener, const void *bytes, size_t length)
{
	struct heard *heard = listener;

	for (size_t i = 0; i + sizeof(int) <= length && heard->count < 16; i += sizeof(int))
		memcpy(&heard->numbers[heard->count++], (const char *)bytes + i, sizeof(int));
	return heard->count >= heard->wanted;
}

static void tell_number(int tell, int number)
{
	if (write(tell, &number, sizeof(number)) != sizeof(number))
		_exit(99);
}

static struct proc_ward_end run_ward(int (*work)(void *, int), void *context, struct heard *heard, unsigned deadline_ms)
{
	struct proc_ward ward = {
		.work = work,
		.context = context,
		.hear = hear,
		.listener = heard,
		.root = -1,
		.deadline_ms = deadline_ms,
	};
	struct proc_ward_end end = PROC_WARD_END_INIT;
	struct fault f = { 0 };

	if (proc_ward_run(&ward, "the test's work", &end, &f) < 0)
		fail_msg("%s", f.text);
	return end;
}

static int answer(void *context, int tell)
{
	tell_number(tell, *(int *)context);
	return 7;
}

static void what_the_child_tells_is_heard_and_its_status_kept(void **state)
{
	struct heard heard = { .wanted = 1 };
	int number = 42;

	(void)state;
	struct proc_ward_end end = run_ward(answer, &number, &heard, 10000);
	assert_true(end.heard_all);
	assert_false(end.late);
	assert_int_equal(heard.numbers[0], 42);
	assert_true(WIFEXITED(end.status));
	assert_int_equal(WEXITSTATUS(end.status), 7);
	assert_int_equal(end.strays, 0);
	proc_ward_end_done(&end);
}

static int hang_deaf(void *context, int tell)
{
	sigset_t all;

	(void)context;
	tell_number(tell, getpid());
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	while (pause() < 0)
		;
	return 0;
}

static void at_the_deadline_it_is_killed_though_it_blocks_every_signal(void **state)
{
	struct heard heard = { .wanted = 2 };

	(void)state;
	const int64_t before = proc_clock_ms();
	struct proc_ward_end end = run_ward(hang_deaf, NULL, &heard, 200);
	const int64_t took = proc_clock_ms() - before;
	assert_true(end.late);
	assert_false(end.heard_all);
	assert_true(took >= 200);
	/* It would hang for ever; how soon after the deadline it ends, the doubles tell on a quiet machine. */
	assert_true(took < 10000);
	assert_int_equal(kill(heard.numbers[0], 0), -1);
	assert_int_equal(errno, ESRCH);
	proc_ward_end_done(&end);
}

static int print_much(void *context, int tell)
{
	(void)context;
	for (int i = 0; i < 100000; i++)
		if (write(i % 2 == 0 ? 1 : 2, "0123456789", 10) != 10)
			return 1;
	tell_number(tell, 1);
	return 0;
}

static void output_is_caught_counted_and_bounded(void **state)
{
	struct heard heard = { .wanted = 1 };

	(void)state;
	struct proc_ward_end end = run_ward(print_much, NULL, &heard, 30000);
	assert_true(end.heard_all);
	assert_int_equal(end.said_length, 1000000);
	assert_int_equal(end.said.length, PROC_WARD_SAID_MAX);
	assert_memory_equal(end.said.bytes, "01234567890123456789", 20);
	proc_ward_end_done(&end);
}

static int die(void *context, int tell)
{
	tell_number(tell, 1);
	(void)raise(*(int *)context);
	return 0;
}

static void a_signal_that_ends_it_is_told(void **state)
{
	struct heard heard = { .wanted = 2 };
	int number = SIGABRT;

	(void)state;
	struct proc_ward_end end = run_ward(die, &number, &heard, 10000);
	assert_false(end.heard_all);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGABRT);
	proc_ward_end_done(&end);
}

/* One stays in the group, one leaves the session, one is the child of a daemon's parent that is gone. */
static int leave_three(void *context, int tell)
{
	int told[2];
	char byte;

	(void)context;
	if (pipe(told) < 0)
		return 1;
	for (int kind = 0; kind < 3; kind++) {
		const pid_t pid = fork();
		if (pid != 0)
			continue;
		if (kind > 0)
			(void)setsid();
		if (kind > 1 && fork() != 0)
			_exit(0);
		tell_number(tell, getpid());
		if (write(told[1], "t", 1) != 1)
			_exit(99);
		for (;;)
			pause();
	}
	for (int kind = 0; kind < 3; kind++)
		if (read(told[0], &byte, 1) != 1)
			return 1;
	tell_number(tell, 0);
	return 0;
}

static void every_process_that_came_of_it_is_killed_wherever_it_went(void **state)
{
	struct heard heard = { .wanted = 4 };

	(void)state;
	struct proc_ward_end end = run_ward(leave_three, NULL, &heard, 10000);
	assert_true(end.heard_all);
	assert_int_equal(end.strays, 3);
	assert_false(end.strays_left);
	for (size_t i = 0; i < 3; i++) {
		assert_true(heard.numbers[i] > 0);
		assert_int_equal(kill(heard.numbers[i], 0), -1);
	}
	proc_ward_end_done(&end);
}

static void children_that_we_had_before_are_left_alone(void **state)
{
	struct heard heard = { .wanted = 4 };
	int status;

	(void)state;
	const pid_t mine = fork();
	if (mine == 0) {
		for (;;)
			pause();
	}
	struct proc_ward_end end = run_ward(leave_three, NULL, &heard, 10000);
	assert_int_equal(end.strays, 3);
	assert_int_equal(waitpid(mine, &status, WNOHANG), 0);
	(void)kill(mine, SIGKILL);
	assert_int_equal(waitpid(mine, &status, 0), mine);
	proc_ward_end_done(&end);
}

static void afterwards_we_are_the_reaper_that_we_were_before(void **state)
{
	struct heard heard = { .wanted = 1 };
	int number = 1, reaper = -1;

	(void)state;
	struct proc_ward_end end = run_ward(answer, &number, &heard, 10000);
	proc_ward_end_done(&end);
	assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0), 0);
	assert_int_equal(reaper, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	heard = (struct heard){ .wanted = 1 };
	end = run_ward(answer, &number, &heard, 10000);
	proc_ward_end_done(&end);
	assert_int_equal(prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0), 0);
	assert_int_equal(reaper, 1);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static int look_around(void *context, int tell)
{
	struct rlimit core;
	struct stat input;
	sigset_t blocked;
	int descriptors = 0;

	(void)context;
	for (int fd = 0; fd < 256; fd++)
		descriptors += fcntl(fd, F_GETFD) >= 0;
	tell_number(tell, descriptors);
	tell_number(tell, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	tell_number(tell, getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	tell_number(tell, fstat(0, &input) == 0 && S_ISCHR(input.st_mode));
	tell_number(tell, getsid(0) == getpid());
	tell_number(tell, (int)umask(0));
	tell_number(tell, sigprocmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGUSR1) == 0);
	tell_number(tell, signal(SIGPIPE, SIG_DFL) == SIG_DFL);
	return 0;
}

static void the_child_has_nothing_of_ours(void **state)
{
	struct heard heard = { .wanted = 8 };
	sigset_t some;
	const int open_here = open("/dev/zero", O_RDONLY);

	(void)state;
	(void)sigemptyset(&some);
	(void)sigaddset(&some, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &some, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	struct proc_ward_end end = run_ward(look_around, NULL, &heard, 10000);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &some, NULL);
	(void)close(open_here);
	const int wanted[] = { 4, 1, 1, 1, 1, 022, 1, 1 };
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(heard.numbers[i], wanted[i]);
	proc_ward_end_done(&end);
}

static int who(void *context, int tell)
{
	gid_t groups[8];
	uid_t real, effective, saved;

	(void)context;
	(void)getresuid(&real, &effective, &saved);
	tell_number(tell, real == 4321 && effective == 4321 && saved == 4321);
	tell_number(tell, (int)getegid());
	tell_number(tell, getgroups(8, groups));
	tell_number(tell, setuid(0));
	tell_number(tell, chdir("/etc") == 0 || errno != ENOENT);
	return 0;
}

static void it_becomes_the_user_below_the_root(void **state)
{
	struct heard heard = { .wanted = 5 };
	struct proc_identity identity = { .uid = 4321, .gid = 4322, .groups = { 4322, 990 }, .group_count = 2 };
	char directory[] = "/tmp/okv-ward-XXXXXX";
	struct proc_ward_end end = PROC_WARD_END_INIT;
	struct fault f = { 0 };

	(void)state;
	if (geteuid() != 0)
		fail_msg("this test is about root");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0755), 0);
	const int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct proc_ward ward = {
		.work = who,
		.hear = hear,
		.listener = &heard,
		.identity = &identity,
		.root = root,
		.deadline_ms = 10000,
	};
	if (proc_ward_run(&ward, "the test's work", &end, &f) < 0)
		fail_msg("%s", f.text);
	const int wanted[] = { 1, 4322, 2, -1, 0 };
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(heard.numbers[i], wanted[i]);
	proc_ward_end_done(&end);
	(void)close(root);
	(void)rmdir(directory);
}

static void what_cannot_be_set_up_is_a_fault_and_no_work(void **state)
{
	struct heard heard = { .wanted = 1 };
	const int no_directory = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int number = 1;
	const struct proc_ward ward = {
		.work = answer,
		.context = &number,
		.hear = hear,
		.listener = &heard,
		.root = no_directory,
		.deadline_ms = 10000,
	};
	struct proc_ward_end end = PROC_WARD_END_INIT;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(proc_ward_run(&ward, "the test's work", &end, &f), -1);
	assert_int_equal(f.kind, FAULT_SYSTEM);
	assert_int_equal(f.errnum, ENOTDIR);
	assert_int_equal(heard.count, 0);
	(void)close(no_directory);
}

/* As hear(), and tells the person that the child is at work. */
static int at_work[2];

static bool hear_and_show(void *listener, const void *bytes, size_t length)
{
	const bool all = hear(listener, bytes, length);

	if (write(at_work[1], "w", 1) != 1)
		_exit(99);
	return all;
}

static void a_persons_interrupt_ends_the_wait_and_the_child(void **state)
{
	struct heard heard = { .wanted = 2 };
	const struct proc_ward ward = {
		.work = hang_deaf,
		.hear = hear_and_show,
		.listener = &heard,
		.root = -1,
		.deadline_ms = 120000,
	};
	struct proc_ward_end end = PROC_WARD_END_INIT;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(pipe(at_work), 0);
	const pid_t tester = fork();
	if (tester == 0) {
		proc_interrupt_watch();
		(void)alarm(60); /* the test, not the ward, must not hang */
		const pid_t person = fork();
		if (person == 0) {
			char byte;
			/* A moment more, for the wait to be one. */
			struct timespec moment = { .tv_nsec = 100 * 1000 * 1000L };
			if (read(at_work[0], &byte, 1) == 1 && nanosleep(&moment, NULL) == 0)
				(void)kill(getppid(), SIGINT);
			_exit(0);
		}
		const int r = proc_ward_run(&ward, "the test's work", &end, &f);
		_exit(r == -1 && f.kind == FAULT_INCOMPLETE && kill(heard.numbers[0], 0) < 0 && errno == ESRCH ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(tester, &status, 0), tester);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_child_tells_is_heard_and_its_status_kept),
		cmocka_unit_test(at_the_deadline_it_is_killed_though_it_blocks_every_signal),
		cmocka_unit_test(output_is_caught_counted_and_bounded),
		cmocka_unit_test(a_signal_that_ends_it_is_told),
		cmocka_unit_test(every_process_that_came_of_it_is_killed_wherever_it_went),
		cmocka_unit_test(children_that_we_had_before_are_left_alone),
		cmocka_unit_test(afterwards_we_are_the_reaper_that_we_were_before),
		cmocka_unit_test(the_child_has_nothing_of_ours),
		cmocka_unit_test(it_becomes_the_user_below_the_root),
		cmocka_unit_test(what_cannot_be_set_up_is_a_fault_and_no_work),
		cmocka_unit_test(a_persons_interrupt_ends_the_wait_and_the_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
