#include "okv/group.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "okv/account_tool.h"
#include "base/text.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "fs/root.h"

/* The account files, whole. */
struct files {
	struct text passwd, group, gshadow;
	bool shadowed; /* there is a gshadow */
};

static void files_done(struct files *files)
{
	text_done(&files->passwd);
	text_done(&files->group);
	text_done(&files->gshadow);
}

#define FILES_AUTO __attribute__((cleanup(files_done))) struct files

static int files_read(int root, struct files *ret_files, struct fault *f)
{
	FILES_AUTO files = { 0 };
	struct fault why = { 0 };

	if (fs_read_file(root, "/etc/passwd", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &files.passwd, NULL, f) < 0 ||
	    fs_read_file(root, "/etc/group", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &files.group, NULL, f) < 0)
		return -1;
	files.shadowed = fs_read_file(root, "/etc/gshadow", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &files.gshadow, NULL,
				      &why) == 0;
	if (!files.shadowed && fs_absence(&why, f) < 0)
		return -1;
	*ret_files = files;
	files = (struct files){ 0 };
	return 0;
}

/* Has nobody that id, as a group or as a primary group? */
static bool gid_free(const struct files *files, gid_t gid)
{
	TEXT_AUTO name = { 0 };

	return !accounts_group_name(&files->group, gid, &name) && !accounts_primary_uses(&files->passwd, gid);
}

static int group_make(int root, const char *group, gid_t gid, unsigned deadline_ms, struct fault *f)
{
	char number[16];
	const char *arguments[8];
	size_t count = 0;

	arguments[count++] = "-r";
	if (gid != OKV_ACCOUNT_GID_ANY) {
		(void)snprintf(number, sizeof(number), "%" PRIu32, gid);
		arguments[count++] = "-g";
		arguments[count++] = number;
	}
	arguments[count++] = group;
	arguments[count] = NULL;
	return okv_tool_run(root, OKV_GROUPADD, arguments, deadline_ms, f);
}

/*
 * A groupadd that was killed has written etc/group and not yet etc/gshadow.  To restrict a group to its members is to
 * write the line that groupadd leaves: no password that anybody could know.
 */
static int shadow_ensure(int root, const struct files *files, const char *group, enum okv_account_act act,
			 unsigned deadline_ms, struct report *report, bool *ret_changed, struct fault *f)
{
	const char *const arguments[] = { "--restrict", group, NULL };
	const bool missing = files->shadowed && !accounts_shadow_has(&files->gshadow, group);

	if (missing && act == OKV_ACCOUNT_APPLY) {
		FILES_AUTO after = { 0 };
		if (okv_tool_run(root, OKV_GPASSWD, arguments, deadline_ms, f) < 0 || files_read(root, &after, f) < 0)
			return -1;
		if (!accounts_shadow_has(&after.gshadow, group))
			return fault_system(f, 0, "gpasswd ended well, yet etc/gshadow has no group '%s'",
					    SHOWN(group));
	}
	if (missing)
		report_say(report, REPORT_RESULT, "group '%s' %s /etc/gshadow, which lacked it", SHOWN(group),
			   act == OKV_ACCOUNT_PLAN ? "would be put into" : "put into");
	*ret_changed = missing;
	return 0;
}

int okv_group_ensure(int root, const char *group, gid_t wanted, enum okv_account_act act, unsigned deadline_ms,
		     struct report *report, struct okv_group *ret_group, struct fault *f)
{
	FILES_AUTO files = { 0 };
	gid_t gid;

	if (files_read(root, &files, f) < 0)
		return -1;
	if (accounts_group_find(&files.group, group, &gid)) {
		bool changed = false;
		if (shadow_ensure(root, &files, group, act, deadline_ms, report, &changed, f) < 0)
			return -1;
		*ret_group = (struct okv_group){ .gid = gid,
						 .changed = changed,
						 .wanted = wanted == OKV_ACCOUNT_GID_ANY || gid == wanted };
		return 0;
	}
	const bool free_gid = wanted != OKV_ACCOUNT_GID_ANY && gid_free(&files, wanted);
	const gid_t chosen = free_gid ? wanted : OKV_ACCOUNT_GID_ANY;
	if (wanted != OKV_ACCOUNT_GID_ANY && !free_gid)
		report_say(report, REPORT_WARNING, "group id %lu, wanted for '%s', belongs to somebody else",
			   (unsigned long)wanted, SHOWN(group));

	if (act == OKV_ACCOUNT_PLAN) {
		if (chosen != OKV_ACCOUNT_GID_ANY)
			report_say(report, REPORT_RESULT, "group '%s' would be made with id %lu", SHOWN(group),
				   (unsigned long)chosen);
		else
			report_say(report, REPORT_RESULT, "group '%s' would be made", SHOWN(group));
		*ret_group = (struct okv_group){ .gid = chosen,
						 .changed = true,
						 .wanted = wanted == OKV_ACCOUNT_GID_ANY || free_gid };
		return 0;
	}
	if (group_make(root, group, chosen, deadline_ms, f) < 0)
		return -1;
	/* The tool said yes; what counts is what stands in the file now. */
	FILES_AUTO after = { 0 };
	if (files_read(root, &after, f) < 0)
		return -1;
	if (!accounts_group_find(&after.group, group, &gid))
		return fault_system(f, 0, "groupadd ended well, yet there is no group '%s'", SHOWN(group));
	report_say(report, REPORT_RESULT, "group '%s' made with id %lu", SHOWN(group), (unsigned long)gid);
	*ret_group = (struct okv_group){ .gid = gid,
					 .changed = true,
					 .wanted = wanted == OKV_ACCOUNT_GID_ANY || gid == wanted };
	return 0;
}

