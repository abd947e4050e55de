#include "client/rpm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "proc/child.h"

/* --- the packages of the archive, by their names ------------------------------------------------------------------ */

/* In the order in which they are listed; rpm orders its transaction itself. */
static const struct known {
	const char *name;
	bool required;
} known[CLIENT_RPM_PACKAGES] = {
	{ "libcryptoki", true }, { "lunacm", true },      { "vtl", true },     { "configurator", true },
	{ "libshim", false },    { "cklog", false },      { "ckdemo", false }, { "lunacmu", false },
	{ "salogin", false },    { "multitoken", false },
};

static int package_add(struct client_rpm *rpm, size_t which, const struct unpack_entry *entry,
		       const struct text_line *version, struct fault *f)
{
	if (entry->type != UNPACK_FILE)
		return fault_refused(f, "member '%s': a package that is a link", SHOWN(entry->path));
	if (rpm->entries[which] != NULL)
		return fault_refused(f, "member '%s': a second package '%s'", SHOWN(entry->path), known[which].name);
	if (version->length >= sizeof(rpm->version))
		return fault_refused(f, "member '%s': a version that is too long", SHOWN(entry->path));
	if (rpm->version[0] == '\0') {
		memcpy(rpm->version, version->bytes, version->length);
		rpm->version[version->length] = '\0';
	} else if (!text_equal(version->bytes, version->length, rpm->version)) {
		return fault_refused(f, "member '%s': not of version %s like the others", SHOWN(entry->path),
				     rpm->version);
	}
	rpm->entries[which] = entry;
	return 0;
}

static int packages_find(struct client_rpm *rpm, struct fault *f)
{
	const struct client_content *content = rpm->content;

	for (size_t i = 0; i < content->unpacked.count; i++) {
		const char *path = client_content_path(content, content->unpacked.entries[i].path);
		struct text_line version;
		if (path == NULL || strncmp(path, "64/", 3) != 0 || strchr(path + 3, '/') != NULL)
			continue;
		for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
			if (client_rpm_version(path + 3, known[p].name, &version) &&
			    package_add(rpm, p, &content->unpacked.entries[i], &version, f) < 0)
				return -1;
	}
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++) {
		if (rpm->entries[p] != NULL)
			text_add_format(rpm->packages, "%s-%s\n", known[p].name, rpm->version);
		else if (known[p].required)
			return fault_refused(f, "the archive has no package '%s-*.x86_64.rpm' in '%s64'", known[p].name,
					     SHOWN(content->top));
		else
			report_say(rpm->report, REPORT_DETAIL, "the archive has no package '%s'", known[p].name);
	}
	return text_check(rpm->packages, f);
}

/* --- rpm's answers ------------------------------------------------------------------------------------------------ */

/* A package takes seconds; but a dead disk must not block us forever. */
enum { QUERY_MS = 60 * 1000, INSTALL_MS = 15 * 60 * 1000, ARGUMENTS = CLIENT_RPM_PACKAGES + 10 };

/*
 * Runs rpm with the options and the lines of `names`; gives its exit status and appends its output.  If rpm did not
 * answer (killed, late), that is a fault.
 */
static int rpm_ask(const char *const *options, const struct text *names, unsigned deadline_ms, int *ret_status,
		   struct text *ret_said, struct fault *f)
{
	const char *arguments[ARGUMENTS + 1] = { "/usr/bin/rpm" };
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	TEXT_AUTO words = { 0 };
	size_t count = 1;

	text_add_format(&words, "%s\n", text_string(names));
	if (text_check(names, f) < 0 || text_check(&words, f) < 0)
		return -1;
	for (; *options != NULL && count < ARGUMENTS; options++)
		arguments[count++] = *options;
	for (char *word = strtok(words.bytes, "\n"); word != NULL && count < ARGUMENTS; word = strtok(NULL, "\n"))
		arguments[count++] = word;
	run.argv = arguments;
	run.deadline_ms = deadline_ms;
	if (proc_child_run(&run, &outcome, f) < 0)
		return -1;
	text_add(ret_said, outcome.output.bytes, outcome.output.length);
	proc_outcome_done(&outcome);
	*ret_status = outcome.status;
	if (outcome.late)
		return fault_late(f, "rpm did not answer within %u seconds; is another rpm running?",
				  deadline_ms / 1000);
	if (outcome.status >= 128)
		return fault_system(f, 0, "rpm was killed by signal %d before it answered", outcome.status - 128);
	return text_check(ret_said, f);
}

