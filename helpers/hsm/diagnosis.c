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
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/array.h"
#include "conf/accounts.h"
#include "conf/chrystoki_groups.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "hsm/servers.h"
#include "proc/child.h"
#include "proc/identity.h"

enum { PLACES_MAX = 256, DIRECTORY_FILES_MAX = 64 };
enum { DEADLINE_MS = 10000 }; /* a dead network file system must not keep us */

#define REPAIR_COMMAND "okv-luna repair --phase post-upgrade"

enum use {
	READ = 0,     /* a file to be read, or a directory to be listed and entered */
	WRITTEN = 1,  /* written as well; something that is not there yet will be made, so that is no failure */
	OPTIONAL = 2, /* not every client has it */
};

/* A path that the client uses, and how the kernel answers for it. */
struct place {
	char *path;           /* owned; full, below the root */
	char *named_by;       /* owned: "ClientCertFile of section LunaSA Client" */
	unsigned use;         /* of enum use */
	int errnum;           /* 0: within reach */
	size_t failed_length; /* so much of the path leads to the component that fails */
	uid_t uid;            /* of that component, where errnum is EACCES */
	gid_t gid;
	mode_t mode;
};

struct diagnosis {
	int root;
	const struct settings *settings;
	const char *user;
	const struct hsm_answer *answer;
	bool okv_conf; /* OKV finds its library by okv_hsm.conf */
	struct text passwd, group;
	struct proc_identity identity;
	struct place *places; /* owned */
	size_t count, heard;
	bool failed; /* there was no memory for a place */
	struct hsm_causes causes;
};

static void diagnosis_done(struct diagnosis *d)
{
	text_done(&d->passwd);
	text_done(&d->group);
	for (size_t i = 0; i < d->count; i++) {
		free(d->places[i].path);
		free(d->places[i].named_by);
	}
	free(d->places);
	hsm_causes_done(&d->causes);
}
#define DIAGNOSIS_AUTO __attribute__((cleanup(diagnosis_done))) struct diagnosis

/* --- which paths -------------------------------------------------------------------------------------------------- */

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

/* Entries that the library writes to; the rest it reads. */
static enum use use_of(const char *key, size_t length)
{
	return text_equal(key, length, "MutexFolder") || text_equal(key, length, "File") ||
			       text_equal(key, length, "haLogPath")
		       ? WRITTEN
		       : READ;
}

/* The 32-bit library is made by nobody, and the remote backup service is root's own. */
static bool passed_over(const struct chrystoki_line *section, const char *key, size_t length)
{
	return text_equal(key, length, "LibUNIX") ||
	       text_equal(section->bytes + section->name_start, section->name_length, "RBS");
}

static void conf_places(struct diagnosis *d)
{
	const struct hsm_environment *environment = &d->answer->environment;
	const struct chrystoki *conf = &environment->conf;

	/* Not there, or not to be read by root even: then the place itself is the cause. */
	place_add(d, READ, environment->conf_path, strlen(environment->conf_path), "the Luna client");
	for (size_t i = 0; i < conf->count && d->count < PLACES_MAX; i++) {
		const struct chrystoki_line *line = &conf->lines[i];
		const char *key = line->bytes + line->name_start, *value = line->bytes + line->value_start;
		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0 ||
		    value[0] != '/')
			continue;
		const struct chrystoki_line *section = &conf->lines[line->section];
		if (!passed_over(section, key, line->name_length))
			place_add(d, use_of(key, line->name_length), value, line->value_length, "%s of section %s",
				  SHOWN_BYTES(key, line->name_length),
				  SHOWN_BYTES(section->bytes + section->name_start, section->name_length));
	}
}

/* What a client has by custom.  A directory that can be entered may hold what cannot be read. */
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
		/* What root cannot list is a cause by itself. */
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
 * OKV's files, the library, and what OKV's environment names: a full path, or several with ':' between, of which some
 * may well not be there.
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

/* --- asking the kernel, as that user ------------------------------------------------------------------------------ */

/* What the child sends of a place. */
struct seen {
	uint32_t index, failed_length;
	int32_t errnum;
	uint32_t uid, gid, mode;
};

