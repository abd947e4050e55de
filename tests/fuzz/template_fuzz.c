/*
 * client/layout with any template: a Chrystoki.conf that parses and names no relative library, and of which the
 * template of a second time is the same.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/layout.h"
#include "conf/chrystoki.h"
#include "fs/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static char place[32];

static void place_remove(void)
{
	struct fault ignored = { 0 };

	(void)fs_tree_remove(AT_FDCWD, place, &ignored);
}

/* A client of two files and a directory, and the one that changes. */
static int client_make(int *ret_conf)
{
	/* In memory where there is a place, for speed. */
	strcpy(place, "/dev/shm/okv-luna-fuzz-XXXXXX");
	if (mkdtemp(place) == NULL) {
		strcpy(place, "/tmp/okv-luna-fuzz-XXXXXX");
		must(mkdtemp(place) != NULL);
	}
	must(atexit(place_remove) == 0);
	const int client = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(client >= 0 && mkdirat(client, "bin", 0755) == 0 && mkdirat(client, "libs", 0755) == 0);
	must(mkdirat(client, "libs/64", 0755) == 0 && mkdirat(client, "libs/64/plugins", 0755) == 0);
	const int file = openat(client, "openssl.cnf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	must(file >= 0 && close(file) == 0);
	*ret_conf = openat(client, "Chrystoki.conf", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	must(*ret_conf >= 0);
	return client;
}

/* False where it is refused. */
static bool make(int client, int fd, const char *bytes, size_t length, struct text *ret_made)
{
	struct unpack_entry entry = { .path = (char *)"Chrystoki.conf", .type = UNPACK_FILE };
	const struct client_content content = { .kind = CLIENT_CLOUD, .unpacked = { .entries = &entry, .count = 1 } };
	struct fault f = { 0 };

	must(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, length, 0) == (ssize_t)length);
	if (client_layout_conf_make(client, &content, "/usr/client", ret_made, &f) < 0) {
		must(f.kind == FAULT_REFUSED);
		return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int client = -1, fd = -1;
	TEXT_AUTO once = { 0 };
	TEXT_AUTO twice = { 0 };
	CHRYSTOKI_AUTO c = { 0 };
	struct fault f = { 0 };
	char *library = NULL;

	if (client < 0)
		client = client_make(&fd);
	if (!make(client, fd, (const char *)data, size, &once))
		return 0;
	must(chrystoki_parse(&c, text_string(&once), once.length, &f) == 0);
	must(chrystoki_get(&c, "Chrystoki2", "LibUNIX64", &library, &f) == 0);
	must(library != NULL && strcmp(library, "/usr/client/lib/libCryptoki2_64.so") == 0);
	free(library);
	must(make(client, fd, once.bytes, once.length, &twice));
	must(twice.length == once.length && memcmp(twice.bytes, once.bytes, once.length) == 0);
	return 0;
}
