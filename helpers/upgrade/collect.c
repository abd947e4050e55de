#include "upgrade/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "base/time.h"
#include "upgrade/scan.h"
#include "upgrade/snapshot.h"
#include "upgrade/tar.h"

enum { PART_MAX = 64 * 1024 * 1024 };

enum part { PART_PLAIN, PART_REDACTED };

static const struct {
	const char *path, *name;
	enum part how;
} parts[] = {
	{ UPGRADE_JOURNAL, "journal", PART_PLAIN },
	{ SETTINGS_VAR "/pre-upgrade.json", "pre-upgrade.json", PART_PLAIN },
	{ SETTINGS_VAR "/mid-upgrade.json", "mid-upgrade.json", PART_PLAIN },
	{ SETTINGS_VAR "/post-upgrade.json", "post-upgrade.json", PART_PLAIN },
	{ UPGRADE_SNAPSHOT "/system", "snapshot/system", PART_PLAIN },
	{ UPGRADE_SNAPSHOT "/slots", "snapshot/slots", PART_PLAIN },
	{ UPGRADE_SNAPSHOT "/" UPGRADE_MANIFEST_FILE, "snapshot/" UPGRADE_MANIFEST_FILE, PART_PLAIN },
	{ SETTINGS_PREFIX "/share/version", "version", PART_PLAIN },
	{ SETTINGS_FILE, "okv-luna.conf", PART_REDACTED },
	{ SETTINGS_GENERIC "/okv_hsm.conf", "okv_hsm.conf", PART_PLAIN },
	{ SETTINGS_GENERIC "/okv_hsm_env", "okv_hsm_env", PART_REDACTED },
	{ SETTINGS_GENERIC "/okv_hsm_mid_upgrade", "okv_hsm_mid_upgrade", PART_PLAIN },
	{ "/etc/os-release", "os-release", PART_PLAIN },
	{ "/usr/lib/os-release", "os-release", PART_PLAIN },
	{ "/etc/okv-release", "okv-release", PART_PLAIN },
};

/* --- redaction ---------------------------------------------------------------------------------------------------- */

static bool holds_word(const char *bytes, size_t length, const char *word)
{
	const size_t size = strlen(word);

	for (size_t i = 0; i + size <= length; i++)
		if (strncasecmp(bytes + i, word, size) == 0)
			return true;
	return false;
}