static const char *first_error(const char *said)
{
	const char *later = strstr(said, "\nerror: ");

	return text_starts(said, "error: ") ? said : later != NULL ? later + 1 : NULL;
}

/*
 * rpm's reason in one line, for a fault: its first error, with the next line if it is only a heading; warnings come
 * before it.  The first line if there is no error.
 */
static const char *reason(const struct text *said, struct text *line)
{
	const char *error = first_error(text_string(said)), *at = error != NULL ? error : text_string(said);
	const size_t length = strcspn(at, "\n");

	text_add(line, at, length);
	if (error != NULL && length > 0 && at[length - 1] == ':' && at[length] == '\n') {
		at += length + 1;
		at += strspn(at, "\t ");
		text_add(line, " ", 1);
		text_add(line, at, strcspn(at, "\n"));
	}
	return text_string(line);
}

/* As rpm_ask, but any status except 0 is FAULT_REFUSED with `refusal` and rpm's reason. */
static int rpm_require(const char *const *options, const struct text *names, unsigned deadline_ms, const char *refusal,
		       struct fault *f)
{
	TEXT_AUTO said = { 0 };
	TEXT_AUTO line = { 0 };
	int status;

	if (rpm_ask(options, names, deadline_ms, &status, &said, f) < 0)
		return -1;
	return status == 0 ? 0 : fault_refused(f, "%s: %s", refusal, SHOWN(reason(&said, &line)));
}

/* The path of an open directory: rpm takes only paths. */
static int path_of(int dir, char ret_path[PATH_MAX], struct fault *f)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", dir);
	const ssize_t length = readlink(name, ret_path, PATH_MAX - 1);
	if (length <= 0 || length >= PATH_MAX - 1)
		return fault_system(f, errno, "cannot tell the name of an open directory; is /proc mounted?");
	ret_path[length] = '\0';
	return 0;
}

static bool is_below(const char *path, size_t length, const char *directory)
{
	const size_t above = strlen(directory);

	return length > above && strncmp(path, directory, above) == 0 && path[above] == '/';
}

/* --- the packages as rpm sees them -------------------------------------------------------------------------------- */

static int paths_find(const struct client_rpm *rpm, struct text *ret_paths, struct fault *f)
{
	char path[PATH_MAX];

	if (path_of(rpm->tree, path, f) < 0)
		return -1;
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
		if (rpm->entries[p] != NULL)
			text_add_format(ret_paths, "%s/%s\n", path, rpm->entries[p]->path);
	return 0;
}

/* Checks that they are undamaged, and the packages that their names say. */
static int packages_check(const struct client_rpm *rpm, const struct text *paths, struct fault *f)
{
	static const char *const digests[] = { "-K", "--nosignature", NULL };
	static const char *const query[] = { "-qp", "--nosignature", "--qf", "%{NAME}-%{VERSION}-%{RELEASE} %{ARCH}\\n",
					     NULL };
	TEXT_AUTO said = { 0 };
	TEXT_AUTO expected = { 0 };
	TEXT_AUTO line = { 0 };
	int status;

	if (rpm_require(digests, paths, QUERY_MS, "rpm reports a damaged package", f) < 0 ||
	    rpm_ask(query, paths, QUERY_MS, &status, &said, f) < 0)
		return -1;
	for (size_t p = 0; p < CLIENT_RPM_PACKAGES; p++)
		if (rpm->entries[p] != NULL)
			text_add_format(&expected, "%s-%s x86_64\n", known[p].name, rpm->version);
	return status == 0 && text_same(&said, &expected)
		       ? 0
		       : fault_refused(f, "a package is not the one that its file name says: %s",
				       SHOWN(reason(&said, &line)));
}

