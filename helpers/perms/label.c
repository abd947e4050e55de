#include "perms/label.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "proc/child.h"

enum { DEADLINE_MS = 120000, BLOCK_SIZE = 64 * 1024 };

static const char *const places[] = { "/usr/sbin/restorecon", "/sbin/restorecon" };

/* The paths of the journal, each ended by NUL, in a file without a name. */
static int paths_write(struct perms_journal *journal, int *ret_fd, struct fault *f)
{
	static const char name[] = "labels.new";
	TEXT_AUTO block = { 0 };
	struct perms_record record;
	int r;

	FS_AUTO int fd = openat(journal->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(journal->dir, name, 0) < 0)
		return fault_errno(f, errno, "cannot write the list of what to label");
	if (perms_journal_rewind(journal, f) < 0)
		return -1;
	while ((r = perms_journal_next(journal, &record, f)) > 0) {
		text_add(&block, record.path, strlen(record.path) + 1);
		if (block.length < BLOCK_SIZE)
			continue;
		if (text_check(&block, f) < 0 || fs_write(fd, name, block.bytes, block.length, f) < 0)
			return -1;
		text_reset(&block);
	}
	if (r < 0 || text_check(&block, f) < 0 || fs_write(fd, name, text_string(&block), block.length, f) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read the list of what to label");
	*ret_fd = fs_take(&fd);
	return 0;
}

int perms_labels_restore(int root, struct perms_journal *journal, struct report *report, struct perms_tally *tally,
			 struct fault *f)
{
	bool there;

	if (fs_existence(root, "/sys/fs/selinux/enforce", &there, f) < 0)
		return -1;
	if (!there)
		return 0;

	const char *program;
	if (fs_first(root, places, sizeof(places) / sizeof(places[0]), &program, f) < 0)
		return -1;
	if (program == NULL) {
		tally->failed++;
		report_say(report, REPORT_WARNING, "SELinux is enabled, but there is no restorecon: labels stay");
		return 0;
	}
	FS_AUTO int list = -1;
	if (paths_write(journal, &list, f) < 0)
		return -1;
	const char *const arguments[] = { program, "-i", "-0", "-f", "-", NULL };
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;
	struct fault trouble = { 0 };
	run.argv = arguments;
	run.root = root;
	run.input = list;
	run.deadline_ms = DEADLINE_MS;
	if (proc_child_expect(&run, &trouble) < 0) {
		tally->failed++;
		report_say(report, REPORT_WARNING, "labels could not be restored: %s", trouble.text);
	}
	return 0;
}
