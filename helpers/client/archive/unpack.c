#include "client/archive/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/archive/decode.h"
#include "client/archive/name.h"
#include "client/archive/place.h"
#include "client/archive/sandbox.h"
#include "fs/handle.h"

enum { WORKERS = 1 + DISPATCH_PLACERS, PIPE_SIZE = 1024 * 1024 };
enum { STRINGS_SIZE = 32 * 1024 }; /* many times the longest path */

struct workers {
	pid_t pids[WORKERS]; /* 0: not there (any more) */
	int notes;           /* the keeper's end */
	int jobs[DISPATCH_PLACERS][2];
	int notes_write;
};

/* Paths in blocks: twenty thousand small allocations would take more room for themselves than the paths do. */
struct unpack_strings {
	struct unpack_strings *next;
	size_t used;
	char bytes[STRINGS_SIZE];
};

static const char *string_keep(struct unpack *u, const char *string)
{
	const size_t size = strlen(string) + 1;

	if (u->strings == NULL || size > STRINGS_SIZE - u->strings->used) {
		struct unpack_strings *block = malloc(sizeof(*block));
		if (block == NULL)
			return NULL;
		block->next = u->strings;
		block->used = 0;
		u->strings = block;
	}
	char *kept = u->strings->bytes + u->strings->used;
	memcpy(kept, string, size);
	u->strings->used += size;
	return kept;
}

void unpack_done(struct unpack *u)
{
	while (u->strings != NULL) {
		struct unpack_strings *next = u->strings->next;
		free(u->strings);
		u->strings = next;
	}
	free(u->entries);
	text_done(&u->format);
	text_done(&u->covered);
	*u = (struct unpack){ 0 };
}

/* --- the children ------------------------------------------------------------------------------------------------- */

static void worker_main(const struct unpack_request *request, const struct workers *w, unsigned which)
{
	struct fault f = { 0 };
	struct sandbox sandbox = { .uid = request->uid,
				   .gid = request->gid,
				   .tree = request->tree,
				   .file_bytes = request->limits.bytes,
				   .trade = which == 0 || request->judge_only ? SANDBOX_DECODE : SANDBOX_PLACE };
	struct pipe_writer notes = { .fd = w->notes_write };
	int keep[UNPACK_ARCHIVES + DISPATCH_PLACERS + 2];
	size_t kept = 0;
	int r;

	keep[kept++] = w->notes_write;
	for (size_t i = 0; i < request->archive_count; i++)
		keep[kept++] = request->archives[i];
	if (which == 0) {
		struct decode decode = { .archives = request->archives,
					 .names = request->names,
					 .archive_count = request->archive_count,
					 .notes = &notes,
					 .limits = request->limits,
					 .mode_of = request->mode_of };
		for (unsigned i = 0; i < DISPATCH_PLACERS; i++) {
			decode.placers[i] = w->jobs[i][1];
			keep[kept++] = w->jobs[i][1];
		}
		keep[kept] = -1;
		r = sandbox_enter(&sandbox, keep, &f) < 0 ? -1 : decode_run(&decode, &f);
	} else {
		const struct place place = { .jobs = w->jobs[which - 1][0],
					     .notes = &notes,
					     .judge_only = request->judge_only,
					     .archives = request->archives,
					     .names = request->names,
					     .archive_count = request->archive_count };
		keep[kept++] = place.jobs;
		keep[kept] = -1;
		r = sandbox_enter(&sandbox, keep, &f) < 0 ? -1 : place_run(&place, &f);
	}
	if (r < 0)
		pipe_fault_put(&notes, &f);
	_exit(r < 0 ? 1 : 0);
}

static void workers_end(struct workers *w)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (w->pids[i] > 0)
			(void)kill(w->pids[i], SIGKILL);
	for (unsigned i = 0; i < WORKERS; i++) {
		while (w->pids[i] > 0 && waitpid(w->pids[i], NULL, 0) < 0 && errno == EINTR)
			continue;
		w->pids[i] = 0;
	}
	fs_close(&w->notes);
	fs_close(&w->notes_write);
	for (unsigned i = 0; i < DISPATCH_PLACERS; i++) {
		fs_close(&w->jobs[i][0]);
		fs_close(&w->jobs[i][1]);
	}
}