/* Lists all files of the packages; at least one must be below the client's directory. */
static int files_find(const struct client_rpm *rpm, const struct text *paths, struct fault *f)
{
	static const char *const list[] = { "-qpl", "--nosignature", NULL };
	struct text_line line;
	int status;

	if (rpm_ask(list, paths, QUERY_MS, &status, rpm->files, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(rpm->files->bytes, rpm->files->length, &at, &line);)
		if (is_below(line.bytes, line.length, rpm->client_dir))
			return 0;
	return fault_refused(f, "the packages do not install to '%s', and cannot be moved", SHOWN(rpm->client_dir));
}

/* --- what is installed -------------------------------------------------------------------------------------------- */

/* Is there a database below the root?  Querying it would create one. */
static int database_find(int root, bool *ret_there, struct fault *f)
{
	static const char *const place[] = { "--eval", "%{_dbpath}", NULL };
	const struct text none = { 0 };
	TEXT_AUTO path = { 0 };
	int status;

	if (rpm_ask(place, &none, QUERY_MS, &status, &path, f) < 0)
		return -1;
	text_cut(&path, strcspn(text_string(&path), "\n"));
	return fs_existence(root, text_string(&path), ret_there, f);
}

/*
 * An rpm that cannot read its database reports that, but then also says "is not installed".  We do not rebuild it: that
 * rewrites the package database of the whole system without what cannot be read, and a full disk, or an rpm that is
 * still running, looks the same from here.
 */
static int database_blame(const char *root, const struct text *said, struct fault *f)
{
	TEXT_AUTO line = { 0 };
	const bool whole = strcmp(root, "/") == 0;

	if (first_error(text_string(said)) == NULL)
		return 0;
	return fault_system(f, 0,
			    "rpm cannot tell what is installed: %s; if rpm was interrupted, 'rpm %s%s%s--rebuilddb' "
			    "repairs its database",
			    SHOWN(reason(said, &line)), whole ? "" : "--root ", whole ? "" : SHOWN(root),
			    whole ? "" : " ");
}

/* "missing     /path" or "S.5......  c /path".  Changes of the identity and of Chrystoki.conf are expected. */
static bool is_as_packed(const struct text *lines, const char *client_dir)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line);) {
		TEXT_AUTO copy = { 0 };
		text_add(&copy, line.bytes, line.length);
		const char *path = strchr(text_string(&copy), '/');
		if (path != NULL && is_below(path, strlen(path), client_dir)
			    ? !client_is_identity(path + strlen(client_dir) + 1)
			    : text_starts(text_string(&copy), "missing"))
			return false;
	}
	return true;
}

static int installed_find(struct client_rpm *rpm, struct fault *f)
{
	TEXT_AUTO found = { 0 };
	TEXT_AUTO changes = { 0 };
	char root[PATH_MAX];
	bool there;
	int status;

	if (database_find(rpm->root, &there, f) < 0 || path_of(rpm->root, root, f) < 0)
		return -1;
	if (!there)
		return 0;
	const char *const query[] = { "--root", root, "-q", NULL };
	/* okv-luna repair sets owners and modes. */
	const char *const verify[] = { "--root",   root,       "-V",        "--nodeps",  "--noscripts",
				       "--nomode", "--nouser", "--nogroup", "--nomtime", NULL };
	if (rpm_ask(query, rpm->packages, QUERY_MS, &status, &found, f) < 0 || database_blame(root, &found, f) < 0)
		return -1;
	if (status != 0)
		return 0;
	if (rpm_ask(verify, rpm->packages, QUERY_MS, &status, &changes, f) < 0)
		return -1;
	rpm->installed = is_as_packed(&changes, rpm->client_dir);
	return 0;
}

int client_rpm_find(struct client_rpm *rpm, struct fault *f)
{
	enum client_kind old = CLIENT_AUTO;
	TEXT_AUTO paths = { 0 };

	if (packages_find(rpm, f) < 0 || paths_find(rpm, &paths, f) < 0 || packages_check(rpm, &paths, f) < 0 ||
	    files_find(rpm, &paths, f) < 0 || (rpm->old >= 0 && client_kind_find(rpm->old, &old, f) < 0))
		return -1;
	rpm->replaces = old == CLIENT_MINIMAL || old == CLIENT_CLOUD;
	/* Without a full client rpm is not asked, because a query alone would create a database. */
	return old == CLIENT_FULL ? installed_find(rpm, f) : 0;
}

/* --- set aside ---------------------------------------------------------------------------------------------------- */

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Chrystoki.conf or its saved copy: if it exists, its bytes, owner and mode. */
struct conf {
	bool there;
	struct text bytes;
	struct fs_publish how;
};

