#include "client/install.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "client/full.h"
#include "client/installing.h"
#include "client/layout.h"
#include "client/policy.h"
#include "client/record.h"
#include "client/settle.h"
#include "client/source.h"
#include "client/template.h"
#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

/* What stays free on the file system, and is not the archive's to fill. */
#define ROOM_RESERVE ((uint64_t)16 << 20)

void client_result_done(struct client_result *result)
{
	unpack_done(&result->entries);
	text_done(&result->carried.kept);
	text_done(&result->packages);
	*result = (struct client_result){ 0 };
}

/* --- who ---------------------------------------------------------------------------------------------------------- */

static int accounts_read(int root, const char *path, struct text *ret_text, struct fault *f)
{
	bool there;

	if (fs_existence(root, path, &there, f) < 0)
		return -1;
	if (!there)
		return 0;
	return fs_read_file(root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, ret_text, NULL, f);
}

/*
 * A user id that nobody has, here or below the root: what the unpacking processes run as.  Not nobody's, whose
 * processes could then look at ours.
 */
static int worker_choose(struct client_installing *i, const struct text *passwd, const struct text *group,
			 struct fault *f)
{
	enum { FIRST = 65533, LAST = 60000 };
	TEXT_AUTO own = { 0 };
	FS_AUTO int real = -1;

	if (fs_root_open("/", &real, f) < 0 || accounts_read(real, "/etc/passwd", &own, f) < 0)
		return -1;
	for (uid_t id = FIRST; id > LAST; id--) {
		TEXT_AUTO name = { 0 };
		if (!accounts_user_name(passwd, id, &name) && !accounts_user_name(&own, id, &name) &&
		    !accounts_group_name(group, id, &name)) {
			i->worker = id;
			return 0;
		}
	}
	return fault_system(f, 0, "no user id from %d to %d is free for the unpacking processes", LAST, FIRST);
}

static int people_read(struct client_installing *i, struct fault *f)
{
	const struct client_request *request = i->request;
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO group = { 0 };

	if (accounts_read(request->root, "/etc/passwd", &passwd, f) < 0 ||
	    accounts_read(request->root, "/etc/group", &group, f) < 0)
		return -1;
	i->policy.has_group = accounts_group_find(&group, request->settings->hsm_group, &i->policy.group);
	i->policy.strict = strcmp(request->settings->profile, SETTINGS_PROFILE_STRICT) == 0;
	return worker_choose(i, &passwd, &group, f);
}

/* --- unpacking ---------------------------------------------------------------------------------------------------- */

static void progress(void *context, uint64_t read, uint64_t placed, uint64_t files)
{
	const struct client_installing *i = context;

	if (i->request->progress != NULL)
		i->request->progress(i->request->context, read, i->source_bytes, placed, files);
}

static int room_look(struct client_installing *i, const struct client_source *source, struct fault *f)
{
	struct statvfs fs;

	const struct client_workshop *w = &i->workshop;
	if (fstatvfs(w->dir >= 0 ? w->dir : w->parent >= 0 ? w->parent : i->request->root, &fs) < 0)
		return fault_system(f, errno, "cannot see how much room there is");
	const uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	i->room = free_bytes > ROOM_RESERVE ? free_bytes - ROOM_RESERVE : 0;
	if (source->bytes > i->room)
		return fault_system(f, ENOSPC,
				    "the archive is larger than the %" PRIu64 " bytes that are free beside '%s'",
				    i->room, SHOWN(i->request->client_dir));
	return 0;
}

/* What is wrong with all that they hold together. */
static int archives_blame(const struct client_source *source, struct fault *f)
{
	if (f->kind != FAULT_REFUSED)
		return -1;
	if (source->count == 1)
		return fault_prefix(f, "%s: ", SHOWN(source->names[0]));
	return fault_prefix(f, "%s and %zu more: ", SHOWN(source->names[0]), source->count - 1);
}

static int unpack(struct client_installing *i, const struct client_source *source, int tree, struct fault *f)
{
	const struct client_request *request = i->request;
	struct unpack_request r = {
		.archives = source->fds,
		.names = source->names,
		.archive_count = source->count,
		.tree = tree >= 0 ? tree : request->root,
		.judge_only = tree < 0,
		.uid = i->worker,
		.gid = (gid_t)i->worker,
		.limits = LIMITS_DEFAULT,
		.mode_of = client_policy_first_mode,
		.progress = progress,
		.context = i,
	};

	if (request->max_bytes > 0)
		r.limits.bytes = request->max_bytes;
	if (request->max_entries > 0)
		r.limits.entries = request->max_entries;
	r.limits.room = i->room;
	if (unpack_run(&r, &i->result->entries, f) < 0 || client_source_unchanged(source, f) < 0)
		return -1;
	if (client_content_find(&i->result->entries, request->kind, &i->result->content, f) < 0 ||
	    (i->result->content.kind != CLIENT_FULL &&
	     client_layout_judge(&i->result->entries, &i->result->content, f) < 0))
		return archives_blame(source, f);
	return 0;
}

