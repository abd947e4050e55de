#include "okv/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/read.h"
#include "proc/child.h"

static const char *const shells[SHELL_COUNT] = { "/bin/bash", "/bin/sh" };

enum { CLOSE_ON_EXEC = 1 }; /* MFD_CLOEXEC of linux/memfd.h; older headers lack it */

/* Makes a pipe that holds the whole text, so that nobody has to feed it. */
static int pipe_fill(const struct text *script, int *ret_fd, struct fault *f)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fault_system(f, errno, "cannot make a pipe");
	FS_AUTO int from = ends[0];
	FS_AUTO int to = ends[1];
	if (fcntl(to, F_SETPIPE_SZ, (int)(script->length < 4096 ? 4096 : script->length)) < 0)
		return fault_system(f, errno, "cannot make a pipe of %zu bytes", script->length);
	if (fs_write(to, "pipe", text_string(script), script->length, f) < 0)
		return -1;
	/* The shell's end must block, as a file would. */
	if (fcntl(from, F_SETFL, 0) < 0)
		return fault_system(f, errno, "cannot prepare a pipe");
	*ret_fd = fs_take(&from);
	return 0;
}

/*
 * Prefers a file to a pipe.  From input that it cannot seek a shell reads one byte per call, so as not to take what
 * belongs to a command of the script.  Kernels before 3.17 have no memfd_create.
 */
static int script_open(const struct text *script, int *ret_fd, struct fault *f)
{
	struct fault ignored = { 0 };
	FS_AUTO int fd = (int)syscall(SYS_memfd_create, "script", (unsigned)CLOSE_ON_EXEC);

	if (fd < 0 || fs_write(fd, "script", text_string(script), script->length, &ignored) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return pipe_fill(script, ret_fd, f);
	*ret_fd = fs_take(&fd);
	return 0;
}

static void complaint_keep(struct okv_shell *answer, const char *shell, const struct proc_outcome *outcome)
{
	const char *line = text_string(&outcome->output);
	const size_t length = strcspn(line, "\n");

	if (answer->complaint[0] != '\0')
		return;
	if (outcome->late)
		(void)snprintf(answer->complaint, sizeof(answer->complaint), "%s does not finish with it", shell);
	else
		(void)snprintf(answer->complaint, sizeof(answer->complaint), "%s",
			       SHOWN_BYTES(line, length < 300 ? length : 300));
}

int okv_shell_ask(const struct text *script, enum okv_shell_extent extent, struct okv_shell *ret_answer,
		  struct fault *f)
{
	struct okv_shell answer = { 0 };

	for (unsigned i = 0; i < SHELL_COUNT && (extent == OKV_SHELL_ALL || answer.agreed == 0); i++) {
		const char *const argv[] = { shells[i], "-n", NULL };
		FS_AUTO int input = -1;

		if (access(shells[i], X_OK) < 0)
			continue;
		if (script_open(script, &input, f) < 0)
			return -1;
		const struct proc_child_options run = {
			.argv = argv, .root = -1, .input = input, .deadline_ms = SHELL_DEADLINE_MS
		};
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		if (proc_child_run(&run, &outcome, f) < 0) {
			proc_outcome_done(&outcome);
			return -1;
		}
		answer.asked |= 1u << i;
		if (outcome.status == 0 && !outcome.late)
			answer.agreed |= 1u << i;
		else
			complaint_keep(&answer, shells[i], &outcome);
		proc_outcome_done(&outcome);
	}
	*ret_answer = answer;
	return 0;
}
