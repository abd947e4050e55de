#include "hsm/diagnosis.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "conf/accounts.h"
#include "conf/chrystoki_groups.h"
#include "fs/each.h"
#include "fs/read.h"
#include "hsm/clientconf.h"
#include "hsm/reach.h"
#include "hsm/servers.h"
#include "hsm/refusal.h"
#include "proc/identity.h"

enum { PLACES_MAX = 256, DIRECTORY_FILES_MAX = 64 };

#define REPAIR_COMMAND "okv-luna repair --phase post-upgrade"

/* A path to be tried, and who names it. */
struct place {
	char *path;     /* owned */
	char *named_by; /* owned: "ClientCertFile of section LunaSA Client" */
	bool optional;  /* not every client has it */
};

struct diagnosis {
	int root;
	const struct settings *settings;
	const char *user;
	const struct hsm_answer *answer;
	bool okv_conf; /* OKV finds its library by okv_hsm.conf */
	struct text passwd, group;
	struct proc_identity identity;
	struct hsm_environment environment;
	struct hsm_clientconf conf;
	struct place places[PLACES_MAX];
	struct hsm_reach reaches[PLACES_MAX]; /* one for each place */
	size_t count;
	struct hsm_causes causes;
};

static void diagnosis_done(struct diagnosis *d)
{
	text_done(&d->passwd);
	text_done(&d->group);
	hsm_environment_done(&d->environment);
	hsm_clientconf_done(&d->conf);
	for (size_t i = 0; i < d->count; i++) {
		free(d->places[i].path);
		free(d->places[i].named_by);
	}
	hsm_causes_done(&d->causes);
	free(d);
}

static int accounts_read(struct diagnosis *d, struct fault *f)
{
	return fs_read_config(d->root, "/etc/passwd", &d->passwd, f) < 0 ||
			       fs_read_config(d->root, "/etc/group", &d->group, f) < 0 ||
			       proc_identity_read(d->root, d->user, &d->identity, f) < 0
		       ? -1
		       : 0;
}

static int conf_find(struct diagnosis *d, struct fault *f)
{
	if (hsm_environment_read(d->root, NULL, &d->environment, f) < 0 ||
	    hsm_clientconf_read(d->root, &d->environment, &d->conf, f) < 0)
		return -1;
	if (strcmp(d->conf.path, d->settings->chrystoki_conf) == 0)
		return 0;
	return hsm_causes_add(&d->causes, d->okv_conf ? "okv-luna config wire" : NULL, f,
			      "OKV's environment points the library to '%s', and CHRYSTOKI_CONF says '%s'",
			      SHOWN(d->conf.path), SHOWN(d->settings->chrystoki_conf));
}

static int place_add(struct diagnosis *d, const char *path, size_t length, enum hsm_need need, bool optional,
		     struct fault *f, const char *format, ...) __attribute__((format(printf, 7, 8)));
static int place_add(struct diagnosis *d, const char *path, size_t length, enum hsm_need need, bool optional,
		     struct fault *f, const char *format, ...)
{
	char named_by[256];
	va_list arguments;

	if (d->count == PLACES_MAX)
		return 0;
	va_start(arguments, format);
	(void)vsnprintf(named_by, sizeof(named_by), format, arguments);
	va_end(arguments);
	struct place *place = &d->places[d->count];
	*place = (struct place){ .path = strndup(path, length), .named_by = strdup(named_by), .optional = optional };
	d->reaches[d->count] = (struct hsm_reach){ .path = place->path, .need = need };
	d->count++;
	return place->path == NULL || place->named_by == NULL ? fault_memory(f) : 0;
}

/* Entries that the library writes to; the rest it reads. */
static enum hsm_need need_of(const char *key, size_t length)
{
	return text_equal(key, length, "MutexFolder") || text_equal(key, length, "File") ||
			       text_equal(key, length, "haLogPath")
		       ? HSM_NEED_WRITE
		       : HSM_NEED_READ;
}

/* The 32-bit library is made by nobody, and the remote backup service is root's own. */
static bool passed_over(const struct chrystoki_line *section, const char *key, size_t length)
{
	return text_equal(key, length, "LibUNIX") ||
	       text_equal(section->bytes + section->name_start, section->name_length, "RBS");
}

