#include "client/settle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/handle.h"
#include "fs/read.h"
#include "fs/root.h"
#include "fs/walk.h"
#include "proc/child.h"

struct settler {
	bool shared, second; /* with another one, of whom this is the second */
	uid_t uid;
	const struct unpack *entries;
	const struct client_content *content;
	const struct client_policy *policy;
	uint64_t files;
	const struct unpack_entry *last; /* found before this one */
};

static int rights_give(const struct fs_walk_entry *entry, const struct client_rights *rights, struct fault *f)
{
	const mode_t now = entry->status->st_mode & 07777;

	if (fchownat(entry->dir, entry->name, 0, rights->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fault_system(f, errno, "cannot take over '%s'", SHOWN(entry->path));
	/* The processes made it with the mode it is to have, except where the group matters. */
	if (now != rights->mode && fchmodat(entry->dir, entry->name, rights->mode, 0) < 0)
		return fault_system(f, errno, "cannot set the mode of '%s'", SHOWN(entry->path));
	return 0;
}

static int strange(struct fault *f, const char *path, const char *what)
{
	return fault_system(f, 0, "an unpacking process misbehaves: '%s' %s", SHOWN(path), what);
}

/* Below the client's top, or as it is where it lies outside and will be thrown away. */
static const char *client_path(const struct settler *s, const char *path)
{
	const size_t length = strlen(s->content->top);

	if (length > 0 && strncmp(path, s->content->top, length) == 0)
		return path + length;
	return path;
}

/* A directory's files come in an order of their own, but near each other. */
static const struct unpack_entry *entry_find(struct settler *s, const char *path)
{
	const struct unpack_entry *first = s->entries->entries, *end = first + s->entries->count;
	const struct unpack_entry *near = s->last;

	if (near != NULL && near + 1 < end && strcmp(near[1].path, path) == 0)
		s->last = near + 1;
	else if (near != NULL && near > first && strcmp(near[-1].path, path) == 0)
		s->last = near - 1;
	else
		s->last = unpack_find(s->entries, path);
	return s->last;
}

/*
 * Where two share the work, what lies in a directory is the first's or the second's by the directory's name: nothing
 * depends on when either of them comes by, and every entry is exactly one's.
 */
struct place {
	bool second;
};

static void place_enter(void *context, const void *state, const char *name, void *ret_state)
{
	struct place *place = ret_state;
	unsigned sum = 0;

	(void)context;
	(void)state;
	for (; *name != '\0'; name++)
		sum += (unsigned char)*name;
	place->second = sum % 2 == 1;
}

static bool is_ours(const struct settler *s, const struct place *place)
{
	return !s->shared || place->second == s->second;
}

/* In the other's directory only what may lead to one of ours. */
static bool place_wants(void *context, const void *state, const char *name, unsigned char type)
{
	(void)name;
	return is_ours(context, state) || type == DT_DIR || type == DT_UNKNOWN;
}

static int entry_settle(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct settler *s = context;
	const char *path = entry->path + strspn(entry->path, "/");

	if (!is_ours(s, state))
		return FS_WALK_ENTER;
	if (entry->status->st_uid != s->uid)
		return strange(f, path, "is not its own");
	if (S_ISDIR(entry->status->st_mode)) {
		const struct client_rights rights = client_policy_directory(s->policy, client_path(s, path));
		return rights_give(entry, &rights, f) < 0 ? -1 : FS_WALK_ENTER;
	}
	if (!S_ISREG(entry->status->st_mode) || entry->status->st_nlink != 1)
		return strange(f, path, "is no plain file");
	const struct unpack_entry *announced = entry_find(s, path);
	if (announced == NULL || announced->type != PIPE_ENTRY_FILE)
		return strange(f, path, "was never announced");
	if ((uint64_t)entry->status->st_size != announced->size)
		return strange(f, path, "has another size than announced");
	s->files++;
	const struct client_rights rights = client_policy_file(s->policy, client_path(s, path));
	return rights_give(entry, &rights, f) < 0 ? -1 : FS_WALK_PASS;
}

static int copy_make(int tree, const struct settler *s, const struct unpack_entry *e, int dir, const char *leaf,
		     struct fault *f)
{
	FS_AUTO int from = -1;
	FS_AUTO int to = -1;
	char block[65536];
	const struct client_rights rights = client_policy_file(s->policy, client_path(s, e->path));

	if (fs_file_open(tree, e->target, FS_NOFOLLOW, O_RDONLY, &from, NULL, f) < 0)
		return -1;
	to = openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fault_errno(f, errno, "cannot make '%s'", SHOWN(e->path));
	for (;;) {
		const ssize_t got = read(from, block, sizeof(block));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(e->target));
		if (got == 0)
			break;
		if (fs_write(to, e->path, block, (size_t)got, f) < 0)
			return -1;
	}
	if (fchown(to, 0, rights.gid) < 0 || fchmod(to, rights.mode) < 0)
		return fault_system(f, errno, "cannot set owner and mode of '%s'", SHOWN(e->path));
	return 0;
}

/* Hard links become copies: a file with two names could be changed behind one of them. */
static int links_make(int tree, const struct settler *s, enum pipe_entry type, struct fault *f)
{
	for (size_t i = 0; i < s->entries->count; i++) {
		const struct unpack_entry *e = &s->entries->entries[i];
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE], parent[LIMITS_PATH + 1];

		if (e->type != type)
			continue;
		const char *slash = strrchr(e->path, '/');
		const size_t length = slash != NULL ? (size_t)(slash - e->path) : 0;
		memcpy(parent, e->path, length);
		parent[length] = '\0';
		if (fs_dirs_make(tree, parent, 0755, FS_NOFOLLOW, f) < 0 ||
		    fs_parent_open(tree, e->path, FS_NOFOLLOW, &dir, leaf, f) < 0)
			return -1;
		if (type == PIPE_ENTRY_HARD_LINK && copy_make(tree, s, e, dir, leaf, f) < 0)
			return -1;
		if (type == PIPE_ENTRY_LINK && symlinkat(e->target, dir, leaf) < 0)
			return fault_errno(f, errno, "cannot make link '%s'", SHOWN(e->path));
	}
	return 0;
}

