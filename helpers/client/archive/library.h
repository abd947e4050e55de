/*
 * client/archive/library: what kind of library a file is, by its first bytes (elf(5)).
 */
#ifndef OKV_CLIENT_ARCHIVE_LIBRARY_H
#define OKV_CLIENT_ARCHIVE_LIBRARY_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The machine of a 64-bit shared library; EM_NONE of anything else.  `filled`: how much of *head there is. */
static inline uint16_t library_machine(const Elf64_Ehdr *head, size_t filled)
{
	if (filled < sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_type != ET_DYN)
		return EM_NONE;
	return head->e_machine;
}

#endif
