/*
 * hsm/elf: look into a shared library without running a byte of it.
 *
 * Promise: reads the file by its descriptor and believes nothing it says: every offset and count is checked against
 * the file, so a damaged or hostile file ends in FAULT_REFUSED and never in a fault of ours.  dlopen(3) runs
 * constructors, and its messages do not tell a wrong machine from a missing library; this does both.
 * Format: System V gABI, "Object Files" and "Dynamic Linking"; GNU hash as binutils write it.
 */
#ifndef OKV_HSM_ELF_H
#define OKV_HSM_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"

enum { HSM_ELF_NEEDED_MAX = 64 };

struct hsm_elf {
	char *strings;                          /* owned: what the pointers below point into */
	const char *needed[HSM_ELF_NEEDED_MAX]; /* DT_NEEDED, in order */
	size_t needed_count;
	const char *soname;  /* or NULL */
	const char *runpath; /* DT_RUNPATH, else DT_RPATH, or NULL */
	bool has_symbol;     /* the symbol asked for is defined in the dynamic symbol table */
};

#define HSM_ELF_AUTO __attribute__((cleanup(hsm_elf_done))) struct hsm_elf

/*
 * FAULT_REFUSED where it is no ELF file, another class, byte order or machine than this program's ("is for aarch64,
 * this machine is x86_64"), no shared library, or damaged.  `name` is for the fault.
 */
int hsm_elf_read(int fd, const char *name, const char *symbol, struct hsm_elf *ret_elf, struct fault *f);
void hsm_elf_done(struct hsm_elf *elf);

#endif
