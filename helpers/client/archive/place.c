#include "client/archive/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/archive/library.h"
#include "client/archive/stream.h"
#include "client/archive/pipe.h"
#include "client/archive/zip.h"
#include "base/text.h"
#include "fs/sha256.h"
#include "fs/handle.h"
#include "fs/read.h"

enum { DIRECTORY_MODE = 0755, BUFFER_SIZE = 128 * 1024 };
/* Files of that size are sent to the disk as they end, so that the one sync at the end has less to wait for. */
enum { WRITEBACK_EARLY = 256 * 1024 };

struct placer {
	const struct place *place;
	struct fs_sha256 digest;
	size_t head_filled;
	Elf64_Ehdr head; /* the first bytes of the file */
	uint64_t placed;
	int top;                              /* the tree */
	int directory;                        /* the last one used, ... */
	char directory_path[LIMITS_PATH + 1]; /* ... and its path */
	size_t filled, used;                  /* of the jobs read */
	unsigned char buffer[BUFFER_SIZE];
};

/* At least one more byte of the job pipe; false at its end. */
static int jobs_fill(struct placer *p, bool *ret_more, struct fault *f)
{
	ssize_t got;

	if (p->used > 0) {
		p->filled -= p->used;
		memmove(p->buffer, p->buffer + p->used, p->filled);
		p->used = 0;
	}
	do
		got = read(p->place->jobs, p->buffer + p->filled, BUFFER_SIZE - p->filled);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fault_system(f, errno, "cannot read from the decoder");
	p->filled += (size_t)got;
	*ret_more = got > 0;
	return 0;
}

static int broken(struct fault *f)
{
	return fault_system(f, 0, "the decoder broke off");
}

/* The next `length` bytes in one piece; false where the jobs end instead. */
static int jobs_need(struct placer *p, size_t length, bool *ret_have, struct fault *f)
{
	bool more = true;

	while (p->filled - p->used < length && more)
		if (jobs_fill(p, &more, f) < 0)
			return -1;
	*ret_have = p->filled - p->used >= length;
	return 0;
}

/* Makes every directory of the path that is not there yet; the other placer may be doing the same. */
static int directory_make(struct placer *p, const char *path, struct fault *f)
{
	char part[LIMITS_PATH + 1];

	if (p->place->judge_only || mkdirat(p->top, path, DIRECTORY_MODE) == 0 || errno == EEXIST)
		return 0;
	for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
		const size_t length = slash != NULL ? (size_t)(slash - path) : strlen(path);
		memcpy(part, path, length);
		part[length] = '\0';
		if (mkdirat(p->top, part, DIRECTORY_MODE) < 0 && errno != EEXIST)
			return fault_system(f, errno, "cannot make directory '%s'", SHOWN(part));
		if (slash == NULL)
			return 0;
	}
}

/* The open directory for a file's path; its last name in *ret_leaf. */
static int directory_open(struct placer *p, const char *path, int *ret_directory, const char **ret_leaf,
			  struct fault *f)
{
	const char *slash = strrchr(path, '/');
	const size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	*ret_leaf = slash != NULL ? slash + 1 : path;
	if (length == 0) {
		*ret_directory = p->top;
		return 0;
	}
	if (p->directory < 0 || strncmp(p->directory_path, path, length) != 0 || p->directory_path[length] != '\0') {
		fs_close(&p->directory);
		memcpy(p->directory_path, path, length);
		p->directory_path[length] = '\0';
		const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
		p->directory = openat(p->top, p->directory_path, flags);
		if (p->directory < 0 && errno == ENOENT) {
			if (directory_make(p, p->directory_path, f) < 0)
				return -1;
			p->directory = openat(p->top, p->directory_path, flags);
		}
		if (p->directory < 0)
			return fault_system(f, errno, "cannot open directory '%s'", SHOWN(p->directory_path));
	}
	*ret_directory = p->directory;
	return 0;
}

