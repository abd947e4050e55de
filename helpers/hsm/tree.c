#include "hsm/tree.h"

#include <errno.h>
#include <sys/stat.h>

int hsm_tree_root(int root, int *ret_root, struct fault *f)
{
	struct stat tree, system;

	if (fstat(root, &tree) < 0 || stat("/", &system) < 0)
		return fault_system(f, errno, "cannot look at the root directory");
	*ret_root = tree.st_dev == system.st_dev && tree.st_ino == system.st_ino ? -1 : root;
	return 0;
}

uint64_t hsm_timeout_ms(const struct hsm_question *question)
{
	return question->timeout_ms > 0 ? question->timeout_ms : question->settings->slot_timeout * 1000;
}
