/*
 * okv-luna bundle: OKV's hsmbundle to the other nodes of a cluster, authenticated, and gone afterwards.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bundle/apply.h"
#include "bundle/copies.h"
#include "bundle/node.h"
#include "bundle/outgoing.h"
#include "bundle/seal.h"
#include "bundle/send.h"
#include "bundle/tell.h"
#include "cmd/tool.h"
#include "fs/handle.h"
#include "proc/child.h"
#include "proc/interrupt.h"

enum { DAY = 24 * 60 * 60, JOBS_DEFAULT = 8, TIMEOUT_DEFAULT = 300, FD_NONE = INT_MAX };

static struct {
	const char *out, *file, *passphrase_file, *user, *identity;
	uint64_t max_age, passphrase_fd, iterations, jobs, timeout, port;
	struct option_list ssh_options;
	bool plain, ask, keep_bundle;
} given = {
	.passphrase_fd = FD_NONE,
	.user = NULL,
};

static const struct option options[] = {
	{ .name = "out", .kind = OPTION_TEXT, .argument = "FILE", .target = &given.out,
	  .help = "seal: the sealed file to make" },
	{ .name = "iterations", .kind = OPTION_NUMBER, .argument = "N", .target = &given.iterations,
	  .least = BUNDLE_ITERATIONS_LEAST, .most = BUNDLE_ITERATIONS_MOST,
	  .help = "seal, send: rounds of PBKDF2 (default 600000)" },
	{ .name = "passphrase-file", .kind = OPTION_TEXT, .argument = "FILE", .target = &given.passphrase_file,
	  .help = "read the passphrase from FILE instead of the terminal" },
	{ .name = "passphrase-fd", .kind = OPTION_NUMBER, .argument = "N", .target = &given.passphrase_fd,
	  .least = 0, .most = FD_NONE - 1, .help = "read the passphrase from open descriptor N" },
	{ .name = "max-age", .kind = OPTION_SECONDS, .argument = "AGE", .target = &given.max_age,
	  .help = "apply, verify: refuse an older bundle; 90s, 30m, 24h, 2d (apply's default 24h)" },
	{ .name = "plain", .target = &given.plain,
	  .help = "apply: the file is an unsealed hsmbundle, copied as the guide says" },
	{ .name = "file", .kind = OPTION_TEXT, .argument = "FILE", .target = &given.file,
	  .help = "send: this sealed file instead of a fresh one" },
	{ .name = "jobs", .kind = OPTION_NUMBER, .argument = "N", .target = &given.jobs,
	  .least = 1, .most = PROC_CHILDREN_MAX, .help = "send: nodes at a time (default 8)" },
	{ .name = "timeout", .kind = OPTION_NUMBER, .argument = "SECONDS", .target = &given.timeout,
	  .least = 1, .most = DAY, .help = "send: give a node up after so long (default 300)" },
	{ .letter = 'p', .name = "port", .kind = OPTION_NUMBER, .argument = "N", .target = &given.port,
	  .least = 1, .most = 65535, .help = "send: port of ssh on every node that names none" },
	{ .name = "user", .kind = OPTION_TEXT, .argument = "NAME", .target = &given.user,
	  .help = "send: user on the nodes (default support)" },
	{ .letter = 'i', .name = "identity", .kind = OPTION_TEXT, .argument = "FILE", .target = &given.identity,
	  .help = "send: private key for ssh" },
	{ .letter = 'o', .name = "ssh-option", .kind = OPTION_LIST, .argument = "NAME=VALUE",
	  .target = &given.ssh_options, .help = "send: an option for ssh, as in ssh_config(5); may be repeated" },
	{ .name = "ask", .target = &given.ask,
	  .help = "send: node after node, and ssh may ask for passwords and new host keys" },
	{ .name = "keep-bundle", .target = &given.keep_bundle,
	  .help = "clean: leave the bundle in its place, remove all other copies" },
	OPTION_END,
};

static int64_t now_seconds(void)
{
	return (int64_t)time(NULL);
}

static struct bundle_source passphrase_source(void)
{
	return (struct bundle_source){
		.file = given.passphrase_file,
		.fd = given.passphrase_fd == FD_NONE ? -1 : (int)given.passphrase_fd,
	};
}

static void result_begin(const struct cmd_context *context, struct json *j, const char *act)
{
	json_init(j, context->result);
	json_object_begin(j, NULL);
	json_string(j, "command", cmd_tool.name);
	json_string(j, "act", act);
	json_bool(j, "dry_run", context->dry_run);
}

/* Lines for people, or the object for programs: the main prints the latter. */
static void result_end(const struct cmd_context *context, struct json *j, const struct text *lines)
{
	json_object_end(j);
	cmd_print(context, "%s", text_string(lines));
}

