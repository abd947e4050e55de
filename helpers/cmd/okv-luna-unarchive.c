/*
 * okv-luna-unarchive ID: reads the archive that is its standard input, for okv-luna extract.
 *
 * A program of its own, so that nothing that root's process has in its memory is where foreign bytes are taken
 * apart, and so that extract starts where libarchive or zlib is missing.  Starts as root, to become ID, which is nobody
 * else's, and tells what it reads as a worker does (proc/child.h).
 */
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/number.h"
#include "client/archive/unarchive.h"

/* libarchive takes names of pax headers through the locale; which of these there is depends on the system. */
static void locale_choose(void)
{
	static const char *const names[] = { "C.UTF-8", "C.utf8", "en_US.UTF-8" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (setlocale(LC_CTYPE, names[i]) != NULL)
			return;
}

int main(int argc, char *argv[])
{
	struct fault f = { 0 };
	uint64_t id;

	if (argc != 2 || number_parse(argv[1], "the id", 1, INT32_MAX, &id, &f) < 0)
		_exit(2);
	locale_choose();
	_exit(unarchive_serve((uid_t)id));
}
