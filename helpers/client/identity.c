#include "client/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "conf/chrystoki.h"
#include "fs/each.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/sha256.h"
#include "fs/walk.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

enum { DEPTH_MAX = 64, LEFT_TOLD = 20 };

/*
 * STC keeps identities in data or config, rbs has its own key, users create lock and stc.  Directories that others can
 * write to come last, so that files there cannot use up the room of the rest.
 */
static const char *const tops[] = { "cert", "configData", "config", "rbs", "stc", "Chrystoki.conf", "data", "lock" };
enum { TOPS = sizeof(tops) / sizeof(tops[0]), TOPS_OPEN = 2 };

bool client_is_identity(const char *path)
{
	const size_t top = strcspn(path, "/");

	for (size_t i = 0; i < TOPS; i++)
		if (text_equal(path, top, tops[i]))
			return true;
	/* The cloud service's partition certificates are at the top; a directory so named is copied whole. */
	return top >= 4 && strncmp(path + top - 4, ".pem", 4) == 0;
}

/* --- what Chrystoki.conf names ------------------------------------------------------------------------------------ */

/* `path` is below the client's directory, `key` is the entry's key.  -1 stops the iteration. */
typedef int on_named(void *context, const char *path, const char *key, struct fault *f);

/* Calls `each` for every value of `conf` that is a path below the client's directory. */
static int named_each(const char *conf, const char *client_dir, on_named *each, void *context, struct fault *f)
{
	CHRYSTOKI_AUTO parsed = { 0 };
	const size_t length = strlen(client_dir);
	int r = chrystoki_parse(&parsed, conf, strlen(conf), f);

	for (size_t i = 0; r == 0 && i < parsed.count; i++) {
		const struct chrystoki_line *line = &parsed.lines[i];
		const char *value = line->bytes + line->value_start;
		if (line->kind != CHRYSTOKI_ENTRY || line->value_length <= length + 1 ||
		    strncmp(value, client_dir, length) != 0 || value[length] != '/')
			continue;
		char *path = strndup(value + length + 1, line->value_length - length - 1);
		char *key = strndup(line->bytes + line->name_start, line->name_length);
		r = path != NULL && key != NULL ? each(context, path, key, f) : fault_memory(f);
		free(path);
		free(key);
	}
	return r;
}

struct lacking {
	int client;
	struct report *report;
};

static int lacking_say(void *context, const char *path, const char *key, struct fault *f)
{
	const struct lacking *l = context;
	bool there;

	if (fs_existence(l->client, path, &there, f) < 0)
		return -1;
	if (!there)
		report_say(l->report, REPORT_WARNING,
			   "Chrystoki.conf names '%s' (%s), which the new client does not have", SHOWN(path),
			   SHOWN(key));
	return 0;
}

int client_identity_lacking(int client, const char *conf, const char *client_dir, struct report *report,
			    struct fault *f)
{
	struct lacking l = { .client = client, .report = report };

	return named_each(conf, client_dir, lacking_say, &l, f);
}

/* --- an entry of the old tree, copied into the new one ------------------------------------------------------------ */

/*
 * Others can write to parts of the old tree: links are not followed (a link is copied as a link), and only directories
 * and regular files with a single name are opened.
 */
struct copy {
	uint64_t room; /* bytes that may be copied */
	struct report *report;
	uint64_t bytes; /* so far */
	uint64_t left;  /* files left behind */
};

static int entry_copy(struct copy *c, int from, int to, const char *name, const char *path, unsigned depth,
		      struct fault *f);

/* Others can write here, so nothing found here may stop the installation. */
static bool is_open(const char *path)
{
	return text_starts(path, "data/") || text_starts(path, "lock/");
}

/* Leaves a file in the previous client; reports the first few. */
static int leave(struct copy *c, const char *path, const char *why)
{
	if (++c->left <= LEFT_TOLD)
		report_say(c->report, REPORT_WARNING, "'%s' of the old client is left behind: %s", SHOWN(path), why);
	return 0;
}

static void copy_end(const struct copy *c)
{
	if (c->left > LEFT_TOLD)
		report_say(c->report, REPORT_WARNING, "%ju more files of the old client are left behind",
			   (uintmax_t)(c->left - LEFT_TOLD));
}

