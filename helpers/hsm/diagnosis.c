#include "hsm/diagnosis.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"
#include "conf/accounts.h"
#include "conf/chrystoki_groups.h"
#include "conf/pem.h"
#include "conf/preserved.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "hsm/loader.h"
#include "hsm/servers.h"
#include "proc/child.h"
#include "proc/identity.h"

enum { PLACES_MAX = 256, DIRECTORY_FILES_MAX = 64 };
enum { DEADLINE_MS = 10000 }; /* a dead network file system must not block us */

#define REPAIR_COMMAND "okv-luna repair --phase post-upgrade"

enum use {
	READ = 0,     /* read a file, or list and enter a directory */
	WRITTEN = 1,  /* also write it; if it does not exist it will be made, so that is not a failure */
	OPTIONAL = 2, /* not every client has it */
};

/* The result for a path, sent by the child. */
struct seen {
	uint32_t index;          /* of the place */
	uint32_t failed_length;  /* bytes of the path, up to the component that fails */
	int32_t errnum;          /* 0: accessible */
	uint32_t uid, gid, mode; /* of that component, if errnum is EACCES */
	uint32_t listed;         /* 1: it has an ACL */
};

/* A path that the client uses. */
struct place {
	char *path;     /* owned; full, below the root */
	char *named_by; /* owned: "ClientCertFile of section LunaSA Client" */
	char *failed;   /* owned: the path up to the component that fails; NULL: accessible */
	unsigned use;   /* of enum use */
	struct seen seen;
};

struct diagnosis {
	int root;
	const struct settings *settings;
	const char *user;
	const struct hsm_answer *answer;
	const struct finding_list *checked; /* may be NULL */
	const char *label, *serial;         /* of the token that OKV takes; may be NULL */
	bool okv_conf;                      /* okv_hsm.conf names OKV's library */
	bool unmanaged;                     /* the client needs no group and no modes of ours */
	struct text passwd, group;
	struct proc_identity identity;
	gid_t gid; /* of the HSM group, if it exists */
	bool group_exists, is_member;
	struct place *places; /* owned */
	size_t count, received;
	bool failed; /* out of memory */
	struct hsm_causes causes;
};

static void diagnosis_done(struct diagnosis *d)
{
	text_done(&d->passwd);
	text_done(&d->group);
	for (size_t i = 0; i < d->count; i++) {
		free(d->places[i].path);
		free(d->places[i].named_by);
		free(d->places[i].failed);
	}
	free(d->places);
	hsm_causes_done(&d->causes);
}
#define DIAGNOSIS_AUTO __attribute__((cleanup(diagnosis_done))) struct diagnosis

/* --- the paths to test -------------------------------------------------------------------------------------------- */

static void place_add(struct diagnosis *d, unsigned use, const char *path, size_t length, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
static void place_add(struct diagnosis *d, unsigned use, const char *path, size_t length, const char *format, ...)
{
	struct place place = { .path = strndup(path, length), .use = use };
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&place.named_by, format, arguments) < 0)
		place.named_by = NULL;
	va_end(arguments);
	if (place.path != NULL && place.named_by != NULL && ARRAY_GROW(d->places, d->count)) {
		d->places[d->count++] = place;
		return;
	}
	free(place.path);
	free(place.named_by);
	d->failed = true;
}

/* The library writes to what some entries name; the rest it only reads. */
static enum use use_of(const char *key)
{
	static const char *const written[] = { "MutexFolder", "File", "haLogPath", NULL };

	return text_is_one_of(key, strlen(key), written) ? WRITTEN : READ;
}

