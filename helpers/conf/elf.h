/*
 * conf/elf: the libraries that a shared object needs, and where the loader looks for them (ELF-64, little endian).
 *
 * Promise: opens nothing and reads nothing beyond the given bytes; what is not such an object, or is damaged, needs
 * nothing.  The output is bounded, since a damaged object can list one long string a million times.
 */
#ifndef OKV_CONF_ELF_H
#define OKV_CONF_ELF_H

#include <stddef.h>

#include "base/text.h"

/* Adds DT_NEEDED to `names`, and DT_RPATH and DT_RUNPATH (perhaps with $ORIGIN) to `places`, each followed by ':'. */
void elf_libraries_read(const char *bytes, size_t length, struct text *names, struct text *places);
/* Is that the file name of a library of the Luna client, whatever its version? */
bool elf_is_of_luna(const char *name);

#endif
