#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/nearest.h"
#include "cmd/tool.h"
#include "fs/lock.h"
#include "fs/read.h"
#include "fs/root.h"
#include "proc/child.h"
#include "proc/secret.h"

#ifndef OKV_LUNA_VERSION
#error "OKV_LUNA_VERSION comes from the Makefile"
#endif

enum { LOCK_PATIENCE_MS = 10000, STACK_LEAST_KB = 1024 };

/* All other variables are dropped.  None of these may name a library, a configuration file or a program. */
static const char *const environment_kept[] = {
	"TERM", "NO_COLOR", "TMUX", "STY", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "HOME", "TZ", CMD_CALLED,
};

static bool help, version, words;
static struct cmd_context context = { .root = -1 };

static const struct option common_options[] = {
	OPTION_ROW(0, "root", OPTION_TEXT, &context.root_path, "DIR", "work on the tree under DIR (default /)"),
	OPTION_ROW('n', "dry-run", OPTION_FLAG, &context.dry_run, NULL, "show what would be done, change nothing"),
	OPTION_ROW(0, "json", OPTION_FLAG, &context.json, NULL, "print one JSON object"),
	OPTION_ROW('q', "quiet", OPTION_FLAG, &context.quiet, NULL, "print complaints only"),
	OPTION_ROW('v', "verbose", OPTION_FLAG, &context.verbose, NULL, "print details too"),
	OPTION_ROW('h', "help", OPTION_FLAG, &help, NULL, "print this help"),
	OPTION_ROW(0, "version", OPTION_FLAG, &version, NULL, "print the version"),
	/* For the completion script, so without help text. */
	OPTION_ROW(0, "complete", OPTION_FLAG, &words, NULL, NULL),
	OPTION_END,
};

static bool to_syslog;
static struct proc_caller caller;

const struct proc_caller *cmd_caller(void)
{
	return &caller;
}

/* Escapes whatever a room forgot to make printable, but keeps our own colours. */
__attribute__((format(printf, 2, 0))) static void print(FILE *stream, const char *format, va_list arguments)
{
	static const char *const colours[] = { "\033[0m", "\033[31m", "\033[1;31m", "\033[32m", "\033[33m", NULL };
	TEXT_AUTO shown = { 0 };
	char *line = NULL;

	const bool formatted = vasprintf(&line, format, arguments) >= 0;
	/* Out of memory: the bare format still says what kind of thing happened. */
	text_add_printable(&shown, formatted ? line : format, context.colour ? colours : NULL);
	(void)fputs(text_string(&shown), stream);
	if (formatted)
		free(line);
}

void cmd_print(const struct cmd_context *c, const char *format, ...)
{
	va_list arguments;

	if (c->json || c->quiet)
		return;
	va_start(arguments, format);
	print(stdout, format, arguments);
	va_end(arguments);
}

void cmd_value(const char *value)
{
	TEXT_AUTO shown = { 0 };

	if (isatty(STDOUT_FILENO) == 1)
		text_add_printable(&shown, value, NULL);
	(void)printf("%s\n", shown.length > 0 ? text_string(&shown) : value);
}

int cmd_pin_read(struct cmd_context *asked, const struct cmd_key *key, char ret_pin[CMD_PIN_SIZE], size_t *ret_length,
		 struct fault *f)
{
	const struct proc_secret secret = {
		.what = "PIN", .file = key->pin_file, .fd = -1, .advice = "--pin-file", .plain = true
	};

	if (key->label == NULL)
		return key->pin_file == NULL ? 0 : fault_usage(f, "--pin-file requires --key");
	if (key->label[0] == '\0')
		return fault_usage(f, "--key needs the key's label");
	return proc_secret_read(&secret, asked->report, ret_pin, CMD_PIN_SIZE, ret_length, f);
}

void cmd_print_stderr(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print(stderr, format, arguments);
	va_end(arguments);
	(void)fflush(stderr);
}

void cmd_progress(const char *format, ...)
{
	va_list arguments;

	(void)fputs("\r\033[K", stderr);
	va_start(arguments, format);
	print(stderr, format, arguments);
	va_end(arguments);
	(void)fflush(stderr);
}

static void complain(const char *line)
{
	TEXT_AUTO shown = { 0 };

	(void)fflush(stdout);
	text_add_printable(&shown, line, NULL);
	(void)fprintf(stderr, "%s: %s\n", cmd_tool.name, text_string(&shown));
	if (to_syslog)
		syslog(LOG_WARNING, "%s", text_string(&shown));
}

static void line_print(struct report *self, enum report_level level, const char *line)
{
	(void)self;
	if (level == REPORT_WARNING) {
		complain(line);
		return;
	}
	if (level == REPORT_DETAIL && !context.verbose)
		return;
	cmd_print(&context, "%s\n", line);
	if (to_syslog) {
		TEXT_AUTO shown = { 0 };
		text_add_printable(&shown, line, NULL);
		syslog(LOG_INFO, "%s", text_string(&shown));
	}
}