static void conf_places(struct diagnosis *d)
{
	const struct hsm_environment *environment = &d->answer->environment;
	const struct chrystoki_line *line;

	/* Always: if it does not exist or cannot be read even by root, that is the cause. */
	place_add(d, READ, environment->conf_path, strlen(environment->conf_path), "the Luna client");
	for (size_t at = 0; d->count < PLACES_MAX && (line = chrystoki_entry_next(&environment->conf, &at)) != NULL;)
		/* Nobody installs the 32-bit library, and only root uses the remote backup service. */
		if (line->value[0] == '/' && strcmp(line->name, "LibUNIX") != 0 && strcmp(line->within, "RBS") != 0)
			place_add(d, use_of(line->name), line->value, strlen(line->value), "%s of section %s",
				  SHOWN(line->name), SHOWN(line->within));
}

/* The usual directories of a client, and their files: one may be unreadable in a directory that is not. */
static void client_places(struct diagnosis *d)
{
	static const char *const directories[] = { "cert/client", "cert/server", "configData/token/001", "plugins" };

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		FS_AUTO int fd = -1;
		FS_EACH_AUTO each = { 0 };
		struct fs_each_entry entry;
		struct fault ignored = { 0 };
		TEXT_AUTO path = { 0 };
		text_add_format(&path, "%s/%s", d->settings->client_dir, directories[i]);
		const size_t length = path.length;
		place_add(d, OPTIONAL, text_string(&path), length, "the Luna client");
		/* If root cannot list it, the directory itself is the cause. */
		if (fs_dir_open(d->root, text_string(&path), FS_FOLLOW_TRUSTED, &fd, &ignored) < 0 ||
		    fs_each_open(fd, text_string(&path), &each, &ignored) < 0)
			continue;
		for (int n = 0; n < DIRECTORY_FILES_MAX && fs_each_next(&each, &entry, &ignored) > 0; n++) {
			if (entry.name[0] == '.')
				continue;
			text_cut(&path, length);
			text_add_format(&path, "/%s", entry.name);
			place_add(d, OPTIONAL, text_string(&path), path.length, "the Luna client");
		}
		d->failed = d->failed || path.failed;
	}
}

/*
 * OKV's files, the library, and the paths in OKV's environment.  A variable may hold several, separated by ':'; then
 * they need not exist.
 */
static void okv_places(struct diagnosis *d)
{
	const struct hsm_environment *environment = &d->answer->environment;

	if (d->okv_conf) {
		place_add(d, OPTIONAL, HSM_OKV_CONF, strlen(HSM_OKV_CONF), "OKV");
		place_add(d, OPTIONAL, HSM_OKV_ENVIRONMENT, strlen(HSM_OKV_ENVIRONMENT), "OKV");
	}
	place_add(d, OPTIONAL, d->answer->module, strlen(d->answer->module), "OKV");
	for (size_t i = 0; i < environment->count; i++) {
		const char *item = environment->items[i], *value = strchr(item, '=') + 1;
		const unsigned use = strchr(value, ':') != NULL ? OPTIONAL : READ;

		for (size_t length; *value != '\0' && d->count < PLACES_MAX; value += length + (value[length] == ':')) {
			length = strcspn(value, ":");
			if (value[0] == '/')
				place_add(d, use, value, length, "%s of okv_hsm_env",
					  SHOWN_BYTES(item, strcspn(item, "=")));
		}
	}
}

/* --- testing access, as that user --------------------------------------------------------------------------------- */

/* Tests the first `length` bytes of the path; returns 0 or an errno. */
static int component_test(const char *path, size_t length, int how, struct stat *ret_status, bool *ret_listed)
{
	char prefix[PATH_MAX];

	*ret_listed = false;
	memset(ret_status, 0, sizeof(*ret_status));
	if (length >= sizeof(prefix))
		return ENAMETOOLONG;
	memcpy(prefix, path, length);
	prefix[length] = '\0';
	if (stat(prefix, ret_status) < 0)
		return errno;
	*ret_listed = getxattr(prefix, "system.posix_acl_access", NULL, 0) > 0;
	if (S_ISDIR(ret_status->st_mode))
		how |= X_OK;
	return access(prefix, how) < 0 ? errno : 0;
}

