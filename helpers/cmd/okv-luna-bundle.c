/*
 * okv-luna bundle: moves OKV's hsmbundle to the other nodes of a cluster and removes every copy afterwards.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "bundle/act.h"
#include "bundle/header.h"
#include "cmd/tool.h"
#include "okv/leftovers.h"
#include "proc/child.h"
#include "proc/interrupt.h"

enum { DAY = 24 * 60 * 60 };

enum { FD_NONE = INT_MAX };

static struct bundle_options given;
static const char *passphrase_file;
static uint64_t passphrase_fd = FD_NONE;
static bool keep_bundle;

static const struct option options[] = {
	OPTION_ROW(0, "out", OPTION_TEXT, &given.out, "FILE", "seal: the sealed file to make"),
	OPTION_RANGE(0, "iterations", OPTION_NUMBER, BUNDLE_ITERATIONS_LEAST, BUNDLE_ITERATIONS_MOST, &given.iterations,
		     "N", "seal, send: rounds of PBKDF2 (default 600000)"),
	OPTION_ROW(0, "passphrase-file", OPTION_TEXT, &passphrase_file, "FILE",
		   "read the passphrase from FILE instead of the terminal"),
	OPTION_RANGE(0, "passphrase-fd", OPTION_NUMBER, 0, FD_NONE - 1, &passphrase_fd, "N",
		     "read the passphrase from open descriptor N"),
	OPTION_ROW(0, "max-age", OPTION_SECONDS, &given.max_age, "AGE",
		   "apply, verify: refuse an older bundle; 90s, 30m, 24h, 2d (apply's default 24h)"),
	OPTION_ROW(0, "plain", OPTION_FLAG, &given.plain, NULL,
		   "apply: the file is an unsealed hsmbundle, copied as the guide says"),
	OPTION_ROW(0, "older", OPTION_FLAG, &given.older, NULL, "apply: replace the bundle even if it is newer"),
	OPTION_ROW(0, "file", OPTION_TEXT, &given.file, "FILE", "send: use this sealed file, make no new one"),
	OPTION_RANGE(0, "jobs", OPTION_NUMBER, 1, PROC_CHILDREN_MAX, &given.jobs, "N",
		     "send: nodes at a time (default 16)"),
	OPTION_RANGE(0, "timeout", OPTION_NUMBER, 1, DAY, &given.timeout, "SECONDS",
		     "send: give up on a node after this time (default 300)"),
	OPTION_RANGE('p', "port", OPTION_NUMBER, 1, 65535, &given.port, "N",
		     "send: ssh port of the nodes given without one"),
	OPTION_ROW(0, "user", OPTION_TEXT, &given.user, "NAME", "send: user on the nodes (default support)"),
	OPTION_ROW('i', "identity", OPTION_TEXT, &given.identity, "FILE", "send: private key for ssh"),
	OPTION_ROW('o', "ssh-option", OPTION_LIST, &given.ssh_options, "NAME=VALUE",
		   "send: an option for ssh, as in ssh_config(5); may be repeated"),
	OPTION_ROW(0, "ask", OPTION_FLAG, &given.ask, NULL,
		   "send: one node at a time; ssh may ask for passwords and host keys"),
	OPTION_ROW(0, "keep-bundle", OPTION_FLAG, &keep_bundle, NULL,
		   "clean: leave the bundle in its place, remove all other copies"),
	OPTION_END,
};

/* --- status and clean --------------------------------------------------------------------------------------------- */

/* In the JSON. */
static const char *const kind_names[] = {
	[OKV_LEFTOVER_BUNDLE] = "bundle", [OKV_LEFTOVER_PLAIN] = "plain",   [OKV_LEFTOVER_SEALED] = "sealed",
	[OKV_LEFTOVER_STAGE] = "stage",   [OKV_LEFTOVER_UNSEEN] = "unseen",
};

