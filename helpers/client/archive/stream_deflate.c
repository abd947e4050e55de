/* DEFLATE, as gzip and zip wrap it: what they say about the content is compared with what came out. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/archive/crc32.h"
#include "client/archive/inflate.h"
#include "client/archive/limits.h"
#include "client/archive/stream.h"

enum { WINDOW_SIZE = INFLATE_WINDOW + 224 * 1024 };

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