/* Tests each component from the top, up to the first that fails. */
static struct seen place_test(const struct place *place, uint32_t index)
{
	const bool written = (place->use & WRITTEN) != 0;
	const char *path = place->path;
	struct seen seen = { .index = index };
	struct stat status;
	bool listed = false;

	for (size_t at = 0; seen.errnum == 0 && path[at + strspn(path + at, "/")] != '\0';) {
		at += strspn(path + at, "/");
		at += strcspn(path + at, "/");
		const bool last = path[at + strspn(path + at, "/")] == '\0';
		seen.failed_length = (uint32_t)at;
		seen.errnum = component_test(path, at, !last ? F_OK : written ? R_OK | W_OK : R_OK, &status, &listed);
		if (seen.errnum == ENOENT && last && written)
			seen.errnum = 0;
		seen.uid = status.st_uid;
		seen.gid = status.st_gid;
		seen.mode = status.st_mode;
		seen.listed = listed;
	}
	return seen;
}

static int places_test(void *context, int pipe, struct fault *f)
{
	const struct diagnosis *d = context;

	for (size_t i = 0; i < d->count; i++) {
		const struct seen seen = place_test(&d->places[i], (uint32_t)i);
		if (proc_message_write(pipe, 0, &seen, sizeof(seen)) < 0)
			return fault_system(f, errno, "cannot report what was seen");
	}
	return 0;
}

static enum proc_child_answer on_seen(void *listener, const struct proc_message *message)
{
	struct diagnosis *d = listener;
	struct seen seen;

	if (message->length != sizeof(seen))
		return PROC_CHILD_GARBLED;
	memcpy(&seen, message->bytes, sizeof(seen));
	if (seen.index >= d->count || seen.failed_length > strlen(d->places[seen.index].path))
		return PROC_CHILD_GARBLED;
	struct place *place = &d->places[seen.index];
	place->seen = seen;
	free(place->failed);
	place->failed = seen.errnum != 0 ? strndup(place->path, seen.failed_length) : NULL;
	if (place->failed == NULL)
		place->seen.errnum = 0;
	d->failed = d->failed || place->seen.errnum != seen.errnum;
	return ++d->received == d->count ? PROC_CHILD_ALL : PROC_CHILD_MORE;
}

static int places_ask(struct diagnosis *d, struct fault *f)
{
	struct proc_outcome end = PROC_OUTCOME_INIT;
	const struct proc_child_options how = {
		.work = places_test,
		.context = d,
		.what = "look as that user",
		.on_message = on_seen,
		.listener = d,
		.confined = true,
		.identity = &d->identity,
		.root = d->root,
		.deadline_ms = DEADLINE_MS,
	};

	if (proc_child_run(&how, &end, f) < 0)
		return -1;
	const bool all = end.answered, late = end.late;
	proc_outcome_done(&end);
	if (late)
		return fault_late(f, "a path of the client's configuration did not answer within %d s",
				  DEADLINE_MS / 1000);
	return all ? 0 : fault_system(f, 0, "the child that looks as that user ended early");
}

/* --- causes ------------------------------------------------------------------------------------------------------- */

/* Adds "root:hsmusers 2770"; an upgrade of the operating system may leave ids without a name. */
static void owner_add(const struct diagnosis *d, const struct place *place, struct text *out)
{
	TEXT_AUTO group = { 0 };

	if (!accounts_user_name(&d->passwd, place->seen.uid, out))
		text_add_format(out, "%lu", (unsigned long)place->seen.uid);
	const bool named = accounts_group_name(&d->group, place->seen.gid, &group);
	if (named)
		text_add_format(out, ":%s", text_string(&group));
	else
		text_add_format(out, ":%lu", (unsigned long)place->seen.gid);
	text_add_format(out, " %04o", (unsigned)(place->seen.mode & 07777));
	if (!named)
		text_add_format(out, ", and no group has the id %lu", (unsigned long)place->seen.gid);
}

