/*
 * cmd/tool: the contract between the shared main() (cmd/main.c) and each tool.
 *
 * main() promises: standard input, output and error are open; umask is 077; the locale is C; signals have their
 * defaults; the environment holds PATH and what `environment_kept` in cmd/main.c names; no core is dumped; options are
 * parsed, the root is open and settings are read.
 * The tool promises: it defines one `const struct cmd_tool cmd_tool`, prints only through this header, and returns 0,
 * or -1 with the fault filled.  main() prints the fault unless its text is empty; the fault's kind is the exit status.
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
	CMD_ANYBODY = 1 << 0, /* any user may run it; without this flag only root (exit 5) */
	CMD_SYSLOG = 1 << 1,  /* results and complaints go to syslog too */
	CMD_FRONT = 1 << 2,   /* the front command: gets its arguments unparsed, and no open root or settings */
};

struct cmd_context {
	int root;              /* descriptor of the tree to work on */
	const char *root_path; /* as given; "/" by default */
	bool dry_run, json, quiet, verbose;
	bool colour; /* standard output is a terminal and NO_COLOR is not set */
	struct settings settings;
	struct report *report;
	const char *const *operands;
	size_t operand_count;
	/*
	 * The object that --json prints; already open, with "command" in it.  The tool adds members.  main() adds the
	 * outcome (cmd_result_exit) and closes the object, unless the tool closed it.  If a tool fails with an array or
	 * object of its own still open, all of its members are dropped.
	 */
	struct json *result;
};

struct cmd_tool {
	const char *name;     /* "okv-luna-repair" */
	const char *summary;  /* one line, no full stop */
	const char *operands; /* "[PATH...]"; or NULL */
	size_t operands_least, operands_most;
	const char *const *words;       /* sub-commands, for completion; ends with NULL; or NULL */
	void (*help)(struct text *out); /* adds lines to --help, below the options; or NULL */
	const struct option *options;
	unsigned flags; /* of CMD_... */
	/* Put before the fault when the tool cannot even start to find its answer ("do not upgrade: "); or NULL. */
	const char *no_answer_prefix;
	int (*run)(struct cmd_context *context, struct fault *f);
};

extern const struct cmd_tool cmd_tool;

/* The caller's own environment, umask and core limit, for running the caller's program (OKV's upgrade). */
struct proc_caller;
const struct proc_caller *cmd_caller(void);

/* Prints to standard output; silent with --json or -q. */
void cmd_print(const struct cmd_context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints a requested value and a line feed, even with -q: escaped on a terminal, otherwise byte for byte. */
void cmd_value(const char *value);
/* Prints prompts, and the complaints of another tool of ours, to standard error and flushes. */
void cmd_print_stderr(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Overwrites the current line of the terminal; "" clears it. */
void cmd_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Adds the members "exit" and, for a failure, "error". */
void cmd_result_exit(struct json *j, const struct fault *f);
enum { CMD_PIN_SIZE = 255 };
/* --key and --pin-file; NULL: not given. */
struct cmd_key {
	const char *label, *pin_file;
};
/* Reads the PIN if there is a label; otherwise does nothing.  The caller wipes the PIN. */
int cmd_pin_read(struct cmd_context *context, const struct cmd_key *key, char ret_pin[CMD_PIN_SIZE], size_t *ret_length,
		 struct fault *f);

/* Set for a tool that upgrade or setup runs: it leaves out its advice on the next step, which its caller gives. */
#define CMD_CALLED "OKV_LUNA_CALLED"

/*
 * Returns the index of `word` in `words` (ends with NULL), the sub-commands of `command`.  FAULT_USAGE: not among them;
 * the text suggests the nearest.
 */
int cmd_word_find(const char *command, const char *word, const char *const *words, size_t *ret_which, struct fault *f);

/* A command as a shell would take it, words quoted where they have to be; argv ends with NULL. */
void cmd_words_format(const char *const *argv, struct text *out);

/* One instance at a time: takes the product's lock until the process ends.  Does nothing with --dry-run, or again. */
int cmd_lock(const struct cmd_context *context, struct fault *f);

#endif
