/*
 * client/archive/dispatch: the decoder's hand: work for the placers, news for the keeper.
 *
 * Promise: a file goes whole to one placer, and every placer is kept at work.  Files are counted; dispatch_end tells
 * the keeper how many there were, after everything was sent.
 */
#ifndef OKV_CLIENT_ARCHIVE_DISPATCH_H
#define OKV_CLIENT_ARCHIVE_DISPATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/archive/member.h"
#include "client/archive/pipe.h"
#include "client/archive/zip.h"
#include "base/fault.h"

enum { DISPATCH_PLACERS = 2, DISPATCH_BATCH = 64 * 1024 };

struct dispatch {
	const int *placers; /* DISPATCH_PLACERS job pipes */
	struct pipe_writer *notes;
	mode_t (*mode_of)(const char *path); /* the policy for files */
	uint64_t files, read_noted;
	unsigned turn; /* the placer that is being sent to */
	uint64_t turn_work, work[DISPATCH_PLACERS];
	size_t batched;
	unsigned char batch[DISPATCH_BATCH];
};

void dispatch_start(struct dispatch *d, const int *placers, struct pipe_writer *notes,
		    mode_t (*mode_of)(const char *path));
int dispatch_directory(struct dispatch *d, const char *path, struct fault *f);
/* `target`: of a hard link, a path of a file. */
int dispatch_link(struct dispatch *d, const char *path, const struct member *member, const char *target,
		  struct fault *f);
/* Its content follows through dispatch_content, member->size bytes of it. */
int dispatch_file(struct dispatch *d, const char *path, const struct member *member, struct fault *f);
int dispatch_content(struct dispatch *d, const void *bytes, size_t length, struct fault *f);
/* One that its placer reads itself, from that archive. */
int dispatch_zip(struct dispatch *d, const char *path, const struct member *member, size_t archive,
		 const struct zip_place *place, struct fault *f);
/* A word to the keeper; `text` may be NULL. */
int dispatch_note(struct dispatch *d, enum pipe_note_kind kind, uint64_t size, const char *text, struct fault *f);
/* That many bytes of the archives were read; told now and then. */
int dispatch_progress(struct dispatch *d, uint64_t read, struct fault *f);
int dispatch_end(struct dispatch *d, struct fault *f);

#endif
