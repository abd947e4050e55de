#include "hsm/elf.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum {
	SEGMENTS_MAX = 64,
	DYNAMIC_MAX = 1024,
	STRINGS_MAX = 32 * 1024 * 1024,
	CHAIN_MAX = 4096, /* symbols of one hash bucket; thousands would be an attack, not a library */
};

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__s390x__)
#define MACHINE EM_S390
#elif defined(__powerpc64__)
#define MACHINE EM_PPC64
#elif defined(__i386__)
#define MACHINE EM_386
#else
#error "name the ELF machine of this architecture"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_HERE ELFDATA2LSB
#else
#define BYTE_ORDER_HERE ELFDATA2MSB
#endif
#define CLASS_HERE (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

struct image {
	int fd;
	const char *name;
	ElfW(Phdr) segments[SEGMENTS_MAX];
	size_t segment_count;
	ElfW(Dyn) dynamic[DYNAMIC_MAX];
	size_t dynamic_count;
	char *strings; /* owned until handed over */
	uint64_t strings_size;
	struct fault *f;
};

static int damaged(const struct image *image, const char *where)
{
	return fault_refused(image->f, "'%s' is damaged: its %s cannot be read", SHOWN(image->name), where);
}

/* Exactly that piece of the file. */
static int piece_read(const struct image *image, uint64_t offset, void *bytes, size_t length, const char *where)
{
	size_t done = 0;

	if (offset > INT64_MAX - length)
		return damaged(image, where);
	while (done < length) {
		const ssize_t got = pread(image->fd, (char *)bytes + done, length - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(image->f, errno, "cannot read '%s'", SHOWN(image->name));
		if (got == 0)
			return damaged(image, where);
		done += (size_t)got;
	}
	return 0;
}

static const char *machine_name(unsigned machine)
{
	switch (machine) {
	case EM_X86_64:
		return "x86_64";
	case EM_386:
		return "i386";
	case EM_AARCH64:
		return "aarch64";
	case EM_ARM:
		return "arm";
	case EM_S390:
		return "s390";
	case EM_PPC64:
		return "ppc64";
	case EM_SPARCV9:
		return "sparc64";
	default:
		return "another machine";
	}
}

static int header_read(struct image *image)
{
	ElfW(Ehdr) header;
	unsigned char first[EI_NIDENT];
	struct fault ignored = { 0 }, *f = image->f;

	image->f = &ignored;
	const bool short_file = piece_read(image, 0, first, sizeof(first), "header") < 0;
	image->f = f;
	if (short_file || memcmp(first, ELFMAG, SELFMAG) != 0)
		return fault_refused(f, "'%s' is no ELF file, so no library", SHOWN(image->name));
	if (first[EI_CLASS] != CLASS_HERE)
		return fault_refused(f, "'%s' is a %s-bit library, this program needs the %d-bit one",
				     SHOWN(image->name), first[EI_CLASS] == ELFCLASS32 ? "32" : "64",
				     (int)(8 * sizeof(void *)));
	if (first[EI_DATA] != BYTE_ORDER_HERE)
		return fault_refused(f, "'%s' has the other byte order than this machine", SHOWN(image->name));
	if (piece_read(image, 0, &header, sizeof(header), "header") < 0)
		return -1;
	if (header.e_machine != MACHINE)
		return fault_refused(f, "'%s' is for %s (%u), this machine is %s", SHOWN(image->name),
				     machine_name(header.e_machine), (unsigned)header.e_machine, machine_name(MACHINE));
	if (header.e_type != ET_DYN)
		return fault_refused(f, "'%s' is no shared library (ELF type %u)", SHOWN(image->name),
				     (unsigned)header.e_type);
	if (header.e_phentsize != sizeof(ElfW(Phdr)) || header.e_phnum == 0 || header.e_phnum > SEGMENTS_MAX)
		return damaged(image, "program header");
	image->segment_count = header.e_phnum;
	return piece_read(image, header.e_phoff, image->segments, image->segment_count * sizeof(ElfW(Phdr)),
			  "program header");
}

static int dynamic_read(struct image *image)
{
	const ElfW(Phdr) *dynamic = NULL;

	for (size_t i = 0; i < image->segment_count && dynamic == NULL; i++)
		if (image->segments[i].p_type == PT_DYNAMIC)
			dynamic = &image->segments[i];
	if (dynamic == NULL)
		return fault_refused(image->f, "'%s' is no shared library: it has no dynamic section",
				     SHOWN(image->name));
	const size_t count = dynamic->p_filesz / sizeof(ElfW(Dyn));
	if (count == 0 || count > DYNAMIC_MAX)
		return damaged(image, "dynamic section");
	if (piece_read(image, dynamic->p_offset, image->dynamic, count * sizeof(ElfW(Dyn)), "dynamic section") < 0)
		return -1;
	while (image->dynamic_count < count && image->dynamic[image->dynamic_count].d_tag != DT_NULL)
		image->dynamic_count++;
	return 0;
}

static const ElfW(Dyn) * dynamic_find(const struct image *image, int64_t tag)
{
	for (size_t i = 0; i < image->dynamic_count; i++)
		if ((int64_t)image->dynamic[i].d_tag == tag)
			return &image->dynamic[i];
	return NULL;
}

/* Where in the file that address is loaded from. */
static int place_find(const struct image *image, uint64_t address, const char *where, uint64_t *ret_offset)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const ElfW(Phdr) *segment = &image->segments[i];
		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_filesz) {
			*ret_offset = segment->p_offset + (address - segment->p_vaddr);
			return 0;
		}
	}
	return damaged(image, where);
}