static void leftover_show(const char *mark, const struct okv_leftover *leftover, const char *flaw, struct text *lines,
			  struct json *j)
{
	const struct stat *s = &leftover->status;
	char changed[TIME_STAMP_SIZE];

	text_add_format(lines, "%-5s %s: ", mark, SHOWN(leftover->path));
	okv_leftover_describe(leftover, lines);
	text_add_format(lines, "%s%s\n", flaw[0] != '\0' ? "; " : "", flaw);
	json_object_begin(j, NULL);
	json_string(j, "path", leftover->path);
	json_string(j, "kind", kind_names[leftover->kind]);
	if (leftover->kind == OKV_LEFTOVER_UNSEEN) {
		json_string(j, "why", leftover->why);
	} else {
		time_format(s->st_mtim.tv_sec, changed);
		json_unsigned(j, "size", (uint64_t)s->st_size);
		json_string(j, "modified", changed);
		json_unsigned(j, "uid", s->st_uid);
		json_unsigned(j, "gid", s->st_gid);
		json_mode(j, "mode", s->st_mode & 07777);
		json_string(j, "origin", leftover->origin[0] != '\0' ? leftover->origin : NULL);
	}
	json_string(j, "flaw", flaw[0] != '\0' ? flaw : NULL);
	json_object_end(j);
}

static void flaw_add(const struct okv_leftover *leftover, const struct bundle_act *act, const struct bundle_node *node,
		     struct text *out)
{
	const struct settings *s = act->settings;

	if (leftover->kind == OKV_LEFTOVER_UNSEEN)
		text_add_string(out, "check it yourself; it is reported until it can be read, or is gone");
	else if (leftover->kind != OKV_LEFTOVER_BUNDLE)
		text_add_string(out, "remove it: okv-luna bundle clean --keep-bundle");
	else if (leftover->status.st_size == 0)
		text_add_string(out, "create it again on the console: HSM page, Create Bundle");
	else if (leftover->why[0] != '\0')
		text_add_string(out, "open it: okv-luna bundle apply " SETTINGS_BUNDLE);
	else if (!bundle_node_owns(node, &leftover->status))
		text_add_format(
			out, "wrong owner or mode; fix: chown %s:%s " SETTINGS_BUNDLE " && chmod %04o " SETTINGS_BUNDLE,
			s->okv_user, s->okv_group, (unsigned)s->bundle_mode);
}

static bool is_listed(const struct okv_leftovers *leftovers, const char *path)
{
	for (size_t i = 0; i < leftovers->count; i++)
		if (strcmp(leftovers->items[i].path, path) == 0)
			return true;
	return false;
}

/* FAULT_NEGATIVE for anything but a usable bundle in its place, including what could not be read. */
static int act_status(const struct bundle_act *act, struct fault *f)
{
	OKV_LEFTOVERS_AUTO leftovers = { 0 };
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	size_t flaws = 0;

	if (bundle_node_find(act->root, act->settings, &node, f) < 0 ||
	    okv_leftovers_find(act->root, act->settings, &leftovers, f) < 0)
		return -1;
	const bool there = is_listed(&leftovers, SETTINGS_BUNDLE);
	json_bool(act->result, "bundle", there);
	json_array_begin(act->result, "copies");
	if (!there)
		text_add_format(act->lines, "OK    %s: not there\n", SETTINGS_BUNDLE);
	for (size_t i = 0; i < leftovers.count; i++) {
		TEXT_AUTO flaw = { 0 };
		flaw_add(&leftovers.items[i], act, &node, &flaw);
		flaws += flaw.length > 0 ? 1 : 0;
		leftover_show(flaw.length == 0 ? "OK" : "WARN", &leftovers.items[i], text_string(&flaw), act->lines,
			      act->result);
	}
	json_array_end(act->result);
	json_unsigned(act->result, "flaws", flaws);
	if (flaws > 0)
		return fault_negative(f, "%zu file%s should be looked at", flaws, flaws == 1 ? "" : "s");
	return 0;
}

