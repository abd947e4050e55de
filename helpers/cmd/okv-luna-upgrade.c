#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/tool.h"
#include "fs/root.h"
#include "proc/child.h"
#include "upgrade/journal.h"

enum { WORDS_MAX = 64 };

static bool yes;
static const char *profile;

static const struct option options[] = {
	OPTION_ROW(0, "profile", OPTION_CHOICE, &profile, SETTINGS_PROFILES, "policy to prepare by (PROFILE)"),
	OPTION_ROW('y', "yes", OPTION_FLAG, &yes, NULL, "do not ask outside tmux and screen"),
	OPTION_END,
};

/* The child shares our terminal and process group, has no time limit, and survives us. */
static int child_run(struct proc_child_options how, int *ret_status, struct fault *f)
{
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	how.output = PROC_CHILD_INHERITED;
	how.group = PROC_CHILD_OUR_GROUP;
	how.life = PROC_CHILD_OUTLIVES_US;
	if (proc_child_run(&how, &outcome, f) < 0)
		return -1;
	*ret_status = outcome.status;
	proc_outcome_done(&outcome);
	return 0;
}

/* Takes and releases the lock itself: mid-upgrade needs it inside OKV's upgrade. */
static int pre_upgrade(struct cmd_context *context, struct fault *f)
{
	char path[PATH_MAX];
	const char *argv[10] = { path, "--root", context->root_path };
	const char *const environment[] = { CMD_CALLED "=1", getenv("NO_COLOR") != NULL ? "NO_COLOR=1" : NULL, NULL };
	size_t count = 3;
	int status;

	proc_child_program("okv-luna-pre-upgrade", path);
	if (profile != NULL) {
		argv[count++] = "--profile";
		argv[count++] = profile;
	}
	if (context->dry_run)
		argv[count++] = "--dry-run";
	if (context->quiet)
		argv[count++] = "--quiet";
	if (context->verbose)
		argv[count++] = "--verbose";
	/* --root may be a relative path, so keep the working directory. */
	const struct proc_child_options how = { .argv = argv, .environment = environment, .root = PROC_CHILD_STAY };
	if (child_run(how, &status, f) < 0)
		return -1;
	return status == 0 ? 0
			   : fault_negative(f, "the upgrade was not started: pre-upgrade did not say go (status %d)",
					    status);
}

/* The words after "--", or those of UPGRADE_COMMAND. */
static int command_make(struct cmd_context *context, struct text *storage, const char *ret_words[WORDS_MAX],
			struct fault *f)
{
	size_t count = 0;

	if (context->operand_count > 0) {
		if (context->operand_count >= WORDS_MAX)
			return fault_usage(f, "a command of more than %d words", WORDS_MAX - 1);
		for (; count < context->operand_count; count++)
			ret_words[count] = context->operands[count];
	} else {
		text_add_string(storage, context->settings.upgrade_command);
		if (text_check(storage, f) < 0)
			return -1;
		for (char *word = strtok(storage->bytes, " "); word != NULL; word = strtok(NULL, " ")) {
			if (count + 1 >= WORDS_MAX)
				return fault_refused(f, "UPGRADE_COMMAND has more than %d words", WORDS_MAX - 1);
			ret_words[count++] = word;
		}
	}
	ret_words[count] = NULL;
	if (count == 0 || ret_words[0][0] != '/')
		return fault_usage(f, "the upgrade command must be a full path, not '%s'",
				   count > 0 ? SHOWN(ret_words[0]) : "");
	for (size_t i = 0; i < count; i++)
		if (strstr(ret_words[i], "\xe2\x80\x93") != NULL || strstr(ret_words[i], "\xe2\x80\x94") != NULL)
			return fault_refused(f, "'%s' has a typographic dash; write ASCII hyphens: --confirm",
					     SHOWN(ret_words[i]));
	return 0;
}

/* A lost SSH connection hangs up the terminal (SIGHUP), unless tmux or screen owns it. */
static bool terminal_is_safe(void)
{
	return (getenv("SSH_CONNECTION") == NULL && getenv("SSH_TTY") == NULL) || getenv("TMUX") != NULL ||
	       getenv("STY") != NULL;
}