static enum bundle_detail detail(const struct cmd_context *context)
{
	return context->verbose ? BUNDLE_FULL : BUNDLE_BRIEF;
}

static int root_needed(struct fault *f)
{
	return geteuid() == 0 ? 0 : fault_system(f, 0, "this must be run by root; use su or sudo");
}

/* --- seal --------------------------------------------------------------------------------------------------- */

static int seal_prepare(const struct cmd_context *context, char own_name[BUNDLE_ORIGIN_SIZE],
			struct bundle_seal *ret_how, struct fault *f)
{
	if (bundle_host_name(context->root, strcmp(context->root_path, "/") == 0, own_name, f) < 0)
		return -1;
	*ret_how = (struct bundle_seal){
		.root = context->root,
		.settings = &context->settings,
		.report = context->report,
		.own_name = own_name,
		.now = now_seconds(),
		.iterations = given.iterations != 0 ? (uint32_t)given.iterations : BUNDLE_ITERATIONS_LEAST,
		.source = passphrase_source(),
		.dry_run = context->dry_run,
	};
	return 0;
}

static int seal(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal how;
	struct bundle_sealed sealed;
	struct json j;

	if (given.out == NULL)
		return fault_usage(f, "seal needs --out FILE");
	if (root_needed(f) < 0 || seal_prepare(context, own_name, &how, f) < 0 || cmd_lock(context, f) < 0 ||
	    bundle_seal_file(&how, given.out, &sealed, f) < 0)
		return -1;
	result_begin(context, &j, "seal");
	json_string(&j, "out", given.out);
	if (context->dry_run) {
		text_add_format(&lines, "would seal '%s' (%s bytes) of %s as '%s'\n", SETTINGS_BUNDLE,
				BUNDLE_GROUPED(sealed.header.size), SHOWN(own_name), SHOWN(given.out));
	} else {
		text_add_format(&lines, "sealed '%s' as '%s'\n", SETTINGS_BUNDLE, SHOWN(given.out));
		bundle_tell_header(&sealed.header, sealed.derivation_us, detail(context), &lines, &j);
		text_add_string(&lines, "next: bring it to every other node and run 'okv-luna bundle apply' there\n");
	}
	result_end(context, &j, &lines);
	return 0;
}

/* --- apply and verify ---------------------------------------------------------------------------------------- */

static int apply_prepare(const struct cmd_context *context, char own_name[BUNDLE_ORIGIN_SIZE], uint64_t default_age,
			 struct bundle_apply *ret_how, struct fault *f)
{
	if (bundle_host_name(context->root, strcmp(context->root_path, "/") == 0, own_name, f) < 0)
		return -1;
	*ret_how = (struct bundle_apply){
		.root = context->root,
		.settings = &context->settings,
		.report = context->report,
		.rules = { .own_name = own_name, .max_age = given.max_age != 0 ? given.max_age : default_age,
			   .now = now_seconds() },
		.source = passphrase_source(),
		.dry_run = context->dry_run,
	};
	return 0;
}

static const char *applied_words(const struct cmd_context *context, const struct bundle_applied *applied)
{
	if (!applied->changed)
		return "nothing to change, the same bundle is at";
	return context->dry_run ? "would be put at" : "applied to";
}

static int apply(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	char own_name[BUNDLE_ORIGIN_SIZE];
	const char *carrier = context->operands[1];
	struct bundle_apply how;
	struct bundle_applied applied;
	struct json j;

	if (given.plain && (given.passphrase_file != NULL || given.passphrase_fd != FD_NONE))
		return fault_usage(f, "--plain takes an unsealed bundle, which has no passphrase");
	if (root_needed(f) < 0 || apply_prepare(context, own_name, DAY, &how, f) < 0 || cmd_lock(context, f) < 0 ||
	    (given.plain ? bundle_apply_plain : bundle_apply_sealed)(&how, carrier, &applied, f) < 0)
		return -1;

	result_begin(context, &j, "apply");
	json_string(&j, "carrier", carrier);
	json_string(&j, "target", SETTINGS_BUNDLE);
	json_bool(&j, "changed", applied.changed);
	text_add_format(&lines, "'%s': %s '%s' (%s:%s %04o)%s\n", SHOWN(carrier), applied_words(context, &applied),
			SETTINGS_BUNDLE, SHOWN(context->settings.okv_user), SHOWN(context->settings.okv_group),
			(unsigned)context->settings.bundle_mode, context->dry_run ? "" : "; the carrier is removed");
	if (given.plain)
		bundle_tell_plain(&applied, &lines, &j);
	else
		bundle_tell_header(&applied.header, applied.derivation_us, detail(context), &lines, &j);
	bundle_tell_next(&lines, &j);
	result_end(context, &j, &lines);
	return 0;
}

