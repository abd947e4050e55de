#include "hsm/reach.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/child.h"

enum { DEADLINE_MS = 10000 }; /* a dead network file system must not keep us */

struct result {
	uint32_t index, failed_length;
	int32_t errnum;
	uint32_t uid, gid, mode;
};

struct work {
	struct hsm_reach *items;
	size_t count, heard;
};

/* The component that the first `length` bytes lead to: 0, or the errno. */
static int component_test(const char *path, size_t length, int how, struct stat *ret_status)
{
	char prefix[PATH_MAX];

	if (length >= sizeof(prefix))
		return ENAMETOOLONG;
	memcpy(prefix, path, length);
	prefix[length] = '\0';
	memset(ret_status, 0, sizeof(*ret_status));
	if (stat(prefix, ret_status) < 0)
		return errno;
	if (S_ISDIR(ret_status->st_mode))
		how |= X_OK;
	return access(prefix, how) < 0 ? errno : 0;
}

static struct result path_test(const struct hsm_reach *item, uint32_t index)
{
	struct result result;
	struct stat status;
	const size_t whole = strlen(item->path);

	memset(&result, 0, sizeof(result));
	result.index = index;
	for (size_t at = 0; result.errnum == 0 && at < whole;) {
		at += strspn(item->path + at, "/");
		at += strcspn(item->path + at, "/");
		const bool last = item->path[at + strspn(item->path + at, "/")] == '\0';
		const int how = !last ? F_OK : item->need == HSM_NEED_WRITE ? R_OK | W_OK : R_OK;
		result.failed_length = (uint32_t)at;
		result.errnum = component_test(item->path, at, how, &status);
		if (result.errnum == ENOENT && last && item->need == HSM_NEED_WRITE)
			result.errnum = 0;
		if (result.errnum == EACCES) {
			result.uid = status.st_uid;
			result.gid = status.st_gid;
			result.mode = status.st_mode;
		}
		if (last)
			break;
	}
	return result;
}

static int paths_test(void *context, int pipe, struct fault *f)
{
	const struct work *work = context;

	for (size_t i = 0; i < work->count; i++) {
		const struct result result = path_test(&work->items[i], (uint32_t)i);
		if (proc_message_write(pipe, 0, &result, sizeof(result)) < 0)
			return fault_system(f, errno, "cannot report what was seen");
	}
	return 0;
}

static enum proc_child_answer on_result(void *listener, const struct proc_message *message)
{
	struct work *work = listener;
	struct result result;

	if (message->length != sizeof(result))
		return PROC_CHILD_GARBLED;
	memcpy(&result, message->bytes, sizeof(result));
	if (result.index >= work->count || result.failed_length > strlen(work->items[result.index].path))
		return PROC_CHILD_GARBLED;
	struct hsm_reach *item = &work->items[result.index];
	item->errnum = result.errnum;
	item->failed_length = result.failed_length;
	item->uid = result.uid;
	item->gid = result.gid;
	item->mode = result.mode;
	return ++work->heard == work->count ? PROC_CHILD_ALL : PROC_CHILD_MORE;
}

int hsm_reach_test(int root, const struct proc_identity *identity, struct hsm_reach *items, size_t count,
		   struct fault *f)
{
	struct work work = { .items = items, .count = count };
	struct proc_outcome end = PROC_OUTCOME_INIT;
	const struct proc_child_options how = {
		.work = paths_test,
		.context = &work,
		.what = "look as that user",
		.on_message = on_result,
		.listener = &work,
		.confined = true,
		.identity = identity,
		.root = root,
		.deadline_ms = DEADLINE_MS,
	};

	if (proc_child_run(&how, &end, f) < 0)
		return -1;
	const bool all = end.answered, late = end.late;
	proc_outcome_done(&end);
	if (late)
		return fault_late(f, "a path of the client's configuration did not answer within %d s",
				  DEADLINE_MS / 1000);
	return all ? 0 : fault_system(f, 0, "the child that looks as that user ended early");
}
