#include "perms/rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/accounts.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "perms/repair.h"

enum { POLICY_FILE_MAX = 256 * 1024, LOCAL_FILES_MAX = 256 };

/* The account files, and what is still missing in them. */
struct known {
	struct text passwd, group;
	const char *to_come; /* name of the group that is going to be made, or NULL */
};

static bool user_find(void *context, const char *name, uid_t *ret_uid)
{
	const struct known *known = context;
	struct accounts_user user;

	if (!accounts_user_find(&known->passwd, name, &user))
		return false;
	*ret_uid = user.uid;
	return true;
}

static bool group_find(void *context, const char *name, gid_t *ret_gid)
{
	const struct known *known = context;

	if (accounts_group_find(&known->group, name, ret_gid))
		return true;
	if (known->to_come == NULL || strcmp(name, known->to_come) != 0)
		return false;
	*ret_gid = PERMS_GID_TO_COME;
	return true;
}

struct reader {
	int root;
	const char *phase;
	const struct policy_setting *settings;
	const struct policy_accounts *accounts;
	struct policy *policy;
};

static int file_add(const struct reader *reader, const char *path, struct fault *f)
{
	TEXT_AUTO bytes = { 0 };
	struct stat status;

	if (fs_read_file(reader->root, path, FS_FOLLOW_TRUSTED, POLICY_FILE_MAX, &bytes, &status, f) < 0)
		return -1;
	/* Who can write it could have root give away any file of the system. */
	if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fault_refused(f,
				     "policy '%s' can be written by others than root; fix it with: "
				     "chown root:root '%s' && chmod go-w '%s'",
				     SHOWN(path), SHOWN(path), SHOWN(path));
	return policy_parse(reader->policy, path, text_string(&bytes), bytes.length, reader->settings, reader->accounts,
			    f);
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
}

/* Is that a file of the administrator's that counts for the phase? */
static bool local_counts(const char *name, const char *phase)
{
	static const char *const phases[] = { "pre-upgrade", "post-upgrade" };

	if (name[0] == '.' || !text_ends(name, ".conf"))
		return false;
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		char ending[32];
		(void)snprintf(ending, sizeof(ending), ".%s.conf", phases[i]);
		if (text_ends(name, ending))
			return strcmp(phase, phases[i]) == 0;
	}
	return true;
}

/* The names of the administrator's files, sorted. */
static int local_list(int root, const char *phase, char *ret_names[LOCAL_FILES_MAX], size_t *ret_count, struct fault *f)
{
	FS_AUTO int dir = -1;
	struct fault trouble = { 0 };

	*ret_count = 0;
	if (fs_dir_open(root, SETTINGS_POLICY_LOCAL, FS_FOLLOW_TRUSTED, &dir, &trouble) < 0) {
		if (trouble.kind == FAULT_ABSENT)
			return 0;
		*f = trouble;
		return -1;
	}
	DIR *stream = fdopendir(dir);
	if (stream == NULL)
		return fault_system(f, errno, "cannot read directory '%s'", SETTINGS_POLICY_LOCAL);
	(void)fs_take(&dir);

	int r = 0;
	for (struct dirent *entry; r == 0 && (entry = readdir(stream)) != NULL;) {
		if (!local_counts(entry->d_name, phase))
			continue;
		if (*ret_count == LOCAL_FILES_MAX)
			r = fault_refused(f, "more than %d files in '%s'", LOCAL_FILES_MAX, SETTINGS_POLICY_LOCAL);
		else if ((ret_names[*ret_count] = strdup(entry->d_name)) == NULL)
			r = fault_memory(f);
		else
			(*ret_count)++;
	}
	(void)closedir(stream);
	if (r == 0)
		qsort(ret_names, *ret_count, sizeof(ret_names[0]), name_compare);
	return r;
}

static int local_add(const struct reader *reader, struct fault *f)
{
	char *names[LOCAL_FILES_MAX];
	size_t count;

	int r = local_list(reader->root, reader->phase, names, &count, f);
	for (size_t i = 0; r == 0 && i < count; i++) {
		TEXT_AUTO path = { 0 };
		text_add_format(&path, "%s/%s", SETTINGS_POLICY_LOCAL, names[i]);
		r = text_check(&path, f) < 0 ? -1 : file_add(reader, text_string(&path), f);
	}
	names_free(names, count);
	return r;
}

int perms_rules_read(int root, const struct settings *settings, const char *profile, const char *phase,
		     bool group_to_come, struct policy *ret_policy, struct fault *f)
{
	const struct policy_setting names[] = {
		{ "CLIENT_DIR", settings->client_dir }, { "CHRYSTOKI_CONF", settings->chrystoki_conf },
		{ "HSM_GROUP", settings->hsm_group },   { "OKV_USER", settings->okv_user },
		{ "OKV_GROUP", settings->okv_group },   { NULL, NULL },
	};
	struct known known = { .passwd = { 0 }, .group = { 0 }, .to_come = group_to_come ? settings->hsm_group : NULL };
	const struct policy_accounts accounts = { .context = &known, .user = user_find, .group = group_find };
	POLICY_AUTO policy = { 0 };
	const struct reader reader = {
		.root = root, .phase = phase, .settings = names, .accounts = &accounts, .policy = &policy
	};
	TEXT_AUTO path = { 0 };

	text_add_format(&path, "%s/%s/%s.conf", SETTINGS_POLICY, profile, phase);
	int r = text_check(&path, f);
	if (r == 0)
		r = fs_read_file(root, "/etc/passwd", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &known.passwd, NULL, f);
	if (r == 0)
		r = fs_read_file(root, "/etc/group", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &known.group, NULL, f);
	if (r == 0)
		r = file_add(&reader, text_string(&path), f);
	if (r < 0 && f->kind == FAULT_ABSENT && path.length > 0 && !fs_exists(root, text_string(&path)))
		r = fault_absent(f, "there is no policy '%s'; reinstall the package okv-luna-hooks",
				 SHOWN(text_string(&path)));
	if (r == 0)
		r = local_add(&reader, f);
	text_done(&known.passwd);
	text_done(&known.group);
	if (r == 0) {
		*ret_policy = policy;
		policy = (struct policy){ 0 };
	}
	return r;
}
