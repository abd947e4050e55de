/* client/archive/zip with any bytes: what it lets pass has the length and checksum that it promised. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/archive/crc32.h"
#include "client/archive/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static int content_check(int fd, const struct zip_place *place, struct fault *f)
{
	STREAM_AUTO *inner = NULL;
	STREAM_AUTO *stream = NULL;
	uint64_t length = 0;
	uint32_t crc = 0;

	if (zip_open(fd, place, &stream, &inner, f) < 0)
		return -1;
	for (;;) {
		if (stream_fill(stream, f) < 0) {
			stream_free(&stream);
			return -1;
		}
		if (stream->at == stream->end)
			break;
		crc = crc32_add_portable(crc, stream->at, (size_t)(stream->end - stream->at));
		length += (uint64_t)(stream->end - stream->at);
		stream->at = stream->end;
	}
	stream_free(&stream);
	must(length == place->size && crc == place->crc);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct zip zip;
	static int fd = -1;
	struct fault f = { 0 };
	struct zip_place place;
	struct member m;
	uint64_t before = 0;

	if (fd < 0)
		fd = memfd_create("zip", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (zip_start(&zip, fd, &f) < 0) {
		must(f.kind == FAULT_REFUSED);
		return 0;
	}
	int r;
	while ((r = zip_next(&zip, &m, &place, &f)) > 0) {
		/* One behind the other, and none beyond the file. */
		must(place.offset > before && place.offset + place.packed <= size);
		before = place.offset + place.packed;
		if (m.type == MEMBER_FILE && content_check(fd, &place, &f) < 0) {
			must(f.kind == FAULT_REFUSED);
			return 0;
		}
	}
	must(r == 0 || f.kind == FAULT_REFUSED);
	return 0;
}
