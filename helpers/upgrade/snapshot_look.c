#include "upgrade/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/accounts.h"
#include "fs/read.h"
#include "fs/root.h"
#include "upgrade/autostart.h"
#include "base/time.h"
#include "okv/wiring.h"

enum { RELEASE_FILE_MAX = 64 * 1024 };

/* What follows NAME= in os-release(5), without its quotes; or "". */
static void os_release_value(const struct text *file, const char *name, struct text *out)
{
	const size_t length = strlen(name);

	for (const char *line = text_string(file); *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, name, length) != 0 || line[length] != '=')
			continue;
		const char *value = line + length + 1;
		size_t size = strcspn(value, "\n");
		if (size >= 2 && (value[0] == '"' || value[0] == '\'') && value[size - 1] == value[0]) {
			value++;
			size -= 2;
		}
		text_reset(out);
		text_add(out, value, size);
		return;
	}
}

/* The first line of the file that begins so, or "". */
static void line_of_file(int root, const char *path, const char *begins, struct text *out)
{
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, RELEASE_FILE_MAX, &file, NULL, &ignored) < 0)
		return;
	for (const char *line = text_string(&file); *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, begins, strlen(begins)) == 0) {
			text_add(out, line, strcspn(line, "\n"));
			return;
		}
	}
}

static void os_look(int root, struct text *out)
{
	static const char *const files[] = { "/etc/os-release", "/usr/lib/os-release" };
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };

	/* On most systems the first is a link to the second, and the last component is never followed. */
	for (size_t i = 0; i < 2 && out->length == 0; i++)
		if (fs_read_file(root, files[i], FS_FOLLOW_TRUSTED, RELEASE_FILE_MAX, &file, NULL, &ignored) == 0)
			os_release_value(&file, "PRETTY_NAME", out);
	if (out->length == 0)
		line_of_file(root, "/etc/redhat-release", "", out);
}

/* Where an appliance keeps its release is not documented: what its screen is headed with is looked for. */
static void okv_look(int root, struct text *out)
{
	static const char *const files[] = { "/etc/okv-release", "/etc/issue" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && out->length == 0; i++)
		line_of_file(root, files[i], "Oracle Key Vault", out);
}

/* A value that assign_set can write. */
static char *value_take(struct text *t)
{
	for (size_t i = 0; i < t->length; i++)
		if (t->bytes[i] == '"' || (unsigned char)t->bytes[i] < ' ' || (unsigned char)t->bytes[i] > '~')
			t->bytes[i] = '?';
	return t->length > 0 ? text_take(t) : strdup("");
}

int snapshot_fill(int root, const struct settings *settings, struct snapshot *ret_snapshot, struct fault *f)
{
	SNAPSHOT_AUTO s = { 0 };
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	TEXT_AUTO members = { 0 };
	TEXT_AUTO group = { 0 };
	TEXT_AUTO passwd = { 0 };
	struct accounts_user user;

	os_look(root, &os);
	okv_look(root, &okv);
	if (fs_read_file(root, "/etc/group", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &group, NULL, f) < 0 ||
	    fs_read_file(root, "/etc/passwd", FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &passwd, NULL, f) < 0)
		return -1;
	s.group_there = accounts_group_find(&group, settings->hsm_group, &s.group_id);
	if (s.group_there)
		accounts_group_members(&group, settings->hsm_group, &members);
	s.member =
		s.group_there && (accounts_group_lists(&group, settings->hsm_group, settings->okv_user) ||
				  (accounts_user_find(&passwd, settings->okv_user, &user) && user.gid == s.group_id));
	if (okv_wiring_is_applied(root, &s.wired, f) < 0 || autostart_is_enabled(root, &s.armed, f) < 0)
		return -1;
	s.taken = time_now();
	s.os = value_take(&os);
	s.okv = value_take(&okv);
	s.members = value_take(&members);
	s.group = strdup(settings->hsm_group);
	if (s.os == NULL || s.okv == NULL || s.members == NULL || s.group == NULL)
		return fault_memory(f);
	*ret_snapshot = s;
	s = (struct snapshot){ 0 };
	return 0;
}
