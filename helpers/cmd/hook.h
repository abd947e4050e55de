/*
 * cmd/hook: what the commands of the three hooks share: lock, run, print.
 *
 * Promise: the answer is the first line on standard output and also goes to syslog; the steps follow.  --json prints
 * one object instead; that object is always saved below var/.  On a terminal, standard error shows the current step.
 */
#ifndef OKV_CMD_HOOK_H
#define OKV_CMD_HOOK_H

#include "cmd/tool.h"
#include "upgrade/step.h"

/* Fills the members of `run` that come from the context. */
void cmd_hook_start(struct cmd_context *context, struct upgrade_run *run);
/* The same for the checks of status: always a dry run, without progress, and with a time limit of its own. */
void cmd_hook_start_checks(struct cmd_context *context, struct upgrade_run *run);

/* The values of --key and --pin-file. */
extern struct cmd_key cmd_hook_asked;
#define CMD_HOOK_KEY_OPTIONS \
	OPTION_ROW(0, "key", OPTION_TEXT, &cmd_hook_asked.label, "LABEL", \
		   "log in; OKV's root key with this label must be there"), \
		OPTION_ROW(0, "pin-file", OPTION_TEXT, &cmd_hook_asked.pin_file, "FILE", \
			   "read the PIN from FILE, or standard input with -")
/* Reads the PIN that --key needs, into static memory. */
int cmd_hook_key(struct cmd_context *context, struct hsm_key_question *ret_key, struct fault *f);
/* Wipes the PIN. */
void cmd_hook_key_done(struct hsm_key_question *key);

/*
 * Takes the product's lock, runs the hook and prints its answer; 0, or -1 with the hook's fault.  Always wipes the PIN
 * and frees the run.  FAULT_LATE: another command holds the lock, and the hook was not run.  If the lock cannot be
 * created (var/ is read-only or full), no other command can take it either: the hook runs and its answer says so.
 */
int cmd_hook_run(struct cmd_context *context, struct upgrade_run *run,
		 int (*hook)(struct upgrade_run *run, struct fault *f), struct fault *f);

#endif
