#include "okv/links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

#define ARROW " -> "

enum kind {
	KIND_GENERIC, /* a link in OKV's generic directory */
	KIND_LINK,
	KIND_COPY, /* a file: `systemctl disable` would remove a unit that is a link */
};

struct link {
	const char *path, *target;
	enum kind kind;
	bool preserved; /* belongs in PRESERVED_FILES */
};

static const struct link fixed[] = {
	{ SETTINGS_GENERIC "/okv_hsm_pre_upgrade", SETTINGS_PREFIX "/hooks/pre-upgrade", KIND_GENERIC, false },
	{ SETTINGS_GENERIC "/okv_hsm_post_upgrade", SETTINGS_PREFIX "/hooks/post-upgrade", KIND_GENERIC, false },
	{ "/usr/sbin/okv-luna", SETTINGS_PREFIX "/bin/okv-luna", KIND_LINK, true },
	{ OKV_UNIT_DIR "/okv-luna-post-upgrade.service", SETTINGS_PREFIX "/share/systemd/okv-luna-post-upgrade.service",
	  KIND_COPY, true },
	{ "/usr/share/bash-completion/completions/okv-luna", SETTINGS_PREFIX "/share/completion/okv-luna", KIND_LINK,
	  false },
};

enum { FIXED_COUNT = sizeof(fixed) / sizeof(fixed[0]) };

/* Our directories whose files are linked, or copied, to another directory under the same name. */
static const struct {
	const char *folder, *place;
	enum kind kind;
} folders[] = {
	{ SETTINGS_PREFIX "/share/man/man5", "/usr/share/man/man5", KIND_LINK },
	{ SETTINGS_PREFIX "/share/man/man7", "/usr/share/man/man7", KIND_LINK },
	{ SETTINGS_PREFIX "/share/man/man8", "/usr/share/man/man8", KIND_LINK },
	{ SETTINGS_PREFIX "/share/systemd", OKV_UNIT_DIR, KIND_COPY },
};

static bool is_fixed(const char *path)
{
	for (size_t i = 0; i < FIXED_COUNT; i++)
		if (strcmp(fixed[i].path, path) == 0)
			return true;
	return false;
}

static int folder_walk(const struct okv_job *job, size_t which,
		       int (*each)(void *, const struct link *, struct fault *), void *context, struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int dir = -1;
	FS_EACH_AUTO names = { 0 };
	struct fs_each_entry entry;

	if (fs_dir_open(job->root, folders[which].folder, FS_FOLLOW_TRUSTED, &dir, &cause) < 0)
		return fs_absence(&cause, f);
	int more = fs_each_open(dir, folders[which].folder, &names, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&names, &entry, f)) > 0) {
		TEXT_AUTO path = { 0 };
		TEXT_AUTO target = { 0 };

		if (!text_starts(entry.name, "okv-luna"))
			continue;
		text_add_format(&path, "%s/%s", folders[which].place, entry.name);
		text_add_format(&target, "%s/%s", folders[which].folder, entry.name);
		const struct link link = { .path = text_string(&path),
					   .target = text_string(&target),
					   .kind = folders[which].kind };
		if (text_check(&path, f) < 0 || text_check(&target, f) < 0 ||
		    (!is_fixed(link.path) && each(context, &link, f) < 0))
			return -1;
	}
	return more;
}

static int links_walk(const struct okv_job *job, int (*each)(void *, const struct link *, struct fault *),
		      void *context, struct fault *f)
{
	for (size_t i = 0; i < FIXED_COUNT; i++)
		if (each(context, &fixed[i], f) < 0)
			return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folder_walk(job, i, each, context, f) < 0)
			return -1;
	return 0;
}

enum link_state {
	LINK_FREE,         /* nothing has the name; the link can be made */
	LINK_OURS,         /* the same link, or a copy with the same bytes */
	LINK_FOREIGN,      /* something else has the name */
	LINK_NO_DIRECTORY, /* the directory does not exist */
	LINK_UNWANTED,     /* not for this OKV, or the target is not installed */
};

/* Is the file at `leaf` a copy of the target?  A file that cannot be read is a failure, not a "no". */
static int copy_look(int root, int dir, const char *leaf, const char *target, enum link_state *ret_state,
		     struct fault *f)
{
	TEXT_AUTO here = { 0 };
	TEXT_AUTO there = { 0 };
	struct fault cause = { 0 };
	FS_AUTO int fd = -1;

	*ret_state = LINK_FOREIGN;
	if (fs_name_open(FS_NAME(dir, leaf, leaf), O_RDONLY, &fd, NULL, &cause) < 0 ||
	    fs_read(fd, leaf, FS_READ_CONFIG_MAX, &here, &cause) < 0 ||
	    fs_read_config(root, target, &there, &cause) < 0)
		return fs_absence(&cause, f);
	if (text_same(&here, &there))
		*ret_state = LINK_OURS;
	return 0;
}

