/* client/archive/zip with any bytes: what it lets pass tiles the file, member behind member. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/archive/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	ZIP_AUTO zip = { 0 };
	struct fault f = { 0 };

	if (fd < 0)
		fd = memfd_create("zip", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (zip_check(fd, &zip, &f) < 0) {
		must(f.kind == FAULT_REFUSED);
		return 0;
	}
	uint64_t at = 0;
	for (size_t i = 0; i < zip.count; i++) {
		/* A program that unpacks it may be before the first. */
		must(zip.members[i].at >= at && (i == 0 || zip.members[i].at - at <= 24));
		must(zip.members[i].end > zip.members[i].at && zip.members[i].end <= size);
		at = zip.members[i].end;
	}
	return 0;
}
