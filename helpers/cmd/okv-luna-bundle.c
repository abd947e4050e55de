/*
 * okv-luna bundle: OKV's hsmbundle to the other nodes of a cluster, authenticated, and gone afterwards.
 */
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/number.h"
#include "bundle/apply.h"
#include "bundle/carrier.h"
#include "bundle/cipher.h"
#include "bundle/copies.h"
#include "bundle/encoding.h"
#include "bundle/node.h"
#include "bundle/seal.h"
#include "bundle/send.h"
#include "cmd/tool.h"
#include "fs/handle.h"
#include "proc/child.h"
#include "proc/interrupt.h"

enum { DAY = 24 * 60 * 60, JOBS_DEFAULT = 8, TIMEOUT_DEFAULT = 300, FD_NONE = INT_MAX };

static struct {
	const char *out, *file, *max_age, *passphrase_file, *user, *identity;
	uint64_t passphrase_fd, iterations, jobs, timeout, port;
	struct option_list ssh_options;
	bool plain, ask, keep_bundle;
} given = {
	.passphrase_fd = FD_NONE,
	.user = NULL,
};

static const struct option options[] = {
	{ .name = "out", .kind = OPTION_TEXT, .argument = "FILE", .help = "seal: the sealed file to make",
	  .target = &given.out },
	{ .name = "iterations", .kind = OPTION_NUMBER, .argument = "N", .least = BUNDLE_ITERATIONS_LEAST,
	  .most = BUNDLE_ITERATIONS_MOST, .help = "seal, send: rounds of PBKDF2 (default 600000)", .target = &given.iterations },
	{ .name = "passphrase-file", .kind = OPTION_TEXT, .argument = "FILE",
	  .help = "read the passphrase from FILE instead of the terminal", .target = &given.passphrase_file },
	{ .name = "passphrase-fd", .kind = OPTION_NUMBER, .argument = "N", .least = 0, .most = FD_NONE - 1,
	  .help = "read the passphrase from open descriptor N", .target = &given.passphrase_fd },
	{ .name = "max-age", .kind = OPTION_TEXT, .argument = "AGE",
	  .help = "apply, verify: refuse an older bundle; 90s, 30m, 24h, 2d (apply's default 24h)", .target = &given.max_age },
	{ .name = "plain", .help = "apply: the file is an unsealed hsmbundle, copied as the guide says",
	  .target = &given.plain },
	{ .name = "file", .kind = OPTION_TEXT, .argument = "FILE", .help = "send: this sealed file instead of a fresh one",
	  .target = &given.file },
	{ .name = "jobs", .kind = OPTION_NUMBER, .argument = "N", .least = 1, .most = PROC_CHILDREN_MAX,
	  .help = "send: nodes at a time (default 8)", .target = &given.jobs },
	{ .name = "timeout", .kind = OPTION_NUMBER, .argument = "SECONDS", .least = 1, .most = DAY,
	  .help = "send: give a node up after so long (default 300)", .target = &given.timeout },
	{ .letter = 'p', .name = "port", .kind = OPTION_NUMBER, .argument = "N", .least = 1, .most = 65535,
	  .help = "send: port of ssh on every node that names none", .target = &given.port },
	{ .name = "user", .kind = OPTION_TEXT, .argument = "NAME", .help = "send: user on the nodes (default support)",
	  .target = &given.user },
	{ .letter = 'i', .name = "identity", .kind = OPTION_TEXT, .argument = "FILE", .help = "send: private key for ssh",
	  .target = &given.identity },
	{ .letter = 'o', .name = "ssh-option", .kind = OPTION_LIST, .argument = "NAME=VALUE",
	  .help = "send: an option for ssh, as in ssh_config(5); may be repeated", .target = &given.ssh_options },
	{ .name = "ask", .help = "send: node after node, and ssh may ask for passwords and new host keys",
	  .target = &given.ask },
	{ .name = "keep-bundle", .help = "clean: leave the bundle in its place, remove all other copies",
	  .target = &given.keep_bundle },
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

/* "90", "90s", "30m", "24h", "2d" in seconds. */
static int age_parse(const char *string, uint64_t *ret_seconds, struct fault *f)
{
	static const char units[] = "smhd";
	static const unsigned seconds[] = { 1, 60, 60 * 60, DAY };
	char digits[24];
	const size_t length = strlen(string);
	const char *unit = length > 0 ? strchr(units, string[length - 1]) : NULL;
	const size_t count = unit != NULL ? length - 1 : length;
	uint64_t value;

	if (count >= sizeof(digits))
		return fault_usage(f, "--max-age '%s' is no age; write 90s, 30m, 24h or 2d", SHOWN(string));
	memcpy(digits, string, count);
	digits[count] = '\0';
	if (number_parse(digits, "--max-age", 1, 100 * 365 * (uint64_t)DAY, &value, f) < 0)
		return fault_usage(f, "--max-age '%s' is no age; write 90s, 30m, 24h or 2d", SHOWN(string));
	*ret_seconds = value * (unit != NULL ? seconds[unit - units] : 1);
	return 0;
}

static void hex(const unsigned char digest[BUNDLE_DIGEST_SIZE], char ret_hex[2 * BUNDLE_DIGEST_SIZE + 1])
{
	bundle_hex_print(digest, BUNDLE_DIGEST_SIZE, ret_hex);
}

/* "1,048,576": bytes are compared by eye. */
static const char *grouped(uint64_t number, char storage[32])
{
	char digits[24];
	const int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *at = storage;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return storage;
}

#define GROUPED(n) grouped((n), (char[32]){ 0 })

static void result_begin(const struct cmd_context *context, struct json *j, const char *act)
{
	json_init(j, context->result);
	json_object_begin(j, NULL);
	json_string(j, "command", cmd_tool.name);
	json_string(j, "act", act);
	json_bool(j, "dry_run", context->dry_run);
}

static void header_tell(const struct cmd_context *context, struct json *j, const struct bundle_header *h,
			uint64_t derivation_us)
{
	char sha256[2 * BUNDLE_DIGEST_SIZE + 1], created[BUNDLE_TIME_SIZE];

	hex(h->sha256, sha256);
	bundle_time_print(h->created, created);
	cmd_print(context, "  origin   %s\n  created  %s\n  size     %s bytes\n  sha256   %s\n", SHOWN(h->origin), created,
		  GROUPED(h->size), sha256);
	if (context->verbose)
		cmd_print(context, "  kdf      pbkdf2-hmac-sha256, %u iterations, %" PRIu64 ".%03u ms\n  cipher   aes-256-gcm\n"
			  "  library  %s\n", h->iterations, derivation_us / 1000, (unsigned)(derivation_us % 1000),
			  bundle_library());
	json_string(j, "origin", h->origin);
	json_string(j, "created", created);
	json_unsigned(j, "size", h->size);
	json_string(j, "sha256", sha256);
	json_unsigned(j, "iterations", h->iterations);
	json_unsigned(j, "derivation_us", derivation_us);
}

static int root_needed(struct fault *f)
{
	return geteuid() == 0 ? 0 : fault_system(f, 0, "this must be run by root; use su or sudo");
}

/* --- seal --------------------------------------------------------------------------------------------------- */

static int seal_prepare(const struct cmd_context *context, char own_name[BUNDLE_ORIGIN_SIZE], struct bundle_seal *ret_how,
			struct fault *f)
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
	if (context->dry_run) {
		cmd_print(context, "would seal '%s' (%s bytes) of %s as '%s'\n", SETTINGS_BUNDLE, GROUPED(sealed.header.size),
			  SHOWN(own_name), SHOWN(given.out));
	} else {
		cmd_print(context, "sealed '%s' as '%s'\n", SETTINGS_BUNDLE, SHOWN(given.out));
		header_tell(context, &j, &sealed.header, sealed.derivation_us);
		cmd_print(context, "next: bring it to every other node and run 'okv-luna bundle apply' there\n");
	}
	json_string(&j, "out", given.out);
	json_object_end(&j);
	return 0;
}

