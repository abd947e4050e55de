/*
 * conf/elf: which libraries a shared object asks the loader for, and where it tells it to look (ELF-64, little endian).
 *
 * Promise: opens nothing; bytes that are no such object, or a damaged one, ask for nothing.
 */
#ifndef OKV_CONF_ELF_H
#define OKV_CONF_ELF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

enum elf_request {
	ELF_NEEDED, /* a file name */
	ELF_PATH,   /* RPATH or RUNPATH: directories joined by ':', perhaps with $ORIGIN */
};
/* Calls `each` for every request; -1 of it ends the walk. */
int elf_requests(const char *bytes, size_t length,
		 int (*each)(void *context, enum elf_request request, const char *value, struct fault *f),
		 void *context, struct fault *f);

#endif
