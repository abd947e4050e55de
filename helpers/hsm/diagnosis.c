#include "hsm/diagnosis.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "conf/accounts.h"
#include "conf/chrystoki.h"
#include "conf/chrystoki_groups.h"
#include "fs/each.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "proc/identity.h"
#include "hsm/library.h"
#include "hsm/reach.h"

enum { PLACES_MAX = 256, DIRECTORY_FILES_MAX = 64 };

#define REPAIR_COMMAND "okv-luna repair --phase post-upgrade"
#define CHECK_COMMAND  "okv-luna config check"

void hsm_causes_done(struct hsm_causes *causes)
{
	for (size_t i = 0; i < causes->count; i++) {
		free(causes->items[i].sentence);
		free(causes->items[i].command);
	}
	free(causes->items);
	*causes = (struct hsm_causes){ 0 };
}

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
	struct text passwd, group;
	struct proc_identity identity;
	char *conf_path; /* owned; where the library will look */
	struct text conf_bytes;
	struct chrystoki conf;
	struct place places[PLACES_MAX];
	struct hsm_reach reaches[PLACES_MAX]; /* one for each place */
	size_t count;
	struct hsm_causes causes;
};

static void diagnosis_done(struct diagnosis *d)
{
	text_done(&d->passwd);
	text_done(&d->group);
	/* The file may hold the secret of the cloud service. */
	text_done_secret(&d->conf_bytes);
	chrystoki_done(&d->conf);
	free(d->conf_path);
	for (size_t i = 0; i < d->count; i++) {
		free(d->places[i].path);
		free(d->places[i].named_by);
	}
	hsm_causes_done(&d->causes);
	free(d);
}

