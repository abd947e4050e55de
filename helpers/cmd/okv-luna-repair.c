/*
 * okv-luna repair: brings owners, groups, modes and the HSM group's members to policy, or puts them back (--undo).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "okv/group.h"
#include "cmd/tool.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "perms/repair.h"

static struct {
	const char *phase, *profile;
	bool check, undo;
} wanted;

static const struct option options[] = {
	OPTION_ROW(0, "phase", OPTION_CHOICE, &wanted.phase, "pre-upgrade|post-upgrade",
		   "which state (default post-upgrade: everyday)"),
	OPTION_ROW(0, "profile", OPTION_CHOICE, &wanted.profile, SETTINGS_PROFILES,
		   "which policy (default PROFILE of okv-luna.conf)"),
	OPTION_ROW(0, "check", OPTION_FLAG, &wanted.check, NULL,
		   "change nothing; exit 1 if anything differs from the policy"),
	OPTION_ROW(0, "undo", OPTION_FLAG, &wanted.undo, NULL, "put back what the last repair changed"),
	OPTION_END,
};

enum { ACCOUNT_DEADLINE_MS = 30000, PATHS_MAX = 64 };

/* Caches the last lookup: most entries have the same owner and group as the one before. */
struct name {
	bool known;
	uint32_t id;
	char name[64];
};

struct repair {
	struct cmd_context *context;
	enum perms_act act;
	struct text passwd, group;
	struct name owners[2], groups[2]; /* before and after */
	struct text left;                 /* for each entry left alone: 'a' + enum perms_left, the path, NUL */
	struct perms_tally tally;
	size_t accounts; /* how many were, or would be, changed */
};

static const char *name_of(struct name *name, uint32_t id, const struct text *file,
			   bool (*find)(const struct text *file, uint32_t id, struct text *out))
{
	TEXT_AUTO found = { 0 };

	if (name->known && name->id == id)
		return name->name;
	*name = (struct name){ .known = true, .id = id };
	if (find(file, id, &found) && !found.failed)
		(void)snprintf(name->name, sizeof(name->name), "%s", SHOWN(text_string(&found)));
	else
		(void)snprintf(name->name, sizeof(name->name), "%" PRIu32, id);
	return name->name;
}

/* Relative to CLIENT_DIR where the path is below it. */
static const char *path_shown(const struct cmd_context *context, const char *path)
{
	const char *client = context->settings.client_dir;
	const size_t length = strlen(client);

	return strncmp(path, client, length) == 0 && path[length] == '/' && path[length + 1] != '\0' ? path + length + 1
												     : path;
}

static void owned_json(struct json *j, const char *key, const char *owner, const char *group, mode_t mode)
{
	json_object_begin(j, key);
	json_string(j, "owner", owner);
	json_string(j, "group", group);
	json_mode(j, "mode", mode);
	json_object_end(j);
}

static void change_print(void *context, const struct perms_record *record)
{
	struct repair *repair = context;
	const char *old_owner = name_of(&repair->owners[0], record->from.uid, &repair->passwd, accounts_user_name);
	const char *old_group = name_of(&repair->groups[0], record->from.gid, &repair->group, accounts_group_name);
	const char *owner = name_of(&repair->owners[1], record->to.uid, &repair->passwd, accounts_user_name);
	const char *group = record->to.gid == PERMS_GID_TO_COME
				    ? repair->context->settings.hsm_group
				    : name_of(&repair->groups[1], record->to.gid, &repair->group, accounts_group_name);

	if (repair->context->json) {
		struct json *j = repair->context->result;
		json_object_begin(j, NULL);
		json_string(j, "path", record->path);
		owned_json(j, "old", old_owner, old_group, record->from.mode);
		owned_json(j, "new", owner, group, record->to.mode);
		json_object_end(j);
		return;
	}
	cmd_print(repair->context, "%s: %s:%s %04o -> %s:%s %04o\n", SHOWN(path_shown(repair->context, record->path)),
		  old_owner, old_group, (unsigned)record->from.mode, owner, group, (unsigned)record->to.mode);
}

static void left_record(void *context, enum perms_left why, const char *path)
{
	struct repair *repair = context;

	text_add_char(&repair->left, (char)('a' + why));
	text_add(&repair->left, path, strlen(path) + 1);
}