static int terminal_ask(struct cmd_context *context, struct fault *f)
{
	if (terminal_is_safe())
		return 0;
	report_say(
		context->report, REPORT_WARNING,
		"this is an SSH session outside tmux and screen: if the connection is lost, OKV's upgrade is killed");
	if (yes || context->dry_run)
		return 0;
	if (isatty(STDIN_FILENO) != 1)
		return fault_refused(f, "start it inside tmux or screen, or give --yes");
	cmd_print_stderr("Continue anyway? [y/N] ");
	char line[16];
	if (fgets(line, sizeof(line), stdin) == NULL || (line[0] != 'y' && line[0] != 'Y'))
		return fault_negative(f, "nothing was started; run it inside tmux or screen");
	return 0;
}

/*
 * Runs OKV's upgrade as if typed at the prompt: with the caller's terminal, environment, umask and limits.  It has no
 * time limit and survives us: a half-run upgrade would be the worst outcome.
 */
static int upgrade_run(struct cmd_context *context, const char *const *words, int *ret_status, struct fault *f)
{
	const struct proc_child_options how = {
		.argv = words,
		.caller = cmd_caller(),
		.root = strcmp(context->root_path, "/") == 0 ? PROC_CHILD_STAY : context->root,
	};

	/* ^C reaches the upgrade; we survive to report its status. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	return child_run(how, ret_status, f) == 0 ? 0
						  : fault_prefix(f, "OKV's upgrade did not start (to undo the "
								    "preparation: okv-luna pre-upgrade --abort): ");
}

/* With --json, sends what pre-upgrade and OKV print to standard error: standard output is for our one object. */
static int stdout_redirect(const struct cmd_context *context, int *ret_output, struct fault *f)
{
	if (!context->json)
		return 0;
	(void)fflush(stdout);
	FS_AUTO int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return fault_system(f, errno, "cannot put standard output aside");
	*ret_output = fs_take(&output);
	return 0;
}

static void stdout_restore(int *output)
{
	if (*output >= 0)
		(void)dup2(*output, STDOUT_FILENO);
	fs_close(output);
}

static int run(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO storage = { 0 };
	const char *words[WORDS_MAX];
	__attribute__((cleanup(stdout_restore))) int output = -1;

	/* Refuse what we can before pre-upgrade changes anything. */
	if (command_make(context, &storage, words, f) < 0)
		return -1;
	if (!context->dry_run && strcmp(context->root_path, "/") == 0 && access(words[0], X_OK) < 0)
		return fault_absent(f, "there is no '%s' to run; is the upgrade image mounted at /images?",
				    SHOWN(words[0]));
	if (terminal_ask(context, f) < 0 || stdout_redirect(context, &output, f) < 0 || pre_upgrade(context, f) < 0)
		return -1;
	TEXT_AUTO command = { 0 };
	cmd_words_format(words, &command);
	report_say(context->report, REPORT_RESULT, "%s: %s",
		   context->dry_run ? "then would run" : "Starting OKV's upgrade", text_string(&command));
	if (context->dry_run)
		return 0;
	int status = 0;
	if (upgrade_run(context, words, &status, f) < 0)
		return -1;
	if (status != 0)
		return fault_system(f, 0,
				    "OKV's upgrade ended with status %d; if this server was not upgraded: okv-luna "
				    "pre-upgrade --abort, else: okv-luna post-upgrade",
				    status);
	struct fault why = { 0 };
	/* Until the restart nothing else may tell: the new system can have its own copy of the journal. */
	if (journal_add(context->root, UPGRADE_PRE, &why, "end upgraded") < 0)
		report_say(context->report, REPORT_WARNING, "%s", why.text);
	report_say(context->report, REPORT_RESULT,
		   "OKV's upgrade succeeded; post-upgrade runs at the next boot, or now: okv-luna post-upgrade");
	return 0;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-upgrade",
	.summary = "Run pre-upgrade, and only when it says go, OKV's own upgrade",
	.operands = "[-- COMMAND...]",
	.operands_most = WORDS_MAX,
	.options = options,
	.flags = CMD_SYSLOG,
	.run = run,
};
