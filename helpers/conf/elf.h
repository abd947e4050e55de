/*
 * conf/elf: can this machine's loader map a shared object, which libraries does it need, and where does the loader look
 * for them (ELF-64, little endian).
 *
 * Promise: opens nothing and reads nothing beyond the given bytes; what is not such an object, or is damaged, needs
 * nothing.  The output is bounded, since a damaged object can list one long string a million times.
 */
#ifndef OKV_CONF_ELF_H
#define OKV_CONF_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Of a file's first bytes, what elf_flaw_add needs of any real library. */
enum { ELF_HEADERS_SIZE = 4096 };

/*
 * Why this machine's loader cannot map a file of `size` bytes that begins with `bytes`: "is for aarch64 (183), this
 * machine is x86_64", "is cut off: ...".  Adds nothing where nothing of the headers is against it.
 */
void elf_flaw_add(const char *bytes, size_t length, uint64_t size, struct text *out);
/* Adds DT_NEEDED to `names`, and DT_RPATH and DT_RUNPATH (perhaps with $ORIGIN) to `places`, each followed by ':'. */
void elf_libraries_read(const char *bytes, size_t length, struct text *names, struct text *places);
/* Is that the file name of a library of the Luna client, whatever its version? */
bool elf_is_of_luna(const char *name);

#endif
