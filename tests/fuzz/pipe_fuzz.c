/* client/archive/pipe, the keeper's side, with any bytes of a process that was taken over: strings end, numbers are valid. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/archive/pipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pipe_reader reader;
	static int fd = -1;
	struct fault f = { 0 };
	char path[PIPE_TEXT_MAX + 1], target[PIPE_TEXT_MAX + 1];
	int r = 1;

	if (fd < 0)
		fd = memfd_create("notes", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size &&
	     lseek(fd, 0, SEEK_SET) == 0);
	reader.filled = reader.used = 0;
	while (r > 0 && (r = pipe_note_read(&reader, fd, &f)) > 0) {
		struct pipe_note note;
		while ((r = pipe_note_next(&reader, &note, path, target, &f)) > 0) {
			must(strlen(path) == note.path_length && strlen(target) == note.target_length);
			must(note.kind >= PIPE_NOTE_ENTRY && note.kind <= PIPE_NOTE_FAULT);
		}
		must(reader.used <= reader.filled && reader.filled <= sizeof(reader.bytes));
		r = r < 0 ? -1 : 1;
	}
	must(r == 0 || f.kind == FAULT_SYSTEM);
	return 0;
}
