#include "okv/labels.h"

#include "fs/root.h"
#include "proc/child.h"

enum { PLACE_COUNT = 2, DEADLINE_MS = 120000 };

int okv_labels_restore(int root, int list, struct fault *f)
{
	static const char *const places[PLACE_COUNT] = { "/usr/sbin/restorecon", "/sbin/restorecon" };
	const char *arguments[] = { NULL, "-i", "-0", "-f", "-", NULL };
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;

	if (fs_first(root, places, PLACE_COUNT, &arguments[0], f) < 0)
		return -1;
	if (arguments[0] == NULL)
		return fault_absent(f, "there is no restorecon");
	run.argv = arguments;
	run.root = root;
	run.input = list;
	run.deadline_ms = DEADLINE_MS;
	return proc_child_expect(&run, f);
}
