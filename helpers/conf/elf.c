#include "conf/elf.h"

#include <elf.h>
#include <string.h>

/* Reads program header `index`; false if it is not entirely within the file. */
static bool header_read(const char *bytes, size_t length, const Elf64_Ehdr *file, size_t index, Elf64_Phdr *ret_header)
{
	const size_t at = file->e_phoff + index * sizeof(*ret_header);

	if (file->e_phentsize != sizeof(*ret_header) || file->e_phoff > length || at > length ||
	    length - at < sizeof(*ret_header))
		return false;
	memcpy(ret_header, bytes + at, sizeof(*ret_header));
	return true;
}

/* The file offset of an address; `length` if it is not in the file. */
static size_t offset_of(const char *bytes, size_t length, const Elf64_Ehdr *file, Elf64_Addr address)
{
	Elf64_Phdr header;

	for (size_t i = 0; i < file->e_phnum && header_read(bytes, length, file, i, &header); i++)
		if (header.p_type == PT_LOAD && address >= header.p_vaddr &&
		    address - header.p_vaddr < header.p_filesz && header.p_offset < length &&
		    address - header.p_vaddr < length - header.p_offset)
			return header.p_offset + (address - header.p_vaddr);
	return length;
}

/* Reads entry `index` of the dynamic section; false past the last one. */
static bool entry_read(const char *bytes, size_t length, const Elf64_Phdr *dynamic, size_t index, Elf64_Dyn *ret_entry)
{
	const size_t room = dynamic->p_offset < length ? length - dynamic->p_offset : 0;
	const size_t size = dynamic->p_filesz < room ? dynamic->p_filesz : room;

	if (index >= size / sizeof(*ret_entry))
		return false;
	memcpy(ret_entry, bytes + dynamic->p_offset + index * sizeof(*ret_entry), sizeof(*ret_entry));
	return ret_entry->d_tag != DT_NULL;
}

static const char *machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = { { EM_X86_64, "x86_64" }, { EM_386, "i386" },    { EM_AARCH64, "aarch64" }, { EM_ARM, "arm" },
		      { EM_S390, "s390" },     { EM_PPC64, "ppc64" }, { EM_SPARCV9, "sparc64" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "another machine";
}

/* The end of the program headers, or of the last segment that is mapped from the file. */
static uint64_t segments_end(const char *bytes, size_t length, const Elf64_Ehdr *file)
{
	uint64_t end = file->e_phoff + (uint64_t)file->e_phnum * sizeof(Elf64_Phdr);
	Elf64_Phdr header;

	for (size_t i = 0; i < file->e_phnum && header_read(bytes, length, file, i, &header); i++)
		if (header.p_type == PT_LOAD && header.p_offset + header.p_filesz > end)
			end = header.p_offset + header.p_filesz;
	return end;
}

void elf_flaw_add(const char *bytes, size_t length, uint64_t size, struct text *out)
{
	/* Our own header, which the loader has mapped, says what this machine's libraries look like. */
	extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
	const Elf64_Ehdr *ours = &__ehdr_start;
	Elf64_Ehdr file = { 0 };

	memcpy(&file, bytes, length < sizeof(file) ? length : sizeof(file));
	if (length < sizeof(file) || memcmp(file.e_ident, ELFMAG, SELFMAG) != 0)
		text_add_string(out, "is not an ELF file, so it is not a library");
	else if (file.e_ident[EI_CLASS] != ours->e_ident[EI_CLASS])
		text_add_format(out, "is a %s-bit library, this program needs the %d-bit one",
				file.e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64", (int)(8 * sizeof(void *)));
	else if (file.e_ident[EI_DATA] != ours->e_ident[EI_DATA])
		text_add_string(out, "has the wrong byte order for this machine");
	else if (file.e_machine != ours->e_machine)
		text_add_format(out, "is for %s (%u), this machine is %s", machine_name(file.e_machine),
				(unsigned)file.e_machine, machine_name(ours->e_machine));
	else if (segments_end(bytes, length, &file) > size)
		text_add_format(out, "is cut off: it has %ju of at least %ju bytes", (uintmax_t)size,
				(uintmax_t)segments_end(bytes, length, &file));
}

void elf_libraries_read(const char *bytes, size_t length, struct text *names, struct text *places)
{
	enum { LIST_MAX = 64 * 1024 };
	Elf64_Ehdr file;
	Elf64_Phdr dynamic = { .p_type = PT_NULL };
	Elf64_Dyn entry;
	size_t strings = length;

	if (length < sizeof(file) || memcmp(bytes, ELFMAG, SELFMAG) != 0 || bytes[EI_CLASS] != ELFCLASS64 ||
	    bytes[EI_DATA] != ELFDATA2LSB)
		return;
	memcpy(&file, bytes, sizeof(file));
	for (size_t i = 0; i < file.e_phnum && dynamic.p_type != PT_DYNAMIC; i++)
		if (!header_read(bytes, length, &file, i, &dynamic))
			return;
	if (dynamic.p_type != PT_DYNAMIC)
		return;
	for (size_t i = 0; entry_read(bytes, length, &dynamic, i, &entry); i++)
		if (entry.d_tag == DT_STRTAB)
			strings = offset_of(bytes, length, &file, entry.d_un.d_ptr);
	for (size_t i = 0; entry_read(bytes, length, &dynamic, i, &entry); i++) {
		struct text *out = entry.d_tag == DT_NEEDED                               ? names
				   : entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH ? places
											  : NULL;
		const size_t room = length - strings;
		const size_t at = entry.d_un.d_val < room ? strings + entry.d_un.d_val : length;

		const size_t size = out != NULL ? strnlen(bytes + at, length - at) : 0;

		if (out != NULL && at + size < length && size < LIST_MAX - out->length)
			text_add_format(out, "%s:", bytes + at);
	}
}

bool elf_is_of_luna(const char *name)
{
	static const char *const stems[] = {
		"libCryptoki", "libethsm", "libcklog", "libshim", "libSoftToken", "libluna"
	};
	bool is = false;

	for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++)
		is = is || text_starts(name, stems[i]);
	return is;
}
