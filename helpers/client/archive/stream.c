#include "client/archive/stream.h"

#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum { BUFFER_SIZE = 64 * 1024, GZIP = 16 + MAX_WBITS };

/* Since libarchive 3.3.3; with an older one, of which Oracle Linux 7 has one, the program still starts. */
extern int archive_read_support_filter_zstd(struct archive *archive) __attribute__((weak));

void stream_done(struct stream *s)
{
	if (s->packed != NULL && s->filter == NULL)
		(void)inflateEnd(&s->inflate);
	if (s->filter != NULL)
		(void)archive_read_free(s->filter);
	free(s->buffer);
	*s = (struct stream){ 0 };
}

int stream_more(struct stream *s, struct fault *f)
{
	size_t zeros = 0;

	s->length = 0;
	if (!s->ended && s->more(s, f) < 0)
		return -1;
	s->ended = s->length == 0;
	while (zeros < s->length && s->bytes[s->length - 1 - zeros] == 0)
		zeros++;
	s->zeros = zeros == s->length ? s->zeros + zeros : zeros;
	s->passed += s->length;
	return 0;
}

static int buffered(struct stream *s, int (*more)(struct stream *s, struct fault *f), struct fault *f)
{
	s->more = more;
	s->buffer = malloc(BUFFER_SIZE);
	return s->buffer != NULL ? 0 : fault_memory(f);
}

/* --- a file ------------------------------------------------------------------------------------------------------- */

static int file_more(struct stream *s, struct fault *f)
{
	ssize_t got;

	do
		got = read(s->fd, s->buffer, BUFFER_SIZE);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fault_system(f, errno, "cannot read it");
	s->bytes = s->buffer;
	s->length = (size_t)got;
	return 0;
}

int stream_file(int fd, struct stream *ret_stream, struct fault *f)
{
	*ret_stream = (struct stream){ .fd = fd };
	return buffered(ret_stream, file_more, f);
}

/* --- gzip --------------------------------------------------------------------------------------------------------- */

static int gzip_damaged(const struct stream *s, struct fault *f)
{
	return fault_refused(f, "damaged: gzip: %s", s->inflate.msg != NULL ? s->inflate.msg : "it ends too early");
}

/* One step of zlib; at a member's end, the next one begins or the stream has ended. */
static int gzip_step(struct stream *s, struct fault *f)
{
	z_stream *z = &s->inflate;

	if (z->avail_in == 0) {
		if (stream_more(s->packed, f) < 0)
			return -1;
		z->next_in = (z_const Bytef *)(uintptr_t)s->packed->bytes;
		z->avail_in = (uInt)s->packed->length;
	}
	if (!s->within && z->avail_in == 0) {
		s->ended = true;
		return 0;
	}
	if (!s->within && inflateReset(z) != Z_OK)
		return gzip_damaged(s, f);
	s->within = true;
	const int r = inflate(z, Z_NO_FLUSH);
	if (r == Z_STREAM_END)
		s->within = false;
	else if (r == Z_MEM_ERROR)
		return fault_memory(f);
	else if (r != Z_OK || (s->packed->ended && z->avail_in == 0 && z->avail_out > 0))
		return gzip_damaged(s, f);
	return 0;
}

static int gzip_more(struct stream *s, struct fault *f)
{
	s->bytes = s->buffer;
	s->inflate.next_out = s->buffer;
	s->inflate.avail_out = BUFFER_SIZE;
	while (!s->ended && s->inflate.avail_out > 0)
		if (gzip_step(s, f) < 0)
			return -1;
	s->length = BUFFER_SIZE - s->inflate.avail_out;
	return 0;
}

int stream_gzip(struct stream *packed, struct stream *ret_stream, struct fault *f)
{
	*ret_stream = (struct stream){ .packed = packed, .within = true };
	if (inflateInit2(&ret_stream->inflate, GZIP) != Z_OK)
		return fault_memory(f);
	return buffered(ret_stream, gzip_more, f);
}

/* --- libarchive --------------------------------------------------------------------------------------------------- */

int stream_blame(struct archive *archive, const struct stream *s, struct fault *f)
{
	const char *what = archive_error_string(archive);

	if (s != NULL && s->fault.kind != FAULT_NONE) {
		*f = s->fault;
		return -1;
	}
	if (archive_errno(archive) == ENOMEM)
		return fault_memory(f);
	return fault_refused(f, "damaged: %s", what != NULL ? SHOWN(what) : "libarchive cannot read it");
}

static la_ssize_t bytes_give(struct archive *archive, void *context, const void **ret_bytes)
{
	struct stream *s = context;

	if (stream_more(s, &s->fault) < 0) {
		archive_set_error(archive, EIO, "%s", "the source failed");
		return -1;
	}
	*ret_bytes = s->bytes;
	return (la_ssize_t)s->length;
}

int stream_feed(struct stream *s, struct archive *archive)
{
	return archive_read_open(archive, s, NULL, bytes_give, NULL);
}

/* A hole would be given by leaving an offset out. */
static int content_more(struct stream *s, struct fault *f)
{
	const void *bytes = NULL;
	size_t length = 0;
	la_int64_t offset = 0;

	while (length == 0) {
		const int r = archive_read_data_block(s->archive, &bytes, &length, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK)
			return stream_blame(s->archive, NULL, f);
	}
	if (offset != (la_int64_t)s->passed)
		return fault_refused(f, "a sparse file; pack it again without holes (tar without --sparse)");
	s->bytes = bytes;
	s->length = length;
	return 0;
}

void stream_content(struct archive *archive, struct stream *ret_stream)
{
	*ret_stream = (struct stream){ .archive = archive, .more = content_more };
}

/* libarchive ends at the end of the compressed data, wherever the file ends. */
static int filter_more(struct stream *s, struct fault *f)
{
	struct archive_entry *entry;

	if (content_more(s, f) < 0) {
		if (s->packed->fault.kind != FAULT_NONE)
			*f = s->packed->fault;
		return -1;
	}
	if (s->length > 0)
		return 0;
	if (archive_read_next_header(s->archive, &entry) != ARCHIVE_EOF)
		return stream_blame(s->archive, s->packed, f);
	const uint64_t used = (uint64_t)archive_filter_bytes(s->archive, -1);
	if (used == s->packed->passed && stream_more(s->packed, f) < 0)
		return -1;
	return used == s->packed->passed
		       ? 0
		       : fault_refused(f, "damaged: something follows the end of the compressed data");
}

int stream_filter(struct stream *packed, struct stream *ret_stream, struct fault *f)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;

	if (a == NULL)
		return fault_memory(f);
	*ret_stream = (struct stream){ .packed = packed, .archive = a, .filter = a, .more = filter_more };
	/* No program is ever started: only what libarchive was built with. */
	if (archive_read_support_filter_xz(a) != ARCHIVE_OK || archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
	    (archive_read_support_filter_zstd != NULL && archive_read_support_filter_zstd(a) != ARCHIVE_OK) ||
	    archive_read_support_format_raw(a) != ARCHIVE_OK || stream_feed(packed, a) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return stream_blame(a, packed, f);
	/* One filter, and the bytes below it: libarchive would hand through what it does not know, and nest. */
	return archive_filter_count(a) == 2
		       ? 0
		       : fault_refused(f, "damaged: it is not compressed, or compressed more than once");
}
