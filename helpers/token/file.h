/*
 * token/file: is this the library that root put there, and can it be loaded?
 *
 * Promise: the path is walked below the root; links are followed only where root alone could have made them, at most
 * TOKEN_LINKS_MAX at the end of the path, and each is written down.  The file and every directory on the way must
 * belong to root and be writable by nobody else: whoever can write there decides what runs with the HSM's credentials.
 * Then the ELF file is read (token/elf.h), and each library it needs, and those need, is looked for where the dynamic
 * linker would look: run path, ld.so.cache, the system's directories.
 */
#ifndef OKV_TOKEN_FILE_H
#define OKV_TOKEN_FILE_H

#include "base/fault.h"
#include "base/text.h"
#include "token/elf.h"

enum { TOKEN_LINKS_MAX = 8 };

struct token_file {
	int fd;		 /* the library itself; the holder closes it */
	struct text real;  /* its path without links in the last component */
	struct text links; /* "a -> b -> c"; empty when there was none */
};

#define TOKEN_FILE_INIT { .fd = -1, .real = TEXT_INIT, .links = TEXT_INIT }
#define TOKEN_FILE_AUTO __attribute__((cleanup(token_file_done))) struct token_file

/* FAULT_ABSENT: not there, or a link that leads nowhere (named).  FAULT_REFUSED: writable by others, a loop. */
int token_file_find(int root, const char *path, struct token_file *ret_file, struct fault *f);
void token_file_done(struct token_file *file);
/* FAULT_ABSENT names the first library that is missing and who needs it. */
int token_file_check(int root, const struct token_file *file, struct fault *f);

#endif
