/*
 * archive/wire: what the processes of an extraction tell each other through pipes.
 *
 * Promise: a decoder sends jobs to placers; decoder and placers send notes to the keeper, whole notes in writes of at
 * most PIPE_BUF bytes, so that notes of several writers never mix.  All of them are the same program, so
 * records travel as they lie in memory.  The keeper believes no number of a note before wire_note_read has looked.
 */
#ifndef OKV_ARCHIVE_WIRE_H
#define OKV_ARCHIVE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/limits.h"
#include "archive/zip.h"
#include "base/fault.h"
#include "digest/sha256.h"

enum wire_job_kind {
	WIRE_DIRECTORY,
	WIRE_FILE, /* its bytes follow */
	WIRE_ZIP,  /* a member to unpack from the archive's descriptor */
};

struct wire_job {
	enum wire_job_kind kind;
	uint32_t mode;
	uint32_t path_length; /* the path follows, without a NUL */
	uint32_t archive;     /* which one, for WIRE_ZIP */
	uint64_t size;
	struct zip_place place;
};

enum wire_note_kind {
	WIRE_NOTE_ENTRY = 1,
	WIRE_NOTE_PROGRESS, /* size: bytes of the archives read so far */
	WIRE_NOTE_COVERED,  /* path: not placed, an inner archive has brought it */
	WIRE_NOTE_NESTED,   /* path: an archive that was read through */
	WIRE_NOTE_FORMAT,   /* path: "tar, gzip" */
	WIRE_NOTE_DONE,     /* size: entries announced by this process, or placed */
	WIRE_NOTE_FAULT,
};

enum wire_entry { WIRE_ENTRY_FILE, WIRE_ENTRY_DIRECTORY, WIRE_ENTRY_LINK, WIRE_ENTRY_HARD_LINK };

struct wire_note {
	enum wire_note_kind kind;
	enum wire_entry entry;
	enum fault_kind fault;
	int errnum;
	uint64_t size;
	uint32_t path_length, target_length; /* follow in this order; of a fault the text is the path */
	unsigned char sha256[SHA256_SIZE];
};

enum { WIRE_TEXT_MAX = 1500, WIRE_NOTE_MAX = 4096 };

/*
 * The writing side.  Notes gather until one more would not fit into an atomic write: a keeper that is woken for every
 * small file would cost more than the file.
 */
struct wire_writer {
	int fd; /* borrowed */
	size_t filled;
	unsigned char bytes[WIRE_NOTE_MAX];
};

/* Both strings may be NULL. */
int wire_note_put(struct wire_writer *writer, const struct wire_note *note, const char *path, const char *target,
		  struct fault *f);
int wire_flush(struct wire_writer *writer, struct fault *f);
/* The last thing that is said; what was gathered goes before it. */
void wire_fault_put(struct wire_writer *writer, const struct fault *fault);

/* The keeper's side: a buffer that notes are cut from. */
struct wire_reader {
	size_t filled, used;
	unsigned char bytes[65536];
};

/*
 * Reads what is there: 1, or 0 when every writer has closed; -1.  Then wire_note_next gives notes as long as it
 * returns 1; both strings are NUL-terminated, of valid length, and copied.
 */
int wire_note_read(struct wire_reader *reader, int fd, struct fault *f);
int wire_note_next(struct wire_reader *reader, struct wire_note *ret_note, char ret_path[WIRE_TEXT_MAX + 1],
		   char ret_target[WIRE_TEXT_MAX + 1], struct fault *f);

#endif