static int act_clean(const struct bundle_act *act, struct fault *f)
{
	OKV_LEFTOVERS_AUTO leftovers = { 0 };
	size_t removed = 0, failed = 0;

	if (bundle_act_claim(act, f) < 0 || okv_leftovers_find(act->root, act->settings, &leftovers, f) < 0)
		return -1;
	json_array_begin(act->result, "removed");
	for (size_t i = 0; i < leftovers.count; i++) {
		const struct okv_leftover *leftover = &leftovers.items[i];
		struct fault why = { 0 };
		if (keep_bundle && leftover->kind == OKV_LEFTOVER_BUNDLE)
			continue;
		if ((!act->dry_run || leftover->kind == OKV_LEFTOVER_UNSEEN) &&
		    okv_leftover_remove(act->root, leftover, &why) < 0) {
			report_say(act->report, REPORT_WARNING, "%s", why.text);
			failed++;
			continue;
		}
		leftover_show(act->dry_run ? "would remove" : "removed", leftover, "", act->lines, act->result);
		removed++;
	}
	json_array_end(act->result);
	json_unsigned(act->result, "failed", failed);
	if (removed == 0 && failed == 0)
		text_add_format(act->lines, "nothing to remove%s\n",
				keep_bundle ? " besides the bundle in its place" : "");
	if (!keep_bundle)
		text_add_string(
			act->lines,
			"the guide allows this when Cluster Settings State shows every node HSM-enabled and "
			"replication is\n"
			"verified, and then on all nodes; a node where the bundle was not applied needs a new copy\n");
	if (failed > 0)
		return fault_incomplete(f, "%zu cop%s could not be removed or looked at", failed,
					failed == 1 ? "y" : "ies");
	return 0;
}

/* --- sub-commands and their options ------------------------------------------------------------------------------- */

enum {
	TAKES_PASSPHRASE = 1 << 0,
	TAKES_AGE = 1 << 1,
	TAKES_SSH = 1 << 2,
	TAKES_OUT = 1 << 3,
	TAKES_APPLY = 1 << 4,
	TAKES_ITERATIONS = 1 << 5,
	TAKES_KEEP = 1 << 6,
};

static const struct act {
	const char *name;
	const char *operands;
	size_t least, most;
	unsigned takes;
	int (*run)(const struct bundle_act *act, struct fault *f);
} acts[] = {
	{ "seal", "--out FILE", 0, 0, TAKES_PASSPHRASE | TAKES_OUT | TAKES_ITERATIONS, bundle_act_seal },
	{ "apply", "FILE", 1, 1, TAKES_PASSPHRASE | TAKES_AGE | TAKES_APPLY, bundle_act_apply },
	{ "verify", "FILE", 1, 1, TAKES_PASSPHRASE | TAKES_AGE, bundle_act_verify },
	{ "send", "NODE...", 1, 1000, TAKES_PASSPHRASE | TAKES_SSH | TAKES_ITERATIONS, bundle_act_send },
	{ "status", "", 0, 0, 0, act_status },
	{ "clean", "", 0, 0, TAKES_KEEP, act_clean },
};

/* In the order of `acts`. */
static const char *const words[] = { "seal", "apply", "verify", "send", "status", "clean", NULL };