static void left_json(const struct repair *repair, struct json *j)
{
	static const char *const words[PERMS_LEFT_KINDS] = {
		[PERMS_LEFT_REFUSED] = "refused", [PERMS_LEFT_FAILED] = "failed", [PERMS_LEFT_EXCHANGED] = "exchanged",
		[PERMS_LEFT_PARENT] = "parent",   [PERMS_LEFT_ACL] = "acl",       [PERMS_LEFT_STRANGER] = "stranger",
	};

	json_array_begin(j, "left");
	for (size_t at = 0; at < repair->left.length; at += strlen(repair->left.bytes + at) + 1) {
		json_object_begin(j, NULL);
		json_string(j, "path", repair->left.bytes + at + 1);
		json_string(j, "why", words[repair->left.bytes[at] - 'a']);
		json_object_end(j);
	}
	json_array_end(j);
}

/* Call after the HSM group is created, or its id has no name. */
static int names_read(struct repair *repair, struct fault *f)
{
	const int root = repair->context->root;

	return fs_read_config(root, "/etc/passwd", &repair->passwd, f) < 0 ||
			       fs_read_config(root, "/etc/group", &repair->group, f) < 0
		       ? -1
		       : 0;
}

static void repair_done(struct repair *repair)
{
	text_done(&repair->passwd);
	text_done(&repair->group);
	text_done(&repair->left);
}

/* Ensures that the HSM group exists and has OKV's user as a member. */
static int accounts_repair(struct repair *repair, struct fault *f)
{
	struct cmd_context *context = repair->context;
	const struct okv_job job = { .root = context->root,
				     .settings = &context->settings,
				     .mode = repair->act == PERMS_APPLY ? OKV_APPLY : OKV_PLAN,
				     .report = context->report,
				     .tool_ms = ACCOUNT_DEADLINE_MS };
	struct okv_group group;
	bool added;
	size_t lacking;

	if (okv_group_ensure(&job, OKV_GID_ANY, &group, f) < 0 || okv_member_ensure(&job, &added, f) < 0 ||
	    okv_processes_without_group(&job, job.settings->okv_user, &lacking, f) < 0)
		return -1;
	repair->accounts = (size_t)group.changed + (size_t)added;
	return 0;
}

static void tally_print(const struct repair *repair)
{
	const struct cmd_context *context = repair->context;
	const struct perms_tally *tally = &repair->tally;
	const char *would_be = repair->act == PERMS_APPLY ? "" : "would be ";
	const size_t left = perms_tally_left(tally);

	if (wanted.undo) {
		cmd_print(context, "%zu %s %sput back\n", tally->changed, tally->changed == 1 ? "entry" : "entries",
			  would_be);
		return;
	}
	if (tally->changed + left + repair->accounts == 0)
		cmd_print(context, "nothing to do: %zu %s policy %s, %s\n", tally->entries,
			  tally->entries == 1 ? "entry matches" : "entries match", wanted.profile, wanted.phase);
	else
		cmd_print(context, "%zu of %zu entries %schanged by policy %s, %s\n", tally->changed, tally->entries,
			  would_be, wanted.profile, wanted.phase);
	if (tally->links > 0)
		cmd_print(context, "%zu symbolic link%s left alone\n", tally->links, tally->links == 1 ? "" : "s");
	if (tally->others > 0)
		cmd_print(context, "%zu special file%s left alone\n", tally->others, tally->others == 1 ? "" : "s");
}

static void tally_json(struct json *j, const struct perms_tally *tally, size_t accounts)
{
	json_unsigned(j, "entries", tally->entries);
	json_unsigned(j, "changed", tally->changed);
	json_unsigned(j, "accounts", accounts);
	json_unsigned(j, "links", tally->links);
	json_unsigned(j, "special", tally->others);
	json_unsigned(j, "mounts", tally->mounts);
	json_unsigned(j, "refused", tally->left[PERMS_LEFT_REFUSED]);
	json_unsigned(j, "failed", tally->left[PERMS_LEFT_FAILED]);
	json_unsigned(j, "exchanged", tally->left[PERMS_LEFT_EXCHANGED]);
	json_unsigned(j, "parents", tally->left[PERMS_LEFT_PARENT]);
	json_unsigned(j, "acls", tally->left[PERMS_LEFT_ACL]);
	json_unsigned(j, "strangers", tally->left[PERMS_LEFT_STRANGER]);
}

static const char *paths[PATHS_MAX];

