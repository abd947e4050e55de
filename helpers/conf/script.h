/*
 * conf/script: the lines of a shell script, and which of them begin a top-level command.
 *
 * Promise: reads POSIX shell and the common part of bash: quotes, expansions, comments, here-documents, line
 * continuations and compound commands.  A line is `outer` if it begins outside all of those, so that whole lines
 * inserted before it run exactly when it would.  After something that cannot be parsed (a quote that never ends, a `fi`
 * without an `if`) no line is `outer`: a place may be missed, but no wrong one is found.  Runs and opens nothing.
 */
#ifndef OKV_CONF_SCRIPT_H
#define OKV_CONF_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

struct script_line {
	size_t start, length; /* length includes the line feed, if there is one */
	bool outer;
	/*
	 * A command on it always ends the script: exit, return, exec of a program, kill of the shell itself, an endless
	 * loop, or a function or eval that does one of these; also inside braces, or after a condition that is constant
	 * (`true && exit`, `[ 1 = 1 ] && exit`).
	 */
	bool ends;
	bool code; /* not blank, a comment, or inside a here-document or quoted string that began earlier */
};

struct script {
	struct script_line *lines; /* owned */
	size_t count;
	bool ends_outer; /* a line appended to the script would be `outer` */
};

#define SCRIPT_AUTO __attribute__((cleanup(script_done))) struct script

void script_done(struct script *s);
/* Fails only if memory runs out. */
int script_read(struct script *ret_script, const char *bytes, size_t length, struct fault *f);
#endif
