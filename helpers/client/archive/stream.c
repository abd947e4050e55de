#include "client/archive/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 128 * 1024 };

void stream_free(struct stream **s)
{
	if (*s == NULL)
		return;
	if ((*s)->done != NULL)
		(*s)->done(*s);
	free(*s);
	*s = NULL;
}

int stream_read(struct stream *s, void *bytes, size_t length, size_t *ret_got, struct fault *f)
{
	unsigned char *to = bytes;
	size_t got = 0;

	while (got < length) {
		if (stream_fill(s, f) < 0)
			return -1;
		size_t part = (size_t)(s->end - s->at);
		if (part == 0)
			break;
		part = part < length - got ? part : length - got;
		memcpy(to + got, s->at, part);
		s->at += part;
		got += part;
	}
	*ret_got = got;
	return 0;
}

int stream_read_all(struct stream *s, void *bytes, size_t length, struct fault *f)
{
	size_t got;

	if (stream_read(s, bytes, length, &got, f) < 0)
		return -1;
	return got == length ? 0 : fault_refused(f, "damaged: it ends too early");
}

/* --- a descriptor ------------------------------------------------------------------------------------------------- */

struct file_stream {
	struct stream stream;
	int fd;
	off_t offset, left; /* left: STREAM_TO_END where the file's end decides */
	unsigned char piece[PIECE];
};

static int file_more(struct stream *self, struct fault *f)
{
	struct file_stream *s = (struct file_stream *)self;
	size_t want = PIECE;
	ssize_t got;

	if (s->left >= 0 && s->left < (off_t)want)
		want = (size_t)s->left;
	do
		got = want > 0 ? pread(s->fd, s->piece, want, s->offset) : 0;
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fault_system(f, errno, "cannot read it");
	s->offset += got;
	if (s->left >= 0)
		s->left -= got;
	self->passed += (uint64_t)got;
	self->at = s->piece;
	self->end = s->piece + got;
	return 0;
}

int stream_file(int fd, off_t offset, off_t length, struct stream **ret_stream, struct fault *f)
{
	struct file_stream *s = malloc(sizeof(*s));

	if (s == NULL)
		return fault_memory(f);
	s->stream = (struct stream){ .at = s->piece, .end = s->piece, .more = file_more };
	s->fd = fd;
	s->offset = offset;
	s->left = length;
	*ret_stream = &s->stream;
	return 0;
}

/* --- a look ahead ------------------------------------------------------------------------------------------------- */

struct lead_stream {
	struct stream stream;
	struct stream *inner;
	unsigned char lead[STREAM_LEAD];
};

/* Behind the lead the pieces of the inner stream are passed on as they come. */
static int lead_more(struct stream *self, struct fault *f)
{
	struct lead_stream *s = (struct lead_stream *)self;

	if (stream_fill(s->inner, f) < 0)
		return -1;
	self->at = s->inner->at;
	self->end = s->inner->at = s->inner->end;
	self->passed += (uint64_t)(self->end - self->at);
	return 0;
}

int stream_lead(struct stream *inner, struct stream **ret_stream, struct fault *f)
{
	struct lead_stream *s = malloc(sizeof(*s));
	size_t got;

	if (s == NULL)
		return fault_memory(f);
	if (stream_read(inner, s->lead, STREAM_LEAD, &got, f) < 0) {
		free(s);
		return -1;
	}
	s->stream = (struct stream){ .at = s->lead, .end = s->lead + got, .more = lead_more, .passed = got };
	s->inner = inner;
	*ret_stream = &s->stream;
	return 0;
}

/* --- a part of another stream ------------------------------------------------------------------------------------- */

struct section_stream {
	struct stream stream;
	struct stream *inner;
	uint64_t left;
};

static int section_more(struct stream *self, struct fault *f)
{
	struct section_stream *s = (struct section_stream *)self;

	if (s->left == 0)
		return 0;
	if (stream_fill(s->inner, f) < 0)
		return -1;
	uint64_t length = (uint64_t)(s->inner->end - s->inner->at);
	if (length == 0)
		return fault_refused(f, "damaged: it ends too early");
	length = length < s->left ? length : s->left;
	self->at = s->inner->at;
	self->end = self->at + length;
	self->passed += length;
	s->inner->at += length;
	s->left -= length;
	return 0;
}

int stream_section(struct stream *inner, uint64_t length, struct stream **ret_stream, struct fault *f)
{
	struct section_stream *s = malloc(sizeof(*s));

	if (s == NULL)
		return fault_memory(f);
	s->stream = (struct stream){ .at = inner->at, .end = inner->at, .more = section_more };
	s->inner = inner;
	s->left = length;
	*ret_stream = &s->stream;
	return 0;
}
