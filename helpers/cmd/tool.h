/*
 * cmd/tool: what the one main (cmd/main.c) and a tool have to do with each other.
 *
 * Promise to the tool: standard input, output and error are open; umask is 077; the locale is C; signals are at
 * their defaults; the environment holds only what CMD_ENVIRONMENT in main.c names; no core is dumped; options are
 * parsed, the root is open and settings are read.
 * Promise of the tool: it defines one `const struct cmd_tool cmd_tool`, prints only through the context, and
 * returns 0 or -1 with the fault filled; the main prints the fault, unless its text is empty, and picks the exit
 * status.
 */
#ifndef OKV_CMD_TOOL_H
#define OKV_CMD_TOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/option.h"
#include "base/report.h"
#include "base/text.h"
#include "conf/settings.h"

enum {
	CMD_ANYBODY = 1 << 0, /* any other tool refuses (5) when not run by root */
	CMD_SYSLOG = 1 << 1,  /* results and complaints also to syslog */
	CMD_FRONT = 1 << 2,   /* takes its arguments unparsed (the front command) */
};

struct cmd_context {
	int root;              /* descriptor of the tree to work on; never -1 */
	const char *root_path; /* as given; "/" by default */
	bool dry_run, json, quiet, verbose;
	bool colour; /* standard output is a terminal and NO_COLOR is not set */
	struct settings settings;
	struct report *report;
	const char *const *operands;
	size_t operand_count;
	/*
	 * The one object that --json prints, open, with its "command".  The tool adds members and closes what it opens
	 * in it; the main adds how it ended (cmd_result_exit) and closes it, unless the tool has.  Of a tool that fails
	 * inside a list of its own the members are dropped.
	 */
	struct json *result;
};

struct cmd_tool {
	const char *name;     /* "okv-luna-repair" */
	const char *summary;  /* one line, no full stop */
	const char *operands; /* "[PATH...]"; or NULL */
	size_t operands_least, operands_most;
	const char *const *words;       /* first operands for completion (sub-commands), ends with NULL; or NULL */
	void (*help)(struct text *out); /* adds lines to --help, below the options; or NULL */
	const struct option *options;
	unsigned flags; /* of CMD_... */
	/* For a tool whose result is an answer: words before a fault that keeps it from giving one; or NULL. */
	const char *unanswered;
	int (*run)(struct cmd_context *context, struct fault *f);
};

extern const struct cmd_tool cmd_tool;

/* What the caller had before the main closed it: for a program that is the caller's own business, not ours. */
struct proc_caller;
const struct proc_caller *cmd_caller(void);

/* Prints to standard output at once; silent with --json or -q. */
void cmd_print(const struct cmd_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A value that was asked for, and a line feed: to a terminal made printable, to anything else byte for byte. */
void cmd_value(const char *value);
/* Questions, and what another tool of ours has complained of, to standard error at once. */
void cmd_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* In the place of the line before, on a terminal; "" takes that back. */
void cmd_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The members "exit" and, for a failure, "error" of the object that is open. */
void cmd_result_exit(struct json *j, const struct fault *f);
enum { CMD_PIN_SIZE = 255 };
/* The root key that a doorway was asked to look for. */
struct cmd_key {
	const char *label, *pin_file;
};
/* The PIN that goes with that key; nothing where none was asked for.  For whoever calls to wipe. */
int cmd_pin_read(struct cmd_context *context, const struct cmd_key *key, char ret_pin[CMD_PIN_SIZE], size_t *ret_length,
		 struct fault *f);

/* In the environment of a tool that another one of ours runs (upgrade, setup): what comes next is said by that one. */
#define CMD_CALLED "OKV_LUNA_CALLED"

/*
 * The place of `word` among the sub-commands of `command`; `words` ends with NULL.  FAULT_USAGE: it is none of them,
 * and which was meant.
 */
int cmd_word_find(const char *command, const char *word, const char *const *words, size_t *ret_which, struct fault *f);

/* One instance at a time: takes the lock of the product, once, and not with --dry-run. */
int cmd_lock(const struct cmd_context *context, struct fault *f);

#endif