static int verify(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_apply how;
	struct bundle_applied applied;
	struct json j;

	if (apply_prepare(context, own_name, 0, &how, f) < 0)
		return -1;
	/* It may well be verified where it was sealed, and looked at when it is old. */
	how.rules.own_name = NULL;
	if (bundle_verify(&how, context->operands[1], &applied, f) < 0)
		return -1;
	result_begin(context, &j, "verify");
	text_add_format(&lines, "'%s': genuine\n", SHOWN(context->operands[1]));
	bundle_tell_header(&applied.header, applied.derivation_us, detail(context), &lines, &j);
	json_number(&j, "age_seconds", how.rules.now - applied.header.created);
	result_end(context, &j, &lines);
	return 0;
}

/* --- send --------------------------------------------------------------------------------------------------- */

static int outgoing_open(struct cmd_context *context, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal how;

	if (given.file != NULL)
		return bundle_outgoing_file(given.file, ret_fd, ret_size, f);
	if (root_needed(f) < 0 || seal_prepare(context, own_name, &how, f) < 0 || cmd_lock(context, f) < 0)
		return -1;
	return bundle_outgoing_make(&how, ret_fd, ret_size, f);
}

/* What ssh needs of our caller's environment to find keys and to ask. */
static void environment_for_ssh(struct text lines[3], const char *ret_environment[4])
{
	static const char *const names[] = { "HOME", "SSH_AUTH_SOCK", "TERM" };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (value == NULL)
			continue;
		text_add_format(&lines[count], "%s=%s", names[i], value);
		if (!lines[count].failed)
			ret_environment[count] = text_string(&lines[count]), count++;
	}
	ret_environment[count] = NULL;
}

static int targets_send(struct cmd_context *context, const struct bundle_send *how, struct bundle_sent *sent,
			struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	char far_path[BUNDLE_FAR_PATH_SIZE];
	FS_AUTO int fd = -1;
	uint64_t size;
	struct json j;

	if (outgoing_open(context, &fd, &size, f) < 0 || bundle_far_path(far_path, f) < 0 ||
	    bundle_send(how, fd, size, far_path, sent, f) < 0)
		return -1;
	result_begin(context, &j, "send");
	const size_t done = bundle_tell_sent(how, sent, far_path, &lines, &j);
	result_end(context, &j, &lines);
	if (done < how->count)
		return fault_incomplete(f, "%zu of %zu nodes did not get the bundle; send to these again",
					how->count - done, how->count);
	return 0;
}

/* Looks at what would be sent, and says where to. */
static int send_plan(struct cmd_context *context, const struct bundle_send *how, struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal seal_how;
	struct bundle_sealed sealed;
	FS_AUTO int fd = -1;
	uint64_t size;
	struct json j;

	if (given.file != NULL ? bundle_outgoing_file(given.file, &fd, &size, f) < 0 :
				 root_needed(f) < 0 || seal_prepare(context, own_name, &seal_how, f) < 0 ||
					 bundle_seal_file(&seal_how, BUNDLE_OUTGOING, &sealed, f) < 0)
		return -1;
	result_begin(context, &j, "send");
	json_array_begin(&j, "nodes");
	for (size_t i = 0; i < how->count; i++) {
		const struct bundle_target *t = &how->targets[i];
		text_add_format(&lines, "would send to %s@%s:/tmp\n", t->user[0] != '\0' ? t->user : how->ssh.user,
				t->host);
		json_string(&j, NULL, t->node);
	}
	json_array_end(&j);
	result_end(context, &j, &lines);
	return 0;
}

