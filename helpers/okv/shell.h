/*
 * okv/shell: asks the shells that are here whether they can read a script, without running it.
 *
 * Promise: bash -n and sh -n, each bounded by SHELL_DEADLINE_MS, in a closed environment, with the script as their
 * standard input; nothing of the script is executed.  A shell that is not there is not asked.
 */
#ifndef OKV_OKV_SHELL_H
#define OKV_OKV_SHELL_H

#include "base/fault.h"
#include "base/text.h"

enum { SHELL_DEADLINE_MS = 5000, SHELL_COUNT = 2 };

struct okv_shell {
	unsigned asked;      /* bits: shells that are here */
	unsigned agreed;     /* bits: those that can read it */
	char complaint[400]; /* the first line of the first one that cannot, made printable */
};

/* Whether a script can be read at all needs no second shell behind one that agrees; whether it still can, needs all. */
enum okv_shell_extent { OKV_SHELL_ANY, OKV_SHELL_ALL };

int okv_shell_ask(const struct text *script, enum okv_shell_extent extent, struct okv_shell *ret_answer,
		  struct fault *f);

#endif
