/*
 * conf/script: the lines of a shell script, and which of them begin a command of the script itself.
 *
 * Promise: reads POSIX shell and the common part of bash: quotes, expansions, comments, here-documents, line
 * continuations and compound commands.  A line is `outer` when it begins outside all of those, so that whole lines put
 * before it are run exactly when it would be.  Where the reader loses its way (a quote that never ends, a `fi` without
 * an `if`) no later line is `outer`: it may miss a place, but does not invent one.  Runs and opens nothing.
 */
#ifndef OKV_CONF_SCRIPT_H
#define OKV_CONF_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

struct script_line {
	size_t start, length; /* length with the line feed, if there is one */
	bool outer;
	/*
	 * A command of it ends the script, whatever came before: exit, return, exec of a program, kill of the shell
	 * itself, a loop that has no end, or a function or an eval that does so; also inside braces, and where a
	 * condition that never changes leads there (`true && exit`, `[ 1 = 1 ] && exit`).
	 */
	bool ends;
	bool code; /* not blank, no comment, no text of a here-document or of a quoted string that began earlier */
};

struct script {
	struct script_line *lines; /* owned */
	size_t count;
	bool ends_outer; /* a line added at the end would be `outer` */
};

#define SCRIPT_AUTO __attribute__((cleanup(script_done))) struct script

void script_done(struct script *s);
/* Fails for lack of memory only. */
int script_read(struct script *ret_script, const char *bytes, size_t length, struct fault *f);
#endif