static int send_nodes(struct cmd_context *context, struct bundle_target *targets, struct bundle_sent *sent,
		      struct fault *f)
{
	const char *environment[4];
	struct text lines[3] = { TEXT_INIT, TEXT_INIT, TEXT_INIT };
	struct bundle_send how = {
		.targets = targets,
		.count = context->operand_count - 1,
		.ssh = { .user = given.user != NULL ? given.user : "support",
			 .port = given.port,
			 .identity = given.identity,
			 .options = &given.ssh_options,
			 .ask = given.ask },
		.jobs = given.jobs != 0 ? (unsigned)given.jobs : JOBS_DEFAULT,
		.timeout_ms = (unsigned)(given.timeout != 0 ? given.timeout : TIMEOUT_DEFAULT) * 1000,
		.environment = environment,
		.report = context->report,
	};

	if (given.file != NULL && (given.passphrase_file != NULL || given.passphrase_fd != FD_NONE))
		return fault_usage(f, "--file is sealed already; send needs no passphrase for it");
	if (bundle_ssh_check(&how.ssh, f) < 0)
		return -1;
	for (size_t i = 0; i < how.count; i++) {
		if (bundle_target_parse(context->operands[1 + i], &targets[i], f) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (strcmp(targets[i].node, targets[k].node) == 0)
				return fault_usage(f, "node '%s' is named twice", SHOWN(targets[i].node));
	}
	if (context->dry_run)
		return send_plan(context, &how, f);
	environment_for_ssh(lines, environment);
	const int r = targets_send(context, &how, sent, f);
	for (size_t i = 0; i < 3; i++)
		text_done(&lines[i]);
	return r;
}

static int send_run(struct cmd_context *context, struct fault *f)
{
	const size_t count = context->operand_count - 1;
	struct bundle_target *targets = calloc(count, sizeof(*targets));
	struct bundle_sent *sent = calloc(count, sizeof(*sent));
	const int r = targets != NULL && sent != NULL ? send_nodes(context, targets, sent, f) : fault_memory(f);

	free(targets);
	free(sent);
	return r;
}

/* --- status and clean ------------------------------------------------------------------------------------------- */

static int status(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	BUNDLE_COPIES_AUTO copies = BUNDLE_COPIES_INIT;
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	size_t flaws = 0;
	struct json j;

	if (bundle_node_open(context->root, &context->settings, &node, f) < 0 ||
	    bundle_copies_find(context->root, &context->settings, &copies, f) < 0)
		return -1;
	result_begin(context, &j, "status");
	json_bool(&j, "bundle", node.present);
	json_array_begin(&j, "copies");
	if (!node.present)
		text_add_format(&lines, "OK    %s: not there\n", SETTINGS_BUNDLE);
	for (size_t i = 0; i < copies.count; i++) {
		const bool in_place = copies.items[i].kind == BUNDLE_COPY_BUNDLE;
		const char *flaw = !in_place		     ? "remove it: okv-luna bundle clean --keep-bundle" :
				   !bundle_node_owned(&node) ? "wrong owner or mode: apply it again" :
							       "";
		flaws += flaw[0] != '\0' ? 1 : 0;
		bundle_tell_copy(flaw[0] == '\0' ? "OK" : "WARN", &copies.items[i], flaw, &lines, &j);
	}
	json_array_end(&j);
	json_unsigned(&j, "flaws", flaws);
	result_end(context, &j, &lines);
	if (flaws > 0)
		return fault_negative(f, "%zu file%s should be looked at", flaws, flaws == 1 ? "" : "s");
	return 0;
}

static int clean(struct cmd_context *context, struct fault *f)
{
	TEXT_AUTO lines = TEXT_INIT;
	BUNDLE_COPIES_AUTO copies = BUNDLE_COPIES_INIT;
	size_t removed = 0, failed = 0;
	struct json j;

	if (root_needed(f) < 0 || cmd_lock(context, f) < 0 ||
	    bundle_copies_find(context->root, &context->settings, &copies, f) < 0)
		return -1;
	result_begin(context, &j, "clean");
	json_array_begin(&j, "removed");
	for (size_t i = 0; i < copies.count; i++) {
		const struct bundle_copy *copy = &copies.items[i];
		struct fault why = FAULT_INIT;
		if (given.keep_bundle && copy->kind == BUNDLE_COPY_BUNDLE)
			continue;
		if (!context->dry_run && bundle_copy_remove(context->root, copy, &why) < 0) {
			report_say(context->report, REPORT_WARNING, "%s", why.text);
			failed++;
			continue;
		}
		bundle_tell_copy(context->dry_run ? "would remove" : "removed", copy, "", &lines, &j);
		removed++;
	}
	json_array_end(&j);
	json_unsigned(&j, "failed", failed);
	if (removed == 0 && failed == 0)
		text_add_format(&lines, "nothing to remove%s\n",
				given.keep_bundle ? " besides the bundle in its place" : "");
	if (!given.keep_bundle)
		bundle_tell_removal(&lines);
	result_end(context, &j, &lines);
	if (failed > 0)
		return fault_incomplete(f, "%zu cop%s could not be removed", failed, failed == 1 ? "y" : "ies");
	return 0;
}

/* --- which of them ------------------------------------------------------------------------------------------------ */

enum {
	TAKES_PASSPHRASE = 1 << 0,
	TAKES_AGE = 1 << 1,
	TAKES_SSH = 1 << 2,
	TAKES_OUT = 1 << 3,
	TAKES_PLAIN = 1 << 4,
	TAKES_ITERATIONS = 1 << 5,
	TAKES_KEEP = 1 << 6,
};

static const struct act {
	const char *name;
	const char *operands;
	size_t least, most;
	unsigned takes;
	int (*run)(struct cmd_context *context, struct fault *f);
} acts[] = {
	{ "seal", "--out FILE", 0, 0, TAKES_PASSPHRASE | TAKES_OUT | TAKES_ITERATIONS, seal },
	{ "apply", "FILE", 1, 1, TAKES_PASSPHRASE | TAKES_AGE | TAKES_PLAIN, apply },
	{ "verify", "FILE", 1, 1, TAKES_PASSPHRASE | TAKES_AGE, verify },
	{ "send", "NODE...", 1, 1000, TAKES_PASSPHRASE | TAKES_SSH | TAKES_ITERATIONS, send_run },
	{ "status", "", 0, 0, 0, status },
	{ "clean", "", 0, 0, TAKES_KEEP, clean },
};
enum { ACT_COUNT = sizeof(acts) / sizeof(acts[0]) };

static const char *const words[] = { "seal", "apply", "verify", "send", "status", "clean", NULL };

/* An option that the act would ignore is a mistake that its user should learn of. */
static int options_check(const struct act *act, struct fault *f)
{
	const struct {
		bool used;
		unsigned kind;
		const char *name;
	} uses[] = {
		{ given.passphrase_file != NULL, TAKES_PASSPHRASE, "--passphrase-file" },
		{ given.passphrase_fd != FD_NONE, TAKES_PASSPHRASE, "--passphrase-fd" },
		{ given.max_age != 0, TAKES_AGE, "--max-age" },
		{ given.out != NULL, TAKES_OUT, "--out" },
		{ given.plain, TAKES_PLAIN, "--plain" },
		{ given.iterations != 0, TAKES_ITERATIONS, "--iterations" },
		{ given.keep_bundle, TAKES_KEEP, "--keep-bundle" },
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
	if (given.passphrase_file != NULL && given.passphrase_fd != FD_NONE)
		return fault_usage(f, "--passphrase-file and --passphrase-fd exclude each other");
	if (given.passphrase_fd != FD_NONE && fcntl((int)given.passphrase_fd, F_GETFD) < 0)
		return fault_usage(f, "--passphrase-fd %d is not open", (int)given.passphrase_fd);
	return 0;
}

static int run(struct cmd_context *context, struct fault *f)
{
	const char *name = context->operands[0];
	const size_t count = context->operand_count - 1;
	size_t which = 0;

	while (which < ACT_COUNT && strcmp(acts[which].name, name) != 0)
		which++;
	if (which == ACT_COUNT)
		return fault_usage(f, "'%s' is not one of seal, apply, verify, send, status, clean", SHOWN(name));
	const struct act *act = &acts[which];
	if (count < act->least || count > act->most)
		return fault_usage(f, "usage: okv-luna bundle %s%s%s [OPTION]...", act->name,
				   act->operands[0] != '\0' ? " " : "", act->operands);
	if (options_check(act, f) < 0)
		return -1;

	proc_interrupt_watch();
	const int r = act->run(context, f);
	option_list_done(&given.ssh_options);
	/* All is taken back by now; what is printed so far should still be seen. */
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
	.needs = CMD_SETTINGS,
	.run = run,
};
