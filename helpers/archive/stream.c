#include "archive/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/crc32.h"
#include "archive/inflate.h"
#include "archive/limits.h"

enum { PIECE = 128 * 1024, WINDOW_SIZE = INFLATE_WINDOW + 224 * 1024 };

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

/* --- DEFLATE, as gzip and zip wrap it ----------------------------------------------------------------------------- */

struct deflate_stream {
	struct stream stream;
	struct stream *inner;
	bool begun, within; /* a gzip member; inside of one */
	bool ended;
	uint32_t crc;
	uint64_t length; /* of this gzip member */
	/* what a zip member has promised */
	uint64_t size;
	uint32_t crc_expected;
	struct inflate inflate;
	size_t filled;
	unsigned char window[WINDOW_SIZE];
};

static int damaged(struct fault *f, const char *what)
{
	return fault_refused(f, "damaged: %s", what);
}

/* Decodes until there is something, or the stream ends. */
static int window_fill(struct deflate_stream *s, struct fault *f)
{
	if (s->filled > INFLATE_WINDOW) {
		memmove(s->window, s->window + s->filled - INFLATE_WINDOW, INFLATE_WINDOW);
		s->filled = INFLATE_WINDOW;
	}
	const size_t from = s->filled;
	if (inflate_run(&s->inflate, s->window, &s->filled, WINDOW_SIZE, f) < 0)
		return -1;
	s->crc = crc32_add(s->crc, s->window + from, s->filled - from);
	s->length += s->filled - from;
	s->stream.passed += s->filled - from;
	s->stream.at = s->window + from;
	s->stream.end = s->window + s->filled;
	return 0;
}

/* Bytes 2 and on of a gzip header; what is not defined is refused, so that damage shows. */
static int gzip_header(struct deflate_stream *s, struct fault *f)
{
	enum { TEXT = 1, HEADER_CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16, RESERVED = 0xe0, FIELD_MAX = 65535 };
	unsigned char head[10], two[2];
	uint32_t crc;

	if (stream_read_all(s->inner, head, sizeof(head), f) < 0)
		return -1;
	if (head[0] != 0x1f || head[1] != 0x8b)
		return damaged(f, "something follows the end of the gzip data");
	const unsigned flags = head[3];
	if (head[2] != 8 || (flags & RESERVED) != 0 || (head[8] != 0 && head[8] != 2 && head[8] != 4) ||
	    (head[9] > 13 && head[9] != 255))
		return damaged(f, "the gzip header holds what the format does not define");
	crc = crc32_add(0, head, sizeof(head));

	if ((flags & EXTRA) != 0) {
		if (stream_read_all(s->inner, two, 2, f) < 0)
			return -1;
		crc = crc32_add(crc, two, 2);
		for (unsigned left = two[0] | (unsigned)two[1] << 8; left > 0; left--) {
			unsigned char byte;
			if (stream_read_all(s->inner, &byte, 1, f) < 0)
				return -1;
			crc = crc32_add(crc, &byte, 1);
		}
	}
	for (unsigned field = NAME; field <= COMMENT; field <<= 1) {
		unsigned char byte = (flags & field) != 0;
		for (unsigned length = 0; byte != 0; length++) {
			if (length > FIELD_MAX)
				return damaged(f, "the gzip header does not end");
			if (stream_read_all(s->inner, &byte, 1, f) < 0)
				return -1;
			crc = crc32_add(crc, &byte, 1);
		}
	}
	if ((flags & HEADER_CRC) != 0) {
		if (stream_read_all(s->inner, two, 2, f) < 0)
			return -1;
		if ((two[0] | (unsigned)two[1] << 8) != (crc & 0xffff))
			return damaged(f, "the gzip header does not match its checksum");
	}
	return 0;
}

