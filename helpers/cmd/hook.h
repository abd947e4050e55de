/*
 * cmd/hook: what the doorways of the three hooks have in common: who hears what, and how the answer comes out.
 *
 * Promise: the answer is the first line on standard output and goes to syslog; the steps follow; --json gives one
 * object instead, which is kept below var/ in any case.  While a hook works, a terminal shows which step it is at.
 */
#ifndef OKV_CMD_HOOK_H
#define OKV_CMD_HOOK_H

#include "cmd/tool.h"
#include "upgrade/step.h"

/* Fills what the context knows. */
void cmd_hook_start(struct cmd_context *context, struct upgrade_run *run);
/* The same for the checks of status: they change nothing, whatever was asked for, and are over before one wonders. */
void cmd_hook_start_checks(struct cmd_context *context, struct upgrade_run *run);

/* The root key that was asked for, and the rows of the options that ask for it. */
extern struct cmd_key cmd_hook_asked;
#define CMD_HOOK_KEY_OPTIONS \
	OPTION_ROW(0, "key", OPTION_TEXT, &cmd_hook_asked.label, "LABEL", \
		   "log in; OKV's root key with this label must be there"), \
		OPTION_ROW(0, "pin-file", OPTION_TEXT, &cmd_hook_asked.pin_file, "FILE", \
			   "read the PIN from FILE, or standard input with -")
/* Reads the PIN. */
int cmd_hook_key(struct cmd_context *context, struct hsm_key_question *ret_key, struct fault *f);
void cmd_hook_key_done(struct hsm_key_question *key);

/*
 * Takes the lock of the product, runs the hook and prints; 0, or -1 with the hook's own fault.  The PIN is wiped then,
 * and the run ended.  It does not begin where another command holds the lock.  Where the lock cannot be made (a
 * read-only or full var/), nobody else can be at work either that begins now, and the hook goes on to say so in its
 * answer.
 */
int cmd_hook_run(struct cmd_context *context, struct upgrade_run *run,
		 int (*hook)(struct upgrade_run *run, struct fault *f), struct fault *f);

#endif
