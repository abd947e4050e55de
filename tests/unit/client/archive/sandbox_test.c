#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "client/archive/sandbox.h"
#include "proc/child.h"
#include "unit.h"

enum { NOBODY_ELSE = 65533 };

/* Runs `act` after `before`: the child says by its status whether all was as it should be. */
static void in_sandbox(void (*before)(void), bool (*act)(void))
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		struct fault f = { 0 };
		if (before != NULL)
			before();
		/* No root is given to it (proc/worker). */
		(void)close(PROC_CHILD_ROOT);
		_exit(sandbox_enter(NOBODY_ELSE, &f) < 0 ? 2 : act() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool owns_nothing(void)
{
	/* Nothing is asked of the kernel that the filter forbids: what was given up shows in what fails. */
	return setuid(0) < 0 && chdir("/") < 0 && errno == EPERM;
}

static bool opens_nothing(void)
{
	return openat(AT_FDCWD, "/etc/passwd", O_RDONLY) < 0 && errno == EPERM &&
	       openat(AT_FDCWD, "/tmp/file", O_WRONLY | O_CREAT, 0600) < 0 && mkdirat(AT_FDCWD, "/tmp/d", 0700) < 0;
}

static bool starts_nothing(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 && execl("/bin/true", "true", NULL) < 0 && socket(AF_INET, SOCK_STREAM, 0) < 0 &&
	       kill(1, 0) < 0 && errno == EPERM;
}

static void limits_lower(void)
{
	const struct rlimit files = { 8, 8 }, processor = { 5, 7 };

	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setrlimit(RLIMIT_CPU, &processor);
}

static bool lower_limits_stand(void)
{
	return syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, NULL) < 0;
}

static void a_reading_process_owns_nothing(void **state)
{
	(void)state;
	in_sandbox(NULL, owns_nothing);
}

static void it_opens_nothing(void **state)
{
	(void)state;
	in_sandbox(NULL, opens_nothing);
}

static void it_starts_no_processes_and_opens_no_sockets(void **state)
{
	(void)state;
	in_sandbox(NULL, starts_nothing);
}

static void limits_that_are_lower_are_no_fault(void **state)
{
	(void)state;
	in_sandbox(limits_lower, lower_limits_stand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reading_process_owns_nothing),
		cmocka_unit_test(it_opens_nothing),
		cmocka_unit_test(it_starts_no_processes_and_opens_no_sockets),
		cmocka_unit_test(limits_that_are_lower_are_no_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