/* Several paths may fail at the same component: one cause is enough. */
static bool is_named_before(const struct diagnosis *d, const struct place *place)
{
	for (const struct place *other = d->places; other < place; other++)
		if (other->seen.errnum == place->seen.errnum && strcmp(other->failed, place->failed) == 0 &&
		    !(place->seen.errnum == ENOENT && (other->use & OPTIONAL) != 0 && (place->use & OPTIONAL) == 0))
			return true;
	return false;
}

/* Does the path itself fail, not a directory above it? */
static bool is_itself(const struct place *place)
{
	return strcmp(place->failed, place->path) == 0;
}

/* Would membership in the group give access?  If the group was lost, its files have an id that no group has. */
static bool is_of_group(const struct diagnosis *d, const struct place *place)
{
	const mode_t bits = (place->use & WRITTEN) != 0 ? 060 : 040;
	const mode_t wanted = (S_ISDIR(place->seen.mode) ? 010 : 0) | (is_itself(place) ? bits : 0);
	TEXT_AUTO name = { 0 };

	if (d->unmanaged || place->seen.errnum != EACCES || place->seen.listed != 0 ||
	    (place->seen.mode & wanted) != wanted)
		return false;
	return d->group_exists ? place->seen.gid == d->gid : !accounts_group_name(&d->group, place->seen.gid, &name);
}

/* Does it fail, at a component not reported before? */
static bool is_cause(const struct diagnosis *d, const struct place *place)
{
	return place->failed != NULL && !is_named_before(d, place);
}

/* The first path that membership would make accessible, and the number of them. */
static const struct place *group_places(const struct diagnosis *d, size_t *ret_count)
{
	const struct place *first = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < d->count; i++)
		if (is_cause(d, &d->places[i]) && is_of_group(d, &d->places[i])) {
			first = first != NULL ? first : &d->places[i];
			++*ret_count;
		}
	return first;
}

/* One cause for all of them, with the first path as the example. */
static void group_cause(struct diagnosis *d)
{
	const char *group = SHOWN(d->settings->hsm_group), *user = SHOWN(d->user);
	TEXT_AUTO barred = { 0 };
	TEXT_AUTO remedy = { 0 };
	size_t count;
	const struct place *place = group_places(d, &count);

	if (place != NULL) {
		text_add_format(&barred, "; user '%s' cannot reach '%s' (", user, SHOWN(place->failed));
		owner_add(d, place, &barred);
		text_add_char(&barred, ')');
	}
	if (count > 1)
		text_add_format(&barred, ", and %zu more of that group", count - 1);
	accounts_member_remedy(&d->group, d->settings->hsm_group, d->user, &remedy);
	d->failed = d->failed || barred.failed || remedy.failed;
	if (!d->group_exists)
		hsm_causes_add(&d->causes, REPAIR_COMMAND,
			       "group '%s' does not exist; an upgrade of the operating system drops it%s", group,
			       text_string(&barred));
	else if (!d->is_member)
		hsm_causes_add(&d->causes, text_string(&remedy), "user '%s' is not in group '%s'%s", user, group,
			       text_string(&barred));
}

/* Do our policies cover the path: is it in the client, or its configuration? */
static bool is_ours(const struct diagnosis *d, const struct place *place)
{
	return !d->unmanaged && (strcmp(place->failed, d->settings->chrystoki_conf) == 0 ||
				 preserved_within(place->failed, d->settings->client_dir));
}

/* Is it a directory above the client or above OKV's files?  Users need only the right to pass through it. */
static bool is_above_ours(const struct diagnosis *d, const struct place *place)
{
	const char *const ends[] = { d->settings->client_dir, d->settings->chrystoki_conf, HSM_OKV_CONF };
	bool above = false;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		above = above || (preserved_within(ends[i], place->failed) && strcmp(ends[i], place->failed) != 0);
	return above && S_ISDIR(place->seen.mode);
}

