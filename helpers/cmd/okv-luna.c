/*
 * The front command: finds the program of a command beside itself and becomes it.
 *
 * It starts no child: execve(2) passes the exit status and the terminal through by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/tool.h"
#include "proc/child.h"

static const struct command {
	const char *name;
	const char *summary;
} commands[] = {
	{ "guide", "the integration guide's steps for this server, and which is next" },
	{ "setup", "guide's steps of installation that are ours, in order" },
	{ "status", "every check at a glance" },
	{ "slots", "what the HSM shows to OKV's user" },
	{ "network", "whether the HSM's servers can be reached and know this client" },
	{ "config", "check, show, wire and edit OKV's generic HSM files and Chrystoki.conf" },
	{ "repair", "owners, groups and modes to policy" },
	{ "extract", "install a Luna client from an archive" },
	{ "rehearse", "play the upgrade in memory and ask the HSM" },
	{ "upgrade", "pre-upgrade, then OKV's own upgrade" },
	{ "pre-upgrade", "make ready for an upgrade and answer: go or not" },
	{ "mid-upgrade", "called by OKV inside its upgrade" },
	{ "post-upgrade", "prove after an upgrade that nothing was lost" },
	{ "bundle", "hsmbundle to the other nodes of a cluster" },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]), EXIT_UNKNOWN_COMMAND = 127 };

static void help_print(FILE *out)
{
	(void)fprintf(out, "Usage: okv-luna COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)fprintf(out, "  %-14s%s\n", commands[i].name, commands[i].summary);
	(void)fprintf(out, "\n'okv-luna COMMAND --help' tells more; the manual is in okv-luna(8).\n");
}

static int run(struct cmd_context *context, struct fault *f)
{
	const char *name = context->operand_count > 0 ? context->operands[0] : NULL;

	if (name == NULL)
		return fault_usage(f, "which command? 'okv-luna --help' lists them");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		help_print(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0) {
		(void)printf("okv-luna %s\n", OKV_LUNA_VERSION);
		return 0;
	}
	if (strcmp(name, "--complete") == 0) {
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			(void)printf("%s\n", commands[i].name);
		return 0;
	}

	if (name[0] == '-')
		return fault_usage(f, "unknown option '%s'; 'okv-luna --help' tells the usage", SHOWN(name));

	size_t which = 0;
	while (which < COMMAND_COUNT && strcmp(commands[which].name, name) != 0)
		which++;
	if (which == COMMAND_COUNT) {
		(void)fprintf(stderr, "okv-luna: unknown command '%s'; 'okv-luna --help' lists them\n", SHOWN(name));
		_exit(EXIT_UNKNOWN_COMMAND);
	}

	char tool[64], path[PATH_MAX];
	(void)snprintf(tool, sizeof(tool), "okv-luna-%s", name);
	proc_child_program(tool, path);
	/* The child prints its own name, so argv[0] is all that changes. */
	char **arguments = (char **)(uintptr_t)context->operands;
	arguments[0] = path;
	(void)execve(path, arguments, environ);
	return fault_errno(f, errno, "cannot run '%s'; reinstall the package okv-luna-hooks", SHOWN(path));
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna",
	.summary = "Oracle Key Vault with a Thales Luna HSM: install, upgrade and cluster safely",
	.operands = "COMMAND [OPTION]...",
	.needs = CMD_FRONT,
	.run = run,
};