/* --- two at once -------------------------------------------------------------------------------------------------- */

/* The work is all the kernel's, and there is a second processor; fewer files are not worth the start of a process. */
enum { FILES_FOR_TWO = 2000 };
enum { MESSAGE_FILES };

static int tree_settle(int tree, struct settler *s, struct fault *f)
{
	static const struct place start = { .second = false };
	const struct fs_walk walk = { .context = s,
				      .state_size = sizeof(start),
				      .wants = place_wants,
				      .visit = entry_settle,
				      .enter = place_enter };

	return fs_walk(tree, ".", "", &start, &walk, f);
}

/* Both of them; in the second's process, settler is its own. */
struct sharing {
	int tree;
	struct settler settler;
};

static int second_work(void *context, int tell, struct fault *f)
{
	struct sharing *s = context;

	s->settler.second = true;
	if (tree_settle(s->tree, &s->settler, f) < 0)
		return -1;
	return proc_message_write(tell, MESSAGE_FILES, &s->settler.files, sizeof(s->settler.files));
}

static enum proc_child_answer files_take(void *listener, const struct proc_message *message)
{
	uint64_t *files = listener;

	if (message->length != sizeof(*files))
		return PROC_CHILD_GARBLED;
	memcpy(files, message->bytes, sizeof(*files));
	return PROC_CHILD_ALL;
}

static int both_settle(int tree, struct settler *s, struct fault *f)
{
	struct sharing sharing = { .tree = tree, .settler = *s };
	uint64_t files = 0;
	const struct proc_child_options how = {
		.work = second_work,
		.context = &sharing,
		.what = "the second process that takes over the new client",
		.on_message = files_take,
		.listener = &files,
		.root = PROC_CHILD_STAY,
		.output = PROC_CHILD_INHERITED,
	};
	struct proc_child second = PROC_CHILD_INIT;
	struct proc_child *const children[] = { &second };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	size_t which;

	s->shared = sharing.settler.shared = true;
	if (proc_child_start(&how, &second, f) < 0)
		return -1;
	int r = tree_settle(tree, s, f);
	if (r == 0)
		r = proc_child_wait(children, 1, &which, &outcome, f);
	proc_child_kill(&second);
	proc_outcome_done(&outcome);
	if (r < 0)
		return -1;
	if (outcome.fault.kind != FAULT_NONE) {
		*f = outcome.fault;
		return -1;
	}
	if (!outcome.answered)
		return fault_system(f, 0, "the second process that takes over the new client was ended");
	s->files += files;
	return 0;
}

int client_settle(int tree, uid_t uid, const struct unpack *entries, const struct client_content *content,
		  const struct client_policy *policy, struct fault *f)
{
	struct settler s = { .uid = uid, .entries = entries, .content = content, .policy = policy };

	if ((entries->files < FILES_FOR_TWO ? tree_settle(tree, &s, f) : both_settle(tree, &s, f)) < 0)
		return -1;
	if (s.files != entries->files)
		return fault_system(f, 0, "an unpacking process misbehaves: %ju files are there of %ju",
				    (uintmax_t)s.files, (uintmax_t)entries->files);
	/* Copies first: none of them may be read through a link. */
	return links_make(tree, &s, PIPE_ENTRY_HARD_LINK, f) < 0 ? -1 : links_make(tree, &s, PIPE_ENTRY_LINK, f);
}