static bool is_member(const struct files *files, const struct accounts_user *user, const char *name, const char *group,
		      gid_t gid)
{
	/* A primary group lists nobody; of the two files that list, a gpasswd that was killed has written one. */
	return user->gid == gid || (accounts_group_lists(&files->group, group, name) &&
				    (!files->shadowed || accounts_shadow_lists(&files->gshadow, group, name)));
}

int okv_member_ensure(int root, const char *user, const char *group, enum okv_account_act act, unsigned deadline_ms,
		      struct report *report, bool *ret_changed, struct fault *f)
{
	FILES_AUTO files = { 0 };
	struct accounts_user found;
	gid_t gid;

	if (files_read(root, &files, f) < 0)
		return -1;
	if (!accounts_user_find(&files.passwd, user, &found))
		return fault_absent(f, "there is no user '%s'; OKV_USER in okv-luna.conf names OKV's", SHOWN(user));
	const bool there = accounts_group_find(&files.group, group, &gid);
	if (!there && act == OKV_ACCOUNT_APPLY)
		return fault_absent(f, "there is no group '%s' in /etc/group", SHOWN(group));
	if (there && is_member(&files, &found, user, group, gid)) {
		*ret_changed = false;
		return 0;
	}
	if (act == OKV_ACCOUNT_PLAN) {
		report_say(report, REPORT_RESULT, "user '%s' would be added to group '%s'", SHOWN(user), SHOWN(group));
		*ret_changed = true;
		return 0;
	}
	const char *const arguments[] = { "--add", user, group, NULL };
	bool entered = false;
	/* Where the group's step failed half way: what --add puts into gshadow has another password field. */
	if (shadow_ensure(root, &files, group, act, deadline_ms, report, &entered, f) < 0 ||
	    okv_tool_run(root, OKV_GPASSWD, arguments, deadline_ms, f) < 0)
		return -1;
	FILES_AUTO after = { 0 };
	if (files_read(root, &after, f) < 0)
		return -1;
	if (!is_member(&after, &found, user, group, gid))
		return fault_system(f, 0, "gpasswd ended well, yet '%s' is not in group '%s'", SHOWN(user),
				    SHOWN(group));
	report_say(report, REPORT_RESULT, "user '%s' added to group '%s'", SHOWN(user), SHOWN(group));
	*ret_changed = true;
	return 0;
}

/* --- the way back ------------------------------------------------------------------------------------------------- */

static bool group_is_left(const struct files *files, const char *group)
{
	gid_t gid;

	return accounts_group_find(&files->group, group, &gid) ||
	       (files->shadowed && accounts_shadow_has(&files->gshadow, group));
}

int okv_group_remove(int root, const char *group, enum okv_account_act act, unsigned deadline_ms, struct report *report,
		     bool *ret_changed, struct fault *f)
{
	const char *const arguments[] = { group, NULL };
	FILES_AUTO files = { 0 };
	gid_t gid;

	if (files_read(root, &files, f) < 0)
		return -1;
	const bool left = group_is_left(&files, group);
	if (left && act == OKV_ACCOUNT_APPLY) {
		FILES_AUTO after = { 0 };
		/* A groupdel that was killed has left etc/gshadow; the next wants a line in etc/group too. */
		if (!accounts_group_find(&files.group, group, &gid) &&
		    group_make(root, group, OKV_ACCOUNT_GID_ANY, deadline_ms, f) < 0)
			return -1;
		if (okv_tool_run(root, OKV_GROUPDEL, arguments, deadline_ms, f) < 0 || files_read(root, &after, f) < 0)
			return -1;
		if (group_is_left(&after, group))
			return fault_system(f, 0, "groupdel ended well, yet there is a group '%s'", SHOWN(group));
	}
	if (left)
		report_say(report, REPORT_RESULT, "group '%s' %s", SHOWN(group),
			   act == OKV_ACCOUNT_PLAN ? "would be removed" : "removed");
	*ret_changed = left;
	return 0;
}

static bool is_listed(const struct files *files, const char *user, const char *group)
{
	return accounts_group_lists(&files->group, group, user) ||
	       (files->shadowed && accounts_shadow_lists(&files->gshadow, group, user));
}

int okv_member_remove(int root, const char *user, const char *group, enum okv_account_act act, unsigned deadline_ms,
		      struct report *report, bool *ret_changed, struct fault *f)
{
	const char *const arguments[] = { "--delete", user, group, NULL };
	FILES_AUTO files = { 0 };

	if (files_read(root, &files, f) < 0)
		return -1;
	const bool listed = is_listed(&files, user, group);
	if (listed && act == OKV_ACCOUNT_APPLY) {
		FILES_AUTO after = { 0 };
		if (okv_tool_run(root, OKV_GPASSWD, arguments, deadline_ms, f) < 0 || files_read(root, &after, f) < 0)
			return -1;
		if (is_listed(&after, user, group))
			return fault_system(f, 0, "gpasswd ended well, yet '%s' is in group '%s'", SHOWN(user),
					    SHOWN(group));
	}
	if (listed)
		report_say(report, REPORT_RESULT, "user '%s' %s from group '%s'", SHOWN(user),
			   act == OKV_ACCOUNT_PLAN ? "would be removed" : "removed", SHOWN(group));
	*ret_changed = listed;
	return 0;
}
