/* proc/child: what a child has when it begins, be it a program, a worker, a function or a confined one. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "old_kernel.h"
#include "proc/child.h"

static struct proc_child_options program(const char *const *argv)
{
	struct proc_child_options options = PROC_CHILD_OPTIONS_INIT;

	options.argv = argv;
	return options;
}
#define SHELL(script) program((const char *const[4]){ "/bin/sh", "-c", (script), NULL })

/* What the script said. */
static void says(const struct proc_child_options *options, const char *expected)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	MUST(proc_child_run(options, &outcome, &f));
	assert_int_equal(outcome.status, 0);
	assert_string_equal(text_string(&outcome.output), expected);
	proc_outcome_done(&outcome);
}

/* --- programs ----------------------------------------------------------------------------------------------------- */

static void the_environment_is_closed(void **state)
{
	static const char *const more[] = { "ChrystokiConfigurationPath=/etc", NULL };
	struct proc_child_options options = program((const char *const[]){ "/usr/bin/env", NULL });

	(void)state;
	assert_int_equal(setenv("LD_PRELOAD_OF_SOMEBODY", "x", 1), 0);
	assert_int_equal(setenv("SECRET", "x", 1), 0);
	options.environment = more;
	says(&options, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\nChrystokiConfigurationPath=/etc\n");
	assert_int_equal(unsetenv("LD_PRELOAD_OF_SOMEBODY"), 0);
	assert_int_equal(unsetenv("SECRET"), 0);
}

static const int open_ones[] = { 9, 700, 1500 };

static void open_ones_make(void)
{
	const struct rlimit limit = { .rlim_cur = 2048, .rlim_max = 2048 };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(dup2(0, open_ones[i]), open_ones[i]);
}

static enum proc_child_answer on_echo(void *listener, const struct proc_message *message)
{
	struct text *heard = listener;

	text_add_format(heard, "%u:", message->kind);
	text_add(heard, message->bytes, message->length);
	return PROC_CHILD_MORE;
}

/* It is sent one message of 7 bytes, and sends it back. */
static void a_worker_has_nothing_of_ours_but_what_it_is_told(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO heard = { 0 };
	TEXT_AUTO message = { 0 };
	struct proc_child_options options = SHELL("dd bs=15 count=1 <&3 >&3 2>/dev/null; for fd in /proc/self/fd/*; do "
						  "[ ! -e $fd ] || echo ${fd##*/}; done; tr '\\0' '\\n' "
						  "</proc/self/environ");
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct proc_child child = { 0 };
	struct proc_child *const children[] = { &child };
	struct fault f = { 0 };
	size_t which;

	open_ones_make();
	assert_int_equal(setenv("SECRET", "x", 1), 0);
	options.worker = true;
	options.what = "worker";
	options.on_message = on_echo;
	options.listener = &heard;
	options.root = place->dir;
	MUST(proc_child_start(&options, &child, &f));
	proc_message_add(&message, 42, "message", 7);
	MUST(proc_child_send(&child, &message, &f));
	MUST(proc_child_wait(children, 1, &which, &outcome, &f));
	assert_string_equal(text_string(&heard), "42:message");
	assert_string_equal(text_string(&outcome.output), "0\n1\n2\n3\n4\n");
	proc_outcome_done(&outcome);
	assert_int_equal(unsetenv("SECRET"), 0);
	for (size_t i = 0; i < 3; i++)
		(void)close(open_ones[i]);

	/* By an open descriptor, where its path leads nowhere. */
	FS_AUTO int shell = open("/bin/sh", O_PATH | O_CLOEXEC);
	options.argv = (const char *const[]){ "/nowhere/worker", "-c", "echo by descriptor", NULL };
	options.program = shell;
	says(&options, "by descriptor\n");
	options.program = 0;

	/* One that cannot be started, and one that ends without a word, are told by the wait and not by the question. */
	options.argv = (const char *const[]){ "/nowhere/worker", NULL };
	MUST(proc_child_run(&options, &outcome, &f));
	assert_int_equal(outcome.fault.kind, FAULT_ABSENT);
	proc_outcome_done(&outcome);
	options.argv = (const char *const[]){ "/bin/false", NULL };
	MUST(proc_child_start(&options, &child, &f));
	(void)usleep(100 * 1000);
	MUST(proc_child_send(&child, &message, &f));
	MUST(proc_child_wait(children, 1, &which, &outcome, &f));
	assert_int_equal(outcome.status, 1);
	proc_outcome_done(&outcome);
}

static void no_other_descriptor_reaches_the_child(void **state)
{
	struct proc_child_options options =
		SHELL("for fd in 3 9 700 1500; do [ ! -e /proc/self/fd/$fd ] || echo $fd; done");

	(void)state;
	open_ones_make();
	says(&options, "");
	for (size_t i = 0; i < 3; i++)
		(void)close(open_ones[i]);
}

static void standard_input_is_empty_or_the_descriptor_given(void **state)
{
	const struct unit_place *place = *state;
	struct proc_child_options options = SHELL("cat");

	says(&options, "");
	unit_write(place->dir, "in", "given\n", 0600);
	FS_AUTO int fd = openat(place->dir, "in", O_RDONLY | O_CLOEXEC);
	options.input = fd;
	says(&options, "given\n");
}

static void signals_start_at_their_defaults_and_unblocked(void **state)
{
	struct proc_child_options options = SHELL("sed -n '/^Sig[BI]/s/[\\t0]*//gp' /proc/self/status");
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
	says(&options, "SigBlk:\nSigIgn:\n");
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	(void)signal(SIGUSR1, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
}

static void a_program_that_is_not_there_is_absent_and_one_that_cannot_run_a_fault(void **state)
{
	const struct unit_place *place = *state;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct proc_child_options options = program((const char *const[]){ "/nowhere/at/all", NULL });
	struct fault f = { 0 };
	char path[128];

	MUST_FAIL(proc_child_run(&options, &outcome, &f), FAULT_ABSENT, "cannot run '/nowhere/at/all': No such file");
	unit_write(place->dir, "plain", "text", 0644);
	(void)snprintf(path, sizeof(path), "%s/plain", place->path);
	options.argv = (const char *const[]){ path, NULL };
	MUST_FAIL(proc_child_run(&options, &outcome, &f), FAULT_SYSTEM, "Permission denied");
	/* PATH is not asked. */
	options.argv = (const char *const[]){ "sh", NULL };
	MUST_FAIL(proc_child_run(&options, &outcome, &f), FAULT_ABSENT, "cannot run 'sh'");
	assert_int_equal(outcome.status, -1);
}

static void the_child_becomes_the_identity_given(void **state)
{
	static const struct proc_identity identity = {
		.uid = 7000,
		.gid = 7001,
		.groups = { 7001, 7002 },
		.group_count = 2,
	};
	struct proc_child_options options = SHELL("id -u; id -g; id -G");

	(void)state;
	options.identity = &identity;
	says(&options, "7000\n7001\n7001 7002\n");
}

static void the_child_is_rooted_in_the_directory_given(void **state)
{
	const struct unit_place *place = *state;
	struct proc_child_options options = program((const char *const[]){ "/bin/true", NULL });
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	/* The name leads nowhere under that root, whatever is under ours. */
	options.root = place->dir;
	MUST_FAIL(proc_child_run(&options, &outcome, &f), FAULT_ABSENT, "cannot run '/bin/true'");
	FS_AUTO int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_child_options inside = SHELL("pwd; [ ! -e /proc/self/fd/3 ] && echo none");
	inside.root = root;
	says(&inside, "/\nnone\n");
}

/* In a process of its own, since what the caller had is set and ignored there. */
static void as_the_caller_would_start_it(const struct unit_place *place)
{
	const char *environment[] = { "OF=the caller", "PATH=/usr/bin:/bin", NULL };
	const struct proc_caller caller = { .environment = (char **)(uintptr_t)environment,
					    .umask = 027,
					    .core = { .rlim_cur = 512, .rlim_max = 1024 } };
	struct proc_child_options options =
		SHELL("echo $OF; umask; ulimit -Sc; pwd; : <&9 && echo kept; kill -HUP $$; kill -INT $$; echo no");
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };
	char expected[160];

	assert_int_equal(chdir(place->path), 0);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	assert_int_equal(dup2(0, 9), 9);
	(void)umask(077);
	options.caller = &caller;
	options.root = PROC_CHILD_STAY;
	MUST(proc_child_run(&options, &outcome, &f));
	(void)snprintf(expected, sizeof(expected), "the caller\n0027\n1\n%s\nkept\n", place->path);
	assert_string_equal(text_string(&outcome.output), expected);
	/* nohup(1) holds, and a ^C is only ours to ignore. */
	assert_int_equal(outcome.signal, SIGINT);
	proc_outcome_done(&outcome);
}

static void of_the_callers_nothing_is_changed_but_what_is_ours(void **state)
{
	int status;

	const pid_t pid = fork();
	if (pid == 0) {
		as_the_caller_would_start_it(*state);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A process of ours starts one and is killed; true when the one lives on. */
static bool lives_on(const struct unit_place *place, enum proc_child_life life)
{
	char script[160];
	int alive[2], status;
	char byte;

	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	(void)snprintf(script, sizeof(script), "echo; read x <%s/fifo; echo lives", place->path);
	struct proc_child_options options = SHELL(script);
	options.output = PROC_CHILD_INHERITED;
	options.life = life;
	const pid_t pid = fork();
	if (pid == 0) {
		struct proc_child child;
		struct fault f = { 0 };
		(void)dup2(alive[1], 1);
		if (proc_child_start(&options, &child, &f) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(alive[1]);
	assert_int_equal(read(alive[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Opened for both, so that it is not waited for; and nothing is to be had from it where nobody reads. */
	FS_AUTO int fifo = openat(place->dir, "fifo", O_RDWR | O_CLOEXEC);
	assert_true(fifo >= 0);
	assert_int_equal(write(fifo, "x\n", 2), 2);
	const bool lives = read(alive[0], &byte, 1) == 1;
	(void)close(alive[0]);
	return lives;
}

static void the_child_dies_with_us_unless_it_is_to_outlive_us(void **state)
{
	const struct unit_place *place = *state;

	assert_int_equal(mkfifoat(place->dir, "fifo", 0600), 0);
	assert_true(lives_on(place, PROC_CHILD_OUTLIVES_US));
	assert_false(lives_on(place, PROC_CHILD_DIES_WITH_US));
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

/* What the functions below tell: one number each. */
struct heard {
	int numbers[16];
	size_t count;
};

static enum proc_child_answer hear(void *listener, const struct proc_message *message)
{
	struct heard *heard = listener;

	assert_int_equal(message->length, sizeof(int));
	assert_true(heard->count < 16);
	memcpy(&heard->numbers[heard->count++], message->bytes, sizeof(int));
	return PROC_CHILD_MORE;
}

static void tell_number(int tell, int number)
{
	if (proc_message_write(tell, 1, &number, sizeof(number)) < 0)
		_exit(99);
}

static struct proc_child_options confined(int (*work)(void *, int, struct fault *), struct heard *heard)
{
	return (struct proc_child_options){

		.work = work,
		.what = "the test",
		.on_message = hear,
		.listener = heard,
		.confined = true,
		.root = -1,
		.deadline_ms = 60000
	};
}

static int look_around(void *context, int tell, struct fault *f)
{
	struct rlimit core;
	struct stat input;
	sigset_t blocked;
	int descriptors = 0;

	(void)context;
	(void)f;
	for (int fd = 0; fd < 2048; fd++)
		descriptors += fcntl(fd, F_GETFD) >= 0;
	tell_number(tell, descriptors);
	tell_number(tell, tell);
	tell_number(tell, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	tell_number(tell, getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	tell_number(tell, fstat(0, &input) == 0 && S_ISCHR(input.st_mode));
	tell_number(tell, getsid(0) == getpid());
	tell_number(tell, (int)umask(0));
	tell_number(tell, sigprocmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGUSR1) == 0);
	tell_number(tell, signal(SIGPIPE, SIG_DFL) == SIG_DFL);
	return 0;
}

static void nothing_of_ours(int root)
{
	struct heard heard = { .count = 0 };
	struct proc_child_options options = confined(look_around, &heard);
	struct fault f = { 0 };

	options.root = root;
	MUST(proc_child_expect(&options, &f));
	const int wanted[] = { 4, PROC_CHILD_TELL, 1, 1, 1, 1, 022, 1, 1 };
	assert_int_equal(heard.count, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(heard.numbers[i], wanted[i]);
}

static void a_confined_one_has_nothing_of_ours(void **state)
{
	sigset_t some;

	(void)state;
	open_ones_make();
	(void)sigemptyset(&some);
	(void)sigaddset(&some, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &some, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	nothing_of_ours(-1);
	/* Nor where the root lies on the descriptor that it tells by. */
	(void)close(PROC_CHILD_TELL);
	assert_int_equal(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), PROC_CHILD_TELL);
	nothing_of_ours(PROC_CHILD_TELL);
	(void)close(PROC_CHILD_TELL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &some, NULL);
	for (size_t i = 0; i < 3; i++)
		(void)close(open_ones[i]);
}

static int who(void *context, int tell, struct fault *f)
{
	gid_t groups[8];
	uid_t real, effective, saved;

	(void)context;
	(void)f;
	(void)getresuid(&real, &effective, &saved);
	tell_number(tell, real == 4321 && effective == 4321 && saved == 4321);
	tell_number(tell, (int)getegid());
	tell_number(tell, getgroups(8, groups));
	tell_number(tell, setuid(0));
	tell_number(tell, chdir("/etc") == 0 || errno != ENOENT);
	return 0;
}

static void a_confined_one_becomes_the_user_below_the_root(void **state)
{
	const struct unit_place *place = *state;
	const struct proc_identity identity = { .uid = 4321, .gid = 4322, .groups = { 4322, 990 }, .group_count = 2 };
	struct heard heard = { .count = 0 };
	struct proc_child_options options = confined(who, &heard);
	struct fault f = { 0 };

	assert_int_equal(fchmod(place->dir, 0755), 0);
	options.identity = &identity;
	options.root = place->dir;
	MUST(proc_child_expect(&options, &f));
	const int wanted[] = { 1, 4322, 2, -1, 0 };
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(heard.numbers[i], wanted[i]);
}

static void what_cannot_be_made_ready_is_a_fault_and_no_work(void **state)
{
	struct heard heard = { .count = 0 };
	FS_AUTO int no_directory = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct proc_child_options options = confined(who, &heard);
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	(void)state;
	options.root = no_directory;
	MUST_FAIL(proc_child_run(&options, &outcome, &f), FAULT_SYSTEM, "cannot start 'the test': Not a directory");
	assert_int_equal(f.errnum, ENOTDIR);
	assert_int_equal(heard.count, 0);
}

/* --- descriptors where the kernel is of no help ------------------------------------------------------------------- */

/* All but 0 to 2, 9 and 1500 are closed; an exit status. */
static int others_close(const char *root)
{
	static const int keep[] = { 1500, 9, -1 };
	/* Above what was allowed later, too. */
	const struct rlimit low = { .rlim_cur = 64, .rlim_max = 2048 };

	if (root != NULL && chroot(root) < 0)
		return 2;
	if (setrlimit(RLIMIT_NOFILE, &low) < 0)
		return 3;
	proc_child_close_others(keep);
	for (int fd = 0; fd < 2048; fd++)
		if ((fcntl(fd, F_GETFD) >= 0) != (fd <= 2 || fd == 9 || fd == 1500))
			return 4;
	return 0;
}

static void all_but_those_to_keep_are_closed_whatever_their_number(void **state)
{
	const struct unit_place *place = *state;
	int status;

	open_ones_make();
	assert_int_equal(dup2(0, 2047), 2047);
	/* By the kernel, by what /proc lists, and without either. */
	for (int way = 0; way < 3; way++) {
		const pid_t pid = fork();
		if (pid == 0)
			_exit(way > 0 && !old_kernel_begin() ? 1 : others_close(way > 1 ? place->path : NULL));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	(void)close(2047);
	for (size_t i = 0; i < 3; i++)
		(void)close(open_ones[i]);
}

static void an_old_kernel_leaves_no_descriptor_open_either(void **state)
{
	int status;

	const pid_t pid = fork();
	if (pid == 0) {
		if (!old_kernel_begin())
			_exit(1);
		no_other_descriptor_reaches_the_child(state);
		a_confined_one_has_nothing_of_ours(state);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_closed),
		cmocka_unit_test(no_other_descriptor_reaches_the_child),
		UNIT_IN_PLACE(a_worker_has_nothing_of_ours_but_what_it_is_told),
		UNIT_IN_PLACE(standard_input_is_empty_or_the_descriptor_given),
		cmocka_unit_test(signals_start_at_their_defaults_and_unblocked),
		UNIT_IN_PLACE(a_program_that_is_not_there_is_absent_and_one_that_cannot_run_a_fault),
		cmocka_unit_test(the_child_becomes_the_identity_given),
		UNIT_IN_PLACE(the_child_is_rooted_in_the_directory_given),
		UNIT_IN_PLACE(of_the_callers_nothing_is_changed_but_what_is_ours),
		UNIT_IN_PLACE(the_child_dies_with_us_unless_it_is_to_outlive_us),
		cmocka_unit_test(a_confined_one_has_nothing_of_ours),
		UNIT_IN_PLACE(a_confined_one_becomes_the_user_below_the_root),
		cmocka_unit_test(what_cannot_be_made_ready_is_a_fault_and_no_work),
		UNIT_IN_PLACE(all_but_those_to_keep_are_closed_whatever_their_number),
		cmocka_unit_test(an_old_kernel_leaves_no_descriptor_open_either),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