/* The command that gives the user access; empty if a person has to decide. */
static void denied_remedy(const struct diagnosis *d, const struct place *place, struct text *out)
{
	const char *failed = TYPED(place->failed);
	/* OKV's two files hold no secret, so everybody may read them. */
	const bool okv = strcmp(place->path, HSM_OKV_CONF) == 0 || strcmp(place->path, HSM_OKV_ENVIRONMENT) == 0;

	if (place->seen.listed)
		text_add_format(out, "install the package acl, then: setfacl -b %s%s%s", failed,
				is_ours(d, place) ? " && " : "", is_ours(d, place) ? REPAIR_COMMAND : "");
	else if (okv || is_above_ours(d, place))
		text_add_format(out, "chmod o+%c %s", okv && is_itself(place) ? 'r' : 'x', failed);
	/* Another user's file must belong to root before the policy gives it rights. */
	else if (is_ours(d, place) && place->seen.uid != 0 && place->seen.uid != d->identity.uid)
		text_add_format(out, "chown root %s && " REPAIR_COMMAND, failed);
	else if (is_ours(d, place))
		text_add_string(out, REPAIR_COMMAND);
}

static void denied_cause(struct diagnosis *d, const struct place *place)
{
	const char *failed = SHOWN(place->failed), *path = SHOWN(place->path), *user = SHOWN(d->user);
	TEXT_AUTO owner = { 0 };
	TEXT_AUTO remedy = { 0 };

	owner_add(d, place, &owner);
	if (place->seen.listed)
		text_add_string(&owner, ", and an ACL");
	denied_remedy(d, place, &remedy);
	d->failed = d->failed || owner.failed || remedy.failed;
	const char *fix = remedy.length > 0 ? text_string(&remedy) : NULL;
	if (is_itself(place))
		hsm_causes_add(&d->causes, fix, "user '%s' cannot %s '%s' (%s)%s%s", user,
			       (place->use & WRITTEN) != 0 ? "write" : "read", path, text_string(&owner),
			       fix == NULL ? ", named by " : "", fix == NULL ? place->named_by : "");
	else
		hsm_causes_add(&d->causes, fix, "user '%s' cannot reach '%s': it may not enter '%s' (%s)", user, path,
			       failed, text_string(&owner));
}

static void absent_cause(struct diagnosis *d, const struct place *place)
{
	const char *path = SHOWN(place->path);
	/* If OKV's environment points elsewhere, conf_cause has said so, with the remedy. */
	const bool conf = place == d->places, astray = strcmp(place->path, d->settings->chrystoki_conf) != 0;
	const char *remedy = !conf ? FINDING_SUPPLY_IT : astray ? NULL : FINDING_INSTALL_IT;

	if (is_itself(place))
		hsm_causes_add(&d->causes, remedy, "'%s', named by %s, is not there", path, place->named_by);
	else
		hsm_causes_add(&d->causes, remedy, "'%s', named by %s, is not there: there is no '%s'", path,
			       place->named_by, SHOWN(place->failed));
}

static void place_cause(struct diagnosis *d, const struct place *place)
{
	const bool absent = place->seen.errnum == ENOENT || place->seen.errnum == ENOTDIR;

	/* A missing library was reported by hsm_probe. */
	if (place->seen.errnum != EACCES && d->answer->user == NULL && strcmp(place->path, d->answer->module) == 0)
		return;
	if (place->seen.errnum == EACCES)
		denied_cause(d, place);
	else if (!absent)
		hsm_causes_add(&d->causes, NULL, "user '%s' cannot use '%s': %s", SHOWN(d->user), SHOWN(place->path),
			       fault_errno_text(place->seen.errnum));
	else if ((place->use & OPTIONAL) == 0)
		absent_cause(d, place);
}