static bool key_is_secret(const char *key, size_t length)
{
	static const char *const words[] = { "secret", "pass", "pin", "credential", "authtoken", "wallet" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (holds_word(key, length, words[i]))
			return true;
	return false;
}

static bool key_is_open(const char *key, size_t length)
{
	static const char *const starts[] = { "ServerName", "VirtualToken", "VENDOR_NAME", "HSM_GROUP",
					      "OKV_USER",   "OKV_GROUP",    "PROFILE",     "TOKEN_LABEL" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (length >= strlen(starts[i]) && memcmp(key, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static bool value_is_plain(const char *value, size_t length)
{
	size_t digits = 0;

	while (digits < length && ((value[digits] >= '0' && value[digits] <= '9') || (digits == 0 && value[0] == '-')))
		digits++;
	/* Long numbers may be passwords; serial numbers and timeouts have at most sixteen digits. */
	return length > 0 && ((digits == length && length <= 16) || value[0] == '/');
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
	size_t key = (size_t)(equals - line) - indent;
	while (key > 0 && line[indent + key - 1] == ' ')
		key--;
	while (value < end && strchr(blanks, *value) != NULL)
		value++;
	while (end > value && strchr(blanks, end[-1]) != NULL)
		end--;
	const size_t size = (size_t)(end - value);
	if (size == 0 ||
	    (!key_is_secret(line + indent, key) && (key_is_open(line + indent, key) || value_is_plain(value, size)))) {
		text_add(out, line, length);
		return;
	}
	text_add(out, line, (size_t)(value - line));
	text_add_format(out, "(%zu bytes not shown)", size);
	text_add(out, end, length - (size_t)(end - line));
}

void upgrade_collect_redact(const struct text *file, struct text *out)
{
	for (size_t at = 0; at < file->length;) {
		const char *line = file->bytes + at;
		const char *feed = memchr(line, '\n', file->length - at);
		const size_t length = feed != NULL ? (size_t)(feed - line) : file->length - at;
		/* A NUL would end the searches early and show what follows it. */
		if (memchr(line, '\0', length) != NULL)
			text_add_format(out, "# (%zu bytes not shown)", length);
		else
			line_redact(line, length, out);
		text_add_char(out, '\n');
		at += length + 1;
	}
}

/* --- the archive -------------------------------------------------------------------------------------------------- */

static void file_add(int root, const char *path, const char *name, enum part how, int64_t now, struct text *archive)
{
	TEXT_AUTO file = { 0 };
	TEXT_AUTO shown = { 0 };
	struct fault why = { 0 };
	struct stat st = { .st_mtime = (time_t)now };

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, PART_MAX, &file, &st, &why) < 0) {
		/* That it is not there may be what is wrong. */
		char note[UPGRADE_TAR_NAME_MAX + 1];
		(void)snprintf(note, sizeof(note), "%s.missing", name);
		upgrade_tar_add(archive, note, why.text, strlen(why.text), now);
		return;
	}
	if (how == PART_REDACTED)
		upgrade_collect_redact(&file, &shown);
	const struct text *wanted = how == PART_REDACTED ? &shown : &file;
	upgrade_tar_add(archive, name, text_string(wanted), wanted->length, st.st_mtime);
}

/* Lines of the account files that are about the group or OKV's user; they hold no password hashes (shadow does). */
static void accounts_add(const struct upgrade_run *run, int64_t now, struct text *archive)
{
	static const char *const files[] = { "/etc/passwd", "/etc/group" };
	const char *const names[] = { run->settings->okv_user, run->settings->hsm_group, run->settings->okv_group };
	TEXT_AUTO out = { 0 };

	for (size_t i = 0; i < 2; i++) {
		TEXT_AUTO file = { 0 };
		struct fault ignored = { 0 };
		if (fs_read_file(run->root, files[i], FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &file, NULL, &ignored) < 0)
			continue;
		for (const char *line = text_string(&file); *line != '\0';) {
			const size_t length = strcspn(line, "\n");
			for (size_t n = 0; n < 3; n++) {
				if (strncmp(line, names[n], strlen(names[n])) == 0 && line[strlen(names[n])] == ':') {
					text_add(&out, line, length);
					text_add_char(&out, '\n');
					break;
				}
			}
			line += length + (line[length] == '\n');
		}
	}
	upgrade_tar_add(archive, "accounts", text_string(&out), out.length, now);
}

static int manifest_add_now(const struct upgrade_run *run, int64_t now, struct text *archive, struct fault *f)
{
	SCAN_AUTO scan = { 0 };
	TEXT_AUTO text = { 0 };
	const struct scan_request request = {
		.root = run->root, .settings = run->settings, .depth = SCAN_DIGESTS, .report = run->report
	};

	if (scan_preserved(&request, &scan, f) < 0)
		return -1;
	manifest_print(&scan.manifest, "the preserved files as they are now", &text);
	upgrade_tar_add(archive, "now.mtree", text_string(&text), text.length, now);
	return text_check(&text, f);
}

int upgrade_collect(const struct upgrade_run *run, const char *file, struct fault *f)
{
	TEXT_AUTO archive = { 0 };
	const int64_t now = time_now();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		file_add(run->root, parts[i].path, parts[i].name, parts[i].how, now, &archive);
	file_add(run->root, run->settings->chrystoki_conf, "Chrystoki.conf", PART_REDACTED, now, &archive);
	accounts_add(run, now, &archive);
	if (manifest_add_now(run, now, &archive, f) < 0)
		return -1;
	upgrade_tar_end(&archive);
	if (text_check(&archive, f) < 0)
		return -1;
	if (run->dry_run) {
		report_say(run->report, REPORT_RESULT, "'%s' would get %zu bytes", SHOWN(file), archive.length);
		return 0;
	}

	/* The name is the administrator's, perhaps in a directory that others can write: it must be new. */
	FS_AUTO int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? fault_refused(f, "'%s' is there already; name a new file", SHOWN(file))
				       : fault_errno(f, errno, "cannot make '%s'", SHOWN(file));
	if (fs_write(fd, file, archive.bytes, archive.length, f) < 0 || fsync(fd) < 0) {
		if (f->kind == FAULT_NONE)
			(void)fault_system(f, errno, "cannot write '%s'", SHOWN(file));
		(void)unlink(file);
		return -1;
	}
	report_say(run->report, REPORT_RESULT, "'%s' written: %zu bytes, no secrets; send it to support", SHOWN(file),
		   archive.length);
	return 0;
}
