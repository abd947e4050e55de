/*
 * client/archive/stream: bytes in a row, whatever they come out of.
 *
 * Promise: between `at` and `end` lie the bytes at hand; stream_fill brings the next ones when there are none left,
 * and leaves at == end only at the true end.  A stream that unpacks another has checked by then what that one says
 * about itself: checksum, length, and that nothing follows.  What a stream was given (descriptor, inner stream) is
 * borrowed and must outlive it.
 */
#ifndef OKV_CLIENT_ARCHIVE_STREAM_H
#define OKV_CLIENT_ARCHIVE_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

struct stream {
	const unsigned char *at, *end;
	int (*more)(struct stream *self, struct fault *f); /* called with at == end */
	void (*done)(struct stream *self);                 /* frees it; may be NULL */
	uint64_t passed;                                   /* bytes that were at hand before `at..end` came */
};

/* 0 with at == end: the end. */
static inline int stream_fill(struct stream *s, struct fault *f)
{
	return s->at < s->end ? 0 : s->more(s, f);
}

/* Frees *s unless NULL. */
void stream_free(struct stream **s);
#define STREAM_AUTO __attribute__((cleanup(stream_free))) struct stream

/* Up to `length` bytes are copied; *ret_got is less only at the end of the stream. */
int stream_read(struct stream *s, void *bytes, size_t length, size_t *ret_got, struct fault *f);
/* All of them, or FAULT_REFUSED ("ends too early"). */
int stream_read_all(struct stream *s, void *bytes, size_t length, struct fault *f);
/* What can be read from a descriptor: [offset, offset + length) by pread(2), or to its end. */
enum { STREAM_TO_END = -1 };
int stream_file(int fd, off_t offset, off_t length, struct stream **ret_stream, struct fault *f);
/* The same bytes; the first STREAM_LEAD of them (or all) lie at hand in one piece to be looked at. */
enum { STREAM_LEAD = 512 };
int stream_lead(struct stream *inner, struct stream **ret_stream, struct fault *f);
/* The next `length` bytes of another stream, which must not be touched meanwhile. */
int stream_section(struct stream *inner, uint64_t length, struct stream **ret_stream, struct fault *f);
/* gzip (RFC 1952), one member or several. */
int stream_gzip(struct stream *inner, struct stream **ret_stream, struct fault *f);
/* The content of a zip member: `inner` is its packed bytes, and nothing may be left of them. */
int stream_zip(struct stream *inner, int method, uint64_t size, uint32_t crc, struct stream **ret_stream,
	       struct fault *f);
/* xz, bzip2 or Zstandard, by libarchive. */
int stream_filter(struct stream *inner, struct stream **ret_stream, struct fault *f);

#endif
