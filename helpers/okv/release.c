#include "okv/release.h"

#include <string.h>

#include "fs/read.h"
#include "fs/root.h"

enum { FILE_MAX = 64 * 1024 };

/* Adds the first line that begins with `begins`; does nothing if *line is set already. */
static void line_find(int root, const char *path, const char *begins, struct text *line)
{
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };
	struct text_line each;

	if (line->length > 0 || fs_read_file(root, path, FS_FOLLOW_TRUSTED, FILE_MAX, &file, NULL, &ignored) < 0)
		return;
	for (size_t at = 0; line->length == 0 && text_line_next(file.bytes, file.length, &at, &each);)
		if (each.length >= strlen(begins) && memcmp(each.bytes, begins, strlen(begins)) == 0)
			text_add(line, each.bytes, each.length);
}

void okv_release_find(int root, struct text *ret_os, struct text *ret_okv)
{
	static const char key[] = "PRETTY_NAME=";
	TEXT_AUTO line = { 0 };

	/* On most systems the first is a link to the second, and fs_read_file never follows the last component. */
	line_find(root, "/etc/os-release", key, &line);
	line_find(root, "/usr/lib/os-release", key, &line);
	if (line.length > 0) {
		const char *value = text_string(&line) + sizeof(key) - 1;
		const size_t size = strlen(value);
		const bool quoted = size >= 2 && text_is_quote(value[0]) && value[size - 1] == value[0];
		text_add(ret_os, value + quoted, size - 2 * quoted);
	}
	line_find(root, "/etc/redhat-release", "", ret_os);
	line_find(root, "/etc/okv-release", "Oracle Key Vault", ret_okv);
	line_find(root, "/etc/issue", "Oracle Key Vault", ret_okv);
}
