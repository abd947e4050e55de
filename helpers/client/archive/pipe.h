/*
 * client/archive/pipe: what the processes of an extraction tell each other through pipes.
 *
 * Promise: a decoder sends jobs to placers; decoder and placers send notes to the keeper, whole notes in writes of at
 * most PIPE_BUF bytes, so that notes of several writers never mix.  All of them are the same program, so
 * records travel as they lie in memory.  The keeper believes no number of a note before pipe_note_read has looked.
 */
#ifndef OKV_CLIENT_ARCHIVE_PIPE_H
#define OKV_CLIENT_ARCHIVE_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include "client/archive/limits.h"
#include "client/archive/zip.h"
#include "base/fault.h"
#include "fs/sha256.h"

enum pipe_job_kind {
	PIPE_DIRECTORY,
	PIPE_FILE, /* its bytes follow */
	PIPE_ZIP,  /* a member to unpack from the archive's descriptor */
};

struct pipe_job {
	enum pipe_job_kind kind;
	uint32_t mode;
	uint32_t path_length; /* the path follows, without a NUL */
	uint32_t archive;     /* which one, for PIPE_ZIP */
	uint64_t size;
	struct zip_place place;
};

enum pipe_note_kind {
	PIPE_NOTE_ENTRY = 1,
	PIPE_NOTE_PROGRESS, /* size: bytes of the archives read so far */
	PIPE_NOTE_COVERED,  /* path: not placed, an inner archive has brought it */
	PIPE_NOTE_NESTED,   /* path: an archive that was read through */
	PIPE_NOTE_FORMAT,   /* path: "tar, gzip" */
	PIPE_NOTE_DONE,     /* size: entries announced by this process, or placed */
	PIPE_NOTE_FAULT,
};

enum pipe_entry { PIPE_ENTRY_FILE, PIPE_ENTRY_DIRECTORY, PIPE_ENTRY_LINK, PIPE_ENTRY_HARD_LINK };

struct pipe_note {
	enum pipe_note_kind kind;
	enum pipe_entry entry;
	enum fault_kind fault;
	uint16_t machine; /* of a file that is a 64-bit shared library: its ELF machine; 0 (EM_NONE) of any other */
	int errnum;
	uint64_t size;
	uint32_t path_length, target_length; /* follow in this order; of a fault the text is the path */
	unsigned char sha256[SHA256_SIZE];
};

enum { PIPE_TEXT_MAX = 1500, PIPE_NOTE_MAX = 4096 };

/*
 * The writing side.  Notes gather until one more would not fit into an atomic write: a keeper that is woken for every
 * small file would cost more than the file.
 */
struct pipe_writer {
	int fd; /* borrowed */
	size_t filled;
	unsigned char bytes[PIPE_NOTE_MAX];
};

/* Both strings may be NULL. */
int pipe_note_put(struct pipe_writer *writer, const struct pipe_note *note, const char *path, const char *target,
		  struct fault *f);
int pipe_flush(struct pipe_writer *writer, struct fault *f);
/* The last thing that is said; what was gathered goes before it. */
void pipe_fault_put(struct pipe_writer *writer, const struct fault *fault);

/* The keeper's side: a buffer that notes are cut from. */
struct pipe_reader {
	size_t filled, used;
	unsigned char bytes[65536];
};

/*
 * Reads what is there: 1, or 0 when every writer has closed; -1.  Then pipe_note_next gives notes as long as it
 * returns 1; both strings are NUL-terminated, of valid length, and copied.
 */
int pipe_note_read(struct pipe_reader *reader, int fd, struct fault *f);
int pipe_note_next(struct pipe_reader *reader, struct pipe_note *ret_note, char ret_path[PIPE_TEXT_MAX + 1],
		   char ret_target[PIPE_TEXT_MAX + 1], struct fault *f);

#endif