/* --- apply and verify ------------------------------------------------------------------------------------------ */

static const char order_rule[] =
	"apply the bundle on all nodes before the first node is reverse-migrated";

static void next_tell(const struct cmd_context *context)
{
	cmd_print(context,
		  "next, on this node's console: HSM page, Apply Bundle (it asks for the recovery passphrase)\n"
		  "order: %s;\n       then HSM-enable each node (HSM page, Initialize)\n"
		  "last:  when every node is HSM-enabled and replication is verified, 'okv-luna bundle clean' on all nodes\n",
		  order_rule);
}

static int apply_prepare(const struct cmd_context *context, char own_name[BUNDLE_ORIGIN_SIZE], uint64_t default_age,
			 struct bundle_apply *ret_how, struct fault *f)
{
	uint64_t max_age = default_age;

	if (given.max_age != NULL && age_parse(given.max_age, &max_age, f) < 0)
		return -1;
	if (bundle_host_name(context->root, strcmp(context->root_path, "/") == 0, own_name, f) < 0)
		return -1;
	*ret_how = (struct bundle_apply){
		.root = context->root,
		.settings = &context->settings,
		.report = context->report,
		.rules = { .own_name = own_name, .max_age = max_age, .now = now_seconds() },
		.source = passphrase_source(),
		.dry_run = context->dry_run,
	};
	return 0;
}

