#include "okv/account_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/root.h"
#include "proc/run.h"

enum { ARGUMENTS_MAX = 16 };

static const struct tool {
	const char *name;
	const char *places[2];
	const char *root_option;
} tools[] = {
	[OKV_GROUPADD] = { "groupadd", { "/usr/sbin/groupadd", "/sbin/groupadd" }, "-R" },
	[OKV_GROUPDEL] = { "groupdel", { "/usr/sbin/groupdel", "/sbin/groupdel" }, "-R" },
	[OKV_GPASSWD] = { "gpasswd", { "/usr/bin/gpasswd", "/bin/gpasswd" }, "-Q" },
};

/* NULL where the tool is in neither of its places. */
static int place_find(int root, const struct tool *tool, const char **ret_place, struct fault *f)
{
	return fs_first(root, tool->places, sizeof(tool->places) / sizeof(tool->places[0]), ret_place, f);
}

/* Is that directory the root of the running system? */
static bool running_root(int root)
{
	struct stat here, there;

	return fstat(root, &here) == 0 && stat("/", &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

int okv_tool_run(int root, enum okv_tool which, const char *const *arguments, unsigned deadline_ms, struct fault *f)
{
	const struct tool *tool = &tools[which];
	const char *argv[ARGUMENTS_MAX];
	char path[PATH_MAX];
	size_t count = 0;
	struct proc_run run = PROC_RUN_INIT;

	if (place_find(root, tool, &argv[0], f) < 0)
		return -1;
	if (running_root(root) || argv[0] != NULL) {
		run.root = running_root(root) ? -1 : root;
		count = 1;
	} else {
		FS_AUTO int ours = -1;
		char link[40];
		if (fs_root_open("/", &ours, f) < 0 || place_find(ours, tool, &argv[count++], f) < 0)
			return -1;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
		const ssize_t length = readlink(link, path, sizeof(path) - 1);
		if (length < 0)
			return fault_system(f, errno, "cannot tell the path of the root directory");
		path[length] = '\0';
		argv[count++] = tool->root_option;
		argv[count++] = path;
	}
	if (argv[0] == NULL)
		return fault_absent(f, "there is no %s, neither in this tree nor on this system; install shadow-utils",
				    tool->name);
	for (; *arguments != NULL && count + 1 < ARGUMENTS_MAX; arguments++)
		argv[count++] = *arguments;
	argv[count] = NULL;
	run.argv = argv;
	run.deadline_ms = deadline_ms;
	return proc_run_expect(&run, f);
}