static int conf_read(int root, const char *path, struct conf *ret_conf, struct fault *f)
{
	struct fault cause = { 0 };
	struct stat status;

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &ret_conf->bytes, &status, &cause) < 0) {
		if (cause.kind == FAULT_ABSENT)
			return 0;
		*f = cause;
		return -1;
	}
	ret_conf->there = true;
	ret_conf->how = (struct fs_publish){
		.mode = status.st_mode & 07777, .uid = status.st_uid, .gid = status.st_gid, .force = true
	};
	return 0;
}

static int conf_set_aside(const struct client_staging *s, const char *conf_path, struct fault *f)
{
	struct conf conf = { 0 };
	int r = conf_read(s->root, conf_path, &conf, f);

	if (r == 0 && conf.there)
		r = fs_publish_at(s->dir, "kept.conf", conf.bytes.bytes, conf.bytes.length, &conf.how, f);
	text_done_secret(&conf.bytes);
	return r;
}

static int identity_set_aside(struct client_staging *s, const char *conf_path, uint64_t room, struct text *carried,
			      struct fault *f)
{
	struct client_carry carry = { .client_dir = s->client_dir, .room = room, .report = s->report };
	FS_AUTO int old = -1;
	FS_AUTO int kept = -1;

	if (client_staging_present(s, &old, f) < 0 || conf_set_aside(s, conf_path, f) < 0)
		return -1;
	/* In new/, which is discarded after a kill: half a copy must never be restored. */
	if (mkdirat(s->dir, "new/kept", 0700) < 0 || (kept = openat(s->dir, "new/kept", DIR_FLAGS)) < 0)
		return fault_system(f, errno, "cannot set the old client's identity aside");
	carry.from = old;
	carry.to = kept;
	if (old >= 0 && client_identity_carry(&carry, carried, f) < 0)
		return -1;
	if (syncfs(s->dir) < 0 || renameat(s->dir, "new/kept", s->dir, "kept") < 0)
		return fault_system(f, errno, "cannot set the old client's identity aside");
	return 0;
}

/* `kept` is the saved file, `now` the current one. */
static int conf_put_back(const struct client_staging *s, const char *conf_path, const struct conf *kept,
			 const struct conf *now, struct fault *f)
{
	const bool same = now->there && text_same(&now->bytes, &kept->bytes);
	char beside[PATH_MAX];

	if (same && now->how.mode == kept->how.mode && now->how.uid == kept->how.uid && now->how.gid == kept->how.gid)
		return 0;
	if (now->there && !same) {
		(void)snprintf(beside, sizeof(beside), "%s.okv-luna-new", conf_path);
		if (fs_publish(s->root, beside, FS_FOLLOW_TRUSTED, now->bytes.bytes, now->bytes.length, &kept->how, f) <
		    0)
			return -1;
		report_say(s->report, REPORT_WARNING, "'%s' is kept as it was; the packages' own is beside it as '%s'",
			   SHOWN(conf_path), SHOWN(beside));
	}
	return fs_publish(s->root, conf_path, FS_FOLLOW_TRUSTED, kept->bytes.bytes, kept->bytes.length, &kept->how, f);
}

static int conf_restore(const struct client_staging *s, const char *conf_path, struct fault *f)
{
	struct conf kept = { 0 }, now = { 0 };
	int r = conf_read(s->dir, "kept.conf", &kept, f);

	if (r == 0 && kept.there)
		r = conf_read(s->root, conf_path, &now, f);
	if (r == 0 && kept.there)
		r = conf_put_back(s, conf_path, &kept, &now, f);
	text_done_secret(&kept.bytes);
	text_done_secret(&now.bytes);
	return r;
}

static int identity_restore(const struct client_staging *s, struct fault *f)
{
	struct client_carry carry = { .client_dir = s->client_dir, .room = UINT64_MAX, .report = s->report };
	TEXT_AUTO paths = { 0 };
	FS_AUTO int kept = openat(s->dir, "kept", DIR_FLAGS);
	FS_AUTO int client = -1;

	if (kept < 0)
		return fault_system(f, errno, "cannot open what was set aside");
	if (client_staging_present(s, &client, f) < 0)
		return -1;
	carry.from = kept;
	carry.to = client;
	return client >= 0 ? client_identity_carry(&carry, &paths, f) : 0;
}

