/*
 * conf/elf: which libraries a shared object asks the loader for, and where it tells it to look (ELF-64, little endian).
 *
 * Promise: opens nothing.  Bytes that are no such object, or a damaged one, ask for nothing; nothing is read beyond
 * them.  A damaged object may name one long string a million times, so what is added is bounded.
 */
#ifndef OKV_CONF_ELF_H
#define OKV_CONF_ELF_H

#include <stddef.h>

#include "base/text.h"

/* Adds, each ended by ':', file names; and directories (RPATH, RUNPATH), perhaps with $ORIGIN. */
void elf_libraries_read(const char *bytes, size_t length, struct text *names, struct text *places);
/* Is that the file name of a library of the Luna client, whatever its version? */
bool elf_is_of_luna(const char *name);

#endif
