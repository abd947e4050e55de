/* proc/trace: what children ask for in vain is told, and nothing else; who cannot be watched runs all the same. */
#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/text.h"
#include "proc/trace.h"

static void told(void *context, const char *path, int errnum)
{
	text_add_format(context, "%s %s\n", path, strerror(errnum));
}

static int ask_in_thread(void *context)
{
	(void)context;
	(void)open("/nowhere/by-thread", O_RDONLY);
	return 0;
}

/* Relative, by a directory, in a thread and in a grandchild, which is another user. */
static void ask(void)
{
	static char stack[64 * 1024] __attribute__((aligned(16)));
	struct stat status;

	const int dir = open("/etc", O_RDONLY | O_DIRECTORY);
	(void)open("/nowhere/a", O_RDONLY);
	(void)stat("/etc/passwd/b", &status);
	(void)openat(dir, "no-such-file", O_RDONLY);
	if (faccessat(dir, "../etc/passwd", R_OK, 0) < 0)
		_exit(1);
	/* As the kernel starts a thread, in what matters here. */
	const pid_t thread = clone(ask_in_thread, stack + sizeof(stack), CLONE_VM | CLONE_FILES, NULL);
	(void)waitpid(thread, NULL, (int)__WCLONE);
	if (chdir("/usr") == 0)
		(void)access("no-such-directory/c", F_OK);
	const pid_t pid = fork();
	if (pid == 0) {
		if (setgid(65534) == 0 && setuid(65534) == 0)
			(void)open("/etc/shadow", O_RDONLY);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static int work(void *context, int tell, struct fault *f)
{
	int status = -1;

	/* Its own are not told. */
	(void)open("/nowhere/its-own", O_RDONLY);
	const pid_t pid = fork();
	if (pid == 0) {
		ask();
		_exit(42);
	}
	(void)waitpid(pid, &status, 0);
	if (proc_message_write(tell, 7, "done", 4) < 0)
		return fault_system(f, errno, "not told");
	if (context != NULL)
		return fault_negative(f, "meant to fail");
	return WEXITSTATUS(status) == 42 ? 0 : fault_system(f, 0, "the child ended with %d", status);
}

static enum proc_child_answer hear(void *listener, const struct proc_message *message)
{
	*(unsigned *)listener += message->kind;
	return PROC_CHILD_MORE;
}

static struct proc_outcome traced(void *context, struct text *missed, unsigned *heard)
{
	const struct proc_child_options child = { .work = work,
						  .context = context,
						  .what = "the test",
						  .on_message = hear,
						  .listener = heard,
						  .root = PROC_CHILD_STAY,
						  .output = PROC_CHILD_INHERITED,
						  .deadline_ms = 60000 };
	const struct proc_trace trace = { .child = &child, .on_missed = told, .context = missed };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault f = { 0 };

	MUST(proc_trace_run(&trace, &outcome, &f));
	return outcome;
}

static void test_missed_files_are_told_in_order(void **state)
{
	TEXT_AUTO missed = { 0 };
	unsigned heard = 0;

	(void)state;
	struct proc_outcome outcome = traced(NULL, &missed, &heard);
	assert_int_equal(outcome.status, 0);
	assert_int_equal(heard, 7);
	assert_string_equal(text_string(&missed), "/nowhere/a No such file or directory\n"
						  "/etc/passwd/b Not a directory\n"
						  "/etc/no-such-file No such file or directory\n"
						  "/nowhere/by-thread No such file or directory\n"
						  "/usr/no-such-directory/c No such file or directory\n"
						  "/etc/shadow Permission denied\n");
	proc_outcome_done(&outcome);
}

static void test_its_fault_arrives(void **state)
{
	TEXT_AUTO missed = { 0 };
	unsigned heard = 0;

	(void)state;
	struct proc_outcome outcome = traced(&heard, &missed, &heard);
	assert_int_equal(outcome.fault.kind, FAULT_NEGATIVE);
	assert_string_equal(outcome.fault.text, "meant to fail");
	proc_outcome_done(&outcome);
}

/* As under a debugger: the watcher is refused, and the work is done. */
static void test_one_that_is_traced_already_runs_untold(void **state)
{
	int status;

	(void)state;
	const pid_t pid = fork();
	if (pid == 0) {
		TEXT_AUTO missed = { 0 };
		unsigned heard = 0;
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		struct proc_outcome outcome = traced(NULL, &missed, &heard);
		_exit(outcome.status == 0 && missed.length == 0 && heard == 7 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(uintptr_t)PTRACE_O_TRACEFORK), 0);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	/* It, and all that come of it. */
	for (pid_t ended; (ended = waitpid(-1, &status, __WALL)) > 0;) {
		if (ended == pid && WIFEXITED(status))
			break;
		if (WIFSTOPPED(status)) {
			const int number = status >> 16 != 0 || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
			(void)ptrace(PTRACE_CONT, ended, NULL, (void *)(uintptr_t)(unsigned)number);
		}
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missed_files_are_told_in_order),
		cmocka_unit_test(test_its_fault_arrives),
		cmocka_unit_test(test_one_that_is_traced_already_runs_untold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
