#include "hsm/ldcache.h"

#include <stdint.h>
#include <string.h>

/* The layout of glibc's newer format; a file of the older one has it behind, aligned. */
static const char magic[] = "glibc-ld.so.cache1.1";

struct cache_head {
	char magic[20];
	uint32_t entries, strings_size;
	uint32_t flags_and_pad, extensions, unused[3];
};

struct cache_entry {
	int32_t flags;
	uint32_t name, path; /* from the head */
	uint32_t os_version;
	uint64_t hwcap;
};

enum {
	KIND_MASK = 0x00ff,
	KIND_LIBC6 = 0x0003,
	MACHINE_MASK = 0xff00,
#if defined(__x86_64__)
	MACHINE = 0x0300,
#elif defined(__aarch64__)
	MACHINE = 0x0a00,
#elif defined(__s390x__)
	MACHINE = 0x0400,
#elif defined(__powerpc64__)
	MACHINE = 0x0500,
#else
	MACHINE = 0x0000,
#endif
};

/* A string that ends within the bytes, or NULL. */
static const char *string_at(const char *bytes, size_t length, uint32_t offset)
{
	return offset < length && memchr(bytes + offset, '\0', length - offset) != NULL ? bytes + offset : NULL;
}

const char *hsm_ldcache_next(const void *bytes, size_t length, const char *name, size_t *at)
{
	const char *start = memmem(bytes, length, magic, sizeof(magic) - 1);
	struct cache_head head;

	if (start == NULL)
		return NULL;
	length -= (size_t)(start - (const char *)bytes);
	if (length < sizeof(head))
		return NULL;
	memcpy(&head, start, sizeof(head));
	if (head.entries > (length - sizeof(head)) / sizeof(struct cache_entry))
		return NULL;
	while (*at < head.entries) {
		struct cache_entry entry;
		memcpy(&entry, start + sizeof(head) + (*at)++ * sizeof(entry), sizeof(entry));
		if ((entry.flags & KIND_MASK) != KIND_LIBC6 || (entry.flags & MACHINE_MASK) != MACHINE)
			continue;
		const char *entry_name = string_at(start, length, entry.name);
		if (entry_name != NULL && strcmp(entry_name, name) == 0)
			return string_at(start, length, entry.path);
	}
	return NULL;
}
