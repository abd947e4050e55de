/* xz, bzip2 and Zstandard: the one place that libarchive is called. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#include "client/archive/limits.h"
#include "client/archive/stream.h"
#include "base/text.h"

/* Since libarchive 3.3.3; with an older one, of which Oracle Linux 7 has one, the program still starts. */
extern int archive_read_support_filter_zstd(struct archive *archive) __attribute__((weak));

struct filter_stream {
	struct stream stream;
	struct stream *inner;
	struct archive *archive;
	struct fault inner_fault; /* of a read in a callback */
	bool ended;
};

static la_ssize_t inner_read(struct archive *archive, void *context, const void **ret_bytes)
{
	struct filter_stream *s = context;

	if (stream_fill(s->inner, &s->inner_fault) < 0) {
		archive_set_error(archive, EIO, "%s", "the source failed");
		return -1;
	}
	const size_t length = (size_t)(s->inner->end - s->inner->at);
	*ret_bytes = s->inner->at;
	s->inner->at = s->inner->end;
	return (la_ssize_t)length;
}

/* Anything short of ARCHIVE_OK: a warning of libarchive is a guess about damage. */
static int library_fault(struct filter_stream *s, struct fault *f)
{
	if (s->inner_fault.kind != FAULT_NONE) {
		*f = s->inner_fault;
		return -1;
	}
	const char *what = archive_error_string(s->archive);
	return fault_refused(f, "damaged: %s", what != NULL ? SHOWN(what) : "libarchive cannot unpack it");
}

static int filter_more(struct stream *self, struct fault *f)
{
	struct filter_stream *s = (struct filter_stream *)self;
	const void *bytes = NULL;
	size_t length = 0;
	la_int64_t offset;

	self->at = self->end;
	while (!s->ended && length == 0) {
		const int r = archive_read_data_block(s->archive, &bytes, &length, &offset);
		if (r == ARCHIVE_EOF) {
			/* Whole? libarchive ends at the end of the compressed data, wherever the file ends. */
			struct archive_entry *entry;
			s->ended = true;
			length = 0;
			if (archive_read_next_header(s->archive, &entry) != ARCHIVE_EOF)
				return library_fault(s, f);
			if (stream_fill(s->inner, f) < 0)
				return -1;
			if (s->inner->at < s->inner->end ||
			    archive_filter_bytes(s->archive, -1) != (la_int64_t)s->inner->passed)
				return fault_refused(f, "damaged: something follows the end of the compressed data");
		} else if (r != ARCHIVE_OK) {
			return library_fault(s, f);
		}
	}
	if (length > 0) {
		self->at = bytes;
		self->end = self->at + length;
		self->passed += length;
	}
	return limits_check_ratio(s->inner->passed, self->passed, f);
}

static void filter_done(struct stream *self)
{
	struct filter_stream *s = (struct filter_stream *)self;

	(void)archive_read_free(s->archive);
}

int stream_filter(struct stream *inner, struct stream **ret_stream, struct fault *f)
{
	struct filter_stream *s = calloc(1, sizeof(*s));
	struct archive_entry *entry;

	if (s == NULL)
		return fault_memory(f);
	s->stream = (struct stream){ .more = filter_more, .done = filter_done };
	s->inner = inner;
	s->archive = archive_read_new();
	if (s->archive == NULL) {
		free(s);
		return fault_memory(f);
	}
	/* No program is ever started: only what libarchive was built with. */
	if (archive_read_support_filter_xz(s->archive) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(s->archive) != ARCHIVE_OK ||
	    (archive_read_support_filter_zstd != NULL && archive_read_support_filter_zstd(s->archive) != ARCHIVE_OK) ||
	    archive_read_support_format_raw(s->archive) != ARCHIVE_OK ||
	    archive_read_open(s->archive, s, NULL, inner_read, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(s->archive, &entry) != ARCHIVE_OK) {
		(void)library_fault(s, f);
		filter_done(&s->stream);
		free(s);
		return -1;
	}
	/* One filter, and the descriptor below it: libarchive would hand through what it does not know, and nest. */
	if (archive_filter_count(s->archive) != 2) {
		(void)fault_refused(f, "damaged: it is not packed, or more than once");
		filter_done(&s->stream);
		free(s);
		return -1;
	}
	*ret_stream = &s->stream;
	return 0;
}