static bool places_causes(struct diagnosis *d)
{
	bool denied = false;

	for (size_t i = 0; i < d->count; i++)
		denied = denied || d->places[i].seen.errnum == EACCES;
	if (denied && !d->unmanaged)
		group_cause(d);
	for (size_t i = 0; i < d->count; i++)
		if (is_cause(d, &d->places[i]) && (d->is_member || !is_of_group(d, &d->places[i])))
			place_cause(d, &d->places[i]);
	return denied;
}

/* --- all causes --------------------------------------------------------------------------------------------------- */

static void conf_cause(struct diagnosis *d)
{
	const char *path = d->answer->environment.conf_path;

	if (strcmp(path, d->settings->chrystoki_conf) != 0)
		hsm_causes_add(&d->causes, d->okv_conf ? "okv-luna config wire" : NULL,
			       "OKV's environment points the library to '%s', and CHRYSTOKI_CONF says '%s'",
			       SHOWN(path), SHOWN(d->settings->chrystoki_conf));
}

/* Adds the findings about Chrystoki.conf that hide a slot. */
static void hiding_causes(struct diagnosis *d, const struct finding_list *found)
{
	const char *path = d->answer->environment.conf_path;

	for (size_t i = 0; i < found->count; i++) {
		const struct finding *finding = &found->items[i];
		/* answer->ha reports a group without members already. */
		if (finding->hides && strcmp(finding->file, path) == 0 &&
		    (strcmp(finding->rule, CHRYSTOKI_HA_NO_MEMBERS) != 0 || d->answer->ha.count == 0))
			hsm_causes_add(&d->causes, finding->remedy, "in '%s' %s: %s", SHOWN(path), finding->what,
				       finding->effect);
	}
}

/* Adds what is wrong with Chrystoki.conf, then how its groups differ from the slots. */
static int conf_findings(struct diagnosis *d, struct fault *f)
{
	const struct hsm_environment *environment = &d->answer->environment;
	const struct hsm_causes *ha = &d->answer->ha;
	FINDING_LIST_AUTO found = { .file = environment->conf_path };

	if (environment->conf_fault.kind != FAULT_NONE && environment->conf_fault.kind != FAULT_ABSENT)
		hsm_causes_add(&d->causes, "put a plain file in its place", "%s", environment->conf_fault.text);
	if (environment->conf_fault.kind != FAULT_NONE)
		return 0;
	chrystoki_groups_evaluate(&environment->conf, &found);
	if (found.failed)
		return fault_memory(f);
	/* `checked` is about CHRYSTOKI_CONF; and if a slot can be used, only the groups matter. */
	const bool whole = d->checked != NULL && hsm_answer_usable(d->answer) == 0 &&
			   strcmp(environment->conf_path, d->settings->chrystoki_conf) == 0;
	hiding_causes(d, whole ? d->checked : &found);
	for (size_t i = 0; i < ha->count; i++)
		hsm_causes_add(&d->causes, ha->items[i].remedy, "%s", ha->items[i].sentence);
	return 0;
}

/* Servers reject this client's certificate before and after its period of validity. */
static void validity_causes(struct diagnosis *d, const char *path)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO der = { 0 };
	struct pem_certificate c;
	struct fault ignored = { 0 };
	const int64_t now = time_now();
	char stamp[TIME_STAMP_SIZE];

	/* An unreadable one was reported. */
	if (path[0] == '\0' || fs_read_linked(d->root, path, &bytes, &ignored) < 0)
		return;
	for (size_t at = 0; pem_certificate_next(text_string(&bytes), bytes.length, &at, &der);) {
		if (!pem_certificate_read(der.bytes, der.length, &c) || (c.begins <= now && now <= c.ends))
			continue;
		TEXT_AUTO remedy = { 0 };
		if (now > c.ends)
			text_add_format(&remedy, HSM_RENEW_CERTIFICATE, d->settings->client_dir);
		else
			text_add_string(&remedy, HSM_CORRECT_CLOCK);
		d->failed = d->failed || remedy.failed;
		hsm_causes_add(&d->causes, text_string(&remedy), "this client's certificate '%s' %s %s", SHOWN(path),
			       now > c.ends ? "expired on" : "is not valid before",
			       time_day(now > c.ends ? c.ends : c.begins, stamp));
	}
}