/* *ret_dir: the link's directory; not set with LINK_NO_DIRECTORY. */
static int link_look(int root, const char *path, const char *target, enum link_state *ret_state, int *ret_dir,
		     char leaf[FS_NAME_SIZE], struct fault *f)
{
	struct fault cause = { 0 };
	FS_AUTO int dir = -1;
	char now[PATH_MAX];

	if (fs_parent_open(root, path, FS_FOLLOW_TRUSTED, &dir, leaf, &cause) < 0) {
		/* A directory that cannot be opened now is not missing: the link would be forgotten. */
		if (fs_absence(&cause, f) < 0)
			return -1;
		*ret_state = LINK_NO_DIRECTORY;
		return 0;
	}
	const ssize_t length = readlinkat(dir, leaf, now, sizeof(now));
	if (length >= 0)
		*ret_state = text_equal(now, (size_t)length, target) ? LINK_OURS : LINK_FOREIGN;
	else if (errno == ENOENT)
		*ret_state = LINK_FREE;
	else if (errno != EINVAL)
		return fault_errno(f, errno, "cannot look at '%s'", SHOWN(path));
	else if (copy_look(root, dir, leaf, target, ret_state, f) < 0)
		return -1;
	*ret_dir = fs_take(&dir);
	return 0;
}

struct making {
	const struct okv_job *job;
	struct okv_outcome *outcome;
	struct text record; /* lines PATH -> TARGET */
};

/* As link_look, or LINK_UNWANTED if the link is not to be made. */
static int link_look_wanted(const struct making *m, const struct link *link, enum link_state *ret_state, int *ret_dir,
			    char leaf[FS_NAME_SIZE], struct fault *f)
{
	bool installed = false;

	if ((link->kind != KIND_GENERIC || m->outcome->scope == OKV_SCOPE_GENERIC) &&
	    fs_existence(m->job->root, link->target, &installed, f) < 0)
		return -1;
	if (!installed) {
		*ret_state = LINK_UNWANTED;
		return 0;
	}
	return link_look(m->job->root, link->path, link->target, ret_state, ret_dir, leaf, f);
}

/* Records a link before it is made: otherwise, after a kill, it would count as somebody else's. */
static int link_record(void *context, const struct link *link, struct fault *f)
{
	struct making *m = context;
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	TEXT_AUTO line = { 0 };
	enum link_state state;

	if (link_look_wanted(m, link, &state, &dir, leaf, f) < 0)
		return -1;
	if (state != LINK_FREE)
		return 0;
	text_add_format(&line, "%s" ARROW "%s\n", link->path, link->target);
	if (text_check(&line, f) < 0)
		return -1;
	if (strstr(text_string(&m->record), text_string(&line)) == NULL)
		text_add(&m->record, line.bytes, line.length);
	return 0;
}

static int link_write(const struct making *m, const struct link *link, int dir, const char *leaf, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0644);
	TEXT_AUTO bytes = { 0 };

	if (link->kind == KIND_COPY)
		return fs_read_config(m->job->root, link->target, &bytes, f) < 0
			       ? -1
			       : fs_publish_at(dir, leaf, text_string(&bytes), bytes.length, &how, f);
	return symlinkat(link->target, dir, leaf) < 0 || fsync(dir) < 0
		       ? fault_errno(f, errno, "cannot make link %s", SHOWN(link->path))
		       : 0;
}

static int link_make(void *context, const struct link *link, struct fault *f)
{
	struct making *m = context;
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	enum link_state state;

	if (link_look_wanted(m, link, &state, &dir, leaf, f) < 0)
		return -1;
	switch (state) {
	case LINK_OURS:
	case LINK_UNWANTED:
		return 0;
	case LINK_NO_DIRECTORY:
		report_say(m->job->report, REPORT_DETAIL, "%s: its directory does not exist", link->path);
		return 0;
	case LINK_FOREIGN:
		if (link->kind != KIND_GENERIC) {
			report_say(m->job->report, REPORT_DETAIL, "%s: exists already, left as it is",
				   SHOWN(link->path));
			return 0;
		}
		report_say(m->job->report, REPORT_WARNING,
			   "%s exists and is not okv-luna's link; move it away, then: okv-luna config wire",
			   link->path);
		m->outcome->left++;
		return 0;
	case LINK_FREE:
		break;
	}
	struct fault failure = { 0 };
	if (m->job->mode == OKV_APPLY && link_write(m, link, dir, leaf, &failure) < 0) {
		report_say(m->job->report, REPORT_WARNING, "%s", failure.text);
		m->outcome->left++;
		return 0;
	}
	m->outcome->links++;
	okv_job_report(m->job, "%s" ARROW "%s", SHOWN(link->path), SHOWN(link->target));
	return 0;
}