static int conf_places(struct diagnosis *d, struct fault *f)
{
	/* Not there, or not to be read by root even: then the place itself is the cause. */
	if (place_add(d, d->conf.path, strlen(d->conf.path), HSM_NEED_READ, false, f, "the Luna client") < 0)
		return -1;
	for (size_t i = 0; i < d->conf.model.count; i++) {
		const struct chrystoki_line *line = &d->conf.model.lines[i];
		const char *key = line->bytes + line->name_start, *value = line->bytes + line->value_start;
		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0 ||
		    value[0] != '/')
			continue;
		const struct chrystoki_line *section = &d->conf.model.lines[line->section];
		if (!passed_over(section, key, line->name_length) &&
		    place_add(d, value, line->value_length, need_of(key, line->name_length), false, f,
			      "%s of section %s", SHOWN_BYTES(key, line->name_length),
			      SHOWN_BYTES(section->bytes + section->name_start, section->name_length)) < 0)
			return -1;
	}
	return 0;
}

/*
 * OKV's files, the library, and what OKV's environment names: a full path, or several with ':' between, of which some
 * may well not be there.
 */
static int okv_places(struct diagnosis *d, struct fault *f)
{
	const char *module = d->answer->module;

	if ((d->okv_conf &&
	     (place_add(d, HSM_OKV_CONF, strlen(HSM_OKV_CONF), HSM_NEED_READ, true, f, "OKV") < 0 ||
	      place_add(d, HSM_OKV_ENVIRONMENT, strlen(HSM_OKV_ENVIRONMENT), HSM_NEED_READ, true, f, "OKV") < 0)) ||
	    place_add(d, module, strlen(module), HSM_NEED_READ, true, f, "OKV") < 0)
		return -1;
	for (size_t i = 0; i < d->environment.count; i++) {
		const char *item = d->environment.items[i], *value = strchr(item, '=') + 1;
		const bool several = strchr(value, ':') != NULL;

		for (size_t length; *value != '\0'; value += length + (value[length] == ':')) {
			length = strcspn(value, ":");
			if (value[0] == '/' &&
			    place_add(d, value, length, HSM_NEED_READ, several, f, "%s of okv_hsm_env",
				      SHOWN_BYTES(item, strcspn(item, "="))) < 0)
				return -1;
		}
	}
	return 0;
}

/* A directory that can be entered may hold what cannot be read.  What root cannot list is a cause by itself. */
static int directory_places(struct diagnosis *d, const char *directory, struct fault *f)
{
	FS_AUTO int fd = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault why = { 0 };

	if (fs_dir_open(d->root, directory, FS_FOLLOW_TRUSTED, &fd, &why) < 0 ||
	    fs_each_open(fd, directory, &each, &why) < 0)
		return 0;
	for (int files = 0; files < DIRECTORY_FILES_MAX && fs_each_next(&each, &entry, &why) > 0; files++) {
		TEXT_AUTO file = { 0 };
		if (entry.name[0] == '.')
			continue;
		text_add_format(&file, "%s/%s", directory, entry.name);
		if (text_check(&file, f) < 0 ||
		    place_add(d, file.bytes, file.length, HSM_NEED_READ, true, f, "the Luna client") < 0)
			return -1;
	}
	return 0;
}

/* What a client has by custom. */
static int client_places(struct diagnosis *d, struct fault *f)
{
	static const char *const directories[] = { "cert/client", "cert/server", "configData/token/001", "plugins" };

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		TEXT_AUTO path = { 0 };
		text_add_format(&path, "%s/%s", d->settings->client_dir, directories[i]);
		if (text_check(&path, f) < 0 ||
		    place_add(d, path.bytes, path.length, HSM_NEED_READ, true, f, "the Luna client") < 0 ||
		    directory_places(d, text_string(&path), f) < 0)
			return -1;
	}
	return 0;
}

static int group_causes(struct diagnosis *d, struct fault *f)
{
	const char *group = d->settings->hsm_group;
	gid_t gid;

	if (!accounts_group_find(&d->group, group, &gid))
		return hsm_causes_add(&d->causes, REPAIR_COMMAND, f,
				      "group '%s' does not exist; an upgrade of the operating system drops it",
				      SHOWN(group));
	for (size_t i = 0; i < d->identity.group_count; i++)
		if (d->identity.groups[i] == gid)
			return 0;
	return hsm_causes_add(&d->causes, REPAIR_COMMAND, f, "user '%s' is not in group '%s'", SHOWN(d->user),
			      SHOWN(group));
}

