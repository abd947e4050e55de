/*
 * okv/shell: asks the installed shells whether they can parse a script, without running it.
 *
 * Promise: runs bash -n and sh -n, each for at most SHELL_DEADLINE_MS, with a clean environment and the script as
 * standard input; nothing in the script is executed.  A shell that is not installed is skipped.
 */
#ifndef OKV_OKV_SHELL_H
#define OKV_OKV_SHELL_H

#include "base/fault.h"
#include "base/text.h"

enum { SHELL_DEADLINE_MS = 5000, SHELL_COUNT = 2 };

struct okv_shell {
	unsigned asked;      /* bits: the shells that were asked */
	unsigned agreed;     /* bits: those that can parse it */
	char complaint[400]; /* the first line of output of the first that cannot, made printable */
};

/* OKV_SHELL_ANY stops at the first shell that can parse it; OKV_SHELL_ALL is for comparing before and after. */
enum okv_shell_extent { OKV_SHELL_ANY, OKV_SHELL_ALL };

int okv_shell_ask(const struct text *script, enum okv_shell_extent extent, struct okv_shell *ret_answer,
		  struct fault *f);

#endif