/* Fills 0, 1 and 2, or a file that we open later could become standard error. */
static bool descriptors_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		(void)close(fd);
	/* A bare tree may have no /dev/null: then all three must be open already. */
	return fd >= 0 || (fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0);
}

/* Copying the pointers is enough: clearenv(3) drops the array, not the strings. */
static bool environment_save(void)
{
	size_t count = 0;

	while (environ != NULL && environ[count] != NULL)
		count++;
	caller.environment = calloc(count + 1, sizeof(caller.environment[0]));
	for (size_t i = 0; caller.environment != NULL && i < count; i++)
		caller.environment[i] = environ[i];
	return caller.environment != NULL;
}

static bool environment_clean(void)
{
	bool fine = clearenv() == 0 && setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) == 0;

	for (char **entry = caller.environment; *entry != NULL; entry++)
		for (size_t i = 0; i < sizeof(environment_kept) / sizeof(environment_kept[0]); i++)
			if (text_equal(*entry, strcspn(*entry, "="), environment_kept[i]))
				fine = putenv(*entry) == 0 && fine;
	return fine;
}

static bool process_start(void)
{
	sigset_t none;

	if (!descriptors_open())
		return false;
	/*
	 * The front command executes another of our tools, whose main does the rest.  Done here, that tool could not
	 * save the caller's environment, umask and limits, and OKV's upgrade would run under umask 077.
	 */
	if ((cmd_tool.flags & CMD_FRONT) != 0)
		return true;
	if (!environment_save() || !environment_clean())
		return false;
	caller.umask = umask(077);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* If our caller ignores SIGCHLD, wait(2) would lose the status of our children. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setlocale(LC_ALL, "C");
	(void)getrlimit(RLIMIT_CORE, &caller.core);
	/* Keep the hard limit: OKV's upgrade gets the caller's soft limit back. */
	const struct rlimit nothing = { .rlim_cur = 0, .rlim_max = caller.core.rlim_max };
	(void)setrlimit(RLIMIT_CORE, &nothing);
	return true;
}

static void help_print(struct text *out)
{
	TEXT_AUTO line = { 0 };

	text_add_format(&line, "%s [OPTION]...%s%s", cmd_tool.name, cmd_tool.operands != NULL ? " " : "",
			cmd_tool.operands != NULL ? cmd_tool.operands : "");
	text_add_string(out, "Usage: ");
	option_help_wrap(out, text_string(&line), strlen("Usage: "));
	text_cut(&line, 0);
	text_add_format(&line, "%s.", cmd_tool.summary);
	option_help_wrap(out, text_string(&line), 0);
	text_add_char(out, '\n');
	if (cmd_tool.options != NULL && cmd_tool.options->name != NULL) {
		option_help(out, cmd_tool.options);
		text_add_char(out, '\n');
	}
	option_help(out, common_options);
	if (cmd_tool.help != NULL)
		cmd_tool.help(out);
	text_add_format(out, "\nThe manual is in %s(8).\n", cmd_tool.name);
}

static void words_print(struct text *out)
{
	for (const char *const *word = cmd_tool.words; word != NULL && *word != NULL; word++)
		text_add_format(out, "%s\n", *word);
	if (cmd_tool.options != NULL)
		option_words(out, cmd_tool.options);
	option_words(out, common_options);
}

static int settings_read(struct fault *f)
{
	TEXT_AUTO file = { 0 };
	bool there;

	if (settings_init(&context.settings, f) < 0 || fs_existence(context.root, SETTINGS_FILE, &there, f) < 0)
		return -1;
	if (!there)
		return 0;
	if (fs_read_config(context.root, SETTINGS_FILE, &file, f) < 0)
		return -1;
	return settings_parse(&context.settings, SETTINGS_FILE, text_string(&file), file.length, f);
}

void cmd_words_format(const char *const *argv, struct text *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";

	for (size_t i = 0; argv[i] != NULL; i++) {
		const bool bare = argv[i][0] != '\0' && argv[i][strspn(argv[i], plain)] == '\0';
		text_add_string(out, i > 0 ? " " : "");
		text_add_string(out, bare ? "" : "'");
		for (const char *c = argv[i]; *c != '\0'; c++)
			*c == '\'' ? text_add_string(out, "'\\''") : text_add_char(out, *c);
		text_add_string(out, bare ? "" : "'");
	}
}

int cmd_word_find(const char *command, const char *word, const char *const *known, size_t *ret_which, struct fault *f)
{
	struct nearest nearest = { .word = word, .length = strlen(word) };
	char hint[NEAREST_HINT_SIZE];
	TEXT_AUTO list = { 0 };

	for (size_t i = 0; known[i] != NULL; i++) {
		if (strcmp(word, known[i]) == 0) {
			*ret_which = i;
			return 0;
		}
		nearest_offer(&nearest, known[i]);
		text_add_format(&list, "%s%s", i > 0 ? ", " : "", known[i]);
	}
	if (word[0] == '\0')
		return fault_usage(f, "%s takes one of %s", command, text_string(&list));
	return fault_usage(f, "%s takes one of %s, not '%s'%s", command, text_string(&list), SHOWN(word),
			   nearest_hint(&nearest, "", "", hint));
}