static int workers_start(const struct unpack_request *request, struct workers *w, struct fault *f)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_system(f, errno, "cannot start unpacking");
	w->notes = ends[0];
	w->notes_write = ends[1];
	for (unsigned i = 0; i < DISPATCH_PLACERS; i++) {
		if (pipe2(w->jobs[i], O_CLOEXEC) < 0)
			return fault_system(f, errno, "cannot start unpacking");
		/* More than the default lets both sides work at once; less works too. */
		(void)fcntl(w->jobs[i][1], F_SETPIPE_SZ, PIPE_SIZE);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		const pid_t pid = fork();
		if (pid < 0)
			return fault_system(f, errno, "cannot start unpacking");
		if (pid == 0)
			worker_main(request, w, i);
		w->pids[i] = pid;
	}
	fs_close(&w->notes_write);
	for (unsigned i = 0; i < DISPATCH_PLACERS; i++) {
		fs_close(&w->jobs[i][0]);
		fs_close(&w->jobs[i][1]);
	}
	return 0;
}

/* --- what they say ------------------------------------------------------------------------------------------------ */

static int entry_add(struct unpack *u, const struct pipe_note *note, const char *path, const char *target,
		     struct fault *f)
{
	const bool link = note->entry == PIPE_ENTRY_LINK || note->entry == PIPE_ENTRY_HARD_LINK;

	if (path[0] == '\0' || link != (target[0] != '\0'))
		return fault_system(f, 0, "an unpacking process misbehaves");
	if (u->count == u->capacity) {
		const size_t capacity = u->capacity > 0 ? u->capacity * 2 : 256;
		struct unpack_entry *more = realloc(u->entries, capacity * sizeof(*more));
		if (more == NULL)
			return fault_memory(f);
		u->entries = more;
		u->capacity = capacity;
	}
	struct unpack_entry entry = { .path = string_keep(u, path),
				      .target = link ? string_keep(u, target) : NULL,
				      .type = note->entry,
				      .machine = note->machine,
				      .size = note->size };
	memcpy(entry.sha256, note->sha256, sizeof(entry.sha256));
	if (entry.path == NULL || (link && entry.target == NULL))
		return fault_memory(f);
	u->entries[u->count++] = entry;
	if (note->entry == PIPE_ENTRY_FILE) {
		u->files++;
		u->bytes += note->size;
	}
	return 0;
}

static int fault_heard(const struct pipe_note *note, const char *text, struct fault *f)
{
	switch (note->fault) {
	case FAULT_REFUSED:
		(void)fault_refused(f, "%s", text);
		break;
	default:
		(void)fault_system(f, 0, "%s", text);
		break;
	}
	f->errnum = note->errnum;
	return -1;
}

struct hearing {
	unsigned done; /* workers that have ended well */
	uint64_t announced, placed, read;
};

static int note_hear(const struct unpack_request *request, struct unpack *u, struct hearing *h,
		     const struct pipe_note *note, const char *path, const char *target, struct fault *f)
{
	switch (note->kind) {
	case PIPE_NOTE_ENTRY:
		if (u->count >= request->limits.entries * 2)
			return fault_system(f, 0, "an unpacking process misbehaves");
		return entry_add(u, note, path, target, f);
	case PIPE_NOTE_PROGRESS:
		h->read = note->size;
		return 0;
	case PIPE_NOTE_COVERED:
		text_add_format(&u->covered, "%s\n", path);
		return 0;
	case PIPE_NOTE_FORMAT:
		text_add_format(&u->format, "%s%s", u->format.length > 0 ? "; " : "", path);
		return 0;
	case PIPE_NOTE_NESTED:
		return 0;
	case PIPE_NOTE_DONE:
		/* The decoder has announced, or the placers have placed; both say so at the end. */
		h->done++;
		if (h->done > WORKERS)
			return fault_system(f, 0, "an unpacking process misbehaves");
		h->announced += note->size;
		return 0;
	case PIPE_NOTE_FAULT:
		return fault_heard(note, path, f);
	}
	return fault_system(f, 0, "an unpacking process misbehaves");
}

