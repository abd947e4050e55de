#include "client/archive/dispatch.h"

#include <string.h>

#include "fs/read.h"

/* How much work goes to one placer before the other is looked at: small files in a row lie in one directory. */
enum { TURN_WORK = 512 * 1024, FILE_WORK = 16 * 1024 };
enum { PROGRESS_EVERY = 1024 * 1024 };

void dispatch_start(struct dispatch *d, const int *placers, struct pipe_writer *notes,
		    mode_t (*mode_of)(const char *path))
{
	d->placers = placers;
	d->notes = notes;
	d->mode_of = mode_of;
	d->files = d->read_noted = 0;
	d->turn = 0;
	d->turn_work = 0;
	memset(d->work, 0, sizeof(d->work));
	d->batched = 0;
}

/* --- to the keeper ------------------------------------------------------------------------------------------------ */

int dispatch_note(struct dispatch *d, enum pipe_note_kind kind, uint64_t size, const char *text, struct fault *f)
{
	struct pipe_note n;

	memset(&n, 0, sizeof(n));
	n.kind = kind;
	n.size = size;
	return pipe_note_put(d->notes, &n, text, NULL, f);
}

static int entry_note(struct dispatch *d, enum pipe_entry entry, uint64_t size, const char *path, const char *target,
		      struct fault *f)
{
	struct pipe_note n;

	memset(&n, 0, sizeof(n));
	n.kind = PIPE_NOTE_ENTRY;
	n.entry = entry;
	n.size = size;
	return pipe_note_put(d->notes, &n, path, target, f);
}

int dispatch_progress(struct dispatch *d, uint64_t read, struct fault *f)
{
	if (read < d->read_noted + PROGRESS_EVERY)
		return 0;
	d->read_noted = read;
	return dispatch_note(d, PIPE_NOTE_PROGRESS, read, NULL, f) < 0 ? -1 : pipe_flush(d->notes, f);
}

int dispatch_link(struct dispatch *d, const char *path, const struct member *member, const char *target,
		  struct fault *f)
{
	const bool hard = member->type == MEMBER_HARD_LINK;

	return entry_note(d, hard ? PIPE_ENTRY_HARD_LINK : PIPE_ENTRY_LINK, 0, path, target, f);
}

/* --- to the placers ----------------------------------------------------------------------------------------------- */

static int batch_flush(struct dispatch *d, struct fault *f)
{
	const size_t length = d->batched;

	d->batched = 0;
	return length > 0 ? fs_write(d->placers[d->turn], "the placer", d->batch, length, f) : 0;
}

static int batch_add(struct dispatch *d, const void *bytes, size_t length, struct fault *f)
{
	if (length > DISPATCH_BATCH - d->batched && batch_flush(d, f) < 0)
		return -1;
	if (length >= DISPATCH_BATCH / 2)
		return batch_flush(d, f) < 0 ? -1 : fs_write(d->placers[d->turn], "the placer", bytes, length, f);
	memcpy(d->batch + d->batched, bytes, length);
	d->batched += length;
	return 0;
}

/* Begins a job; the one with less to do so far gets the next turn. */
static int job_send(struct dispatch *d, const struct pipe_job *job, const char *path, struct fault *f)
{
	const uint64_t work = FILE_WORK + (job->kind == PIPE_ZIP ? job->place.packed * 4 : job->size);

	if (d->turn_work + work > TURN_WORK) {
		unsigned least = 0;
		for (unsigned i = 1; i < DISPATCH_PLACERS; i++)
			if (d->work[i] < d->work[least])
				least = i;
		if (least != d->turn) {
			if (batch_flush(d, f) < 0)
				return -1;
			d->turn = least;
		}
		d->turn_work = 0;
	}
	d->turn_work += work;
	d->work[d->turn] += work;

	struct pipe_job head = *job;
	head.path_length = (uint32_t)strlen(path);
	return batch_add(d, &head, sizeof(head), f) < 0 ? -1 : batch_add(d, path, head.path_length, f);
}

static int file_announce(struct dispatch *d, enum pipe_job_kind kind, const char *path, const struct member *member,
			 size_t archive, const struct zip_place *place, struct fault *f)
{
	struct pipe_job job;

	d->files++;
	memset(&job, 0, sizeof(job));
	job.kind = kind;
	job.mode = (uint32_t)d->mode_of(path);
	job.archive = (uint32_t)archive;
	job.size = member->size;
	if (place != NULL)
		job.place = *place;
	return job_send(d, &job, path, f);
}

int dispatch_file(struct dispatch *d, const char *path, const struct member *member, struct fault *f)
{
	return file_announce(d, PIPE_FILE, path, member, 0, NULL, f);
}

int dispatch_content(struct dispatch *d, const void *bytes, size_t length, struct fault *f)
{
	return batch_add(d, bytes, length, f);
}

int dispatch_zip(struct dispatch *d, const char *path, const struct member *member, size_t archive,
		 const struct zip_place *place, struct fault *f)
{
	return file_announce(d, PIPE_ZIP, path, member, archive, place, f);
}

int dispatch_directory(struct dispatch *d, const char *path, struct fault *f)
{
	struct pipe_job job;

	if (entry_note(d, PIPE_ENTRY_DIRECTORY, 0, path, NULL, f) < 0)
		return -1;
	memset(&job, 0, sizeof(job));
	job.kind = PIPE_DIRECTORY;
	return job_send(d, &job, path, f);
}

int dispatch_end(struct dispatch *d, struct fault *f)
{
	if (batch_flush(d, f) < 0)
		return -1;
	return dispatch_note(d, PIPE_NOTE_DONE, d->files, NULL, f) < 0 ? -1 : pipe_flush(d->notes, f);
}