static int file_create(struct placer *p, const char *path, mode_t mode, int *ret_fd, struct fault *f)
{
	const char *leaf;
	int directory = -1;

	if (p->place->judge_only)
		return 0;
	if (directory_open(p, path, &directory, &leaf, f) < 0)
		return -1;
	*ret_fd = openat(directory, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return *ret_fd < 0 ? fault_system(f, errno, "cannot make '%s'", SHOWN(path)) : 0;
}

static int bytes_put(struct placer *p, int fd, const char *path, const void *bytes, size_t length, struct fault *f)
{
	const size_t wanted = sizeof(p->head) - p->head_filled, head = length < wanted ? length : wanted;

	memcpy((unsigned char *)&p->head + p->head_filled, bytes, head);
	p->head_filled += head;
	if (fs_sha256_add(&p->digest, bytes, length, f) < 0)
		return -1;
	return fd >= 0 ? fs_write(fd, path, bytes, length, f) : 0;
}

static int content_from_pipe(struct placer *p, int fd, const char *path, uint64_t size, struct fault *f)
{
	for (uint64_t left = size; left > 0;) {
		bool have;
		if (jobs_need(p, 1, &have, f) < 0)
			return -1;
		if (!have)
			return broken(f);
		size_t length = p->filled - p->used;
		length = length < left ? length : (size_t)left;
		if (bytes_put(p, fd, path, p->buffer + p->used, length, f) < 0)
			return -1;
		p->used += length;
		left -= length;
	}
	return 0;
}

static int content_from_zip(struct placer *p, int fd, const char *path, const struct pipe_job *job, struct fault *f)
{
	STREAM_AUTO *stream = NULL;
	STREAM_AUTO *inner = NULL;

	if (job->archive >= p->place->archive_count)
		return broken(f);
	if (zip_open(p->place->archives[job->archive], &job->place, &stream, &inner, f) < 0)
		return -1;
	for (;;) {
		if (stream_fill(stream, f) < 0)
			return f->kind != FAULT_REFUSED
				       ? -1
				       : fault_prefix(f, "%s: member '%s': ", SHOWN(p->place->names[job->archive]),
						      SHOWN(path));
		const size_t length = (size_t)(stream->end - stream->at);
		if (length == 0)
			return 0;
		if (bytes_put(p, fd, path, stream->at, length, f) < 0)
			return -1;
		stream->at = stream->end;
	}
}

static int file_place(struct placer *p, const struct pipe_job *job, const char *path, struct fault *f)
{
	FS_AUTO int fd = -1;
	struct pipe_note note;

	memset(&note, 0, sizeof(note));
	p->head_filled = 0;
	if (file_create(p, path, (mode_t)job->mode, &fd, f) < 0 || fs_sha256_start(&p->digest, f) < 0)
		return -1;
	if ((job->kind == PIPE_ZIP ? content_from_zip(p, fd, path, job, f)
				   : content_from_pipe(p, fd, path, job->size, f)) < 0)
		return -1;
	if (fd >= 0 && job->size >= WRITEBACK_EARLY)
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	note.kind = PIPE_NOTE_ENTRY;
	note.entry = PIPE_ENTRY_FILE;
	note.size = job->size;
	note.machine = library_machine(&p->head, p->head_filled);
	if (fs_sha256_finish(&p->digest, note.sha256, f) < 0)
		return -1;
	p->placed++;
	return pipe_note_put(p->place->notes, &note, path, NULL, f);
}

int place_run(const struct place *place, struct fault *f)
{
	static struct placer placer;
	struct placer *p = &placer;

	p->place = place;
	p->digest = (struct fs_sha256)SHA256_INIT;
	p->directory = -1;
	p->top = place->judge_only ? -1 : open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->top < 0 && !place->judge_only)
		return fault_system(f, errno, "cannot open the new tree");
	for (;;) {
		struct pipe_job job;
		char path[LIMITS_PATH + 1];
		bool have;

		if (jobs_need(p, sizeof(job), &have, f) < 0)
			return -1;
		if (!have)
			break;
		memcpy(&job, p->buffer + p->used, sizeof(job));
		p->used += sizeof(job);
		if (job.path_length > LIMITS_PATH)
			return broken(f);
		if (jobs_need(p, job.path_length, &have, f) < 0)
			return -1;
		if (!have)
			return broken(f);
		memcpy(path, p->buffer + p->used, job.path_length);
		path[job.path_length] = '\0';
		p->used += job.path_length;
		if ((job.kind == PIPE_DIRECTORY ? directory_make(p, path, f) : file_place(p, &job, path, f)) < 0)
			return -1;
	}
	if (p->filled != p->used)
		return broken(f);

	struct pipe_note note;
	memset(&note, 0, sizeof(note));
	note.kind = PIPE_NOTE_DONE;
	note.size = p->placed;
	return pipe_note_put(place->notes, &note, NULL, NULL, f) < 0 ? -1 : pipe_flush(place->notes, f);
}
