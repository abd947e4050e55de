#include "upgrade/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/number.h"
#include "conf/accounts.h"
#include "conf/assign.h"
#include "conf/preserved.h"
#include "fs/each.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "okv/needs.h"
#include "upgrade/carry.h"
#include "upgrade/scan.h"

enum { MEBI = 1024 * 1024, SPARE_BYTES = 256 * MEBI, CACHE_BYTES = 32 * MEBI };

struct making {
	const struct scratch *scratch;
	int from;        /* the real tree, opened in the new mount namespace */
	const char *at;  /* where the scratch root is mounted until it becomes "/" */
	int to;          /* the scratch root */
	unsigned layers; /* overlays so far */
};

/* --- memory ------------------------------------------------------------------------------------------------------- */

static int memory_find(uint64_t *ret_bytes, struct fault *f)
{
	static const char name[] = "MemAvailable:";
	FS_AUTO int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	TEXT_AUTO info = { 0 };
	struct text_line line;

	if (fd < 0)
		return fault_system(f, errno, "cannot determine the free memory");
	if (fs_read(fd, "/proc/meminfo", FS_READ_CONFIG_MAX, &info, f) < 0)
		return -1;
	for (size_t at = 0; text_line_next(info.bytes, info.length, &at, &line);) {
		if (line.length < sizeof(name) || memcmp(line.bytes, name, sizeof(name) - 1) != 0)
			continue;
		const char *digits = line.bytes + sizeof(name) - 1;
		digits += strspn(digits, " ");
		uint64_t kibi;
		if (!number_digits(digits, strspn(digits, "0123456789"), 10, UINT64_MAX / 1024, &kibi))
			break;
		*ret_bytes = kibi * 1024;
		return 0;
	}
	return fault_system(f, 0, "cannot determine the free memory");
}

/* How much memory the scratch root needs; FAULT_SYSTEM: not available. */
static int memory_measure(const struct scratch *scratch, uint64_t *ret_bytes, struct fault *f)
{
	SCAN_AUTO scan = { 0 };
	const struct scan_request request = { .root = scratch->root,
					      .settings = scratch->settings,
					      .depth = SCAN_COUNT };
	uint64_t there = 0;

	if (scan_preserved(&request, &scan, f) < 0 || memory_find(&there, f) < 0)
		return -1;
	const uint64_t wanted = scan.bytes + CACHE_BYTES;
	if (there < wanted)
		return fault_system(f, 0, "it takes %llu MiB of memory, and %llu are free",
				    (unsigned long long)(wanted / MEBI + 1), (unsigned long long)(there / MEBI));
	*ret_bytes = wanted;
	return 0;
}

/* --- mounts ------------------------------------------------------------------------------------------------------- */

/* PLACE: "AT/PATH", valid until the end of the block. */
struct place {
	char path[PATH_MAX];
};
static const char *place_format(struct place *place, const struct making *m, const char *path)
{
	(void)snprintf(place->path, sizeof(place->path), "%s/%s", m->at, path);
	return place->path;
}
#define PLACE(m, path) place_format(&(struct place){ { 0 } }, m, path)

static int directory_make(const struct making *m, const char *path, mode_t mode, uid_t uid, gid_t gid, struct fault *f)
{
	const char *place = PLACE(m, path);

	if ((mkdir(place, 0700) < 0 && errno != EEXIST) || chown(place, uid, gid) < 0 || chmod(place, mode) < 0)
		return fault_system(f, errno, "cannot make '%s' of the rehearsal", path);
	return 0;
}

/* Read-only, for when an overlay cannot be mounted (no overlayfs, or stacked too deep). */
static int part_bind(const char *source, const char *target, const char *path, struct fault *f)
{
	if (mount(source, target, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV, NULL) < 0)
		return fault_system(f, errno, "cannot show '%s' to the rehearsal", path);
	return 0;
}

static int layer_make(const struct making *m, unsigned number, const char *kind, const struct stat *as,
		      struct text *out, struct fault *f)
{
	char name[48];

	(void)snprintf(name, sizeof(name), ".layers/%u%s", number, kind);
	text_add_format(out, "%s", PLACE(m, name));
	return text_check(out, f) < 0 ? -1 : directory_make(m, name, as->st_mode & 07777, as->st_uid, as->st_gid, f);
}

