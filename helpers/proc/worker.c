#include "proc/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proc/child.h"

int proc_worker_read(struct proc_message_reader *reader, struct proc_message *ret_message, struct fault *f)
{
	char block[4096];
	int r;

	while ((r = proc_message_reader_next(reader, ret_message)) == 0) {
		const ssize_t got = read(PROC_CHILD_TELL, block, sizeof(block));
		if (got > 0)
			proc_message_reader_add(reader, block, (size_t)got);
		else if (got == 0 || errno != EINTR)
			return fault_system(f, got == 0 ? 0 : errno, "the process that started this one has ended");
	}
	text_wipe(block, sizeof(block));
	return r > 0 ? 0 : fault_system(f, 0, "the request is not valid");
}

int proc_worker_become(const struct proc_identity *identity, struct fault *f)
{
	const pid_t parent = getppid();

	if (fcntl(PROC_CHILD_ROOT, F_GETFD) >= 0 &&
	    (fchdir(PROC_CHILD_ROOT) < 0 || chroot(".") < 0 || chdir("/") < 0 || close(PROC_CHILD_ROOT) < 0))
		return fault_system(f, errno, "cannot enter the tree");
	if (proc_identity_become(identity, f) < 0)
		return -1;
	/* The kernel resets both when ids change (prctl(2)). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fault_system(f, errno, "cannot isolate the process");
	return getppid() == parent ? 0 : fault_system(f, ESRCH, "the process that started this one has ended");
}

int proc_worker_fail(const struct fault *f)
{
	(void)proc_message_write(PROC_CHILD_TELL, PROC_CHILD_FAILED, f, sizeof(*f));
	return 1;
}