/* Accepts paths as path_shown() prints them: relative ones are below CLIENT_DIR. */
static int paths_make(const struct cmd_context *context, struct fault *f)
{
	for (size_t i = 0; i < context->operand_count; i++) {
		TEXT_AUTO path = { 0 };
		if (context->operands[i][0] == '\0')
			return fault_usage(f, "a PATH is empty");
		if (context->operands[i][0] != '/')
			text_add_format(&path, "%s/", context->settings.client_dir);
		text_add_string(&path, context->operands[i]);
		if (text_check(&path, f) < 0)
			return -1;
		/* Never freed. */
		paths[i] = text_take(&path);
	}
	return 0;
}

static struct perms_request request_of(const struct cmd_context *context, const struct perms_output *output)
{
	return (struct perms_request){
		.root = context->root,
		.settings = &context->settings,
		.profile = wanted.profile,
		.phase = wanted.phase,
		.output = *output,
		.paths = paths,
		.path_count = context->operand_count,
	};
}

static int work(struct repair *repair, struct fault *f)
{
	struct cmd_context *context = repair->context;
	const bool listed = context->json || !context->quiet;
	const struct perms_output output = {
		.act = repair->act,
		.context = repair,
		.change = listed ? change_print : NULL,
		.left = left_record,
		.report = context->report,
	};

	if (wanted.undo)
		return names_read(repair, f) < 0 ? -1 : perms_undo(context->root, &output, &repair->tally, f);
	const struct perms_request request = request_of(context, &output);
	enum okv_scope scope;
	if (okv_scope_find(context->root, &context->settings, &scope, f) < 0)
		return -1;
	if (scope == OKV_SCOPE_CLIENT_V6) {
		cmd_print(context, "%s\n", okv_scope_text(scope));
		return 0;
	}
	/* Check the policy and the client before the first change, which is to the group. */
	if (perms_ready(&request, f) < 0 || accounts_repair(repair, f) < 0 || names_read(repair, f) < 0)
		return -1;
	return perms_run(&request, &repair->tally, f);
}

/* Runs before cmd_lock(), which creates directories: a refused run must change nothing. */
static int refusals_check(struct cmd_context *context, struct fault *f)
{
	const struct perms_output output = { .act = PERMS_PLAN };
	const struct perms_request request = request_of(context, &output);
	struct perms_tally ignored;

	return wanted.undo ? perms_undo(context->root, &output, &ignored, f) : perms_ready(&request, f);
}

static int run(struct cmd_context *context, struct fault *f)
{
	__attribute__((cleanup(repair_done))) struct repair repair = {
		.context = context,
		.act = wanted.check       ? PERMS_CHECK
		       : context->dry_run ? PERMS_PLAN
					  : PERMS_APPLY,
	};
	struct json *json = context->result;

	const bool chosen = wanted.phase != NULL || wanted.profile != NULL || context->operand_count > 0;
	if (wanted.undo && (wanted.check || chosen))
		return fault_usage(f, "--undo takes back the whole last repair and cannot be used with --check, "
				      "--phase, --profile or PATH");
	if (paths_make(context, f) < 0)
		return -1;
	if (wanted.phase == NULL)
		wanted.phase = "post-upgrade";
	if (wanted.profile == NULL)
		wanted.profile = context->settings.profile;
	if (repair.act == PERMS_APPLY && (refusals_check(context, f) < 0 || cmd_lock(context, f) < 0))
		return -1;

	json_string(json, "profile", wanted.undo ? NULL : wanted.profile);
	json_string(json, "phase", wanted.undo ? NULL : wanted.phase);
	json_array_begin(json, "changes");
	/* On failure the array stays open, and main() drops all members (cmd/tool.h). */
	if (work(&repair, f) < 0)
		return -1;
	tally_print(&repair);
	int r = perms_verdict(&repair.tally, repair.act, f);
	if (r == 0 && repair.act == PERMS_CHECK && repair.accounts > 0)
		r = fault_negative(f, "the group or its members are not as they should be");
	json_array_end(json);
	left_json(&repair, json);
	tally_json(json, &repair.tally, repair.accounts);
	json_number(json, "exit", f->kind);
	json_object_end(json);
	return r;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-repair",
	.summary = "Owners, groups and modes of the Luna client to policy, and the HSM group with OKV's user in it",
	.operands = "[PATH...]",
	.operands_most = PATHS_MAX,
	.options = options,
	.run = run,
};