/* --- Chrystoki.conf ----------------------------------------------------------------------------------------------- */

static int conf_read(const struct client_request *request, struct text *ret_conf, bool *ret_there, struct fault *f)
{
	if (fs_existence(request->root, request->settings->chrystoki_conf, ret_there, f) < 0)
		return -1;
	if (!*ret_there)
		return 0;
	return fs_read_file(request->root, request->settings->chrystoki_conf, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX,
			    ret_conf, NULL, f);
}

static int conf_write(struct client_installing *i, const struct text *conf, struct fault *f)
{
	const struct client_request *request = i->request;
	const struct client_rights rights = client_policy_conf(&i->policy);
	const struct fs_publish how = {
		.mode = rights.mode, .uid = 0, .gid = rights.gid, .force = false, .expected = NULL
	};
	const char *path = request->settings->chrystoki_conf;
	bool there = true;

	/* Only where there still is none. */
	if (conf->length > 0 && fs_existence(request->root, path, &there, f) < 0)
		return -1;
	if (there)
		return 0;
	if (fs_publish(request->root, path, FS_FOLLOW_TRUSTED, conf->bytes, conf->length, &how, f) < 0)
		return -1;
	i->result->conf = CLIENT_CONF_WRITTEN;
	i->result->changed = true;
	return 0;
}

/* --- placing ------------------------------------------------------------------------------------------------------ */

/* What the new tree needs of the old world: its identity, and a Chrystoki.conf. */
static int world_join(struct client_installing *i, int client, int old, struct text *ret_conf, struct fault *f)
{
	const struct client_request *request = i->request;
	struct text now = { 0 };
	const char *name = client_template_name(&i->result->entries, &i->result->content);
	bool there = false;
	int r = conf_read(request, &now, &there, f);

	if (r == 0 && old >= 0)
		r = client_carry(old, client, there ? text_string(&now) : NULL, request->client_dir, i->room,
				 request->report, &i->result->carried, f);
	if (r == 0 && there) {
		i->result->conf = CLIENT_CONF_KEPT;
		r = client_template_compare(client, text_string(&now), request->client_dir, request->report, f);
	} else if (r == 0 && name != NULL) {
		r = client_template_make(client, name, &i->result->content, request->client_dir, ret_conf, f);
	} else if (r == 0) {
		report_say(request->report, REPORT_WARNING, "the archive brings no template for '%s'; write one",
			   request->settings->chrystoki_conf);
	}
	text_done_secret(&now);
	return r;
}

/* After the swap: what is left can be done by a second run. */
static int finish(struct client_installing *i, const struct text *conf, const struct client_record *record,
		  struct fault *f)
{
	const struct client_request *request = i->request;
	const struct client_content *content = &i->result->content;
	char comment[160];

	(void)snprintf(comment, sizeof(comment), "%s client%s%s, as okv-luna extract has installed it",
		       client_kind_name(content->kind), content->version[0] != '\0' ? " " : "", content->version);

