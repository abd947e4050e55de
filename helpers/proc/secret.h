/*
 * proc/secret: a person's secret from a file, a descriptor or the terminal, straight into the caller's memory.
 *
 * Promise: no buffer of ours or of stdio ever holds it; one trailing LF is not part of it; on the terminal (/dev/tty)
 * it is not echoed, and the echo comes back on every path, an interrupt included (proc/interrupt.h).  A file that
 * others can read is used with a warning.  Never from arguments or the environment: both can be seen by others.
 */
#ifndef OKV_PROC_SECRET_H
#define OKV_PROC_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"

struct proc_secret {
	const char *what;   /* "PIN"; for the question and for faults */
	const char *file;   /* "-" is standard input; or NULL */
	int fd;             /* or -1 */
	const char *advice; /* options to use where there is no terminal */
	/*
	 * One line of text: what an editor leaves in it is refused, since each try counts.  Its file is a regular one
	 * or a pipe that is open already, so that nobody waits for a writer who never comes.
	 */
	bool plain;
};

/*
 * At most `size` bytes.  FAULT_REFUSED: empty, longer, or not plain, its file included; FAULT_USAGE: neither file nor
 * descriptor, and no terminal.
 * On a fault the memory is wiped.
 */
int proc_secret_read(const struct proc_secret *secret, struct report *report, char *ret_bytes, size_t size,
		     size_t *ret_length, struct fault *f);

#endif