static int strings_read(struct image *image)
{
	const ElfW(Dyn) *table = dynamic_find(image, DT_STRTAB), *size = dynamic_find(image, DT_STRSZ);
	uint64_t offset;

	if (table == NULL || size == NULL || size->d_un.d_val == 0 || size->d_un.d_val > STRINGS_MAX ||
	    place_find(image, table->d_un.d_ptr, "string table", &offset) < 0)
		return damaged(image, "string table");
	/* Before the memory is asked for: a few bytes of file must not cost us megabytes. */
	char last;
	if (piece_read(image, offset + size->d_un.d_val - 1, &last, 1, "string table") < 0)
		return -1;
	image->strings = malloc(size->d_un.d_val + 1);
	if (image->strings == NULL)
		return fault_memory(image->f);
	image->strings_size = size->d_un.d_val;
	image->strings[image->strings_size] = '\0';
	return piece_read(image, offset, image->strings, image->strings_size, "string table");
}

static int string_at(const struct image *image, uint64_t index, const char **ret_string)
{
	if (index >= image->strings_size)
		return damaged(image, "string table");
	*ret_string = image->strings + index;
	return 0;
}

/* A symbol table together with one of its hash tables. */
struct lookup {
	const struct image *image;
	const char *symbol;
	uint64_t symbols; /* offset of the table */
};

/* 1: that entry is the symbol, defined; 0: it is not; -1. */
static int symbol_is(const struct lookup *l, uint64_t index)
{
	ElfW(Sym) entry;
	const char *name = "";

	if (piece_read(l->image, l->symbols + index * sizeof(entry), &entry, sizeof(entry), "symbol table") < 0 ||
	    string_at(l->image, entry.st_name, &name) < 0)
		return -1;
	return entry.st_shndx != SHN_UNDEF && ELF64_ST_BIND(entry.st_info) != STB_LOCAL && strcmp(name, l->symbol) == 0;
}

static int gnu_hash_find(const struct lookup *l, uint64_t offset, bool *ret_found)
{
	struct {
		uint32_t buckets, first_symbol, bloom_words, bloom_shift;
	} head;
	uint32_t hash = 5381, index, link;

	for (const unsigned char *at = (const unsigned char *)l->symbol; *at != '\0'; at++)
		hash = hash * 33 + *at;
	if (piece_read(l->image, offset, &head, sizeof(head), "hash table") < 0)
		return -1;
	if (head.buckets == 0)
		return damaged(l->image, "hash table");
	const uint64_t buckets = offset + sizeof(head) + (uint64_t)head.bloom_words * sizeof(ElfW(Addr));
	const uint64_t chains = buckets + (uint64_t)head.buckets * sizeof(index);
	if (piece_read(l->image, buckets + (uint64_t)(hash % head.buckets) * sizeof(index), &index, sizeof(index),
		       "hash table") < 0)
		return -1;
	*ret_found = false;
	if (index < head.first_symbol)
		return 0; /* an empty bucket */
	for (uint32_t step = 0; step < CHAIN_MAX; step++, index++) {
		const uint64_t place = chains + (uint64_t)(index - head.first_symbol) * sizeof(link);
		if (piece_read(l->image, place, &link, sizeof(link), "hash table") < 0)
			return -1;
		if ((link | 1) == (hash | 1)) {
			const int r = symbol_is(l, index);
			*ret_found = r > 0;
			if (r != 0)
				return r < 0 ? -1 : 0;
		}
		if ((link & 1) != 0)
			return 0;
	}
	return damaged(l->image, "hash table");
}