int okv_links_make(const struct okv_job *job, struct okv_outcome *outcome, struct fault *f)
{
	struct making m = { .job = job, .outcome = outcome, .record = { 0 } };
	bool there;
	int r = fs_read_optional(job->root, OKV_RECORD_LINKS, &m.record, &there, f);

	const size_t known = m.record.length;
	if (r == 0 && job->mode == OKV_APPLY && fs_exists(job->root, "/etc/systemd/system"))
		r = fs_dirs_make(job->root, OKV_UNIT_DIR, 0755, FS_FOLLOW_TRUSTED, f);
	if (r == 0)
		r = links_walk(job, link_record, &m, f);
	if (r == 0 && job->mode == OKV_APPLY && m.record.length != known)
		r = okv_record_write(job->root, OKV_RECORD_LINKS, &m.record, f);
	if (r == 0)
		r = links_walk(job, link_make, &m, f);
	text_done(&m.record);
	return r;
}

static int link_unmake(const struct okv_job *job, struct okv_outcome *outcome, const char *path, const char *target,
		       struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	enum link_state state;

	if (link_look(job->root, path, target, &state, &dir, leaf, f) < 0)
		return -1;
	/* Remove temporary files of a run that was killed while it made this one. */
	if (job->mode == OKV_APPLY && state != LINK_NO_DIRECTORY && fs_stage_sweep(dir, leaf, f) < 0)
		return -1;
	if (state != LINK_OURS)
		return 0;
	if (job->mode == OKV_APPLY && (unlinkat(dir, leaf, 0) < 0 || fsync(dir) < 0))
		return fault_errno(f, errno, "cannot remove link '%s'", SHOWN(path));
	outcome->links++;
	okv_job_report(job, "%s: removed", SHOWN(path));
	return 0;
}

int okv_links_remove(const struct okv_job *job, struct okv_outcome *outcome, struct fault *f)
{
	TEXT_AUTO record = { 0 };
	struct text_line line;
	bool there;

	if (fs_read_optional(job->root, OKV_RECORD_LINKS, &record, &there, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(text_string(&record), record.length, &at, &line);) {
		const char *arrow = line.ended ? memmem(line.bytes, line.length, ARROW, strlen(ARROW)) : NULL;
		TEXT_AUTO path = { 0 };
		TEXT_AUTO target = { 0 };

		if (arrow == NULL)
			continue;
		text_add(&path, line.bytes, (size_t)(arrow - line.bytes));
		text_add(&target, arrow + strlen(ARROW), (size_t)(line.bytes + line.length - arrow) - strlen(ARROW));
		if (text_check(&path, f) < 0 || text_check(&target, f) < 0 ||
		    link_unmake(job, outcome, text_string(&path), text_string(&target), f) < 0)
			return -1;
	}
	/* No package owns links in OKV's directory, so these are ours even without a record. */
	for (size_t i = 0; i < FIXED_COUNT; i++) {
		TEXT_AUTO written = { 0 };

		text_add_format(&written, "%s" ARROW "%s\n", fixed[i].path, fixed[i].target);
		if (text_check(&written, f) < 0)
			return -1;
		if (fixed[i].kind == KIND_GENERIC && strstr(text_string(&record), text_string(&written)) == NULL &&
		    link_unmake(job, outcome, fixed[i].path, fixed[i].target, f) < 0)
			return -1;
	}
	/* Last: while the record exists, an interrupted run is continued. */
	return job->mode == OKV_APPLY ? okv_record_remove(job->root, OKV_RECORD_LINKS, f) : 0;
}

int okv_links_preserve(const struct okv_job *job, struct preserved *preserved, struct fault *f)
{
	for (size_t i = 0; i < FIXED_COUNT; i++) {
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE];

		if (!fixed[i].preserved)
			continue;
		enum link_state state;
		bool coming = false;
		if (link_look(job->root, fixed[i].path, fixed[i].target, &state, &dir, leaf, f) < 0)
			return -1;
		if (state == LINK_FREE && job->mode == OKV_PLAN &&
		    fs_existence(job->root, fixed[i].target, &coming, f) < 0)
			return -1;
		if ((state == LINK_OURS || state == LINK_FOREIGN || coming) &&
		    (preserved_add(preserved, fixed[i].path, f) < 0 ||
		     (fixed[i].kind == KIND_COPY && preserved_add(preserved, OKV_POST_WANTED, f) < 0)))
			return -1;
	}
	/* The timer stays enabled after an OS major upgrade only where it was enabled before. */
	bool enabled;
	return fs_existence(job->root, OKV_SLOTS_WANTED, &enabled, f) < 0 ||
			       (enabled && preserved_add(preserved, OKV_SLOTS_WANTED, f) < 0)
		       ? -1
		       : 0;
}