/* "root:hsmusers 2770"; an id without a name is what an upgrade of the operating system leaves. */
static void owner_add(const struct diagnosis *d, const struct hsm_reach *reach, struct text *out)
{
	TEXT_AUTO group = { 0 };

	if (!accounts_user_name(&d->passwd, reach->uid, out))
		text_add_format(out, "%lu", (unsigned long)reach->uid);
	const bool named = accounts_group_name(&d->group, reach->gid, &group);
	if (named)
		text_add_format(out, ":%s", text_string(&group));
	else
		text_add_format(out, ":%lu", (unsigned long)reach->gid);
	text_add_format(out, " %04o", (unsigned)(reach->mode & 07777));
	if (!named)
		text_add_format(out, ", and no group has the id %lu", (unsigned long)reach->gid);
}

static int missing_cause(struct diagnosis *d, const struct place *place, const struct hsm_reach *reach, struct fault *f)
{
	if (place->optional)
		return 0;
	if (reach->path[reach->failed_length] == '\0')
		return hsm_causes_add(&d->causes, NULL, f, "'%s', named by %s, is not there", SHOWN(reach->path),
				      place->named_by);
	return hsm_causes_add(&d->causes, NULL, f, "'%s', named by %s, is not there: there is no '%s'",
			      SHOWN(reach->path), place->named_by, SHOWN_BYTES(reach->path, reach->failed_length));
}

/* Whether our policies have that entry: the client, or its configuration. */
static bool is_ours(const struct diagnosis *d, const struct hsm_reach *reach)
{
	const size_t length = strlen(d->settings->client_dir);

	return text_equal(reach->path, reach->failed_length, d->settings->chrystoki_conf) ||
	       (reach->failed_length >= length && memcmp(reach->path, d->settings->client_dir, length) == 0 &&
		(reach->path[length] == '/' || reach->path[length] == '\0'));
}

static int denied_cause(struct diagnosis *d, const struct place *place, const struct hsm_reach *reach, struct fault *f)
{
	TEXT_AUTO owner = { 0 };
	TEXT_AUTO remedy = { 0 };
	const char *act = reach->need == HSM_NEED_WRITE ? "write" : "read";

	owner_add(d, reach, &owner);
	/* What a stranger owns is given no right before it is root's. */
	if (reach->uid != 0 && reach->uid != d->identity.uid)
		text_add_format(&remedy, "chown root '%s' && ", SHOWN_BYTES(reach->path, reach->failed_length));
	text_add_string(&remedy, REPAIR_COMMAND);
	if (text_check(&owner, f) < 0 || text_check(&remedy, f) < 0)
		return -1;
	const char *command = is_ours(d, reach) ? text_string(&remedy) : NULL;
	if (reach->path[reach->failed_length] == '\0')
		return hsm_causes_add(&d->causes, command, f, "user '%s' cannot %s '%s' (%s)%s%s", SHOWN(d->user), act,
				      SHOWN(reach->path), text_string(&owner), command == NULL ? ", named by " : "",
				      command == NULL ? place->named_by : "");
	return hsm_causes_add(&d->causes, command, f, "user '%s' cannot reach '%s': it may not enter '%s' (%s)",
			      SHOWN(d->user), SHOWN(reach->path), SHOWN_BYTES(reach->path, reach->failed_length),
			      text_string(&owner));
}

static int reach_cause(struct diagnosis *d, const struct place *place, const struct hsm_reach *reach, struct fault *f)
{
	if (reach->errnum == ENOENT || reach->errnum == ENOTDIR)
		return missing_cause(d, place, reach, f);
	if (reach->errnum == EACCES)
		return denied_cause(d, place, reach, f);
	return hsm_causes_add(&d->causes, NULL, f, "user '%s' cannot use '%s': %s", SHOWN(d->user), SHOWN(reach->path),
			      fault_errno_text(reach->errnum));
}

/* Two entries, or an entry and a custom, may fail at the same component: one cause is enough. */
static bool is_named_before(const struct diagnosis *d, size_t index)
{
	const struct hsm_reach *reach = &d->reaches[index];

	for (size_t i = 0; i < index; i++)
		if (d->reaches[i].errnum == reach->errnum && d->reaches[i].failed_length == reach->failed_length &&
		    memcmp(d->reaches[i].path, reach->path, reach->failed_length) == 0 &&
		    !(reach->errnum == ENOENT && d->places[i].optional && !d->places[index].optional))
			return true;
	return false;
}

static int reach_causes(struct diagnosis *d, bool *ret_denied, struct fault *f)
{
	bool denied = false;

	if (hsm_reach_test(d->root, &d->identity, d->reaches, d->count, f) < 0)
		return -1;
	for (size_t i = 0; i < d->count; i++)
		denied = denied || d->reaches[i].errnum == EACCES;
	/* A group that nobody needs is no cause: clients of 5.x and 6.x have none. */
	if (denied && group_causes(d, f) < 0)
		return -1;
	for (size_t i = 0; i < d->count; i++)
		if (d->reaches[i].errnum != 0 && !is_named_before(d, i) &&
		    reach_cause(d, &d->places[i], &d->reaches[i], f) < 0)
			return -1;
	*ret_denied = denied;
	return 0;
}

