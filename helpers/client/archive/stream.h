/*
 * client/archive/stream: bytes in a row, whatever they come out of.
 *
 * Promise: stream_more brings the next bytes, and none only at the true end.  What a packing says about its bytes has
 * been compared by then: of gzip, CRC-32 and length of every member (zlib does, libarchive does not), and that nothing
 * follows; of xz, bzip2 and Zstandard, whatever libarchive compares, and that nothing follows.  What a stream was
 * given is borrowed and must outlive it.
 */
#ifndef OKV_CLIENT_ARCHIVE_STREAM_H
#define OKV_CLIENT_ARCHIVE_STREAM_H

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/fault.h"

struct stream {
	const unsigned char *bytes; /* the present ones */
	size_t length;
	uint64_t passed; /* all up to the end of the present ones */
	uint64_t zeros;  /* of these, at the end, how many are zero */
	bool ended;
	struct fault fault; /* of a read for libarchive, which has no place for it */
	/* One of the sources. */
	int fd;
	struct stream *packed;   /* gzip */
	struct archive *archive; /* the content of its present member */
	/* The kind's own. */
	int (*more)(struct stream *s, struct fault *f);
	z_stream inflate;
	bool within;            /* a gzip member */
	struct archive *filter; /* owned */
	unsigned char *buffer;  /* owned */
};

#define STREAM_AUTO __attribute__((cleanup(stream_done))) struct stream

/* Of one that was never opened, { 0 }, too. */
void stream_done(struct stream *s);
/* From the descriptor's present offset on. */
int stream_file(int fd, struct stream *ret_stream, struct fault *f);
int stream_gzip(struct stream *packed, struct stream *ret_stream, struct fault *f);
/* xz, bzip2 or Zstandard.  *ret_stream must not move afterwards. */
int stream_filter(struct stream *packed, struct stream *ret_stream, struct fault *f);
/* What archive_read_data_block(3) gives of the present member. */
void stream_content(struct archive *archive, struct stream *ret_stream);

/* The next bytes; length 0 at the end. */
int stream_more(struct stream *s, struct fault *f);
/* Opens an archive that reads the stream; a fault of the stream's is left in stream->fault. */
int stream_feed(struct stream *s, struct archive *archive);
/* What libarchive has to say, or the stream that it reads.  Anything short of ARCHIVE_OK: its warnings are damage. */
int stream_blame(struct archive *archive, const struct stream *s, struct fault *f);

#endif