static uint32_t little_32(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int gzip_trailer(struct deflate_stream *s, struct fault *f)
{
	unsigned char trailer[8];

	if (stream_read_all(s->inner, trailer, sizeof(trailer), f) < 0)
		return -1;
	if (little_32(trailer) != s->crc)
		return damaged(f, "the content does not match gzip's CRC-32");
	if (little_32(trailer + 4) != (uint32_t)s->length)
		return damaged(f, "the content does not have the length that gzip says");
	return 0;
}

static int gzip_more(struct stream *self, struct fault *f)
{
	struct deflate_stream *s = (struct deflate_stream *)self;

	while (!s->ended) {
		if (!s->within) {
			if (s->begun) {
				if (stream_fill(s->inner, f) < 0)
					return -1;
				if (s->inner->at == s->inner->end) {
					s->ended = true;
					break;
				}
			}
			if (gzip_header(s, f) < 0)
				return -1;
			inflate_start(&s->inflate, s->inner);
			s->filled = 0;
			s->crc = 0;
			s->length = 0;
			s->begun = s->within = true;
		}
		if (window_fill(s, f) < 0)
			return -1;
		if (inflate_ended(&s->inflate)) {
			if (gzip_trailer(s, f) < 0)
				return -1;
			s->within = false;
		}
		if (limits_check_ratio(s->inner->passed, self->passed, f) < 0)
			return -1;
		if (self->at < self->end)
			return 0;
	}
	self->at = self->end = s->window;
	return 0;
}

static struct deflate_stream *deflate_new(struct stream *inner, int (*more)(struct stream *, struct fault *),
					  struct fault *f)
{
	struct deflate_stream *s = malloc(sizeof(*s));

	if (s == NULL) {
		(void)fault_memory(f);
		return NULL;
	}
	s->stream = (struct stream){ .at = s->window, .end = s->window, .more = more };
	s->inner = inner;
	s->begun = s->within = s->ended = false;
	s->crc = s->crc_expected = 0;
	s->length = s->size = 0;
	s->filled = 0;
	return s;
}

int stream_gzip(struct stream *inner, struct stream **ret_stream, struct fault *f)
{
	struct deflate_stream *s = deflate_new(inner, gzip_more, f);

	if (s == NULL)
		return -1;
	*ret_stream = &s->stream;
	return 0;
}

/* At the end of a zip member: everything it promised. */
static int zip_end(struct deflate_stream *s, struct fault *f)
{
	s->ended = true;
	if (s->length != s->size)
		return damaged(f, "the content does not have the length that the directory says");
	if (s->crc != s->crc_expected)
		return damaged(f, "the content does not match its CRC-32");
	if (stream_fill(s->inner, f) < 0)
		return -1;
	if (s->inner->at != s->inner->end)
		return damaged(f, "something follows the end of the packed content");
	return 0;
}

static int zip_inflate_more(struct stream *self, struct fault *f)
{
	struct deflate_stream *s = (struct deflate_stream *)self;

	if (s->ended) {
		self->at = self->end = s->window;
		return 0;
	}
	if (window_fill(s, f) < 0)
		return -1;
	if (s->length > s->size)
		return damaged(f, "the content is longer than the directory says");
	return inflate_ended(&s->inflate) ? zip_end(s, f) : 0;
}

static int zip_stored_more(struct stream *self, struct fault *f)
{
	struct deflate_stream *s = (struct deflate_stream *)self;

	if (s->ended) {
		self->at = self->end;
		return 0;
	}
	if (stream_fill(s->inner, f) < 0)
		return -1;
	self->at = s->inner->at;
	self->end = s->inner->end;
	s->inner->at = s->inner->end;
	const size_t length = (size_t)(self->end - self->at);
	if (length == 0)
		return zip_end(s, f);
	s->crc = crc32_add(s->crc, self->at, length);
	s->length += length;
	self->passed += length;
	if (s->length > s->size)
		return damaged(f, "the content is longer than the directory says");
	return 0;
}

int stream_zip(struct stream *inner, int method, uint64_t size, uint32_t crc, struct stream **ret_stream,
	       struct fault *f)
{
	struct deflate_stream *s = deflate_new(inner, method == 0 ? zip_stored_more : zip_inflate_more, f);

	if (s == NULL)
		return -1;
	s->size = size;
	s->crc_expected = crc;
	if (method != 0)
		inflate_start(&s->inflate, inner);
	*ret_stream = &s->stream;
	return 0;
}
