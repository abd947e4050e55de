#include "client/install.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/text.h"
#include "client/identity.h"
#include "client/layout.h"
#include "client/record.h"
#include "client/rpm.h"
#include "client/staging.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"
#include "proc/interrupt.h"

/* The archive may not use the last bytes of the file system. */
#define ROOM_RESERVE ((uint64_t)16 << 20)

/* client/identity needs three for each of its 64 levels, and there are others. */
enum { DESCRIPTORS_LEAST = 256 };

/* --- the archives as they lie on disk ----------------------------------------------------------------------------- */

struct archives {
	int fds[UNPACK_ARCHIVES];
	const char *names[UNPACK_ARCHIVES]; /* file names without directories, borrowed */
	size_t count;
	uint64_t bytes; /* in total */
	bool leased;    /* we hold a lease on the first one */
	char sha256[SHA256_HEX_SIZE];
};

#define ARCHIVES_AUTO __attribute__((cleanup(archives_done))) struct archives

static void archives_done(struct archives *s)
{
	for (size_t i = 0; i < s->count; i++)
		fs_close(&s->fds[i]);
	s->count = 0;
}

static int archives_open(const char *const *paths, size_t count, struct archives *ret_source, struct fault *f)
{
	ARCHIVES_AUTO s = { 0 };

	if (count > UNPACK_ARCHIVES)
		return fault_usage(f, "more than %d archives in one run", UNPACK_ARCHIVES);
	for (size_t i = 0; i < count; i++) {
		struct stat status;
		const char *slash = strrchr(paths[i], '/');
		/* Links on the way are followed, since the caller named the path; O_NONBLOCK because of FIFOs. */
		const int fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			return fault_errno(f, errno, "cannot open '%s'", SHOWN(paths[i]));
		s.fds[s.count] = fd;
		s.names[s.count++] = slash != NULL && slash[1] != '\0' ? slash + 1 : paths[i];
		if (fstat(fd, &status) < 0)
			return fault_system(f, errno, "cannot look at '%s'", SHOWN(paths[i]));
		if (!S_ISREG(status.st_mode))
			return fault_refused(f, "'%s' is not a regular file", SHOWN(paths[i]));
		s.bytes += (uint64_t)status.st_size;
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	*ret_source = s;
	s.count = 0;
	return 0;
}

/* Makes a copy without a name, so nobody else can open it. */
static int private_copy(struct archives *s, int dir, struct fault *f)
{
	FS_AUTO int copy = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (copy < 0)
		return fault_system(f, errno,
				    "'%s' is open for writing elsewhere, and no private copy of it can be made",
				    SHOWN(s->names[0]));
	if (fs_copy(s->fds[0], copy, s->names[0], f) < 0)
		return -1;
	fs_close(&s->fds[0]);
	s->fds[0] = fs_take(&copy);
	return 0;
}

/*
 * FAULT_REFUSED if the digest of the only archive is not `hex` (either case).  All bytes are checked before the first
 * is parsed, and the bytes that are parsed are the same: a lease (fcntl(2), F_SETLEASE) shows whether anybody has
 * opened the file for writing meanwhile; if no lease can be had, a private copy in `dir` is read instead.
 */
static int archives_verify(struct archives *s, const char *hex, int dir, struct fault *f)
{
	unsigned char digest[SHA256_SIZE];

	if (s->count != 1)
		return fault_usage(f, "--sha256 can be given with one archive only");
	/* Breaking a lease sends SIGIO, which would kill us; archives_unchanged checks the lease instead. */
	(void)signal(SIGIO, SIG_IGN);
	s->leased = fcntl(s->fds[0], F_SETLEASE, F_RDLCK) == 0;
	if (!s->leased && dir >= 0 && private_copy(s, dir, f) < 0)
		return -1;
	if (lseek(s->fds[0], 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read '%s'", SHOWN(s->names[0]));
	if (fs_sha256_descriptor(s->fds[0], s->names[0], digest, f) < 0)
		return -1;
	hex_encode(digest, SHA256_SIZE, s->sha256);
	if (strcasecmp(s->sha256, hex) != 0)
		return fault_refused(f, "%s: its SHA-256 is %s, not %s", SHOWN(s->names[0]), s->sha256, hex);
	return 0;
}

/* After the last byte was read: is it still the verified file? */
static int archives_unchanged(const struct archives *s, struct fault *f)
{
	if (s->leased && fcntl(s->fds[0], F_GETLEASE) != F_RDLCK)
		return fault_refused(f, "%s: somebody opened it for writing while it was being read; run this again",
				     SHOWN(s->names[0]));
	return 0;
}

/* --- one installation on its way ---------------------------------------------------------------------------------- */

struct installing {
	const struct client_request *request;
	const char *conf_path; /* Chrystoki.conf */
	struct client_ownership ownership;
	struct archives source;
	uint64_t room; /* bytes free on the file system */
	struct client_staging staging;
	struct text conf; /* content of Chrystoki.conf */
	bool has_conf;    /* it exists */
	int old;          /* the current client, or -1 */
	bool same;        /* the archives' client is installed already */
	struct client_result *result;
};

void client_result_done(struct client_result *result)
{
	unpack_done(&result->content.unpacked);
	text_done(&result->carried);
	text_done(&result->packages);
	text_done(&result->extra);
	text_done(&result->package_files);
	*result = (struct client_result){ 0 };
}

/* Checked first: an interrupted run must be undone completely, which takes a descriptor for each directory level. */
static int descriptors_check(const struct client_request *request, struct fault *f)
{
	FS_AUTO int last = fcntl(request->root, F_DUPFD_CLOEXEC, DESCRIPTORS_LEAST - 1);

	if (last < 0)
		return fault_system(f, 0,
				    "fewer than %d files may be open at once; run 'ulimit -n 1024', and try again",
				    DESCRIPTORS_LEAST);
	return 0;
}

int client_request_check(const struct client_request *request, struct fault *f)
{
	const char *directory = request->client_dir, *digest = request->sha256;
	const size_t length = strlen(directory);

	if (descriptors_check(request, f) < 0)
		return -1;
	if (directory[0] != '/' || length < 2 || length >= 1024 || directory[length - 1] == '/' ||
	    strpbrk(directory, ":\\*?[") != NULL)
		return fault_usage(f,
				   "--to takes the full path of a directory, without '/' at its end, ':' or wildcards");
	if (digest != NULL &&
	    (strlen(digest) != SHA256_HEX_SIZE - 1 || strspn(digest, "0123456789abcdefABCDEF") != SHA256_HEX_SIZE - 1))
		return fault_usage(f, "--sha256 takes 64 hexadecimal digits");
	return 0;
}

/* --- unpacking ---------------------------------------------------------------------------------------------------- */

static void progress(void *context, uint64_t read, uint64_t placed, uint64_t files)
{
	const struct installing *i = context;

	i->request->progress(i->request->context, read, i->source.bytes, placed, files);
}

static int room_look(struct installing *i, struct fault *f)
{
	const struct client_staging *s = &i->staging;
	struct statvfs fs;

	if (fstatvfs(s->dir >= 0 ? s->dir : s->parent >= 0 ? s->parent : i->request->root, &fs) < 0)
		return fault_system(f, errno, "cannot determine the free space");
	if ((fs.f_flag & ST_RDONLY) != 0)
		return fault_system(f, EROFS, "nothing can be written beside '%s'", SHOWN(i->request->client_dir));
	const uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	i->room = free_bytes > ROOM_RESERVE ? free_bytes - ROOM_RESERVE : 0;
	if (i->source.bytes <= i->room)
		return 0;
	(void)fault_system(f, ENOSPC,
			   "the archive is larger than the %" PRIu64
			   " bytes that may be used beside '%s' (%d MB stay free for others)",
			   i->room, SHOWN(i->request->client_dir), (int)(ROOM_RESERVE >> 20));
	return i->source.count == 1 ? fault_prefix(f, "%s: ", SHOWN(i->source.names[0])) : -1;
}

/* Names the archives in a fault about their content. */
static int archives_blame(const struct installing *i, struct fault *f)
{
	const struct archives *source = &i->source;

	if (f->kind != FAULT_REFUSED)
		return -1;
	if (source->count == 1)
		return fault_prefix(f, "%s: ", SHOWN(source->names[0]));
	return fault_prefix(f, "%s and %zu more: ", SHOWN(source->names[0]), source->count - 1);
}

/* Finds the current client; checks that the new one may be installed, and may replace it. */
static int old_find(struct installing *i, struct fault *f)
{
	const struct client_request *request = i->request;
	const enum client_kind kind = i->result->content.kind;
	enum client_kind old;

	if (kind == CLIENT_FULL && !request->accept_licence)
		return fault_refused(f, "the full client comes under its vendor's licence; read it in the archive, "
					"and give --accept-licence");
	if (i->staging.parent < 0 || i->old >= 0)
		return 0;
	if (client_staging_present(&i->staging, &i->old, f) < 0)
		return -1;
	if (i->old < 0 || request->replace_kind)
		return 0;
	if (client_kind_find(i->old, &old, f) < 0)
		return -1;
	if (old == CLIENT_AUTO || old == kind)
		return 0;
	return fault_refused(
		f, "a %s client is installed at '%s', and this is a %s one; %sto replace it, give --replace-kind",
		client_kind_name(old), SHOWN(request->client_dir), client_kind_name(kind),
		kind != CLIENT_CLOUD ? ""
				     : "to keep both, install this one with '--to DIR' and merge what is needed "
				       "with 'okv-luna config chrystoki merge DIR/Chrystoki.conf --section XTC "
				       "--section REST'; ");
}

static int unpack(struct installing *i, int tree, struct fault *f)
{
	const struct archives *source = &i->source;
	const struct client_request *request = i->request;
	struct unpack_request r = {
		.program = request->reader,
		.archives = source->fds,
		.names = source->names,
		.archive_count = source->count,
		.tree = tree,
		.id = i->ownership.worker,
		.client_dir = request->client_dir,
		.limits = LIMITS_DEFAULT,
		.mode_of = client_layout_first_mode,
		.progress = request->progress != NULL ? progress : NULL,
		.context = i,
	};

	if (request->max_bytes > 0)
		r.limits.bytes = request->max_bytes;
	if (request->max_entries > 0)
		r.limits.entries = request->max_entries;
	r.limits.room = i->room;
	if (unpack_run(&r, &i->result->content.unpacked, f) < 0 || archives_unchanged(source, f) < 0)
		return -1;
	if (client_content_find(&i->result->content, request->kind, f) < 0 ||
	    unpack_links(&i->result->content.unpacked, &r, i->result->content.top, f) < 0 ||
	    (i->result->content.kind != CLIENT_FULL && client_layout_evaluate(&i->result->content, f) < 0) ||
	    old_find(i, f) < 0)
		return archives_blame(i, f);
	return 0;
}

/* --- Chrystoki.conf ----------------------------------------------------------------------------------------------- */

static int conf_write(struct installing *i, const struct text *conf, struct fault *f)
{
	const struct client_rights rights = i->ownership.conf;
	const struct fs_publish how = { .mode = rights.mode, .uid = 0, .gid = rights.gid };
	bool there = true;

	/* Only if there still is none. */
	if (conf->length > 0 && fs_existence(i->request->root, i->conf_path, &there, f) < 0)
		return -1;
	if (there)
		return 0;
	if (fs_publish(i->request->root, i->conf_path, FS_FOLLOW_TRUSTED, conf->bytes, conf->length, &how, f) < 0)
		return -1;
	i->result->conf = CLIENT_CONF_WRITTEN;
	i->result->changed = true;
	return 0;
}

/* Keeps the existing file, or prepares one from the archives, which is written after the swap. */
static int conf_make(struct installing *i, int client, struct text *ret_conf, struct fault *f)
{
	const struct client_request *request = i->request;

	if (!i->has_conf && client_layout_conf_make(client, &i->result->content, request->client_dir, ret_conf, f) < 0)
		return -1;
	if (!i->has_conf && ret_conf->length == 0)
		report_say(request->report, REPORT_WARNING,
			   "the archive has no template for '%s'; write that file by hand", i->conf_path);
	return client_identity_lacking(i->same ? i->old : client, text_string(i->has_conf ? &i->conf : ret_conf),
				       request->client_dir, request->report, f);
}

/* --- placing ------------------------------------------------------------------------------------------------------ */

/* With the version in its first line, where okv_client_version looks for it. */
static int record_put(const struct installing *i, const struct manifest *record, const char *who, struct fault *f)
{
	const struct client_content *content = &i->result->content;
	char comment[160];

	(void)snprintf(comment, sizeof(comment), "%s client%s%s, as %s installed it", client_kind_name(content->kind),
		       content->version[0] != '\0' ? " " : "", content->version, who);
	return client_record_write(i->request->root, record, comment, f);
}

/* After the swap; a second run can repeat this. */
static int finish(struct installing *i, const struct text *conf, const struct manifest *record, struct fault *f)
{
	if (conf_write(i, conf, f) == 0 && record_put(i, record, "okv-luna extract", f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "the client is installed, but: ");
}

static const char *conf_of(const struct installing *i)
{
	return i->has_conf ? text_string(&i->conf) : NULL;
}

/* Copies the old client's identity and what `conf` names to `client`; -1: only lists the paths. */
static int identity_carry(struct installing *i, int client, const char *conf, struct text *paths, struct fault *f)
{
	const struct client_carry carry = { .from = i->old,
					    .to = client,
					    .conf = conf,
					    .client_dir = i->request->client_dir,
					    .content = &i->result->content,
					    .room = i->room,
					    .report = i->request->report };

	return i->old >= 0 && !i->same ? client_identity_carry(&carry, paths, f) : 0;
}

/* Is the current client the one in the archives?  If not, lists what is copied and what is lost. */
static int same_find(struct installing *i, const struct manifest *record, struct fault *f)
{
	struct client_result *result = i->result;
	const struct client_expected expected = { .record = record, .carried = &result->carried };

	if (i->old < 0)
		return 0;
	if (identity_carry(i, -1, conf_of(i), &result->carried, f) < 0 ||
	    client_record_compare(i->old, i->request->client_dir, &expected, &i->same, &result->extra, f) < 0)
		return -1;
	if (i->same)
		text_cut(&result->carried, 0);
	return 0;
}

/* Puts the staged tree in the client's place. */
static int place(struct installing *i, int tree, const struct manifest *record, struct fault *f)
{
	const struct client_content *content = &i->result->content;
	char from[sizeof("tree/") + LIMITS_PATH];
	FS_AUTO int client = -1;
	TEXT_AUTO paths = { 0 };
	TEXT_SECRET_AUTO conf = { 0 };

	if (fs_dir_open(tree, content->top, FS_NOFOLLOW, &client, f) < 0 ||
	    client_layout_apply(client, content, &i->ownership, i->request->client_dir, f) < 0 ||
	    identity_carry(i, client, conf_of(i), &paths, f) < 0 || conf_make(i, client, &conf, f) < 0)
		return -1;
	/* Up to here everything can be undone; from here on it is finished first. */
	if (proc_interrupt_check(f) < 0)
		return -1;
	fs_close(&client);
	(void)snprintf(from, sizeof(from), "tree/%s", content->top);
	if (!i->same && client_staging_swap(&i->staging, from, f) < 0)
		return -1;
	return finish(i, &conf, record, f);
}

/* Installs a minimal or cloud client; tree -1: only reports. */
static int unpacked_install(struct installing *i, int tree, struct fault *f)
{
	struct client_result *result = i->result;
	MANIFEST_AUTO record = { 0 };

	if (client_record_make(&result->content, &i->ownership, i->request->client_dir, &record, f) < 0 ||
	    same_find(i, &record, f) < 0)
		return -1;
	result->placed = result->changed = !i->same;
	result->previous_kept = i->staging.has_previous || (i->old >= 0 && !i->same);
	result->conf = i->has_conf ? CLIENT_CONF_KEPT : CLIENT_CONF_NONE;
	if (tree >= 0)
		return place(i, tree, &record, f);
	if (!i->has_conf && client_layout_conf_name(&result->content) != NULL) {
		result->conf = CLIENT_CONF_WRITTEN;
		result->changed = true;
	}
	return 0;
}

/* --- the full client ---------------------------------------------------------------------------------------------- */

/* Decides what rpm has to do, from the RPMs in `tree`. */
static int packages_find(struct installing *i, int tree, struct client_rpm *ret_rpm, struct fault *f)
{
	const struct client_request *request = i->request;
	struct client_result *result = i->result;

	*ret_rpm = (struct client_rpm){ .root = request->root,
					.tree = tree,
					.old = i->old,
					.content = &result->content,
					.client_dir = request->client_dir,
					.conf_path = i->conf_path,
					.conf = conf_of(i),
					.report = request->report,
					.packages = &result->packages,
					.files = &result->package_files };
	if (client_rpm_find(ret_rpm, f) < 0)
		return -1;
	(void)snprintf(result->content.version, sizeof(result->content.version), "%s", ret_rpm->version);
	return 0;
}

/* After rpm: reads what is installed, and records it. */
static int packages_record(struct installing *i, struct fault *f)
{
	const struct client_request *request = i->request;
	MANIFEST_AUTO record = { 0 };
	FS_AUTO int client = -1;
	bool has_conf;

	if (fs_existence(request->root, i->conf_path, &has_conf, f) < 0 ||
	    client_staging_present(&i->staging, &client, f) < 0)
		return -1;
	if (!has_conf)
		i->result->conf = CLIENT_CONF_NONE;
	if (client < 0)
		return fault_absent(f, "no client is at '%s'", SHOWN(request->client_dir));
	return client_record_read(client, request->client_dir, &record, f) < 0
		       ? -1
		       : record_put(i, &record, "its packages", f);
}

static int packages_install(struct installing *i, int tree, struct fault *f)
{
	struct client_result *result = i->result;
	struct client_rpm rpm;

	if (packages_find(i, tree, &rpm, f) < 0)
		return -1;
	i->same = rpm.installed;
	result->placed = result->changed = !i->same;
	/* If rpm works in place, a previous client may be kept, but it is an older one. */
	result->previous_kept = rpm.replaces;
	result->conf = i->has_conf ? CLIENT_CONF_KEPT : i->same ? CLIENT_CONF_NONE : CLIENT_CONF_WRITTEN;
	if (i->request->dry_run)
		return identity_carry(i, -1, rpm.replaces ? conf_of(i) : NULL, &result->carried, f);
	if (!i->same && client_rpm_install(&rpm, &i->staging, i->room, &result->carried, f) < 0)
		return -1;
	/* Even if rpm had nothing to do: an earlier run may have ended before this. */
	if (packages_record(i, f) == 0)
		return 0;
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "the packages are installed, but: ");
}

/* Dry run: rpm can only read files, so the packages are unpacked once more, outside the root. */
static int packages_look(struct installing *i, struct fault *f)
{
	char place[] = "/var/tmp/okv-luna-XXXXXX";
	struct fault ignored = { 0 };
	FS_AUTO int tree = -1;

	unpack_done(&i->result->content.unpacked);
	if (mkdtemp(place) == NULL)
		return fault_system(f, errno, "cannot make a directory in /var/tmp to look at the packages");
	tree = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = tree < 0 ? fault_system(f, errno, "cannot open '%s'", place) : unpack(i, tree, f);
	if (r == 0)
		r = packages_install(i, tree, f);
	(void)fs_tree_remove(AT_FDCWD, place, &ignored);
	return r;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int run(struct installing *i, struct fault *f)
{
	const struct client_request *request = i->request;
	FS_AUTO int tree = -1;

	if (room_look(i, f) < 0 ||
	    (request->sha256 != NULL && archives_verify(&i->source, request->sha256, i->staging.dir, f) < 0))
		return -1;
	if (!request->dry_run &&
	    (client_rpm_recover(&i->staging, i->conf_path, f) < 0 || client_staging_tree(&i->staging, &tree, f) < 0))
		return -1;
	if (fs_read_optional(request->root, i->conf_path, &i->conf, &i->has_conf, f) < 0 || unpack(i, tree, f) < 0)
		return -1;
	if (i->result->content.kind != CLIENT_FULL)
		return unpacked_install(i, tree, f);
	return (request->dry_run ? packages_look(i, f) : packages_install(i, tree, f)) < 0 ? archives_blame(i, f) : 0;
}

int client_install(const struct client_request *request, struct client_result *ret_result, struct fault *f)
{
	CLIENT_RESULT_AUTO result = { 0 };
	struct installing i = { .request = request,
				.staging = CLIENT_STAGING_INIT(request->root, request->client_dir, request->report),
				.conf_path = request->settings->chrystoki_conf,
				.room = UINT64_MAX,
				.old = -1,
				.result = &result };

	if (archives_open(request->archives, request->archive_count, &i.source, f) < 0)
		return -1;
	int r = client_layout_owners(request->root, request->settings, &i.ownership, f);
	if (r == 0)
		r = client_staging_open(&i.staging, request->dry_run ? CLIENT_STAGING_LOOK : CLIENT_STAGING_INSTALL, f);
	if (r == 0)
		r = run(&i, f);
	memcpy(result.sha256, i.source.sha256, sizeof(result.sha256));
	/* Cleaning up takes descriptors, and there may be few. */
	archives_done(&i.source);
	fs_close(&i.old);
	text_done_secret(&i.conf);
	client_staging_close(&i.staging);
	if (r < 0)
		return -1;
	*ret_result = result;
	result = (struct client_result){ 0 };
	return 0;
}

int client_installed(const struct client_request *request, enum client_kind *ret_kind, struct manifest *ret_record,
		     struct fault *f)
{
	FS_AUTO int client = -1;
	struct fault cause = { 0 };

	if (fs_dir_open(request->root, request->client_dir, FS_FOLLOW_TRUSTED, &client, &cause) < 0)
		return fs_absence(&cause, f) < 0
			       ? -1
			       : fault_absent(f, "no client is installed at '%s'", SHOWN(request->client_dir));
	if (client_kind_find(client, ret_kind, f) < 0)
		return -1;
	return client_record_read(client, request->client_dir, ret_record, f);
}

int client_rollback(const struct client_request *request, bool *ret_finished, struct fault *f)
{
	CLIENT_STAGING_AUTO s = CLIENT_STAGING_INIT(request->root, request->client_dir, request->report);

	/* What an interrupted rpm run has set aside belongs to the client that is being replaced. */
	if (client_staging_open(&s, request->dry_run ? CLIENT_STAGING_LOOK : CLIENT_STAGING_ROLLBACK, f) < 0 ||
	    (!request->dry_run && client_rpm_recover(&s, request->settings->chrystoki_conf, f) < 0) ||
	    client_staging_rollback(&s, f) < 0)
		return -1;
	*ret_finished = s.back;
	return 0;
}