/* Errors of the machine, which another user cannot provoke. */
static bool is_the_machines(int errnum)
{
	return errnum == EIO || errnum == ENOMEM || errnum == EMFILE || errnum == ENFILE || errnum == ENOSPC;
}

/* A file that changed meanwhile or cannot be read. */
static int unreadable(struct copy *c, const char *path, const struct fault *trouble, struct fault *f)
{
	if (is_open(path) && !is_the_machines(trouble->errnum))
		return leave(c, path, trouble->text);
	*f = *trouble;
	return -1;
}

/* Copies extended attributes: ACLs, labels and others.  A target that does not support one is reported once. */
static int attributes_copy(struct copy *c, int from, int to, const char *path, struct fault *f)
{
	/* The kernel's limits: XATTR_LIST_MAX and XATTR_SIZE_MAX. */
	char names[65536], value[65536];
	const ssize_t length = flistxattr(from, names, sizeof(names));

	if (length < 0 && errno != ENOTSUP)
		return fault_system(f, errno, "cannot read the attributes of '%s'", SHOWN(path));
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		const ssize_t size = fgetxattr(from, names + at, value, sizeof(value));
		if (size < 0 && errno != ENODATA && errno != ENOTSUP)
			return fault_system(f, errno, "cannot read attribute %s of '%s'", SHOWN(names + at),
					    SHOWN(path));
		if (size < 0 || strcmp(names + at, "security.capability") == 0)
			continue;
		if (fsetxattr(to, names + at, value, (size_t)size, 0) < 0)
			report_say(c->report, REPORT_WARNING, "'%s': attribute %s could not be carried over: %s",
				   SHOWN(path), SHOWN(names + at), fault_errno_text(errno));
	}
	return 0;
}

/* Owner before mode, so that nobody ever has more access than in the end. */
static int status_copy(struct copy *c, int from, int to, const struct stat *status, const char *path, struct fault *f)
{
	const struct timespec times[2] = { status->st_atim, status->st_mtim };
	struct stat now;

	if (fchown(to, status->st_uid, status->st_gid) < 0)
		return fault_system(f, errno, "cannot keep the owner of '%s'", SHOWN(path));
	if (attributes_copy(c, from, to, path, f) < 0)
		return -1;
	/* write(2) clears set-id bits of the source: bytes written since must not get them. */
	if (fstat(from, &now) < 0 ||
	    fchmod(to, status->st_mode & now.st_mode & 07777 & ~(mode_t)(S_ISREG(now.st_mode) ? S_ISUID : 0)) < 0)
		return fault_system(f, errno, "cannot keep the mode of '%s'", SHOWN(path));
	if (futimens(to, times) < 0)
		return fault_system(f, errno, "cannot keep the times of '%s'", SHOWN(path));
	return 0;
}

