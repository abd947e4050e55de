#include <stdlib.h>
#include <string.h>

#include "bundle/act.h"
#include "bundle/node.h"
#include "bundle/outgoing.h"
#include "bundle/seal.h"
#include "bundle/send.h"
#include "fs/handle.h"

enum { JOBS_DEFAULT = 16, TIMEOUT_DEFAULT = 300 };

static int outgoing_open(const struct bundle_act *act, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal how;

	if (act->given->file != NULL)
		return bundle_outgoing_file(act->given->file, ret_fd, ret_size, f);
	if (bundle_act_claim(act, f) < 0 || bundle_act_sealing(act, own_name, &how, f) < 0)
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

static int targets_send(const struct bundle_act *act, const struct bundle_send *how, struct bundle_sent *sent,
			struct fault *f)
{
	char far_path[BUNDLE_FAR_PATH_SIZE];
	FS_AUTO int fd = -1;
	uint64_t size;
	struct json j;

	if (outgoing_open(act, &fd, &size, f) < 0 || bundle_far_path(far_path, f) < 0 ||
	    bundle_send(how, fd, size, far_path, sent, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "send");
	const size_t done = bundle_tell_sent(how, sent, far_path, act->lines, &j);
	json_object_end(&j);
	if (done < how->count)
		return fault_incomplete(f, "%zu of %zu nodes did not get the bundle; send to these again",
					how->count - done, how->count);
	return 0;
}

/* Looks at what would be sent, and says where to. */
static int send_plan(const struct bundle_act *act, const struct bundle_send *how, struct fault *f)
{
	char own_name[BUNDLE_ORIGIN_SIZE];
	struct bundle_seal seal_how;
	struct bundle_sealed sealed;
	FS_AUTO int fd = -1;
	uint64_t size;
	struct json j;

	if (act->given->file != NULL
		    ? bundle_outgoing_file(act->given->file, &fd, &size, f) < 0
		    : bundle_act_claim(act, f) < 0 || bundle_act_sealing(act, own_name, &seal_how, f) < 0 ||
			      bundle_seal_file(&seal_how, SETTINGS_OUTGOING, &sealed, f) < 0)
		return -1;
	bundle_act_begin(act, &j, "send");
	json_array_begin(&j, "nodes");
	for (size_t i = 0; i < how->count; i++) {
		const struct bundle_target *t = &how->targets[i];
		text_add_format(act->lines, "would send to %s@%s:/tmp\n", t->user[0] != '\0' ? t->user : how->ssh.user,
				t->host);
		json_string(&j, NULL, t->node);
	}
	json_array_end(&j);
	json_object_end(&j);
	return 0;
}

static int send_nodes(const struct bundle_act *act, struct bundle_target *targets, struct bundle_sent *sent,
		      struct fault *f)
{
	const char *environment[4];
	struct text lines[3] = { { 0 }, { 0 }, { 0 } };
	struct bundle_send how = {
		.targets = targets,
		.count = act->operand_count,
		.ssh = { .user = act->given->user != NULL ? act->given->user : SETTINGS_SUPPORT_USER,
			 .port = act->given->port,
			 .identity = act->given->identity,
			 .options = &act->given->ssh_options,
			 .ask = act->given->ask },
		.jobs = act->given->jobs != 0 ? (unsigned)act->given->jobs : JOBS_DEFAULT,
		.timeout_ms = (unsigned)(act->given->timeout != 0 ? act->given->timeout : TIMEOUT_DEFAULT) * 1000,
		.environment = environment,
		.report = act->report,
	};

	if (act->given->file != NULL &&
	    (act->given->passphrase_file != NULL || act->given->passphrase_fd != BUNDLE_FD_NONE))
		return fault_usage(f, "--file is sealed already; send needs no passphrase for it");
	if (bundle_ssh_check(&how.ssh, f) < 0)
		return -1;
	for (size_t i = 0; i < how.count; i++) {
		if (bundle_target_parse(act->operands[i], &targets[i], f) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (strcmp(targets[i].node, targets[k].node) == 0)
				return fault_usage(f, "node '%s' is named twice", SHOWN(targets[i].node));
	}
	if (act->dry_run)
		return send_plan(act, &how, f);
	environment_for_ssh(lines, environment);
	const int r = targets_send(act, &how, sent, f);
	for (size_t i = 0; i < 3; i++)
		text_done(&lines[i]);
	return r;
}

int bundle_act_send(const struct bundle_act *act, struct fault *f)
{
	const size_t count = act->operand_count;
	struct bundle_target *targets = calloc(count, sizeof(*targets));
	struct bundle_sent *sent = calloc(count, sizeof(*sent));
	const int r = targets != NULL && sent != NULL ? send_nodes(act, targets, sent, f) : fault_memory(f);

	free(targets);
	free(sent);
	return r;
}
