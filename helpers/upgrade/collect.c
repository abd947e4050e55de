#include "upgrade/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "upgrade/scan.h"
#include "upgrade/snapshot.h"

enum { FILE_MAX = 64 * 1024 * 1024 };

enum redaction { PLAIN, REDACTED };

static const struct {
	const char *path, *name;
	enum redaction how;
} files[] = {
	{ JOURNAL_FILE, "journal", PLAIN },
	{ SETTINGS_VAR "/pre-upgrade.json", "pre-upgrade.json", PLAIN },
	{ SETTINGS_VAR "/mid-upgrade.json", "mid-upgrade.json", PLAIN },
	{ SETTINGS_VAR "/post-upgrade.json", "post-upgrade.json", PLAIN },
	{ SNAPSHOT_DIR "/system", "snapshot/system", PLAIN },
	{ SNAPSHOT_DIR "/slots", "snapshot/slots", PLAIN },
	{ SNAPSHOT_DIR "/" SNAPSHOT_MANIFEST, "snapshot/" SNAPSHOT_MANIFEST, PLAIN },
	{ SETTINGS_PREFIX "/share/version", "version", PLAIN },
	{ SETTINGS_FILE, "okv-luna.conf", REDACTED },
	{ SETTINGS_GENERIC "/okv_hsm.conf", "okv_hsm.conf", PLAIN },
	{ SETTINGS_GENERIC "/okv_hsm_env", "okv_hsm_env", REDACTED },
	{ SETTINGS_GENERIC "/okv_hsm_mid_upgrade", "okv_hsm_mid_upgrade", PLAIN },
	{ "/etc/os-release", "os-release", PLAIN },
	{ "/usr/lib/os-release", "os-release", PLAIN },
	{ "/etc/okv-release", "okv-release", PLAIN },
};

/* --- redaction ---------------------------------------------------------------------------------------------------- */

static bool value_is_shown(const char *key, const char *value)
{
	static const char *const secret[] = { "secret", "pass", "pin", "credential", "authtoken", "wallet" };
	static const char *const open[] = { "ServerName", "VirtualToken", "VENDOR_NAME", "HSM_GROUP",
					    "OKV_USER",   "OKV_GROUP",    "PROFILE",     "TOKEN_LABEL" };
	const size_t length = strlen(value);

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (strcasestr(key, secret[i]) != NULL)
			return false;
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		if (text_starts(key, open[i]))
			return true;
	/* Long numbers may be passwords; serial numbers and timeouts have at most sixteen digits. */
	return length == 0 || value[0] == '/' ||
	       (length <= 16 && value[(value[0] == '-') + strspn(value + (value[0] == '-'), "0123456789")] == '\0');
}

static void line_redact(const char *line, size_t length, struct text *out)
{
	static const char blanks[] = " \t\r\";";
	const size_t indent = strspn(line, " \t") < length ? strspn(line, " \t") : length;

	if (indent == length || line[indent] == '}' || line[length - 1] == '{') {
		text_add(out, line, length);
		return;
	}
	const char *equals = memchr(line, '=', length);
	if (line[indent] == '#' || equals == NULL) {
		text_add_format(out, "%.*s# (%zu bytes not shown)", (int)indent, line, length - indent);
		return;
	}
	const char *value = equals + 1, *end = line + length;
	TEXT_AUTO key = { 0 };
	TEXT_AUTO given = { 0 };
	while (value < end && strchr(blanks, *value) != NULL)
		value++;
	while (end > value && strchr(blanks, end[-1]) != NULL)
		end--;
	text_add(&key, line + indent, (size_t)(equals - line) - indent);
	text_add(&given, value, (size_t)(end - value));
	if (!key.failed && !given.failed && value_is_shown(text_string(&key), text_string(&given))) {
		text_add(out, line, length);
		return;
	}
	text_add(out, line, (size_t)(value - line));
	text_add_format(out, "(%zu bytes not shown)", (size_t)(end - value));
	text_add(out, end, length - (size_t)(end - line));
}

/* Of "Key = value;" and NAME="value" lines. */
static void redact(const struct text *file, struct text *out)
{
	struct text_line line;

	for (size_t at = 0; text_line_next(file->bytes, file->length, &at, &line);) {
		/* String functions stop at a NUL, and what follows it would be shown. */
		if (memchr(line.bytes, '\0', line.length) != NULL)
			text_add_format(out, "# (%zu bytes not shown)", line.length);
		else
			line_redact(line.bytes, line.length, out);
		text_add_char(out, '\n');
	}
}

/* --- the directory ------------------------------------------------------------------------------------------------ */

struct collection {
	const struct upgrade_run *run;
	int dir; /* -1: nothing is written */
	size_t files;
};

