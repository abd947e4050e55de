/*
 * The front command: executes the tool of a command.  It forks no child, so exit status, signals and terminal need no
 * forwarding.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "cmd/tool.h"
#include "proc/child.h"

static const struct command {
	const char *name;
	const char *summary;
} commands[] = {
	{ "guide", "the integration guide's steps for this server, and which is next" },
	{ "setup", "run the installation steps that okv-luna can run, in order" },
	{ "status", "every check at a glance" },
	{ "slots", "the HSM's slots as OKV's user sees them" },
	{ "network", "check that the HSM's servers can be reached and know this client" },
	{ "config", "check, show, wire and edit OKV's HSM files and Chrystoki.conf" },
	{ "repair", "owners, groups and modes to policy" },
	{ "extract", "install a Luna client from an archive" },
	{ "rehearse", "simulate the upgrade in memory and check that the HSM answers" },
	{ "upgrade", "pre-upgrade, then OKV's own upgrade" },
	{ "pre-upgrade", "prepare for an upgrade and answer: Go or not" },
	{ "mid-upgrade", "called by OKV inside its upgrade" },
	{ "post-upgrade", "prove after an upgrade that nothing was lost" },
	{ "bundle", "hsmbundle to the other nodes of a cluster" },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]), EXIT_UNKNOWN_COMMAND = 127 };

static void help_print(void)
{
	(void)printf("Usage: okv-luna COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)printf("  %-14s%s\n", commands[i].name, commands[i].summary);
	(void)printf("\nFor more: 'okv-luna help COMMAND'; the manual is in okv-luna(8).\n");
}

static void commands_json(struct json *j)
{
	json_string(j, "version", OKV_LUNA_VERSION);
	json_array_begin(j, "commands");
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		json_object_begin(j, NULL);
		json_string(j, "name", commands[i].name);
		json_string(j, "summary", commands[i].summary);
		json_object_end(j);
	}
	json_array_end(j);
}

static int help(const struct cmd_context *context)
{
	if (context->json)
		commands_json(context->result);
	else
		help_print();
	return 0;
}

static bool is_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return true;
	return false;
}

/* Exits with 127, as a shell does for an unknown command. */
static _Noreturn void unknown_exit(const struct cmd_context *context, const char *name)
{
	struct nearest nearest = { .word = name, .length = strlen(name) };
	char hint[NEAREST_HINT_SIZE];
	struct fault why = { 0 };
	struct json *j = context->result;

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		nearest_offer(&nearest, commands[i].name);
	(void)fault_usage(&why, "unknown command '%s'%s", SHOWN(name),
			  nearest_hint(&nearest, "", "; 'okv-luna help' lists them", hint));
	json_number(j, "exit", EXIT_UNKNOWN_COMMAND);
	json_fault(j, "error", &why);
	json_object_end(j);
	if (context->json)
		(void)printf("%s\n", text_string(j->target));
	const bool written = fflush(stdout) == 0;
	(void)fprintf(stderr, "okv-luna: %s\n", why.text);
	if (!written)
		(void)fprintf(stderr, "okv-luna: cannot write to standard output: %s\n", fault_errno_text(errno));
	_exit(written ? EXIT_UNKNOWN_COMMAND : (int)FAULT_SYSTEM);
}

/* Does not return on success.  `arguments` ends with NULL; the first is overwritten. */
static int command_exec(const char *name, char **arguments, struct fault *f)
{
	char tool[64], path[PATH_MAX];

	(void)snprintf(tool, sizeof(tool), "okv-luna-%s", name);
	proc_child_program(tool, path);
	arguments[0] = path;
	(void)execve(path, arguments, environ);
	return fault_errno(f, errno, "cannot run '%s'; reinstall the package okv-luna-hooks", SHOWN(path));
}

static int run(struct cmd_context *context, struct fault *f)
{
	static char json_option[] = "--json", help_option[] = "--help";
	char **words = (char **)(uintptr_t)context->operands;
	size_t count = context->operand_count;

	while (count > 0 && strcmp(words[0], json_option) == 0) {
		context->json = true;
		words++;
		count--;
	}
	const char *name = count > 0 ? words[0] : NULL;
	if (name == NULL)
		return context->json ? help(context) : fault_usage(f, "which command? 'okv-luna help' lists them");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (strcmp(name, "help") == 0 && count == 1))
		return help(context);
	if (strcmp(name, "--version") == 0) {
		(void)printf("okv-luna %s\n", OKV_LUNA_VERSION);
		context->json = false;
		return 0;
	}
	if (strcmp(name, "--complete") == 0) {
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			(void)printf("%s\n", commands[i].name);
		return 0;
	}
	if (name[0] == '-')
		return fault_usage(f, "unknown option '%s'; see 'okv-luna help'", SHOWN(name));

	if (strcmp(name, "help") == 0) {
		if (count > 2)
			return fault_usage(f, "help takes one command, as in 'okv-luna help %s'", SHOWN(words[1]));
		name = words[1];
		words[1] = help_option;
	} else if (context->json) {
		/* Pass --json on: it takes the place of the --json in front of the command. */
		words--;
		words[1] = json_option;
	}
	if (!is_command(name))
		unknown_exit(context, name);
	context->json = false;
	const int r = command_exec(name, words, f);
	context->json = words[1] == json_option;
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna",
	.summary = "Oracle Key Vault with a Thales Luna HSM: install, upgrade and cluster safely",
	.operands = "COMMAND [OPTION]...",
	.flags = CMD_FRONT,
	.run = run,
};
