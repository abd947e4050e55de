#include "client/archive/pipe.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

_Static_assert(PIPE_NOTE_MAX <= PIPE_BUF, "a larger write may be torn");
_Static_assert(sizeof(struct pipe_note) + 2 * (LIMITS_PATH + 1) <= PIPE_NOTE_MAX, "a note must fit into one write");
_Static_assert(sizeof(struct pipe_note) + PIPE_TEXT_MAX <= PIPE_NOTE_MAX, "a note must fit into one write");

int pipe_flush(struct pipe_writer *writer, struct fault *f)
{
	ssize_t sent;

	if (writer->filled == 0)
		return 0;
	do
		sent = write(writer->fd, writer->bytes, writer->filled);
	while (sent < 0 && errno == EINTR);
	if (sent != (ssize_t)writer->filled)
		return fault_system(f, errno, "cannot reach the keeper");
	writer->filled = 0;
	return 0;
}

int pipe_note_put(struct pipe_writer *writer, const struct pipe_note *note, const char *path, const char *target,
		  struct fault *f)
{
	struct pipe_note head = *note;

	head.path_length = path != NULL ? (uint32_t)strnlen(path, PIPE_TEXT_MAX) : 0;
	head.target_length = target != NULL ? (uint32_t)strnlen(target, LIMITS_PATH) : 0;
	if (sizeof(head) + head.path_length + head.target_length > PIPE_NOTE_MAX - writer->filled &&
	    pipe_flush(writer, f) < 0)
		return -1;
	unsigned char *to = writer->bytes + writer->filled;
	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	if (head.path_length > 0)
		memcpy(to, path, head.path_length);
	if (head.target_length > 0)
		memcpy(to + head.path_length, target, head.target_length);
	writer->filled += sizeof(head) + head.path_length + head.target_length;
	return 0;
}

void pipe_fault_put(struct pipe_writer *writer, const struct fault *fault)
{
	struct fault ignored = { 0 };
	struct pipe_note note;

	memset(&note, 0, sizeof(note));
	note.kind = PIPE_NOTE_FAULT;
	note.fault = fault->kind;
	note.errnum = fault->errnum;
	if (pipe_note_put(writer, &note, fault->text, NULL, &ignored) == 0)
		(void)pipe_flush(writer, &ignored);
}

int pipe_note_read(struct pipe_reader *reader, int fd, struct fault *f)
{
	if (reader->used > 0) {
		reader->filled -= reader->used;
		memmove(reader->bytes, reader->bytes + reader->used, reader->filled);
		reader->used = 0;
	}
	for (;;) {
		const ssize_t got = read(fd, reader->bytes + reader->filled, sizeof(reader->bytes) - reader->filled);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot hear the unpacking processes");
		if (got == 0)
			return reader->filled == 0 ? 0 : fault_system(f, 0, "an unpacking process broke off in a word");
		reader->filled += (size_t)got;
		return 1;
	}
}

int pipe_note_next(struct pipe_reader *reader, struct pipe_note *ret_note, char ret_path[PIPE_TEXT_MAX + 1],
		   char ret_target[PIPE_TEXT_MAX + 1], struct fault *f)
{
	const size_t have = reader->filled - reader->used;
	const unsigned char *at = reader->bytes + reader->used;
	struct pipe_note note;

	if (have < sizeof(note))
		return 0;
	memcpy(&note, at, sizeof(note));
	if (note.path_length > PIPE_TEXT_MAX || note.target_length > LIMITS_PATH || note.kind < PIPE_NOTE_ENTRY ||
	    note.kind > PIPE_NOTE_FAULT)
		return fault_system(f, 0, "an unpacking process misbehaves");
	if (have < sizeof(note) + note.path_length + note.target_length)
		return 0;
	at += sizeof(note);
	if (memchr(at, '\0', (size_t)note.path_length + note.target_length) != NULL)
		return fault_system(f, 0, "an unpacking process misbehaves");
	memcpy(ret_path, at, note.path_length);
	ret_path[note.path_length] = '\0';
	memcpy(ret_target, at + note.path_length, note.target_length);
	ret_target[note.target_length] = '\0';
	reader->used += sizeof(note) + note.path_length + note.target_length;
	*ret_note = note;
	return 1;
}