int client_rpm_recover(struct client_staging *s, const char *conf_path, struct fault *f)
{
	bool there;

	if (fs_existence(s->dir, "kept", &there, f) < 0)
		return -1;
	/* Without kept/ the run was killed before it changed anything, and kept.conf may be incomplete. */
	if (there) {
		if (identity_restore(s, f) < 0 || conf_restore(s, conf_path, f) < 0)
			return -1;
		if (syncfs(s->dir) < 0)
			return fault_system(f, errno, "cannot sync what was put back");
		if (fs_tree_remove(s->dir, "kept", f) < 0)
			return -1;
	}
	(void)unlinkat(s->dir, "kept.conf", 0);
	return 0;
}

/* --- installed ---------------------------------------------------------------------------------------------------- */

/* Moves a client of another kind away whole, and copies its identity: mixed with packages it would be broken. */
static int other_kind_replace(const struct client_rpm *rpm, struct client_staging *s, uint64_t room,
			      struct text *carried, struct fault *f)
{
	struct client_carry carry = { .from = rpm->old,
				      .conf = rpm->conf,
				      .client_dir = rpm->client_dir,
				      .content = rpm->content,
				      .room = room,
				      .report = rpm->report };
	FS_AUTO int client = -1;

	if (mkdirat(s->dir, "new/client", 0700) < 0 || (client = openat(s->dir, "new/client", DIR_FLAGS)) < 0 ||
	    fchmod(client, 0755) < 0)
		return fault_system(f, errno, "cannot make the new client's directory");
	carry.to = client;
	text_cut(carried, 0);
	if (client_identity_carry(&carry, carried, f) < 0)
		return -1;
	fs_close(&client);
	return client_staging_swap(s, "client", f);
}

/* If there is no database yet, the test's own is in new/ and goes with it. */
static int transaction_run(const struct client_rpm *rpm, struct client_staging *s, uint64_t room, struct text *carried,
			   struct fault *f)
{
	TEXT_AUTO paths = { 0 };
	TEXT_AUTO said = { 0 };
	TEXT_AUTO line = { 0 };
	char root[PATH_MAX], scratch[PATH_MAX];
	bool there;
	int status;

	if (database_find(rpm->root, &there, f) < 0 || path_of(rpm->root, root, f) < 0 ||
	    paths_find(rpm, &paths, f) < 0)
		return -1;
	(void)snprintf(scratch, sizeof(scratch), "%.*s/%s/new/rpm",
		       (int)(strrchr(rpm->client_dir, '/') - rpm->client_dir), rpm->client_dir, s->name);
	/* --replacepkgs: an interrupted transaction may have installed some of them. */
	const char *const test[] = {
		"--root", root, "-U", "--oldpackage", "--replacepkgs", "--test", there ? NULL : "--dbpath",
		scratch,  NULL
	};
	const char *const install[] = { "--root", root, "-U", "--oldpackage", "--replacepkgs", NULL };
	if (rpm_require(test, &paths, INSTALL_MS, "rpm will not install it", f) < 0 ||
	    (rpm->replaces && other_kind_replace(rpm, s, room, carried, f) < 0))
		return -1;
	if (rpm_ask(install, &paths, INSTALL_MS, &status, &said, f) < 0) {
		f->kind = FAULT_INCOMPLETE;
		(void)fault_prefix(f, "the packages may not all be installed; run this again: ");
	} else if (status != 0) {
		(void)fault_incomplete(f, "rpm failed: %s; check what it left behind, then run this again",
				       SHOWN(reason(&said, &line)));
	} else {
		return 0;
	}
	return rpm->replaces ? fault_prefix(f, "'okv-luna extract --rollback' puts the client before it back; ") : -1;
}

int client_rpm_install(const struct client_rpm *rpm, struct client_staging *s, uint64_t room, struct text *carried,
		       struct fault *f)
{
	struct fault later = { 0 };

	if (identity_set_aside(s, rpm->conf_path, room, carried, f) < 0)
		return -1;
	/* Whatever rpm did, the identity is restored. */
	const int r = transaction_run(rpm, s, room, carried, f);
	const int restored = client_rpm_recover(s, rpm->conf_path, r < 0 ? &later : f);
	if (r == 0 && restored < 0) {
		f->kind = FAULT_INCOMPLETE;
		return fault_prefix(f, "the packages are installed, but: ");
	}
	return r;
}