static int old_hash_find(const struct lookup *l, uint64_t offset, bool *ret_found)
{
	struct {
		uint32_t buckets, chains;
	} head;
	uint32_t hash = 0, index;

	for (const unsigned char *at = (const unsigned char *)l->symbol; *at != '\0'; at++) {
		hash = (hash << 4) + *at;
		hash = (hash ^ ((hash & 0xf0000000U) >> 24)) & 0x0fffffffU;
	}
	if (piece_read(l->image, offset, &head, sizeof(head), "hash table") < 0)
		return -1;
	if (head.buckets == 0)
		return damaged(l->image, "hash table");
	uint64_t place = offset + sizeof(head) + (uint64_t)(hash % head.buckets) * sizeof(index);
	*ret_found = false;
	for (uint32_t step = 0; step < CHAIN_MAX; step++) {
		if (piece_read(l->image, place, &index, sizeof(index), "hash table") < 0)
			return -1;
		if (index == STN_UNDEF)
			return 0;
		if (index >= head.chains)
			break;
		const int r = symbol_is(l, index);
		*ret_found = r > 0;
		if (r != 0)
			return r < 0 ? -1 : 0;
		place = offset + sizeof(head) + ((uint64_t)head.buckets + index) * sizeof(index);
	}
	return damaged(l->image, "hash table");
}

static int symbol_find(const struct image *image, const char *symbol, bool *ret_found)
{
	const ElfW(Dyn) *table = dynamic_find(image, DT_SYMTAB);
	const ElfW(Dyn) *gnu = dynamic_find(image, DT_GNU_HASH), *old = dynamic_find(image, DT_HASH);
	struct lookup l = { .image = image, .symbol = symbol };
	uint64_t offset;

	*ret_found = false;
	if (table == NULL || (gnu == NULL && old == NULL))
		return 0; /* it exports nothing */
	if (place_find(image, table->d_un.d_ptr, "symbol table", &l.symbols) < 0 ||
	    place_find(image, gnu != NULL ? gnu->d_un.d_ptr : old->d_un.d_ptr, "hash table", &offset) < 0)
		return -1;
	return gnu != NULL ? gnu_hash_find(&l, offset, ret_found) : old_hash_find(&l, offset, ret_found);
}

static int wanted_read(const struct image *image, struct hsm_elf *elf)
{
	const ElfW(Dyn) *flags = dynamic_find(image, DT_FLAGS_1), *soname = dynamic_find(image, DT_SONAME);
	const ElfW(Dyn) *runpath = dynamic_find(image, DT_RUNPATH);

	if (flags != NULL && (flags->d_un.d_val & DF_1_PIE) != 0)
		return fault_refused(image->f, "'%s' is a program, no library", SHOWN(image->name));
	for (size_t i = 0; i < image->dynamic_count; i++) {
		if (image->dynamic[i].d_tag != DT_NEEDED)
			continue;
		if (elf->needed_count == HSM_ELF_NEEDED_MAX)
			return fault_refused(image->f, "'%s' needs more than %d libraries", SHOWN(image->name),
					     HSM_ELF_NEEDED_MAX);
		if (string_at(image, image->dynamic[i].d_un.d_val, &elf->needed[elf->needed_count]) < 0)
			return -1;
		elf->needed_count++;
	}
	if (runpath == NULL)
		runpath = dynamic_find(image, DT_RPATH);
	if ((soname != NULL && string_at(image, soname->d_un.d_val, &elf->soname) < 0) ||
	    (runpath != NULL && string_at(image, runpath->d_un.d_val, &elf->runpath) < 0))
		return -1;
	return 0;
}

void hsm_elf_done(struct hsm_elf *elf)
{
	free(elf->strings);
	*elf = (struct hsm_elf){ 0 };
}

int hsm_elf_read(int fd, const char *name, const char *symbol, struct hsm_elf *ret_elf, struct fault *f)
{
	struct image image = { .fd = fd, .name = name, .f = f };
	struct hsm_elf elf = { 0 };

	if (header_read(&image) < 0 || dynamic_read(&image) < 0 || strings_read(&image) < 0 ||
	    wanted_read(&image, &elf) < 0 || symbol_find(&image, symbol, &elf.has_symbol) < 0) {
		free(image.strings);
		return -1;
	}
	elf.strings = image.strings;
	*ret_elf = elf;
	return 0;
}