int cmd_lock(const struct cmd_context *c, struct fault *f)
{
	/* Never closed: the lock is held until the process ends. */
	static int held = -1;

	if (held >= 0 || c->dry_run)
		return 0;
	FS_AUTO int dir = -1;
	if (fs_dirs_make(c->root, SETTINGS_PREFIX, 0755, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dirs_make(c->root, SETTINGS_VAR, 0700, FS_FOLLOW_TRUSTED, f) < 0 ||
	    fs_dir_open(c->root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	return fs_lock_take(dir, "lock", LOCK_PATIENCE_MS, &held, f);
}

/* Checked first: a stack overflow kills us without a message and without a rollback. */
static int stack_check(struct fault *f)
{
	struct rlimit stack;

	if (getrlimit(RLIMIT_STACK, &stack) < 0 || stack.rlim_cur >= STACK_LEAST_KB * 1024)
		return 0;
	stack.rlim_cur = STACK_LEAST_KB * 1024;
	if (setrlimit(RLIMIT_STACK, &stack) == 0)
		return 0;
	return fault_system(f, 0,
			    "only %llu KB of stack are allowed ('ulimit -s'), and %d are needed; log in again, and "
			    "retry",
			    (unsigned long long)stack.rlim_max / 1024, STACK_LEAST_KB);
}

static int work(const struct option_list *operands, struct fault *f)
{
	if (stack_check(f) < 0)
		return -1;
	if (operands->count < cmd_tool.operands_least || operands->count > cmd_tool.operands_most)
		return fault_usage(f, "%s operands; usage: %s [OPTION]... %s",
				   operands->count < cmd_tool.operands_least ? "too few" : "too many", cmd_tool.name,
				   cmd_tool.operands != NULL ? cmd_tool.operands : "");
	context.operands = operands->items;
	context.operand_count = operands->count;
	if (context.root_path == NULL)
		context.root_path = "/";
	context.colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;

	if ((cmd_tool.flags & CMD_ANYBODY) == 0 && geteuid() != 0)
		return fault_system(f, 0, "this must be run by root; use su or sudo");
	if (fs_root_open(context.root_path, &context.root, f) < 0)
		return -1;
	if (settings_read(f) < 0)
		return cmd_tool.no_answer_prefix != NULL ? fault_prefix(f, "%s", cmd_tool.no_answer_prefix) : -1;
	return cmd_tool.run(&context, f);
}

void cmd_result_exit(struct json *j, const struct fault *f)
{
	json_number(j, "exit", f->kind);
	if (f->kind != FAULT_NONE)
		json_fault(j, "error", f);
}

static void result_begin(struct text *target)
{
	text_cut(target, 0);
	json_init(context.result, target);
	json_object_begin(context.result, NULL);
	json_string(context.result, "command", cmd_tool.name);
}

static void result_print(const struct fault *f)
{
	struct json *j = context.result;

	if (j->depth > 1)
		result_begin(j->target);
	if (j->depth == 1) {
		cmd_result_exit(j, f);
		json_object_end(j);
	}
	(void)printf("%s\n", text_string(j->target));
}

static int front_run(int argc, char *argv[], struct fault *f)
{
	context.operands = (const char *const *)(uintptr_t)(argv + 1);
	context.operand_count = argc > 0 ? (size_t)argc - 1 : 0;
	const int r = cmd_tool.run(&context, f);
	if (context.json)
		result_print(f);
	return r;
}

static int tool_run(int argc, char *argv[], struct fault *f)
{
	struct option_list operands = { 0 };
	int r = option_parse(argc, argv, cmd_tool.options, common_options, &operands, f);

	if (r == 0 && (help || version || words)) {
		TEXT_AUTO out = { 0 };
		if (help)
			help_print(&out);
		else if (version)
			text_add_format(&out, "%s %s\n", cmd_tool.name, OKV_LUNA_VERSION);
		else
			words_print(&out);
		(void)fputs(text_string(&out), stdout);
	} else {
		if (r == 0)
			r = work(&operands, f);
		if (context.json)
			result_print(f);
	}
	option_list_done(&operands);
	return r;
}

int main(int argc, char *argv[])
{
	struct fault f = { 0 };
	struct report report = { .on_line = line_print };
	TEXT_AUTO object = { 0 };
	struct json result;

	context.report = &report;
	context.result = &result;
	result_begin(&object);
	if (!process_start())
		return 5;
	if ((cmd_tool.flags & CMD_SYSLOG) != 0) {
		openlog("okv-luna", LOG_PID, LOG_DAEMON);
		to_syslog = true;
	}
	const int r = ((cmd_tool.flags & CMD_FRONT) != 0 ? front_run : tool_run)(argc, argv, &f);
	/* Without a text, the exit status is the whole answer. */
	if (r < 0 && f.text[0] != '\0')
		complain(f.text);

	settings_done(&context.settings);
	fs_close(&context.root);
	/* Nobody read the answer if the disk is full or the pipe is closed. */
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		(void)fault_system(&f, errno, "cannot write to standard output");
		complain(f.text);
	}
	return (int)f.kind;
}
