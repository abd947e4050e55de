#include "proc/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "fs/handle.h"

void proc_enter_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
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