/* Nothing is wrong here: names what to check at the HSM and on the network. */
static int outside_cause(struct diagnosis *d, struct fault *f)
{
	HSM_SERVERS_AUTO servers = { 0 };
	TEXT_AUTO which = { 0 };
	bool appliance = false, web = false;

	if (hsm_servers_find(&d->answer->environment.conf, &servers, f) < 0)
		return -1;
	for (size_t i = 0; i < servers.count; i++) {
		const struct hsm_server *server = &servers.items[i];
		web = web || server->web;
		appliance = appliance || !server->web;
		if (i == 0 || strcmp(server->certificate, servers.items[i - 1].certificate) != 0)
			validity_causes(d, server->certificate);
		text_add_format(&which, "%sport %s of %s", i > 0 ? ", " : "", SHOWN(server->port), SHOWN(server->name));
	}
	if (which.length == 0)
		text_add_string(&which, "the service that it names");
	if (d->causes.count == 0)
		hsm_causes_add(&d->causes, NULL,
			       "nothing on this machine prevents it; %s%s%s, and can %s be reached from here? to "
			       "check: okv-luna"
			       " network",
			       !web || appliance
				       ? "is the client registered with the HSM and the partition assigned to it"
					 " (NTLS link)"
				       : "",
			       web && appliance ? ", " : "",
			       web ? "does the cloud service accept AuthTokenClientId and AuthTokenClientSecret of "
				     "section REST"
				   : "",
			       text_string(&which));
	return text_check(&which, f);
}

/* No usable token has TOKEN_LABEL; for a label given as an option the table is enough. */
static int labels_cause(struct diagnosis *d, struct fault *f)
{
	TEXT_AUTO shown = { 0 };

	for (size_t i = 0; i < d->answer->slot_count; i++)
		if (d->answer->slots[i].usable)
			text_add_format(&shown, "%s'%s'", shown.length > 0 ? ", " : "",
					SHOWN(d->answer->slots[i].label));
	hsm_causes_add(&d->causes, NULL,
		       "the usable tokens have the labels %s; TOKEN_LABEL in '" SETTINGS_FILE
		       "' must be exactly the label given at OKV's console (HSM page, Use Token Label)",
		       text_string(&shown));
	return text_check(&shown, f);
}

/* The library was loaded, and nothing on this machine explains its answer. */
static int beyond_cause(struct diagnosis *d, struct fault *f)
{
	const struct hsm_answer *answer = d->answer;
	const struct hsm_slot *taken = hsm_answer_taken(answer, d->label, d->serial);
	const bool called = answer->call[0] != '\0' && strcmp(answer->call, hsm_call_name(HSM_CALL_LOAD)) != 0;

	switch (answer->end) {
	case HSM_END_WHOLE:
		if (answer->slot_count == 0)
			return outside_cause(d, f);
		if (hsm_answer_usable(answer) == 0)
			hsm_causes_add(
				&d->causes, NULL,
				"there is a slot, but its partition cannot be used: check with lunacm that it and its"
				" Crypto Officer are initialised, and that it is not disabled");
		else if (taken == NULL && d->label != NULL && strcmp(d->label, d->settings->token_label) == 0)
			return labels_cause(d, f);
		else if (taken != NULL && !taken->usable && d->label == NULL)
			hsm_causes_add(&d->causes, NULL,
				       "without a token label OKV takes the first slot: give the partition's label at "
				       "OKV's console (HSM page, Use Token Label) and as TOKEN_LABEL in '" SETTINGS_FILE
				       "'");
		return 0;
	case HSM_END_ERROR:
		return outside_cause(d, f);
	case HSM_END_LATE:
		if (called)
			hsm_causes_add(&d->causes, NULL,
				       "does the HSM answer at all? to check: okv-luna network; if it does and needs"
				       " longer, raise SLOT_TIMEOUT in '" SETTINGS_FILE "'");
		return 0;
	case HSM_END_CRASHED:
	case HSM_END_LEFT:
	case HSM_END_CLOSED:
	case HSM_END_LIED:
		hsm_causes_add(&d->causes, NULL,
			       "that is a fault of the library: install another release of the client, or ask the "
			       "vendor's support");
		return 0;
	case HSM_END_UNNAMED:
	case HSM_END_UNLOADABLE:
		return 0;
	}
	return 0;
}

