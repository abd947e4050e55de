#include "perms/opened.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/settings.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

static const char leaf[] = "opened";

int perms_opened_note(int dir, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	static const char clock[] = "clock.new";
	struct stat now;
	char line[64];

	if (faccessat(dir, leaf, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* What the file system says of a file made now is never less than what it has said of another. */
	FS_AUTO int fd = openat(dir, clock, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(dir, clock, 0) < 0 || write(fd, "", 1) != 1 || fstat(fd, &now) < 0)
		return fault_errno(f, errno, "cannot write '" SETTINGS_VAR "/repair/%s'", clock);
	(void)snprintf(line, sizeof(line), "%" PRIdMAX ".%09ld\n", (intmax_t)now.st_mtim.tv_sec, now.st_mtim.tv_nsec);
	return fs_publish_at(dir, leaf, line, strlen(line), &how, f);
}

int perms_opened_since(int root, struct timespec *ret_since, struct fault *f)
{
	TEXT_AUTO line = { 0 };
	struct fault why = { 0 };
	intmax_t seconds;
	long nanoseconds;

	if (fs_read_file(root, SETTINGS_VAR "/repair/opened", FS_FOLLOW_TRUSTED, 64, &line, NULL, &why) < 0) {
		if (fs_absence(&why, f) < 0)
			return -1;
		*ret_since = (struct timespec){ 0 };
		return 0;
	}
	if (sscanf(text_string(&line), "%" SCNdMAX ".%9ld", &seconds, &nanoseconds) != 2)
		return fault_refused(f, "'" SETTINGS_VAR "/repair/opened' holds no time");
	*ret_since = (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = nanoseconds };
	return 0;
}

int perms_opened_forget(int root, struct fault *f)
{
	FS_AUTO int dir = -1;
	struct fault why = { 0 };

	if (fs_dir_open(root, SETTINGS_VAR "/repair", FS_FOLLOW_TRUSTED, &dir, &why) < 0)
		return fs_absence(&why, f);
	if (unlinkat(dir, leaf, 0) < 0 && errno != ENOENT)
		return fault_errno(f, errno, "cannot remove '" SETTINGS_VAR "/repair/opened'");
	return 0;
}