/* Shows a directory of the system through an overlay, so that writes stay in memory. */
static int part_show(struct making *m, const char *path, struct fault *f)
{
	/* xino (Linux 4.17): one device number for all files, or tree walks would take some for mount points. */
	static const char *const ways[] = { "xino=on,", "" };
	FS_AUTO int fd = openat(m->from, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	TEXT_AUTO upper = { 0 };
	TEXT_AUTO work = { 0 };
	struct stat status;
	char source[40];
	const unsigned number = m->layers++;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : fault_system(f, errno, "cannot open '%s'", path);
	if (fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot look at '%s'", path);
	if (directory_make(m, path, status.st_mode & 07777, status.st_uid, status.st_gid, f) < 0 ||
	    layer_make(m, number, "", &status, &upper, f) < 0 || layer_make(m, number, "w", &status, &work, f) < 0)
		return -1;
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		TEXT_AUTO how = { 0 };
		text_add_format(&how, "%slowerdir=%s,upperdir=%s,workdir=%s", ways[i], source, text_string(&upper),
				text_string(&work));
		if (mount("overlay", PLACE(m, path), "overlay", MS_NODEV, text_string(&how)) == 0)
			return 0;
	}
	return part_bind(source, PLACE(m, path), path, f);
}

/* Copies a link (/bin may be one), or shows a directory. */
static int name_show(struct making *m, const char *path, struct fault *f)
{
	char target[PATH_MAX];
	const ssize_t length = readlinkat(m->from, path, target, sizeof(target) - 1);

	if (length < 0)
		return part_show(m, path, f);
	target[length] = '\0';
	return symlink(target, PLACE(m, path)) < 0 ? fault_system(f, errno, "cannot make '%s' of the rehearsal", path)
						   : 0;
}

static int device_show(const struct making *m, const char *name, struct fault *f)
{
	char from[64], to[64];

	(void)snprintf(from, sizeof(from), "/dev/%s", name);
	(void)snprintf(to, sizeof(to), "dev/%s", name);
	if (access(from, F_OK) < 0)
		return 0;
	FS_AUTO int fd = open(PLACE(m, to), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || mount(from, PLACE(m, to), NULL, MS_BIND, NULL) < 0)
		return fault_system(f, errno, "cannot show '%s' to the rehearsal", from);
	return 0;
}

/* --- system and directories --------------------------------------------------------------------------------------- */

static int system_show(struct making *m, struct fault *f)
{
	static const char *const parts[] = {
		"bin",      "sbin",    "lib",       "lib32",     "lib64",      "libx32",      "usr/bin",
		"usr/sbin", "usr/lib", "usr/lib32", "usr/lib64", "usr/libx32", "usr/libexec", "usr/share",
	};

	if (directory_make(m, "usr", 0755, 0, 0, f) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (name_show(m, parts[i], f) < 0)
			return -1;
	return 0;
}

static int directories_make(const struct making *m, struct fault *f)
{
	static const struct {
		const char *path;
		mode_t mode;
	} empty[] = {
		{ "boot", 0755 },      { "dev", 0755 },      { "home", 0755 },      { "media", 0755 },
		{ "mnt", 0755 },       { "opt", 0755 },      { "proc", 0555 },      { "root", 0700 },
		{ "run", 0755 },       { "run/lock", 0755 }, { "srv", 0755 },       { "sys", 0555 },
		{ "tmp", 01777 },      { "var", 0755 },      { "var/cache", 0755 }, { "var/lib", 0755 },
		{ "var/log", 0755 },   { "var/opt", 0755 },  { "var/spool", 0755 }, { "var/tmp", 01777 },
		{ "usr/local", 0755 },
	};
	static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		if (directory_make(m, empty[i].path, empty[i].mode, 0, 0, f) < 0)
			return -1;
	if (symlink("/run", PLACE(m, "var/run")) < 0 || symlink("/run/lock", PLACE(m, "var/lock")) < 0 ||
	    symlink("/proc/self/fd", PLACE(m, "dev/fd")) < 0 ||
	    mount("proc", PLACE(m, "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return fault_system(f, errno, "cannot make the directories of the rehearsal");
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (device_show(m, devices[i], f) < 0)
			return -1;
	return 0;
}

static int copy(const struct making *m, const char *path, struct fault *f)
{
	const struct carry carry = { .from = m->from, .to = m->to, .settings = m->scratch->settings };

	return carry_copy(&carry, path, f);
}

/* --- /etc --------------------------------------------------------------------------------------------------------- */

/* Removes the HSM group, and adds the line `taken`, a group with its id: the worst case of a new system. */
static int group_drop(const struct making *m, const char *path, const char *taken, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0644);
	const char *name = m->scratch->settings->hsm_group;
	TEXT_AUTO before = { 0 };
	TEXT_AUTO after = { 0 };
	struct text_line line;
	bool there;

	if (fs_read_optional(m->to, path, &before, &there, f) < 0 || !there)
		return there ? -1 : 0;
	for (size_t at = 0; text_line_next(before.bytes, before.length, &at, &line);)
		if (line.length <= strlen(name) || line.bytes[strlen(name)] != ':' ||
		    memcmp(line.bytes, name, strlen(name)) != 0)
			text_add_format(&after, "%.*s\n", (int)line.length, line.bytes);
	text_add_string(&after, taken);
	return text_check(&after, f) < 0 ? -1
					 : fs_publish(m->to, path, FS_NOFOLLOW, after.bytes, after.length, &how, f);
}

static int accounts_refresh(const struct making *m, struct fault *f)
{
	const struct settings *s = m->scratch->settings;
	TEXT_AUTO groups = { 0 };
	TEXT_AUTO passwd = { 0 };
	TEXT_AUTO home = { 0 };
	struct accounts_user user;
	char line[64] = "";
	gid_t gid;

	if (fs_read_config(m->to, "/etc/group", &groups, f) < 0 || fs_read_config(m->to, "/etc/passwd", &passwd, f) < 0)
		return -1;
	if (accounts_group_find(&groups, s->hsm_group, &gid))
		(void)snprintf(line, sizeof(line), "okv-luna-taken:x:%lu:\n", (unsigned long)gid);
	if (group_drop(m, "/etc/group", line, f) < 0 || group_drop(m, "/etc/gshadow", "", f) < 0)
		return -1;
	if (!accounts_user_find(&passwd, s->okv_user, &user) || !accounts_user_home(&passwd, s->okv_user, &home))
		return 0;
	return fs_dirs_make(m->to, text_string(&home), 0755, FS_NOFOLLOW, f) < 0 ||
			       fchownat(m->to, text_string(&home) + 1, user.uid, user.gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? fault_system(f, errno, "cannot make the home of '%s'", s->okv_user)
		       : 0;
}

/* Copies resolv.conf as a file: it may be a link into /run, which is empty in the scratch root. */
static int resolv_copy(const struct making *m, struct fault *f)
{
	static const char path[] = "etc/resolv.conf";
	const struct fs_publish how = FS_PUBLISH_NEW(0644);
	FS_AUTO int fd = openat(m->from, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	TEXT_AUTO names = { 0 };
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	if (fs_read(fd, path, FS_READ_CONFIG_MAX, &names, f) < 0)
		return -1;
	(void)unlink(PLACE(m, path));
	return fs_publish(m->to, path, FS_NOFOLLOW, text_string(&names), names.length, &how, f);
}

/* --- files that were added to the system -------------------------------------------------------------------------- */

/*
 * A new system does not have what was added to this one.  The rpm database cannot tell: it lists a client's packages
 * like the system's.  So this rule hides, in /etc and the directories of programs, libraries and units: names with one
 * of Luna's words or ours in them; links into /home, /mnt, /opt, /root, /srv, /usr/local (but OKV's own), /var,
 * /usr/safenet or the client; every file that okv_hsm.conf, okv_hsm_env, Chrystoki.conf or the libraries that these
 * name need (okv/needs.h), except in OKV's own directory of the HSM; and the loader's cache, which lists such files.
 * Anything else is taken for the system's.
 */
static const char *const searched[] = {
	"/etc",
	"/etc/ld.so.conf.d",
	"/etc/systemd/system",
	"/etc/systemd/system/multi-user.target.wants",
	"/etc/systemd/system/timers.target.wants",
	"/usr/bin",
	"/usr/sbin",
	"/usr/lib",
	"/usr/lib64",
	"/usr/lib/x86_64-linux-gnu",
	"/usr/lib/systemd/system",
};

static bool has_luna_name(const char *name)
{
	static const char *const words[] = { "chrystoki", "cryptoki2", "cklog",   "libethsm",
					     "libshim",   "luna",      "safenet", "softtoken" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(name, words[i]) != NULL)
			return true;
	return false;
}

/* Joins a directory and the target of a link in it, without looking: "/usr/lib" and "../../opt/x" give "/opt/x". */
static void target_find(const char *directory, const char *target, char ret_path[2 * PATH_MAX])
{
	char joined[2 * PATH_MAX];
	size_t used = 0;

	(void)snprintf(joined, sizeof(joined), "%s/%s", target[0] == '/' ? "" : directory, target);
	ret_path[0] = '\0';
	for (const char *at = joined + strspn(joined, "/"); *at != '\0';) {
		const size_t length = strcspn(at, "/");
		if (length == 2 && memcmp(at, "..", 2) == 0) {
			char *slash = strrchr(ret_path, '/');
			used = slash != NULL ? (size_t)(slash - ret_path) : 0;
		} else if (!(length == 1 && at[0] == '.')) {
			ret_path[used++] = '/';
			memcpy(ret_path + used, at, length);
			used += length;
		}
		ret_path[used] = '\0';
		at += length;
		at += strspn(at, "/");
	}
}

static bool leads_out(const char *path, const struct settings *settings)
{
	static const char *const places[] = { "/home", "/mnt",       "/opt",         "/root",
					      "/srv",  "/usr/local", "/usr/safenet", "/var" };

	if (preserved_within(path, "/usr/local/okv") || preserved_within(path, "/usr/local/dbfw"))
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (preserved_within(path, places[i]))
			return true;
	return preserved_within(path, settings->client_dir);
}

static bool is_hidden(int dir, const char *directory, const struct fs_each_entry *entry,
		      const struct settings *settings)
{
	char target[PATH_MAX], path[2 * PATH_MAX];

	if (has_luna_name(entry->name))
		return true;
	if (entry->type != DT_LNK && entry->type != DT_UNKNOWN)
		return false;
	const ssize_t length = readlinkat(dir, entry->name, target, sizeof(target) - 1);
	if (length <= 0)
		return false;
	target[length] = '\0';
	target_find(directory, target, path);
	return leads_out(path, settings);
}

/* Does nothing on a read-only file system (part_bind). */
static int name_remove(int dir, const char *name, struct fault *f)
{
	struct fault why = { 0 };

	if (faccessat(dir, ".", W_OK, AT_EACCESS) < 0 && errno == EROFS)
		return 0;
	if (fs_tree_remove(dir, name, &why) == 0 || why.kind == FAULT_ABSENT)
		return 0;
	*f = why;
	return -1;
}

static int directory_hide(int to, const char *path, const struct settings *settings, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault why = { 0 };

	/* FS_NOFOLLOW: /usr/sbin may be a link to /usr/bin, which is in the list itself. */
	if (fs_dir_open(to, path, FS_NOFOLLOW, &dir, &why) < 0)
		return fs_absence(&why, f);
	int more = fs_each_open(dir, path, &each, f) < 0 ? -1 : 1;
	while (more > 0 && (more = fs_each_next(&each, &entry, f)) > 0)
		if (is_hidden(dir, path, &entry, settings) && name_remove(dir, entry.name, f) < 0)
			return -1;
	return more;
}

static int path_hide(int to, const char *path, struct fault *f)
{
	FS_AUTO int dir = -1;
	char leaf[FS_NAME_SIZE];
	struct fault why = { 0 };

	if (fs_parent_open(to, path, FS_FOLLOW_TRUSTED, &dir, leaf, &why) < 0)
		return fs_absence(&why, f);
	return name_remove(dir, leaf, f);
}

/* Hides added files from `to`, whose parts are copies of the tree `from` or overlays above it. */
static int added_hide(int from, int to, const struct settings *settings, struct fault *f)
{
	const struct okv_job job = { .root = from, .settings = settings };
	OKV_NEEDS_AUTO needs = { .items = NULL };

	for (size_t i = 0; i < sizeof(searched) / sizeof(searched[0]); i++)
		if (directory_hide(to, searched[i], settings, f) < 0)
			return -1;
	if (path_hide(to, "/etc/ld.so.cache", f) < 0 || okv_needs_find(&job, &needs, f) < 0)
		return -1;
	for (size_t i = 0; i < needs.count; i++)
		if (!preserved_within(needs.items[i].path, SETTINGS_OKV_HSM) &&
		    path_hide(to, needs.items[i].path, f) < 0)
			return -1;
	return 0;
}

/* --- OKV's own files ---------------------------------------------------------------------------------------------- */

/* A new release, as far as we know: today's comments, the settings without values, and a script that does nothing. */
static const char stock_conf[] = "VENDOR_NAME=\"\"\nPKCS11_LIB_LOC=\"\"\nPRESERVED_FILES=\"\"\n";
static const char stock_mid[] = "#!/bin/bash\n"
				"# Do not change anything above this line.\n"
				"exit ${DBFW_PM_NO_CHANGE_REQUIRED}\n";

/* OKV's user can read a new release's settings, whatever their owner and mode are here.  The script keeps its own. */
static int stock_owner(const struct making *m, struct fs_publish *ret_how, struct fault *f)
{
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user;

	if (fs_read_config(m->to, "/etc/passwd", &passwd, f) < 0)
		return -1;
	if (accounts_user_find(&passwd, m->scratch->settings->okv_user, &user))
		*ret_how = (struct fs_publish){ .mode = 0640, .uid = user.uid, .gid = user.gid, .force = true };
	return 0;
}

static int stock_write(const struct making *m, const char *path, const char *tail, bool comments, struct fault *f)
{
	struct fs_publish how = FS_PUBLISH_NEW(0644);
	TEXT_AUTO before = { 0 };
	TEXT_AUTO after = { 0 };
	ASSIGN_AUTO lines = { 0 };
	bool there;

	if (fs_read_optional(m->to, path, &before, &there, f) < 0)
		return -1;
	if (!there)
		return 0;
	if ((comments && stock_owner(m, &how, f) < 0) ||
	    assign_parse(&lines, text_string(&before), before.length, f) < 0)
		return -1;
	for (size_t i = 0; comments && i < lines.count; i++)
		if (lines.lines[i].kind == ASSIGN_COMMENT)
			text_add(&after, lines.lines[i].bytes, lines.lines[i].length);
	text_add_string(&after, tail);
	return text_check(&after, f) < 0
		       ? -1
		       : fs_publish(m->to, path, FS_NOFOLLOW, text_string(&after), after.length, &how, f);
}

static int okv_show(struct making *m, struct fault *f)
{
	static const char *const parts[] = { "usr/local/okv", "usr/local/dbfw" };
	static const char generic[] = "usr/local/okv/hsm/generic";
	struct stat status;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (part_show(m, parts[i], f) < 0)
			return -1;
	/* A copy in memory, so that it is writable even if the rest is a read-only bind mount. */
	if (fstatat(m->to, generic, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (mount("tmpfs", PLACE(m, generic), "tmpfs", MS_NODEV, "mode=0755") < 0 ||
	    chown(PLACE(m, generic), status.st_uid, status.st_gid) < 0 ||
	    chmod(PLACE(m, generic), status.st_mode & 07777) < 0)
		return fault_system(f, errno, "cannot make OKV's generic directory of the rehearsal");
	if (copy(m, generic, f) < 0)
		return -1;
	if (m->scratch->generic == SCRATCH_CARRIED)
		return 0;
	return stock_write(m, OKV_CONF, stock_conf, true, f) < 0 || stock_write(m, OKV_ENV, "", true, f) < 0 ||
			       stock_write(m, OKV_MID, stock_mid, false, f) < 0
		       ? -1
		       : 0;
}

/* --- what is carried over ----------------------------------------------------------------------------------------- */

static int preserved_copy(const struct making *m, struct fault *f)
{
	PRESERVED_AUTO paths = { 0 };
	struct fault why = { 0 };

	if (scan_listed(m->from, &paths, f) < 0)
		return -1;
	for (size_t i = 0; i < paths.count; i++) {
		struct stat status;
		const char *path = paths.paths[i];
		const enum preserved_flaw flaw = preserved_judge(path);
		/* PRESERVED_FLAW_BYTES: the real upgrade would carry over this path, too. */
		if (flaw != PRESERVED_FLAW_NONE && flaw != PRESERVED_FLAW_BYTES)
			report_say(m->scratch->report, REPORT_WARNING, "'%s' is not carried over: %s", SHOWN(path),
				   preserved_flaw_text(flaw));
		else if (fstatat(m->from, path + strspn(path, "/"), &status, AT_SYMLINK_NOFOLLOW) < 0)
			report_say(m->scratch->report, REPORT_DETAIL, "'%s' is not there", SHOWN(path));
		else if (copy(m, path, &why) < 0)
			report_say(m->scratch->report, REPORT_DETAIL, "'%s' is not carried over as a whole: %s",
				   SHOWN(path), why.text);
	}
	return 0;
}

/* --- the scratch root --------------------------------------------------------------------------------------------- */

/* A directory that exists on every system and has no client in it: the scratch root is mounted over it. */
static const char *place_choose(void)
{
	static const char *const places[] = { "/mnt", "/media", "/srv", "/run" };
	struct stat status;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (lstat(places[i], &status) == 0 && S_ISDIR(status.st_mode))
			return places[i];
	return NULL;
}

static int tmpfs_mount(struct making *m, struct fault *f)
{
	char size[64];
	uint64_t bytes = 0;
	struct stat here, there;

	if (memory_measure(m->scratch, &bytes, f) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fault_system(f, errno, "a mount namespace is not available here");
	/* Open the root again: a descriptor from before unshare(2) leads to the mounts of the old namespace. */
	if (fs_root_open(m->scratch->root_path, &m->from, f) < 0)
		return -1;
	if (fstat(m->from, &here) < 0 || fstat(m->scratch->root, &there) < 0 || here.st_ino != there.st_ino ||
	    here.st_dev != there.st_dev || fchdir(m->from) < 0)
		return fault_system(f, 0, "'%s' was replaced meanwhile; run this again", SHOWN(m->scratch->root_path));
	m->at = place_choose();
	(void)snprintf(size, sizeof(size), "mode=0755,size=%llu", (unsigned long long)(bytes + SPARE_BYTES));
	if (m->at == NULL || mount("tmpfs", m->at, "tmpfs", MS_NODEV, size) < 0)
		return fault_system(f, m->at == NULL ? ENOENT : errno, "memory for the rehearsal cannot be mounted");
	return fs_root_open(m->at, &m->to, f) < 0 ? -1 : directory_make(m, ".layers", 0700, 0, 0, f);
}

/* pivot_root(".", "."), as in pivot_root(2): the old root is mounted over the new one until it is detached. */
static int root_pivot(const struct making *m, struct fault *f)
{
	if (fchdir(m->to) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return fault_system(f, errno, "the root directory cannot be changed here");
	return 0;
}

static int tree_make(struct making *m, struct fault *f)
{
	return system_show(m, f) < 0 || directories_make(m, f) < 0 || copy(m, "/etc", f) < 0 || okv_show(m, f) < 0 ||
			       added_hide(m->from, m->to, m->scratch->settings, f) < 0 || resolv_copy(m, f) < 0 ||
			       accounts_refresh(m, f) < 0 || preserved_copy(m, f) < 0
		       ? -1
		       : 0;
}

int scratch_enter(const struct scratch *scratch, struct fault *f)
{
	struct making m = { .scratch = scratch, .from = -1, .to = -1 };
	const int r = tmpfs_mount(&m, f) < 0 || tree_make(&m, f) < 0 ? -1 : root_pivot(&m, f);

	fs_close(&m.from);
	fs_close(&m.to);
	return r;
}