static int causes_find(struct diagnosis *d, size_t without_group, struct fault *f)
{
	const struct hsm_answer *answer = d->answer;
	const bool silent = answer->user != NULL && answer->end == HSM_END_WHOLE && answer->slot_count == 0;

	if (fs_read_config(d->root, "/etc/passwd", &d->passwd, f) < 0 ||
	    fs_read_config(d->root, "/etc/group", &d->group, f) < 0 ||
	    proc_identity_read(d->root, d->user, &d->identity, f) < 0)
		return -1;
	d->group_exists = accounts_group_find(&d->group, d->settings->hsm_group, &d->gid);
	for (size_t i = 0; d->group_exists && i < d->identity.group_count; i++)
		d->is_member = d->is_member || d->identity.groups[i] == d->gid;
	conf_cause(d);
	conf_places(d);
	client_places(d);
	okv_places(d);
	if (places_ask(d, f) < 0)
		return -1;
	const bool denied = places_causes(d);
	if (!denied)
		hsm_loader_explain(d->root, d->settings, answer->loader, &d->causes);
	const bool called = answer->user != NULL && answer->end != HSM_END_UNLOADABLE;
	if (called && conf_findings(d, f) < 0)
		return -1;
	const bool found = d->causes.count > 0;
	if (answer->user != NULL && !found && beyond_cause(d, f) < 0)
		return -1;
	/* Our worker has the groups of /etc/group, so this is not its problem but that of OKV's processes. */
	if (without_group > 0 && found && (denied || silent))
		hsm_causes_add(&d->causes, NULL,
			       "%zu running process%s of user '%s' started before it was in group '%s' and cannot use"
			       " it; once the slots show, restart the services they belong to",
			       without_group, without_group == 1 ? "" : "es", SHOWN(d->user),
			       SHOWN(d->settings->hsm_group));
	return 0;
}

int hsm_diagnose(const struct hsm_question *question, const struct hsm_answer *answer, size_t without_group,
		 struct hsm_causes *ret_causes, struct fault *f)
{
	DIAGNOSIS_AUTO d = {
		.root = question->root,
		.settings = question->settings,
		.user = question->user != NULL ? question->user : question->settings->okv_user,
		.answer = answer,
		.checked = question->checked,
		.label = question->required.label,
		.serial = question->required.serial,
		.okv_conf = question->source == HSM_LIBRARY_OKV_CONF,
		.unmanaged = question->unmanaged,
	};

	/* Without a library, or without OKV's environment, nothing else matters yet. */
	if (answer->module == NULL && answer->environment.conf_path != NULL)
		hsm_causes_add(&d.causes, hsm_library_remedy(d.root),
			       "OKV finds its library only by PKCS11_LIB_LOC of okv_hsm.conf");
	else if (answer->module != NULL && causes_find(&d, without_group, f) < 0)
		return -1;
	if (d.failed || hsm_causes_check(&d.causes, f) < 0)
		return d.failed ? fault_memory(f) : -1;
	*ret_causes = d.causes;
	d.causes = (struct hsm_causes){ 0 };
	return 0;
}
