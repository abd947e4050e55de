/*
 * okv-luna-unarchive ID: reads the archive on its standard input, for okv-luna extract.
 *
 * A separate program, so that the memory that parses foreign bytes holds none of root's data, and so that extract
 * itself starts without libarchive and zlib.  Started as root; becomes user ID, which nobody else has.  Sends what it
 * reads as messages (proc/child.h).
 */
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/number.h"
#include "client/archive/unarchive.h"

/* libarchive converts names in pax headers to the locale's charset.  No UTF-8 locale exists on every system. */
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