static int file_write(struct collection *c, const char *name, const struct text *bytes, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);

	if (text_check(bytes, f) < 0)
		return -1;
	c->files++;
	return c->dir < 0 ? 0 : fs_publish(c->dir, name, FS_NOFOLLOW, text_string(bytes), bytes->length, &how, f);
}

static int file_copy(struct collection *c, const char *path, const char *name, enum redaction how, struct fault *f)
{
	TEXT_AUTO file = { 0 };
	TEXT_AUTO shown = { 0 };
	struct fault why = { 0 };

	if (fs_read_file(c->run->root, path, FS_FOLLOW_TRUSTED, FILE_MAX, &file, NULL, &why) < 0) {
		/* Its absence may be the fault that support looks for. */
		char note[64];
		(void)snprintf(note, sizeof(note), "%s.missing", name);
		text_add_format(&shown, "%s\n", why.text);
		return file_write(c, note, &shown, f);
	}
	if (how == REDACTED)
		redact(&file, &shown);
	return file_write(c, name, how == REDACTED ? &shown : &file, f);
}

/* The lines of OKV's user, of its group and of the HSM group.  Password hashes are in shadow(5), not here. */
static int accounts_write(struct collection *c, struct fault *f)
{
	static const char *const tables[] = { "/etc/passwd", "/etc/group" };
	const struct settings *settings = c->run->settings;
	const char *const names[] = { settings->okv_user, settings->hsm_group, settings->okv_group };
	TEXT_AUTO out = { 0 };

	for (size_t i = 0; i < 2; i++) {
		TEXT_AUTO file = { 0 };
		struct fault ignored = { 0 };
		struct text_line line;
		if (fs_read_config(c->run->root, tables[i], &file, &ignored) < 0)
			continue;
		for (size_t at = 0; text_line_next(file.bytes, file.length, &at, &line);) {
			const char *colon = memchr(line.bytes, ':', line.length);
			bool wanted = false;
			for (size_t n = 0; colon != NULL && n < 3; n++)
				wanted = wanted || text_equal(line.bytes, (size_t)(colon - line.bytes), names[n]);
			if (wanted)
				text_add_format(&out, "%.*s\n", (int)line.length, line.bytes);
		}
	}
	return file_write(c, "accounts", &out, f);
}

static int manifest_write(struct collection *c, struct fault *f)
{
	SCAN_AUTO scan = { 0 };
	TEXT_AUTO text = { 0 };
	const struct scan_request request = {
		.root = c->run->root, .settings = c->run->settings, .depth = SCAN_DIGESTS, .report = c->run->report
	};

	if (scan_preserved(&request, &scan, f) < 0)
		return -1;
	manifest_print(&scan.manifest, "the preserved files as they are now", &text);
	return file_write(c, "now.mtree", &text, f);
}

static int all_write(struct collection *c, struct fault *f)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (file_copy(c, files[i].path, files[i].name, files[i].how, f) < 0)
			return -1;
	if (file_copy(c, c->run->settings->chrystoki_conf, "Chrystoki.conf", REDACTED, f) < 0 ||
	    accounts_write(c, f) < 0)
		return -1;
	return manifest_write(c, f);
}

/* Others may write the parent directory, so refuse any directory that we did not create. */
static int directory_make(const char *directory, int *ret_dir, struct fault *f)
{
	struct stat st;

	if (mkdir(directory, 0700) < 0)
		return errno == EEXIST ? fault_refused(f, "'%s' is there already; name a new one", SHOWN(directory))
				       : fault_errno(f, errno, "cannot make '%s'", SHOWN(directory));
	FS_AUTO int dir = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return fault_errno(f, errno, "cannot open '%s'", SHOWN(directory));
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return fault_refused(f, "'%s' was replaced by another user; name a new directory", SHOWN(directory));
	if (mkdirat(dir, "snapshot", 0700) < 0)
		return fault_errno(f, errno, "cannot make '%s/snapshot'", SHOWN(directory));
	*ret_dir = fs_take(&dir);
	return 0;
}

int collect_write(const struct upgrade_run *run, const char *directory, struct fault *f)
{
	struct collection c = { .run = run, .dir = -1 };
	FS_AUTO int dir = -1;

	if (!run->dry_run && directory_make(directory, &dir, f) < 0)
		return -1;
	c.dir = dir;
	if (all_write(&c, f) < 0) {
		struct fault ignored = { 0 };
		if (dir >= 0)
			(void)fs_tree_remove(AT_FDCWD, directory, &ignored);
		return -1;
	}
	if (run->dry_run)
		report_say(run->report, REPORT_RESULT, "'%s' would get %zu files", SHOWN(directory), c.files);
	else
		report_say(run->report, REPORT_RESULT,
			   "'%s' has %zu files, no secrets; for support: tar -czf '%s.tar.gz' '%s'", SHOWN(directory),
			   c.files, SHOWN(directory), SHOWN(directory));
	return 0;
}