	if (conf_write(i, conf, f) == 0 && client_record_write(request->root, record, comment, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "the client is installed, but: ");
}

/* The staged tree becomes the client. */
static int place(struct client_installing *i, int tree, struct fault *f)
{
	const struct client_request *request = i->request;
	struct client_result *result = i->result;
	CLIENT_RECORD_AUTO record = { 0 };
	FS_AUTO int client = -1;
	FS_AUTO int old = -1;
	struct text conf = { 0 };

	if (client_settle(tree, i->worker, &result->entries, &result->content, &i->policy, f) < 0 ||
	    fs_dir_open(tree, result->content.top, FS_NOFOLLOW, &client, f) < 0 ||
	    client_layout_apply(client, &result->entries, &result->content, &i->policy, f) < 0 ||
	    client_record_make(&result->entries, &result->content, &i->policy, request->client_dir, &record, f) < 0)
		return -1;
	if (client_workshop_present(&i->workshop, &old, f) < 0)
		return -1;

	bool same = false, has_previous;
	if (client_workshop_has_previous(&i->workshop, &has_previous, f) < 0 ||
	    (old >= 0 && client_record_matches(old, &record, &same, f) < 0))
		return -1;
	result->placed = result->changed = !same;
	result->previous_kept = has_previous || (old >= 0 && !same);
	int r = world_join(i, client, same ? -1 : old, &conf, f);
	if (r == 0 && !same) {
		fs_close(&client);
		r = client_workshop_swap(&i->workshop, result->content.top, request->report, f);
	}
	if (r == 0)
		r = finish(i, &conf, &record, f);
	text_done_secret(&conf);
	return r;
}

static int install(struct client_installing *i, const struct client_source *source, struct fault *f)
{
	FS_AUTO int tree = -1;

	if (client_workshop_stage(&i->workshop, i->worker, (gid_t)i->worker, &tree, f) < 0 ||
	    unpack(i, source, tree, f) < 0)
		return -1;
	if (i->result->content.kind != CLIENT_FULL)
		return place(i, tree, f);
	return client_full_install(i, tree, f) < 0 ? archives_blame(source, f) : 0;
}

/* Is exactly that installed? */
static int same_look(struct client_installing *i, int old, bool *ret_same, struct fault *f)
{
	struct client_result *result = i->result;
	CLIENT_RECORD_AUTO record = { 0 };
	struct client_vendor_set set;

	if (result->content.kind == CLIENT_FULL)
		/* Where there is no client rpm is not asked: its question alone would make a database. */
		return client_full_find(i, &set, f) < 0 || client_full_licence(i, f) < 0 ? -1
		       : old < 0                                                         ? 0
				 : client_vendor_installed(i->request->root, &set, ret_same, f);
	if (client_record_make(&result->entries, &result->content, &i->policy, i->request->client_dir, &record, f) < 0)
		return -1;
	return old < 0 ? 0 : client_record_matches(old, &record, ret_same, f);
}

static int plan(struct client_installing *i, const struct client_source *source, struct fault *f)
{
	const struct client_request *request = i->request;
	struct client_result *result = i->result;
	FS_AUTO int old = -1;
	struct text conf = { 0 };
	bool there = false, same = false;

	if (unpack(i, source, -1, f) < 0)
		return -1;
	if (i->workshop.parent >= 0 && client_workshop_present(&i->workshop, &old, f) < 0)
		return -1;
	if (same_look(i, old, &same, f) < 0)
		return archives_blame(source, f);
	/* rpm works in place: what may be kept is older than the client before this one. */
	if (result->content.kind != CLIENT_FULL &&
	    client_workshop_has_previous(&i->workshop, &result->previous_kept, f) < 0)
		return -1;
	int r = conf_read(request, &conf, &there, f);
	if (r == 0 && old >= 0 && !same)
		r = client_carry(old, -1, there ? text_string(&conf) : NULL, request->client_dir, i->room,
				 request->report, &result->carried, f);
	text_done_secret(&conf);
	if (there)
		result->conf = CLIENT_CONF_KEPT;
	else if (result->content.kind == CLIENT_FULL ? !same
						     : client_template_name(&result->entries, &result->content) != NULL)
		result->conf = CLIENT_CONF_WRITTEN;
	result->placed = !same;
	result->changed = !same || result->conf == CLIENT_CONF_WRITTEN;
	return r;
}

int client_install(const struct client_request *request, struct client_result *ret_result, struct fault *f)
{
	CLIENT_SOURCE_AUTO source = { 0 };
	CLIENT_RESULT_AUTO result = { 0 };
	CLIENT_WORKSHOP_AUTO none = CLIENT_WORKSHOP_INIT;
	struct client_installing i = { .request = request, .room = UINT64_MAX, .workshop = none, .result = &result };

	if (client_source_open(request->archives, request->archive_count, &source, f) < 0 || people_read(&i, f) < 0)
		return -1;
	i.source_bytes = source.bytes;
	int r = request->dry_run
			? client_workshop_look(request->root, request->client_dir, &i.workshop, f)
			: client_workshop_open(request->root, request->client_dir, request->report, &i.workshop, f);
	if (r == 0 && !request->dry_run)
		r = client_rollback_finish(request, &i.workshop, f);
	if (r == 0)
		r = room_look(&i, &source, f);
	if (r == 0 && request->sha256 != NULL)
		r = client_source_verify(&source, request->sha256, i.workshop.dir, f);
	const struct client_keep keep = client_full_keep(&i);
	if (r == 0 && !request->dry_run)
		r = client_keep_restore(&keep, f);
	if (r == 0)
		r = request->dry_run ? plan(&i, &source, f) : install(&i, &source, f);
	memcpy(result.sha256, source.sha256, sizeof(result.sha256));
	if (!request->dry_run)
		client_workshop_close(&i.workshop, request->root, request->client_dir);
	client_workshop_done(&i.workshop);
	if (r < 0)
		return -1;
	*ret_result = result;
	result = (struct client_result){ 0 };
	return 0;
}