/* What conf/chrystoki_groups knows to hide a slot; then how the groups differ from what shows. */
static int group_findings(struct diagnosis *d, struct fault *f)
{
	CHRYSTOKI_FINDINGS_AUTO found = { .items = NULL };

	if (chrystoki_groups_evaluate(&d->conf.model, &found, f) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++)
		/* Of a group without members the comparison with what shows has told. */
		if (found.items[i].hides &&
		    (found.items[i].rule != CHRYSTOKI_HA_NO_MEMBERS || d->answer->ha.count == 0) &&
		    hsm_causes_add(&d->causes, NULL, f, "%s in '%s': %s", text_string(&found.items[i].what),
				   SHOWN(d->conf.path), found.items[i].effect) < 0)
			return -1;
	for (size_t i = 0; i < d->answer->ha.count; i++)
		if (hsm_causes_add(&d->causes, d->answer->ha.items[i].command, f, "%s",
				   d->answer->ha.items[i].sentence) < 0)
			return -1;
	return 0;
}

/* Not why we were refused, since our worker has the groups of the files, but why OKV's processes may be. */
static int process_causes(struct diagnosis *d, size_t without_group, struct fault *f)
{
	if (without_group == 0)
		return 0;
	return hsm_causes_add(
		&d->causes, NULL, f,
		"%zu running process%s of user '%s' started before it was in group '%s' and cannot use it;"
		" once the slots show, restart the services they belong to",
		without_group, without_group == 1 ? "" : "es", SHOWN(d->user), SHOWN(d->settings->hsm_group));
}

/* The guide's next questions, which this machine cannot answer. */
static int outside_cause(struct diagnosis *d, struct fault *f)
{
	HSM_SERVERS_AUTO servers = { 0 };
	TEXT_AUTO which = { 0 };

	if (hsm_servers_find(&d->conf.model, &servers, f) < 0)
		return -1;
	for (size_t i = 0; i < servers.count; i++)
		text_add_format(&which, "%sport %s of %s", i > 0 ? ", " : "", SHOWN(servers.items[i].port),
				SHOWN(servers.items[i].name));
	if (which.length == 0)
		text_add_string(&which, "the service that it names");
	if (text_check(&which, f) < 0)
		return -1;
	return hsm_causes_add(
		&d->causes, NULL, f,
		"nothing on this machine prevents it; is the client registered with the HSM and the partition"
		" assigned to it (NTLS link), and can %s be reached from here? to check: okv-luna network",
		text_string(&which));
}

static int causes_find(struct diagnosis *d, size_t without_group, struct fault *f)
{
	const struct hsm_answer *answer = d->answer;
	const bool silent = answer->user != NULL && answer->end == HSM_END_WHOLE && answer->slot_count == 0;
	bool denied = false;

	/* Then nothing else matters yet. */
	if (answer->module == NULL)
		return hsm_causes_add(&d->causes, hsm_library_remedy(d->root), f,
				      "OKV finds its library by PKCS11_LIB_LOC of okv_hsm.conf, and by nothing else");
	if (accounts_read(d, f) < 0 || conf_find(d, f) < 0 || conf_places(d, f) < 0 || client_places(d, f) < 0 ||
	    okv_places(d, f) < 0 || reach_causes(d, &denied, f) < 0 ||
	    (!denied && hsm_refusal_explain(d->root, answer->loader, &d->causes, f) < 0) || group_findings(d, f) < 0)
		return -1;
	if (silent && d->causes.count == 0)
		return outside_cause(d, f);
	return silent || denied ? process_causes(d, without_group, f) : 0;
}

int hsm_diagnose(const struct hsm_case *about, struct hsm_causes *ret_causes, struct fault *f)
{
	const struct hsm_question *question = about->question;
	struct diagnosis *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return fault_memory(f);
	d->root = question->root;
	d->settings = question->settings;
	d->user = question->user != NULL ? question->user : question->settings->okv_user;
	d->answer = about->answer;
	d->okv_conf = question->source == HSM_LIBRARY_OKV_CONF;
	const int r = causes_find(d, about->without_group, f);
	if (r == 0) {
		*ret_causes = d->causes;
		d->causes = (struct hsm_causes){ 0 };
	}
	diagnosis_done(d);
	return r;
}
