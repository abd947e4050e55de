/*
 * client/archive/stream and client/archive/inflate with any bytes: whatever the pieces of input are, the outcome is the same; what
 * passes is what zlib makes of it (asked through libarchive).
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/archive/crc32.h"
#include "base/text.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static int ours(const uint8_t *data, size_t size, size_t piece, struct text *out, struct fault *f)
{
	struct pieces p = { .stream = { .at = data, .end = data, .more = pieces_more },
			    .next = data,
			    .end = data + size,
			    .piece = piece };
	STREAM_AUTO *s = NULL;

	if (stream_gzip(&p.stream, &s, f) < 0)
		return -1;
	for (;;) {
		if (stream_fill(s, f) < 0)
			return -1;
		if (s->at == s->end)
			return 0;
		text_add(out, s->at, (size_t)(s->end - s->at));
		s->at = s->end;
	}
}

static void theirs(const uint8_t *data, size_t size, struct text *out)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	char block[65536];
	la_ssize_t got;

	must(a != NULL && archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
	     archive_read_support_format_raw(a) == ARCHIVE_OK && archive_read_support_format_empty(a) == ARCHIVE_OK &&
	     archive_read_open_memory(a, data, size) == ARCHIVE_OK);
	if (archive_read_next_header(a, &entry) == ARCHIVE_OK)
		while ((got = archive_read_data(a, block, sizeof(block))) > 0)
			text_add(out, block, (size_t)got);
	(void)archive_read_free(a);
}

/* Header, trailer and right numbers around what is mutated, so that it gets past the checksum. */
static void wrapped(const uint8_t *data, size_t size)
{
	static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO content = { 0 };
	TEXT_AUTO again = { 0 };
	TEXT_AUTO other = { 0 };
	struct fault f = { 0 };

	text_add(&bytes, head, sizeof(head));
	text_add(&bytes, data, size);
	/* It fails at the trailer at the latest, and has by then given all there is. */
	const int r = ours((const uint8_t *)bytes.bytes, bytes.length, SIZE_MAX, &content, &f);
	if (r == 0 || strstr(f.text, "gzip's CRC-32") == NULL)
		return;
	const uint32_t crc = crc32_add_portable(0, content.bytes, content.length);
	for (unsigned i = 0; i < 4; i++)
		bytes.bytes[bytes.length - 8 + i] = (char)(crc >> 8 * i);
	for (unsigned i = 0; i < 4; i++)
		bytes.bytes[bytes.length - 4 + i] = (char)(content.length >> 8 * i);
	f = (struct fault){ 0 };
	if (ours((const uint8_t *)bytes.bytes, bytes.length, SIZE_MAX, &again, &f) < 0)
		return; /* the trailer was not at the end */
	theirs((const uint8_t *)bytes.bytes, bytes.length, &other);
	must(other.length == again.length);
	must(again.length == 0 || memcmp(other.bytes, again.bytes, again.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 23, 24, 25, 300 };
	TEXT_AUTO whole = { 0 };
	struct fault f = { 0 };
	const int r = ours(data, size, SIZE_MAX, &whole, &f);

	must(r == 0 || f.kind == FAULT_REFUSED);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		TEXT_AUTO part = { 0 };
		struct fault g = { 0 };
		must(ours(data, size, pieces[i], &part, &g) == r);
		if (r == 0)
			must(part.length == whole.length &&
			     (part.length == 0 || memcmp(part.bytes, whole.bytes, part.length) == 0));
	}
	wrapped(data, size);
	return 0;
}