/* Refuses an option that the sub-command would ignore. */
static int options_check(const struct act *act, struct fault *f)
{
	const struct {
		bool used;
		unsigned kind;
		const char *name;
	} uses[] = {
		{ passphrase_file != NULL, TAKES_PASSPHRASE, "--passphrase-file" },
		{ passphrase_fd != FD_NONE, TAKES_PASSPHRASE, "--passphrase-fd" },
		{ given.max_age != 0, TAKES_AGE, "--max-age" },
		{ given.out != NULL, TAKES_OUT, "--out" },
		{ given.plain, TAKES_APPLY, "--plain" },
		{ given.older, TAKES_APPLY, "--older" },
		{ given.iterations != 0, TAKES_ITERATIONS, "--iterations" },
		{ keep_bundle, TAKES_KEEP, "--keep-bundle" },
		{ given.file != NULL, TAKES_SSH, "--file" },
		{ given.jobs != 0, TAKES_SSH, "--jobs" },
		{ given.timeout != 0, TAKES_SSH, "--timeout" },
		{ given.port != 0, TAKES_SSH, "--port" },
		{ given.user != NULL, TAKES_SSH, "--user" },
		{ given.identity != NULL, TAKES_SSH, "--identity" },
		{ given.ssh_options.count > 0, TAKES_SSH, "--ssh-option" },
		{ given.ask, TAKES_SSH, "--ask" },
	};

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (uses[i].used && (act->takes & uses[i].kind) == 0)
			return fault_usage(f, "'bundle %s' does not take %s", act->name, uses[i].name);
	if (passphrase_file != NULL && passphrase_fd != FD_NONE)
		return fault_usage(f, "--passphrase-file and --passphrase-fd cannot be used together");
	if (passphrase_fd != FD_NONE && fcntl((int)passphrase_fd, F_GETFD) < 0)
		return fault_usage(f, "--passphrase-fd %d is not open", (int)passphrase_fd);
	return 0;
}

static int lock(void *holder, struct fault *f)
{
	const struct cmd_context *context = holder;

	return cmd_lock(context, f);
}

static int act_run(struct cmd_context *context, const struct act *act, struct fault *f)
{
	TEXT_AUTO lines = { 0 };
	const struct bundle_act how = {
		.root = context->root,
		.own_root = strcmp(context->root_path, "/") == 0,
		.dry_run = context->dry_run,
		.verbose = context->verbose,
		.now = time_now(),
		.settings = &context->settings,
		.report = context->report,
		.options = &given,
		.passphrase = { .file = passphrase_file, .fd = passphrase_fd == FD_NONE ? -1 : (int)passphrase_fd },
		.operands = context->operands + 1,
		.operand_count = context->operand_count - 1,
		.lock = lock,
		.holder = context,
		.lines = &lines,
		.result = context->result,
	};
	const size_t before = context->result->target->length;
	const int r = act->run(&how, f);

	/* Only if the act has an answer: otherwise the object stays as main() began it. */
	if (context->result->target->length > before) {
		json_string(context->result, "act", act->name);
		json_bool(context->result, "dry_run", context->dry_run);
	}
	cmd_print(context, "%s", text_string(&lines));
	return r;
}

static int run(struct cmd_context *context, struct fault *f)
{
	const size_t count = context->operand_count - 1;
	size_t which;

	if (cmd_word_find("bundle", context->operands[0], words, &which, f) < 0)
		return -1;
	const struct act *act = &acts[which];
	if (count < act->least || count > act->most)
		return fault_usage(f, "usage: okv-luna bundle %s%s%s [OPTION]...", act->name,
				   act->operands[0] != '\0' ? " " : "", act->operands);
	if (options_check(act, f) < 0)
		return -1;

	proc_interrupt_watch();
	const int r = act_run(context, act, f);
	option_list_done(&given.ssh_options);
	/* proc_interrupt_end() then ends this process by the signal, which would lose what stdio has buffered. */
	if (proc_interrupt_pending() != 0)
		(void)fflush(stdout);
	proc_interrupt_end();
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-bundle",
	.summary = "Move OKV's hsmbundle to the other nodes of a cluster, sealed, and remove every copy afterwards",
	.operands = "seal|apply|verify|send|status|clean [FILE|NODE...]",
	.operands_least = 1,
	.operands_most = 1001,
	.words = words,
	.options = options,
	.flags = CMD_ANYBODY,
	.run = run,
};
