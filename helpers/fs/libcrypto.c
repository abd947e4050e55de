#include "fs/libcrypto.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "fs/each.h"
#include "fs/root.h"

static const char *const directories[] = { "/usr/lib64", "/lib64", "/usr/lib/x86_64-linux-gnu",
					   "/usr/lib/aarch64-linux-gnu", "/usr/lib" };

/* Takes any soname, because the one of the next OS release is not known yet. */
static void *directory_search(const char *directory, const char *stem, const char *function)
{
	FS_AUTO int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FS_EACH_AUTO each = { 0 };
	struct fs_each_entry entry;
	struct fault ignored = { 0 };
	void *library = NULL;

	if (dir < 0 || fs_each_open(dir, directory, &each, &ignored) < 0)
		return NULL;
	while (library == NULL && fs_each_next(&each, &entry, &ignored) > 0) {
		char path[PATH_MAX];
		if (!text_starts(entry.name, stem))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", directory, entry.name);
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (library != NULL && dlsym(library, function) == NULL) {
			(void)dlclose(library);
			library = NULL;
		}
	}
	return library;
}

static bool function_find(void **library, const char *stem, const char *function, const char *name, void *ret_function)
{
	for (size_t i = 0; *library == NULL && i < sizeof(directories) / sizeof(directories[0]); i++)
		*library = directory_search(directories[i], stem, function);

	/* ISO C has no cast from a data pointer to a function pointer, so the address is copied (dlsym(3)). */
	void *address = *library != NULL ? dlsym(*library, name) : NULL;
	memcpy(ret_function, &address, sizeof(address));
	return address != NULL;
}

bool fs_libcrypto_find(const char *name, void *ret_function)
{
	static void *library;

	return function_find(&library, "libcrypto.so", "EVP_sha256", name, ret_function);
}

bool fs_libssl_find(const char *name, void *ret_function)
{
	static void *library;

	return function_find(&library, "libssl.so", "SSL_connect", name, ret_function);
}