/* The component that the first `length` bytes lead to: 0, or the errno. */
static int component_test(const char *path, size_t length, int how, struct stat *ret_status)
{
	char prefix[PATH_MAX];

	memset(ret_status, 0, sizeof(*ret_status));
	if (length >= sizeof(prefix))
		return ENAMETOOLONG;
	memcpy(prefix, path, length);
	prefix[length] = '\0';
	if (stat(prefix, ret_status) < 0)
		return errno;
	if (S_ISDIR(ret_status->st_mode))
		how |= X_OK;
	return access(prefix, how) < 0 ? errno : 0;
}

/* From the top, to the first component that fails. */
static struct seen place_test(const struct place *place, uint32_t index)
{
	const bool written = (place->use & WRITTEN) != 0;
	const char *path = place->path;
	struct seen seen = { .index = index };
	struct stat status;

	for (size_t at = 0; seen.errnum == 0 && path[at + strspn(path + at, "/")] != '\0';) {
		at += strspn(path + at, "/");
		at += strcspn(path + at, "/");
		const bool last = path[at + strspn(path + at, "/")] == '\0';
		seen.failed_length = (uint32_t)at;
		seen.errnum = component_test(path, at, !last ? F_OK : written ? R_OK | W_OK : R_OK, &status);
		if (seen.errnum == ENOENT && last && written)
			seen.errnum = 0;
		seen.uid = status.st_uid;
		seen.gid = status.st_gid;
		seen.mode = status.st_mode;
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
	place->errnum = seen.errnum;
	place->failed_length = seen.failed_length;
	place->uid = seen.uid;
	place->gid = seen.gid;
	place->mode = seen.mode;
	return ++d->heard == d->count ? PROC_CHILD_ALL : PROC_CHILD_MORE;
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

/* --- what stands in the way --------------------------------------------------------------------------------------- */

static void group_causes(struct diagnosis *d)
{
	const char *group = d->settings->hsm_group;
	gid_t gid;

	if (!accounts_group_find(&d->group, group, &gid)) {
		hsm_causes_add(&d->causes, REPAIR_COMMAND,
			       "group '%s' does not exist; an upgrade of the operating system drops it", SHOWN(group));
		return;
	}
	for (size_t i = 0; i < d->identity.group_count; i++)
		if (d->identity.groups[i] == gid)
			return;
	hsm_causes_add(&d->causes, REPAIR_COMMAND, "user '%s' is not in group '%s'", SHOWN(d->user), SHOWN(group));
}

/* "root:hsmusers 2770"; an id without a name is what an upgrade of the operating system leaves. */
static void owner_add(const struct diagnosis *d, const struct place *place, struct text *out)
{
	TEXT_AUTO group = { 0 };

	if (!accounts_user_name(&d->passwd, place->uid, out))
		text_add_format(out, "%lu", (unsigned long)place->uid);
	const bool named = accounts_group_name(&d->group, place->gid, &group);
	if (named)
		text_add_format(out, ":%s", text_string(&group));
	else
		text_add_format(out, ":%lu", (unsigned long)place->gid);
	text_add_format(out, " %04o", (unsigned)(place->mode & 07777));
	if (!named)
		text_add_format(out, ", and no group has the id %lu", (unsigned long)place->gid);
}

/* Whether our policies have that entry: the client, or its configuration. */
static bool is_ours(const struct diagnosis *d, const struct place *place)
{
	const size_t length = strlen(d->settings->client_dir);

	return text_equal(place->path, place->failed_length, d->settings->chrystoki_conf) ||
	       (place->failed_length >= length && memcmp(place->path, d->settings->client_dir, length) == 0 &&
		(place->path[length] == '/' || place->path[length] == '\0'));
}

static void denied_cause(struct diagnosis *d, const struct place *place)
{
	const char *failed = SHOWN_BYTES(place->path, place->failed_length), *path = SHOWN(place->path);
	const char *user = SHOWN(d->user);
	TEXT_AUTO owner = { 0 };
	TEXT_AUTO remedy = { 0 };

	owner_add(d, place, &owner);
	/* What a stranger owns is given no right before it is root's. */
	if (place->uid != 0 && place->uid != d->identity.uid)
		text_add_format(&remedy, "chown root '%s' && ", failed);
	text_add_string(&remedy, REPAIR_COMMAND);
	/* OKV's own two files hold no secret: to read them is all that its user lacks. */
	const bool okv = strcmp(place->path, HSM_OKV_CONF) == 0 || strcmp(place->path, HSM_OKV_ENVIRONMENT) == 0;
	if (okv) {
		text_cut(&remedy, 0);
		text_add_format(&remedy, "chmod o+%c '%s'", place->path[place->failed_length] == '\0' ? 'r' : 'x',
				failed);
	}
	d->failed = d->failed || owner.failed || remedy.failed;
	const char *command = okv || is_ours(d, place) ? text_string(&remedy) : NULL;
	if (place->path[place->failed_length] == '\0')
		hsm_causes_add(&d->causes, command, "user '%s' cannot %s '%s' (%s)%s%s", user,
			       (place->use & WRITTEN) != 0 ? "write" : "read", path, text_string(&owner),
			       command == NULL ? ", named by " : "", command == NULL ? place->named_by : "");
	else
		hsm_causes_add(&d->causes, command, "user '%s' cannot reach '%s': it may not enter '%s' (%s)", user,
			       path, failed, text_string(&owner));
}

static void place_cause(struct diagnosis *d, const struct place *place)
{
	const char *path = SHOWN(place->path);
	const bool absent = place->errnum == ENOENT || place->errnum == ENOTDIR;

	if (place->errnum == EACCES)
		denied_cause(d, place);
	else if (!absent)
		hsm_causes_add(&d->causes, NULL, "user '%s' cannot use '%s': %s", SHOWN(d->user), path,
			       fault_errno_text(place->errnum));
	else if ((place->use & OPTIONAL) == 0 && path[place->failed_length] == '\0')
		hsm_causes_add(&d->causes, NULL, "'%s', named by %s, is not there", path, place->named_by);
	else if ((place->use & OPTIONAL) == 0)
		hsm_causes_add(&d->causes, NULL, "'%s', named by %s, is not there: there is no '%s'", path,
			       place->named_by, SHOWN_BYTES(place->path, place->failed_length));
}

/* Two entries, or an entry and a custom, may fail at the same component: one cause is enough. */
static bool is_named_before(const struct diagnosis *d, const struct place *place)
{
	for (const struct place *other = d->places; other < place; other++)
		if (other->errnum == place->errnum && other->failed_length == place->failed_length &&
		    memcmp(other->path, place->path, place->failed_length) == 0 &&
		    !(place->errnum == ENOENT && (other->use & OPTIONAL) != 0 && (place->use & OPTIONAL) == 0))
			return true;
	return false;
}

static bool places_causes(struct diagnosis *d)
{
	bool denied = false;

	for (size_t i = 0; i < d->count; i++)
		denied = denied || d->places[i].errnum == EACCES;
	/* A group that nobody needs is no cause: clients of 5.x and 6.x have none. */
	if (denied)
		group_causes(d);
	for (size_t i = 0; i < d->count; i++)
		if (d->places[i].errnum != 0 && !is_named_before(d, &d->places[i]))
			place_cause(d, &d->places[i]);
	return denied;
}

/* --- why the loader would not have the library -------------------------------------------------------------------- */

/* Where a library that a client needs comes from, on Enterprise Linux 7 to 10. */
static const struct {
	const char *library, *package;
} packages[] = {
	{ "libnsl.so.1", "libnsl" },
	{ "libcap.so.2", "libcap" },
	{ "libstdc++.so.6", "libstdc++" },
	{ "libgcc_s.so.1", "libgcc" },
	{ "libz.so.1", "zlib" },
	{ "libuuid.so.1", "libuuid" },
	{ "libcrypt.so.1", "libxcrypt-compat, before release 9 libxcrypt" },
	{ "libcrypto.so.10", "compat-openssl10" },
	{ "libssl.so.10", "compat-openssl10" },
	{ "libcrypto.so.1.1", "compat-openssl11, in release 8 openssl-libs" },
	{ "libssl.so.1.1", "compat-openssl11, in release 8 openssl-libs" },
	{ "libncurses.so.5", "ncurses-compat-libs" },
	{ "libtinfo.so.5", "ncurses-compat-libs" },
	{ "libusb-1.0.so.0", "libusbx" },
};

static void missing_cause(struct hsm_causes *causes, const char *name)
{
	static const char *const of_client[] = { "libCryptoki", "libcklog", "libshim", "libSoftToken", "libethsm" };

	for (size_t i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (strcmp(packages[i].library, name) == 0) {
			hsm_causes_add(causes, NULL, "on Enterprise Linux '%s' is in package %s: install it",
				       SHOWN(name), packages[i].package);
			return;
		}
	for (size_t i = 0; i < sizeof(of_client) / sizeof(of_client[0]); i++)
		if (text_starts(name, of_client[i])) {
			hsm_causes_add(causes, NULL, "'%s' is part of the Luna client, which is incomplete",
				       SHOWN(name));
			return;
		}
	hsm_causes_add(causes, NULL, "`dnf provides '*/%s'` shows which package has '%s'", SHOWN(name), SHOWN(name));
}

static bool is_noexec(int fd)
{
	struct statvfs system;

	return fstatvfs(fd, &system) == 0 && (system.f_flag & ST_NOEXEC) != 0;
}

/* The mount's own directory leads so far: the topmost above the file that forbids it, too. */
static size_t mount_length(int root, const char *path)
{
	size_t mount = strlen(path);

	for (size_t at = mount; at > 1; at--) {
		FS_AUTO int dir = -1;
		struct fault ignored = { 0 };
		if (path[at - 1] != '/')
			continue;
		char *above = strndup(path, at - 1);
		const bool same = above != NULL && fs_dir_open(root, above, FS_FOLLOW_TRUSTED, &dir, &ignored) == 0 &&
				  is_noexec(dir);
		free(above);
		if (!same)
			break;
		mount = at - 1;
	}
	return mount;
}

static void forbidden_cause(struct diagnosis *d, const char *path, bool denied)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault ignored = { 0 };
	struct stat status;
	const char *shown = SHOWN(path);

	if (fs_place_find(d->root, path, &place, &ignored) == 0 &&
	    fs_file_open_at(place.dir, place.leaf, O_RDONLY, &fd, &status, &ignored) == 0 && is_noexec(fd))
		hsm_causes_add(&d->causes, NULL,
			       "'%s' is on a file system that is mounted noexec at '%s': mount it exec, in fstab(5)"
			       " too",
			       shown, SHOWN_BYTES(place.path, mount_length(d->root, place.path)));
	else if (path[0] != '/')
		hsm_causes_add(&d->causes, NULL,
			       "'%s', which it needs, is on a file system that is mounted noexec, or a policy "
			       "forbids loading it (`ausearch -m avc,fanotify` shows that)",
			       shown);
	else if (denied)
		hsm_causes_add(&d->causes, NULL,
			       "a policy forbids loading '%s', as SELinux does with a wrong label or writable "
			       "code: `ausearch -m avc` shows it, `restorecon -Rv` puts labels right",
			       shown);
	else
		hsm_causes_add(&d->causes, NULL,
			       "a policy forbids loading '%s', as fapolicyd does with files that it does not trust:"
			       " `ausearch -m fanotify` shows it, and fapolicyd-cli(8) adds the client's directory to"
			       " its trust",
			       shown);
}

/* dlerror(3) says "FILE: what was done: why it failed". */
static void loader_cause(struct diagnosis *d)
{
	const char *loader = d->answer->loader, *colon = loader != NULL ? strstr(loader, ": ") : NULL;

	if (colon == NULL)
		return;
	const bool denied = strstr(colon, ": Permission denied") != NULL;
	char *name = strndup(loader, (size_t)(colon - loader));
	d->failed = d->failed || name == NULL;
	if (name != NULL && strstr(colon, "cannot open shared object file: No such file or directory") != NULL)
		missing_cause(&d->causes, name);
	else if (name != NULL && (denied || strstr(colon, ": Operation not permitted") != NULL ||
				  strstr(colon, "failed to map segment") != NULL))
		forbidden_cause(d, name, denied);
	free(name);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static void conf_cause(struct diagnosis *d)
{
	const char *path = d->answer->environment.conf_path;

	if (strcmp(path, d->settings->chrystoki_conf) != 0)
		hsm_causes_add(&d->causes, d->okv_conf ? "okv-luna config wire" : NULL,
			       "OKV's environment points the library to '%s', and CHRYSTOKI_CONF says '%s'",
			       SHOWN(path), SHOWN(d->settings->chrystoki_conf));
}

/* What conf/chrystoki_groups knows to hide a slot; then how the groups differ from what shows. */
static int group_findings(struct diagnosis *d, struct fault *f)
{
	const struct hsm_environment *environment = &d->answer->environment;
	const struct hsm_causes *ha = &d->answer->ha;
	FINDING_LIST_AUTO found = { .file = environment->conf_path };

	chrystoki_groups_evaluate(&environment->conf, &found);
	if (found.failed)
		return fault_memory(f);
	for (size_t i = 0; i < found.count; i++)
		/* Of a group without members the comparison with what shows has told. */
		if (found.items[i].hides &&
		    (strcmp(found.items[i].rule, CHRYSTOKI_HA_NO_MEMBERS) != 0 || ha->count == 0))
			hsm_causes_add(&d->causes, NULL, "%s in '%s': %s", found.items[i].what,
				       SHOWN(environment->conf_path), found.items[i].effect);
	for (size_t i = 0; i < ha->count; i++)
		hsm_causes_add(&d->causes, ha->items[i].command, "%s", ha->items[i].sentence);
	return 0;
}

/* The guide's next questions, which this machine cannot answer. */
static int outside_cause(struct diagnosis *d, struct fault *f)
{
	HSM_SERVERS_AUTO servers = { 0 };
	TEXT_AUTO which = { 0 };

	if (hsm_servers_find(&d->answer->environment.conf, &servers, f) < 0)
		return -1;
	for (size_t i = 0; i < servers.count; i++)
		text_add_format(&which, "%sport %s of %s", i > 0 ? ", " : "", SHOWN(servers.items[i].port),
				SHOWN(servers.items[i].name));
	if (which.length == 0)
		text_add_string(&which, "the service that it names");
	hsm_causes_add(&d->causes, NULL,
		       "nothing on this machine prevents it; is the client registered with the HSM and the partition"
		       " assigned to it (NTLS link), and can %s be reached from here? to check: okv-luna network",
		       text_string(&which));
	return text_check(&which, f);
}

static int causes_find(struct diagnosis *d, size_t without_group, struct fault *f)
{
	const struct hsm_answer *answer = d->answer;
	const bool silent = answer->user != NULL && answer->end == HSM_END_WHOLE && answer->slot_count == 0;

	if (fs_read_config(d->root, "/etc/passwd", &d->passwd, f) < 0 ||
	    fs_read_config(d->root, "/etc/group", &d->group, f) < 0 ||
	    proc_identity_read(d->root, d->user, &d->identity, f) < 0)
		return -1;
	conf_cause(d);
	conf_places(d);
	client_places(d);
	okv_places(d);
	if (places_ask(d, f) < 0)
		return -1;
	const bool denied = places_causes(d);
	if (!denied)
		loader_cause(d);
	if (group_findings(d, f) < 0)
		return -1;
	if (silent && d->causes.count == 0)
		return outside_cause(d, f);
	/* Not why we were refused, since our worker has the groups of the files, but why OKV's processes may be. */
	if (without_group > 0 && (silent || denied))
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
		.okv_conf = question->source == HSM_LIBRARY_OKV_CONF,
	};

	/* Where OKV's environment cannot be read, or it has no library, nothing else matters yet. */
	if (answer->module == NULL && answer->environment.conf_path != NULL)
		hsm_causes_add(&d.causes, hsm_library_remedy(d.root),
			       "OKV finds its library by PKCS11_LIB_LOC of okv_hsm.conf, and by nothing else");
	else if (answer->module != NULL && causes_find(&d, without_group, f) < 0)
		return -1;
	if (d.failed || hsm_causes_check(&d.causes, f) < 0)
		return d.failed ? fault_memory(f) : -1;
	*ret_causes = d.causes;
	d.causes = (struct hsm_causes){ 0 };
	return 0;
}