static int workers_hear(const struct unpack_request *request, struct workers *w, struct unpack *u, struct fault *f)
{
	static struct pipe_reader reader;
	struct hearing h = { .done = 0 };
	char path[PIPE_TEXT_MAX + 1], target[PIPE_TEXT_MAX + 1];

	reader.filled = reader.used = 0;
	for (;;) {
		struct pipe_note note;
		const int more = pipe_note_read(&reader, w->notes, f);
		if (more < 0)
			return -1;
		if (more == 0)
			break;
		int r;
		while ((r = pipe_note_next(&reader, &note, path, target, f)) > 0)
			if (note_hear(request, u, &h, &note, path, target, f) < 0)
				return -1;
		if (r < 0)
			return -1;
		if (request->progress != NULL)
			request->progress(request->context, h.read, u->bytes, u->files);
	}

	for (unsigned i = 0; i < WORKERS; i++) {
		int status = 0;
		if (w->pids[i] == 0)
			continue;
		while (waitpid(w->pids[i], &status, 0) < 0 && errno == EINTR)
			continue;
		w->pids[i] = 0;
		if (WIFSIGNALED(status))
			return fault_system(f, 0, "an unpacking process was ended by signal %d", WTERMSIG(status));
		if (status != 0)
			return fault_system(f, 0, "an unpacking process failed");
	}
	/* Each file is counted by the decoder and by its placer. */
	if (h.done != WORKERS || h.announced != u->files * 2)
		return fault_system(f, 0, "the unpacking processes do not agree about what was unpacked");
	return 0;
}

static int compare(const void *a, const void *b)
{
	return text_path_compare(((const struct unpack_entry *)a)->path, ((const struct unpack_entry *)b)->path);
}

const struct unpack_entry *unpack_find(const struct unpack *u, const char *path)
{
	const struct unpack_entry key = { .path = path };

	return u->count > 0 ? bsearch(&key, u->entries, u->count, sizeof(key), compare) : NULL;
}

/* As if nobody had judged before: root will make the links. */
static int links_judge(const struct unpack *u, struct fault *f)
{
	char resolved[LIMITS_PATH + 1];

	for (size_t i = 0; i < u->count; i++) {
		const struct unpack_entry *e = &u->entries[i];
		if (i > 0 && strcmp(e->path, e[-1].path) == 0 && e->type != PIPE_ENTRY_DIRECTORY)
			return fault_system(f, 0, "an unpacking process named '%s' twice", SHOWN(e->path));
		if (e->type == PIPE_ENTRY_LINK && !name_resolve(e->path, e->target, resolved))
			return fault_refused(f, "member '%s': a link that leads out of the tree", SHOWN(e->path));
		if (e->type != PIPE_ENTRY_HARD_LINK)
			continue;
		const struct unpack_entry *target = unpack_find(u, e->target);
		if (target == NULL || target->type != PIPE_ENTRY_FILE)
			return fault_refused(f, "member '%s': a hard link to what is no file", SHOWN(e->path));
	}
	return 0;
}

int unpack_run(const struct unpack_request *request, struct unpack *ret_unpack, struct fault *f)
{
	struct unpack u = { 0 };
	struct workers w = { .notes = -1, .notes_write = -1, .jobs = { { -1, -1 }, { -1, -1 } } };
	SHA256_AUTO warm = SHA256_INIT;

	if (request->archive_count > UNPACK_ARCHIVES)
		return fault_usage(f, "more than %d archives in one run", UNPACK_ARCHIVES);
	/* Libraries are loaded while there still is a file system to load them from. */
	if (fs_sha256_start(&warm, f) < 0)
		return -1;
	int r = workers_start(request, &w, f);
	if (r == 0)
		r = workers_hear(request, &w, &u, f);
	workers_end(&w);
	if (r == 0) {
		qsort(u.entries, u.count, sizeof(*u.entries), compare);
		r = links_judge(&u, f);
	}
	if (r < 0) {
		unpack_done(&u);
		return -1;
	}
	*ret_unpack = u;
	return 0;
}