static int cause_add(struct diagnosis *d, const char *command, struct fault *f, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static int cause_add(struct diagnosis *d, const char *command, struct fault *f, const char *format, ...)
{
	char sentence[FAULT_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	if (!ARRAY_GROW(d->causes.items, d->causes.count))
		return fault_memory(f);
	struct hsm_cause *cause = &d->causes.items[d->causes.count++];
	*cause = (struct hsm_cause){ .sentence = strdup(sentence), .command = strdup(command) };
	return cause->sentence == NULL || cause->command == NULL ? fault_memory(f) : 0;
}

static int accounts_read(struct diagnosis *d, struct fault *f)
{
	return fs_read_file(d->root, "/etc/passwd", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &d->passwd, NULL, f) < 0 ||
			       fs_read_file(d->root, "/etc/group", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &d->group,
					    NULL, f) < 0 ||
			       proc_identity_read(d->root, d->user, &d->identity, f) < 0
		       ? -1
		       : 0;
}

/* The value of a name, borrowed, or NULL. */
static const char *environment_get(const struct hsm_environment *environment, const char *name)
{
	const char *value = NULL;
	const size_t length = strlen(name);

	/* The last one wins, as with setenv(3). */
	for (size_t i = 0; i < environment->count; i++)
		if (strncmp(environment->items[i], name, length) == 0 && environment->items[i][length] == '=')
			value = environment->items[i] + length + 1;
	return value;
}

/* The variable names a directory; without it the library looks in /etc. */
static int conf_find(struct diagnosis *d, struct fault *f)
{
	HSM_ENVIRONMENT_AUTO environment = { 0 };
	TEXT_AUTO path = { 0 };

	if (hsm_environment_read(d->root, NULL, &environment, f) < 0)
		return -1;
	const char *directory = environment_get(&environment, "ChrystokiConfigurationPath");
	size_t length = strlen(directory != NULL ? directory : "/etc");
	while (directory != NULL && length > 0 && directory[length - 1] == '/')
		length--;
	text_add(&path, directory != NULL ? directory : "/etc", length);
	text_add_string(&path, "/Chrystoki.conf");
	if (text_check(&path, f) < 0)
		return -1;
	d->conf_path = text_take(&path);
	if (strcmp(d->conf_path, d->settings->chrystoki_conf) != 0)
		return cause_add(d, CHECK_COMMAND, f,
				 "OKV's environment leads the library to '%s', and CHRYSTOKI_CONF says '%s'",
				 SHOWN(d->conf_path), SHOWN(d->settings->chrystoki_conf));
	return 0;
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
	struct fault why = { 0 };

	if (place_add(d, d->conf_path, strlen(d->conf_path), HSM_NEED_READ, false, f, "the Luna client") < 0)
		return -1;
	/* Not there, or not to be read by root even: then the place itself is the cause. */
	if (fs_read_file(d->root, d->conf_path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &d->conf_bytes, NULL, &why) < 0)
		return 0;
	if (chrystoki_parse(&d->conf, text_string(&d->conf_bytes), d->conf_bytes.length, f) < 0)
		return -1;
	for (size_t i = 0; i < d->conf.count; i++) {
		const struct chrystoki_line *line = &d->conf.lines[i];
		const char *key = line->bytes + line->name_start, *value = line->bytes + line->value_start;
		if (line->kind != CHRYSTOKI_ENTRY || line->section == CHRYSTOKI_NO_LINE || line->value_length == 0 ||
		    value[0] != '/')
			continue;
		const struct chrystoki_line *section = &d->conf.lines[line->section];
		if (!passed_over(section, key, line->name_length) &&
		    place_add(d, value, line->value_length, need_of(key, line->name_length), false, f,
			      "%s of section %s", SHOWN_BYTES(key, line->name_length),
			      SHOWN_BYTES(section->bytes + section->name_start, section->name_length)) < 0)
			return -1;
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
		return cause_add(d, REPAIR_COMMAND, f,
				 "group '%s' does not exist; an upgrade of the operating system drops it",
				 SHOWN(group));
	for (size_t i = 0; i < d->identity.group_count; i++)
		if (d->identity.groups[i] == gid)
			return 0;
	return cause_add(d, REPAIR_COMMAND, f, "user '%s' is not in group '%s'", SHOWN(d->user), SHOWN(group));
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
		return cause_add(d, CHECK_COMMAND, f, "'%s', named by %s, is not there", SHOWN(reach->path),
				 place->named_by);
	return cause_add(d, CHECK_COMMAND, f, "'%s', named by %s, is not there: there is no '%s'", SHOWN(reach->path),
			 place->named_by, SHOWN_BYTES(reach->path, reach->failed_length));
}

static int denied_cause(struct diagnosis *d, const struct hsm_reach *reach, struct fault *f)
{
	TEXT_AUTO owner = { 0 };
	const char *act = reach->need == HSM_NEED_WRITE ? "write" : "read";

	owner_add(d, reach, &owner);
	if (text_check(&owner, f) < 0)
		return -1;
	if (reach->path[reach->failed_length] == '\0')
		return cause_add(d, REPAIR_COMMAND, f, "user '%s' cannot %s '%s' (%s)", SHOWN(d->user), act,
				 SHOWN(reach->path), text_string(&owner));
	return cause_add(d, REPAIR_COMMAND, f, "user '%s' cannot reach '%s': it may not enter '%s' (%s)",
			 SHOWN(d->user), SHOWN(reach->path), SHOWN_BYTES(reach->path, reach->failed_length),
			 text_string(&owner));
}

static int reach_cause(struct diagnosis *d, const struct place *place, const struct hsm_reach *reach, struct fault *f)
{
	if (reach->errnum == ENOENT || reach->errnum == ENOTDIR)
		return missing_cause(d, place, reach, f);
	if (reach->errnum == EACCES)
		return denied_cause(d, reach, f);
	return cause_add(d, CHECK_COMMAND, f, "user '%s' cannot use '%s': %s", SHOWN(d->user), SHOWN(reach->path),
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

static int reach_causes(struct diagnosis *d, struct fault *f)
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
	return 0;
}

static bool is_shown(const struct hsm_answer *answer, const struct chrystoki_value *serial)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		if (answer->slots[i].present && text_equal(serial->bytes, serial->length, answer->slots[i].serial))
			return true;
	return false;
}

static int member_causes(struct diagnosis *d, const struct chrystoki_numbered *group, struct fault *f)
{
	const struct chrystoki_value *label = &group->parts[CHRYSTOKI_LABEL];
	struct chrystoki_member member;

	for (size_t at = 0; chrystoki_member_next(&group->parts[CHRYSTOKI_MEMBERS], &at, &member);)
		if (member.name.length > 0 && !is_shown(d->answer, &member.name) &&
		    cause_add(d, "lunacm -q hagroup listgroups", f,
			      "member %s of HA group '%s' in '%s' does not show: its HSM is away or another group's",
			      SHOWN_BYTES(member.name.bytes, member.name.length),
			      SHOWN_BYTES(label->bytes, label->length), SHOWN(d->conf_path)) < 0)
			return -1;
	return 0;
}

/* Whether the groups add up is conf/chrystoki_groups' word; whether their members show, only an answer tells. */
static int group_findings(struct diagnosis *d, struct fault *f)
{
	CHRYSTOKI_FINDINGS_AUTO found = { .items = NULL };
	struct chrystoki_family groups;
	bool members_show = false;

	if (chrystoki_groups_evaluate(&d->conf, &found, f) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		const struct chrystoki_finding *finding = &found.items[i];

		members_show = members_show || finding->rule == CHRYSTOKI_HA_ONLY;
		if (finding->hides && cause_add(d, CHECK_COMMAND, f, "%s in '%s': %s", text_string(&finding->what),
						SHOWN(d->conf_path), finding->effect) < 0)
			return -1;
	}
	if (!members_show || d->answer == NULL || d->answer->slot_count == 0)
		return 0;
	chrystoki_family_read(&d->conf, CHRYSTOKI_GROUPS, &groups);
	for (size_t i = 0; i < groups.count; i++)
		if (groups.items[i].parts[CHRYSTOKI_LABEL].bytes != NULL && member_causes(d, &groups.items[i], f) < 0)
			return -1;
	return 0;
}

/* Not why we were refused, since our child has the groups of the files, but why OKV's processes may be. */
static int process_causes(struct diagnosis *d, size_t without_group, struct fault *f)
{
	if (without_group == 0)
		return 0;
	return cause_add(d, "reboot", f,
			 "%zu running process%s of user '%s' started before it was in group '%s' and cannot use it",
			 without_group, without_group == 1 ? "" : "es", SHOWN(d->user), SHOWN(d->settings->hsm_group));
}

int hsm_diagnose(const struct hsm_case *about, struct hsm_causes *ret_causes, struct fault *f)
{
	struct diagnosis *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return fault_memory(f);
	d->root = about->root;
	d->settings = about->settings;
	d->user = about->user != NULL ? about->user : about->settings->okv_user;
	d->answer = about->answer;
	const bool all = accounts_read(d, f) == 0 && conf_find(d, f) == 0 && conf_places(d, f) == 0 &&
			 client_places(d, f) == 0 && reach_causes(d, f) == 0 && group_findings(d, f) == 0 &&
			 process_causes(d, about->without_group, f) == 0;
	if (all) {
		*ret_causes = d->causes;
		d->causes = (struct hsm_causes){ 0 };
	}
	diagnosis_done(d);
	return all ? 0 : -1;
}
