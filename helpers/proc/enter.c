#include "proc/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/handle.h"

void proc_enter_signals(void)
{
	/* The kernel's struct sigaction with SIG_DFL and nothing else is all zeros. */
	static const unsigned char by_default[64];
	sigset_t none;

	/*
	 * Not by signal(3): it keeps its hands off 32 and 33, and a parent that was started by posix_spawn(3) has these
	 * two ignored.  8 is the size of the kernel's signal set.
	 */
	for (long number = 1; number <= 64; number++)
		(void)syscall(SYS_rt_sigaction, number, by_default, NULL, 8L);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int proc_enter_standard(int input, int output)
{
	FS_AUTO int from = input >= 0 ? dup(input) : open("/dev/null", O_RDONLY | O_CLOEXEC);

	return from < 0 || dup2(from, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ? errno : 0;
}

int proc_enter_root(int root)
{
	if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
		return errno;
	return chdir("/") < 0 ? errno : 0;
}