static int range_copy(int from, int to, off_t at, off_t end, const char *path, struct fault *f)
{
	char block[65536];

	if (lseek(to, at, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
	while (at < end) {
		const size_t wanted = end - at < (off_t)sizeof(block) ? (size_t)(end - at) : sizeof(block);
		const ssize_t got = pread(from, block, wanted, at);
		if (got < 0 && errno != EINTR)
			return fault_system(f, errno, "cannot read '%s' of the old client", SHOWN(path));
		if (got == 0)
			break;
		if (got > 0 && fs_write(to, path, block, (size_t)got, f) < 0)
			return -1;
		at += got > 0 ? got : 0;
	}
	return 0;
}

/* Copies as many bytes as the file had when it was opened.  Holes stay holes: they take no time and no room. */
static int content_copy(struct copy *c, int from, int to, const struct stat *status, const char *path, struct fault *f)
{
	const off_t size = status->st_size;
	off_t at = 0;

	for (off_t end; (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size; at = end) {
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		c->bytes += (uint64_t)(end - at);
		if (c->bytes > c->room)
			return fault_refused(f,
					     "the old client's certificates, configuration and data take more than %ju "
					     "bytes; look at '%s'",
					     (uintmax_t)c->room, SHOWN(path));
		if (range_copy(from, to, at, end, path, f) < 0)
			return -1;
	}
	/* ENXIO: only a hole is left. */
	if (at < 0 && errno != ENXIO)
		return fault_system(f, errno, "cannot read '%s' of the old client", SHOWN(path));
	return ftruncate(to, size) == 0 ? 0 : fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
}

/* Does the new client have a file of that name with the same content?  Then *ret_fd is that file, open. */
static int newcomer_compare(int old, int to, const char *name, int *ret_fd, bool *ret_same, struct fault *f)
{
	unsigned char digest[SHA256_SIZE], other[SHA256_SIZE];
	struct stat before, status;

	if (fstatat(to, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 ||
	    fstat(old, &before) < 0 || before.st_size != status.st_size)
		return 0;
	*ret_fd = openat(to, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0)
		return fault_system(f, errno, "cannot open the new '%s'", SHOWN(name));
	if (fs_sha256_descriptor(old, name, digest, f) < 0 || fs_sha256_descriptor(*ret_fd, name, other, f) < 0)
		return -1;
	*ret_same = memcmp(digest, other, sizeof(digest)) == 0;
	return 0;
}

/* Moves the new client's file out of the way of an old one, to NAME.okv-luna-new; removes it if it is empty. */
static int newcomer_move(struct copy *c, int to, const char *name, const char *path, struct fault *f)
{
	struct stat status;
	char aside[FS_NAME_SIZE];

	if (fstatat(to, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the new '%s'", SHOWN(path));
	if (!S_ISREG(status.st_mode) || status.st_size == 0 ||
	    snprintf(aside, sizeof(aside), "%s.okv-luna-new", name) >= (int)sizeof(aside))
		return fs_tree_remove(to, name, f);
	if (renameat(to, name, to, aside) < 0)
		return fault_system(f, errno, "cannot move the new '%s' aside", SHOWN(path));
	report_say(c->report, REPORT_WARNING, "'%s' is kept as it was; the archive's own is beside it as '%s'",
		   SHOWN(path), SHOWN(aside));
	return 0;
}

/* Opens an old file for copying; *ret_fd stays -1 if it is left behind or has disappeared. */
static int old_open(struct copy *c, int from, const char *name, const char *path, struct stat *ret_status, int *ret_fd,
		    struct fault *f)
{
	FS_AUTO int fd = -1;
	struct fault trouble = { 0 };

	if (fs_name_open(FS_NAME(from, name, path), O_RDONLY, &fd, ret_status, &trouble) < 0) {
		if (trouble.kind == FAULT_ABSENT)
			return 0;
		/* A lease of another process (fcntl(2), F_SETLEASE). */
		if (trouble.errnum != EWOULDBLOCK)
			return unreadable(c, path, &trouble, f);
		if (is_open(path))
			return leave(c, path, "another process has a lease on it");
		return fault_system(f, 0,
				    "another process has a lease on '%s' of the old client; end that process, and run "
				    "this again",
				    SHOWN(path));
	}
	/* A hard link can name a file that its creator may not read; the copy would belong to the client. */
	if (ret_status->st_nlink > 1 && is_open(path))
		return leave(c, path, "it has more than one name (hard links)");
	if (ret_status->st_nlink > 1)
		return fault_refused(f,
				     "'%s' of the old client has %ju names (hard links); remove all but this one, then "
				     "run this again",
				     SHOWN(path), (uintmax_t)ret_status->st_nlink);
	*ret_fd = fs_take(&fd);
	return 0;
}

/* If a file of data or lock does not fit, removes what was copied of it. */
static int content_carry(struct copy *c, int old, int to, const char *name, const struct stat *status, const char *path,
			 struct fault *f)
{
	FS_AUTO int new = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const uint64_t bytes = c->bytes;
	struct fault trouble = { 0 };

	if (new < 0)
		return fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
	if (content_copy(c, old, new, status, path, &trouble) < 0) {
		if (trouble.kind != FAULT_REFUSED || !is_open(path)) {
			*f = trouble;
			return -1;
		}
		c->bytes = bytes;
		if (unlinkat(to, name, 0) < 0)
			return fault_system(f, errno, "cannot take '%s' back", SHOWN(path));
		return leave(c, path, "there is no room for it");
	}
	return status_copy(c, old, new, status, path, f);
}

static int file_copy(struct copy *c, int from, int to, const char *name, const char *path, struct fault *f)
{
	FS_AUTO int old = -1;
	FS_AUTO int new = -1;
	struct stat status;

	if (old_open(c, from, name, path, &status, &old, f) < 0)
		return -1;
	if (old < 0)
		return 0;
	/* The new client has the same bytes: only set the old owner and mode. */
	bool same = false;
	if (newcomer_compare(old, to, name, &new, &same, f) < 0)
		return -1;
	if (same) {
		return status_copy(c, old, new, &status, path, f);
	}
	fs_close(&new);
	return newcomer_move(c, to, name, path, f) < 0 ? -1 : content_carry(c, old, to, name, &status, path, f);
}

static int link_copy(struct copy *c, int from, int to, const char *name, const char *path, const struct stat *status,
		     struct fault *f)
{
	char target[PATH_MAX];
	const ssize_t length = readlinkat(from, name, target, sizeof(target) - 1);
	struct fault trouble = { 0 };

	if (length < 0 && errno == ENOENT)
		return 0;
	if (length < 0) {
		(void)fault_system(&trouble, errno, "cannot read link '%s'", SHOWN(path));
		return unreadable(c, path, &trouble, f);
	}
	target[length] = '\0';
	if (newcomer_move(c, to, name, path, f) < 0)
		return -1;
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot carry over link '%s'", SHOWN(path));
	return 0;
}

static int directory_copy(struct copy *c, int from, int to, const char *name, const char *path, unsigned depth,
			  struct fault *f)
{
	FS_AUTO int old = openat(from, name, DIR_FLAGS);
	FS_AUTO int new = -1;
	struct stat status, there;
	struct fault trouble = { 0 };

	if (old < 0 && errno == ENOENT)
		return 0;
	if (old < 0 || fstat(old, &status) < 0)
		(void)fault_system(&trouble, errno, "cannot open '%s' of the old client", SHOWN(path));
	else if (depth > DEPTH_MAX) {
		(void)fault_refused(&trouble, "it is more than %d directories deep", DEPTH_MAX);
		if (!is_open(path))
			(void)fault_prefix(&trouble, "'%s' of the old client cannot be copied: ", SHOWN(path));
	}
	if (trouble.kind != FAULT_NONE)
		return unreadable(c, path, &trouble, f);
	if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(there.st_mode) &&
	    fs_tree_remove(to, name, f) < 0)
		return -1;
	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return fault_system(f, errno, "cannot carry over '%s'", SHOWN(path));
	new = openat(to, name, DIR_FLAGS);
	if (new < 0)
		return fault_system(f, errno, "cannot open the new '%s'", SHOWN(path));

	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(old, path, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0) {
		TEXT_AUTO below = { 0 };
		text_add_format(&below, "%s/%s", path, entry.name);
		if (entry_copy(c, old, new, entry.name, text_string(&below), depth + 1, f) < 0)
			return -1;
	}
	/* Times last, because creating entries changes them. */
	return more < 0 ? -1 : status_copy(c, old, new, &status, path, f);
}

static int entry_copy(struct copy *c, int from, int to, const char *name, const char *path, unsigned depth,
		      struct fault *f)
{
	struct stat status;

	if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : fault_system(f, errno, "cannot look at '%s' of the old client", SHOWN(path));
	switch (status.st_mode & S_IFMT) {
	case S_IFDIR:
		return directory_copy(c, from, to, name, path, depth, f);
	case S_IFREG:
		return file_copy(c, from, to, name, path, f);
	case S_IFLNK:
		return link_copy(c, from, to, name, path, &status, f);
	default:
		return leave(c, path, "it is neither file nor directory");
	}
}

/* --- carried over ------------------------------------------------------------------------------------------------- */

struct carrying {
	const struct client_carry *how;
	struct copy copy;
	struct text *paths;
};

static int top_carry(struct carrying *c, const char *name, struct fault *f)
{
	if (faccessat(c->how->from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the old '%s'", SHOWN(name));
	text_add_format(c->paths, "%s\n", name);
	return c->how->to < 0 ? 0 : entry_copy(&c->copy, c->how->from, c->how->to, name, name, 0, f);
}

/* Certificates at the top, whatever their name. */
static int certificates_carry(struct carrying *c, struct fault *f)
{
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	int more = fs_each_open(c->how->from, "the old client", &each, f) < 0 ? -1 : 1;

	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (text_ends(entry.name, ".pem") && top_carry(c, entry.name, f) < 0)
			return -1;
	return more;
}

static bool is_vendors(const char *path)
{
	static const char *const places[] = { "bin/", "lib/", "libs/", "plugins/", "jsp/" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (text_starts(path, places[i]))
			return true;
	return false;
}

/* Copies a file that Chrystoki.conf names, at a place below the client that the administrator chose. */
static int named_carry(void *context, const char *path, const char *key, struct fault *f)
{
	struct carrying *c = context;
	FS_AUTO int old = -1;
	FS_AUTO int new = -1;
	struct fault cause = { 0 };
	struct stat status;
	char leaf[FS_NAME_SIZE], parent[PATH_MAX];

	(void)key;
	if (strlen(path) >= sizeof(parent) || client_is_identity(path) || is_vendors(path) ||
	    client_content_entry(c->how->content, path) != NULL)
		return 0;
	if (fs_parent_open(c->how->from, path, FS_NOFOLLOW, &old, leaf, &cause) < 0)
		return fs_absence(&cause, f);
	if (fstatat(old, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fault_system(f, errno, "cannot look at the old '%s'", SHOWN(path));
	if (!S_ISREG(status.st_mode))
		return 0;
	text_add_format(c->paths, "%s\n", path);
	if (c->how->to < 0)
		return 0;
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(strlen(path) - strlen(leaf)), path);
	if (fs_dirs_make(c->how->to, parent, 0755, FS_NOFOLLOW, f) < 0 ||
	    fs_parent_open(c->how->to, path, FS_NOFOLLOW, &new, leaf, f) < 0)
		return -1;
	return file_copy(&c->copy, old, new, leaf, path, f);
}

int client_identity_carry(const struct client_carry *how, struct text *paths, struct fault *f)
{
	struct carrying c = { .how = how, .copy = { .room = how->room, .report = how->report }, .paths = paths };
	int r = 0;

	for (size_t i = 0; r == 0 && i < TOPS - TOPS_OPEN; i++)
		r = top_carry(&c, tops[i], f);
	if (r == 0)
		r = certificates_carry(&c, f);
	if (r == 0 && how->conf != NULL)
		r = named_each(how->conf, how->client_dir, named_carry, &c, f);
	for (size_t i = TOPS - TOPS_OPEN; r == 0 && i < TOPS; i++)
		r = top_carry(&c, tops[i], f);
	copy_end(&c.copy);
	return r < 0 ? -1 : text_check(paths, f);
}

/* --- changed since ------------------------------------------------------------------------------------------------ */

struct comparison {
	int before;
	struct text *paths;
};

static bool is_same(const struct stat *now, const struct stat *before)
{
	return (before->st_mode & S_IFMT) == (now->st_mode & S_IFMT) && before->st_size == now->st_size &&
	       (S_ISLNK(now->st_mode) ||
		(before->st_mtim.tv_sec == now->st_mtim.tv_sec && before->st_mtim.tv_nsec == now->st_mtim.tv_nsec));
}

static int entry_compare(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	const struct comparison *c = context;
	const char *path = entry->path + strspn(entry->path, "/");
	const size_t top = strcspn(path, "/");
	struct fault cause = { 0 };
	struct stat before;

	(void)state;
	if (top == 0)
		return FS_WALK_ENTER;
	if (!client_is_identity(path) || text_equal(path, top, "data") || text_equal(path, top, "lock"))
		return FS_WALK_PASS;
	if (S_ISDIR(entry->status->st_mode))
		return FS_WALK_ENTER;
	if (fs_status(c->before, path, FS_NOFOLLOW, &before, &cause) < 0) {
		if (fs_absence(&cause, f) < 0)
			return -1;
	} else if (is_same(entry->status, &before)) {
		return FS_WALK_PASS;
	}
	text_add_format(c->paths, "%s\n", path);
	return FS_WALK_PASS;
}

int client_identity_changes(int now, int before, struct text *paths, struct fault *f)
{
	struct comparison c = { .before = before, .paths = paths };
	const struct fs_walk walk = { .context = &c, .visit = entry_compare };

	return fs_walk(now, ".", "", NULL, &walk, f) < 0 ? -1 : text_check(paths, f);
}