static int apply(struct cmd_context *context, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE], sha256[2 * BUNDLE_DIGEST_SIZE + 1];
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
	cmd_print(context, "%s '%s' (%s:%s %04o)%s\n",
		  !applied.changed ? "nothing to change: the same bundle is at" : context->dry_run ? "would put it at" : "applied:",
		  SETTINGS_BUNDLE, SHOWN(context->settings.okv_user), SHOWN(context->settings.okv_group),
		  (unsigned)context->settings.bundle_mode, context->dry_run ? "" : "; its carrier is removed");
	if (given.plain) {
		hex(applied.sha256, sha256);
		cmd_print(context, "  size     %s bytes\n  sha256   %s (unsealed: compare it with the first node's)\n",
			  GROUPED(applied.size), sha256);
		json_unsigned(&j, "size", applied.size);
		json_string(&j, "sha256", sha256);
	} else {
		header_tell(context, &j, &applied.header, applied.derivation_us);
	}
	if (!context->dry_run)
		next_tell(context);
	json_string(&j, "order", order_rule);
	json_object_end(&j);
	return 0;
}

static int verify(struct cmd_context *context, struct fault *f)
{
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
	cmd_print(context, "genuine: '%s'\n", SHOWN(context->operands[1]));
	header_tell(context, &j, &applied.header, applied.derivation_us);
	json_number(&j, "age_seconds", how.rules.now - applied.header.created);
	json_object_end(&j);
	return 0;
}

/* --- send --------------------------------------------------------------------------------------------------- */

