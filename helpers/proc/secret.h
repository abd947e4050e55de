/*
 * proc/secret: read a password or PIN from a file, a descriptor or the terminal, straight into the caller's memory.
 *
 * Promise: neither our own buffers nor stdio's ever hold it; one trailing LF is removed; on the terminal (/dev/tty) it
 * is not echoed, and echo is restored on every path, interrupts included (proc/interrupt.h).  A file that others can
 * read is used with a warning.  Never from arguments or the environment, because others can see them.
 */
#ifndef OKV_PROC_SECRET_H
#define OKV_PROC_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"

struct proc_secret {
	const char *what;   /* "PIN"; for the prompt and for faults */
	const char *file;   /* "-" is standard input; or NULL */
	int fd;             /* or -1 */
	const char *advice; /* the options to use if there is no terminal */
	/*
	 * One line of text: control characters are refused, because each wrong try counts.  The file must be a regular
	 * one or a pipe that is open already, so that we never wait for a writer that does not come.
	 */
	bool plain;
};

/*
 * At most `size` bytes.  FAULT_REFUSED: empty, too long, or not what `plain` asks for.  FAULT_USAGE: no file, no
 * descriptor and no terminal.  On a fault the memory is wiped.
 */
int proc_secret_read(const struct proc_secret *secret, struct report *report, char *ret_bytes, size_t size,
		     size_t *ret_length, struct fault *f);

#endif