/* The sealed file to send: the caller's, or one made now that has no name any more. */
static int outgoing_open(struct cmd_context *context, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	struct bundle_sealed sealed;

	if (given.file != NULL) {
		BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;
		if (given.passphrase_file != NULL || given.passphrase_fd != FD_NONE)
			return fault_usage(f, "--file is sealed already; send needs no passphrase for it");
		if (bundle_carrier_open(given.file, &carrier, f) < 0 ||
		    bundle_sealed_look(carrier.fd, given.file, &sealed, f) < 0)
			return -1;
		*ret_size = (uint64_t)carrier.status.st_size;
		*ret_fd = fs_take(&carrier.fd);
		return 0;
	}

	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal how;
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	if (root_needed(f) < 0 || seal_prepare(context, own_name, &how, f) < 0 || cmd_lock(context, f) < 0 ||
	    fs_dir_open(context->root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	(void)unlinkat(dir, BUNDLE_OUTGOING, 0);
	fd = openat(dir, BUNDLE_OUTGOING, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(dir, BUNDLE_OUTGOING, 0) < 0)
		return fault_system(f, errno, "cannot make a private file in '%s'", SETTINGS_VAR);
	if (bundle_seal_descriptor(&how, fd, &sealed, f) < 0)
		return -1;
	*ret_size = sealed.head_length + sealed.header.size + BUNDLE_TAG_SIZE;
	*ret_fd = fs_take(&fd);
	return 0;
}

static size_t sent_tell(struct cmd_context *context, const struct bundle_target *targets, const struct bundle_sent *sent,
			size_t count, const char *far_path)
{
	size_t width = sizeof("NODE") - 1, done = 0;
	struct json j;

	for (size_t i = 0; i < count; i++)
		if (strlen(targets[i].node) > width)
			width = strlen(targets[i].node);
	result_begin(context, &j, "send");
	json_string(&j, "path", far_path);
	json_array_begin(&j, "nodes");
	cmd_print(context, "%-*s  %15s  %-16s  %s\n", (int)width, "NODE", "BYTES", "SHA-256", "VERDICT");
	for (size_t i = 0; i < count; i++) {
		done += sent[i].done ? 1 : 0;
		cmd_print(context, "%-*s  %15s  %-16.16s  %s%s\n", (int)width, targets[i].node, GROUPED(sent[i].bytes),
			  sent[i].digest[0] != '\0' ? sent[i].digest : "-", sent[i].done ? "" : "FAILED: ", sent[i].verdict);
		json_object_begin(&j, NULL);
		json_string(&j, "node", targets[i].node);
		json_bool(&j, "sent", sent[i].done);
		json_unsigned(&j, "bytes", sent[i].bytes);
		json_string(&j, "sha256", sent[i].digest[0] != '\0' ? sent[i].digest : NULL);
		json_string(&j, "verdict", sent[i].verdict);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	if (done > 0)
		cmd_print(context, "next, as root on each of these nodes:\n  okv-luna bundle apply %s\n", far_path);
	return done;
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

static int targets_send(struct cmd_context *context, struct bundle_send *how, struct bundle_sent *sent, struct fault *f)
{
	char far_path[BUNDLE_FAR_PATH_SIZE];
	FS_AUTO int fd = -1;
	uint64_t size;

	if (outgoing_open(context, &fd, &size, f) < 0 || bundle_far_path(far_path, f) < 0 ||
	    bundle_send(how, fd, size, far_path, sent, f) < 0)
		return -1;
	const size_t done = sent_tell(context, how->targets, sent, how->count, far_path);
	if (done < how->count)
		return fault_incomplete(f, "%zu of %zu nodes did not get the bundle; send to these again", how->count - done,
					how->count);
	return 0;
}

static int send_plan(struct cmd_context *context, const struct bundle_send *how, struct fault *f)
{
	struct json j;

	if (given.file != NULL) {
		FS_AUTO int fd = -1;
		uint64_t size;
		if (outgoing_open(context, &fd, &size, f) < 0)
			return -1;
	} else {
		char own_name[BUNDLE_ORIGIN_SIZE];
		struct bundle_seal seal_how;
		struct bundle_sealed sealed;
		if (root_needed(f) < 0 || seal_prepare(context, own_name, &seal_how, f) < 0 ||
		    bundle_seal_file(&seal_how, "outgoing", &sealed, f) < 0)
			return -1;
	}
	result_begin(context, &j, "send");
	json_array_begin(&j, "nodes");
	for (size_t i = 0; i < how->count; i++) {
		const struct bundle_target *t = &how->targets[i];
		cmd_print(context, "would send to %s@%s:/tmp\n", t->user[0] != '\0' ? t->user : how->ssh.user, t->host);
		json_string(&j, NULL, t->node);
	}
	json_array_end(&j);
	json_object_end(&j);
	return 0;
}

static int send_nodes(struct cmd_context *context, struct bundle_target *targets, struct bundle_sent *sent, struct fault *f)
{
	TEXT_AUTO home = TEXT_INIT;
	const char *environment[4];
	struct text lines[3] = { TEXT_INIT, TEXT_INIT, TEXT_INIT };
	struct bundle_send how = {
		.targets = targets,
		.count = context->operand_count - 1,
		.ssh = { .user = given.user != NULL ? given.user : "support", .port = given.port, .identity = given.identity,
			 .options = &given.ssh_options, .ask = given.ask },
		.jobs = given.jobs != 0 ? (unsigned)given.jobs : JOBS_DEFAULT,
		.timeout_ms = (unsigned)(given.timeout != 0 ? given.timeout : TIMEOUT_DEFAULT) * 1000,
		.environment = environment,
		.report = context->report,
	};

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

static void copy_json(struct json *j, const struct bundle_copy *copy)
{
	char changed[BUNDLE_TIME_SIZE];

	bundle_time_print(copy->status.st_mtim.tv_sec, changed);
	json_object_begin(j, NULL);
	json_string(j, "path", copy->path);
	json_string(j, "kind", bundle_copy_kind_name(copy->kind));
	json_unsigned(j, "size", (uint64_t)copy->status.st_size);
	json_string(j, "modified", changed);
	json_unsigned(j, "uid", copy->status.st_uid);
	json_unsigned(j, "gid", copy->status.st_gid);
	json_mode(j, "mode", copy->status.st_mode & 07777);
	json_string(j, "origin", copy->origin[0] != '\0' ? copy->origin : NULL);
	json_object_end(j);
}

static const char *copy_words(enum bundle_copy_kind kind)
{
	switch (kind) {
	case BUNDLE_COPY_BUNDLE:
		return "the bundle in its place";
	case BUNDLE_COPY_PLAIN:
		return "an unsealed copy";
	case BUNDLE_COPY_SEALED:
		return "a sealed copy";
	case BUNDLE_COPY_STAGE:
		return "left by a run that was killed";
	}
	return "";
}

static void copy_print(const struct cmd_context *context, const char *mark, const struct bundle_copy *copy,
		       const char *flaw)
{
	char changed[BUNDLE_TIME_SIZE];

	bundle_time_print(copy->status.st_mtim.tv_sec, changed);
	cmd_print(context, "%-5s %s: %s%s%s, %s bytes of %s%s%s\n", mark, SHOWN(copy->path), copy_words(copy->kind),
		  copy->origin[0] != '\0' ? " from " : "", SHOWN(copy->origin), GROUPED((uint64_t)copy->status.st_size), changed,
		  flaw[0] != '\0' ? "; " : "", flaw);
}

static int status(struct cmd_context *context, struct fault *f)
{
	BUNDLE_COPIES_AUTO copies = BUNDLE_COPIES_INIT;
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	size_t flaws = 0;
	struct json j;

	if (bundle_node_open(context->root, &context->settings, &node, f) < 0 ||
	    bundle_copies_find(context->root, &context->settings, &copies, f) < 0)
		return -1;
	result_begin(context, &j, "status");
	json_bool(&j, "bundle", node.present);
	json_bool(&j, "owned", node.present && bundle_node_owned(&node));
	json_array_begin(&j, "copies");
	if (!node.present)
		cmd_print(context, "OK    %s: not there\n", SETTINGS_BUNDLE);
	for (size_t i = 0; i < copies.count; i++) {
		const bool in_place = copies.items[i].kind == BUNDLE_COPY_BUNDLE;
		const char *flaw = !in_place ? "remove it: okv-luna bundle clean --keep-bundle" :
				   !bundle_node_owned(&node) ? "wrong owner or mode: apply it again" : "";
		flaws += flaw[0] != '\0' ? 1 : 0;
		copy_print(context, flaw[0] == '\0' ? "OK" : "WARN", &copies.items[i], flaw);
		copy_json(&j, &copies.items[i]);
	}
	json_array_end(&j);
	json_unsigned(&j, "flaws", flaws);
	json_object_end(&j);
	if (flaws > 0)
		return fault_negative(f, "%zu of these should be looked at", flaws);
	return 0;
}

static int clean(struct cmd_context *context, struct fault *f)
{
	BUNDLE_COPIES_AUTO copies = BUNDLE_COPIES_INIT;
	size_t removed = 0, kept = 0, failed = 0;
	struct json j;

	if (root_needed(f) < 0 || cmd_lock(context, f) < 0 ||
	    bundle_copies_find(context->root, &context->settings, &copies, f) < 0)
		return -1;
	result_begin(context, &j, "clean");
	json_array_begin(&j, "removed");
	for (size_t i = 0; i < copies.count; i++) {
		const struct bundle_copy *copy = &copies.items[i];
		if (given.keep_bundle && copy->kind == BUNDLE_COPY_BUNDLE) {
			kept++;
			continue;
		}
		if (!context->dry_run && bundle_copy_remove(context->root, copy, f) < 0) {
			report_say(context->report, REPORT_WARNING, "%s", f->text);
			failed++;
			continue;
		}
		removed++;
		copy_print(context, context->dry_run ? "would remove" : "removed", copy, "");
		copy_json(&j, copy);
	}
	json_array_end(&j);
	json_unsigned(&j, "failed", failed);
	json_object_end(&j);
	if (removed == 0 && failed == 0)
		cmd_print(context, "nothing to remove%s\n", kept > 0 ? "; the bundle stays in its place" : "");
	if (!given.keep_bundle)
		cmd_print(context, "the guide allows this when Cluster Settings State shows every node HSM-enabled and replication\n"
				   "is verified, and then on all nodes; a node where the bundle was not applied needs a new copy\n");
	if (failed > 0)
		return fault_incomplete(f, "%zu copies could not be removed", failed);
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
		{ given.max_age != NULL, TAKES_AGE, "--max-age" },
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
		return fault_usage(f, "usage: okv-luna bundle %s%s%s [OPTION]...", act->name, act->operands[0] != '\0' ? " " : "",
				   act->operands);
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
