#include "client/archive/paths.h"

#include <stdlib.h>

#include "base/text.h"

void paths_done(struct paths *paths)
{
	free(paths->entries);
	*paths = (struct paths)PATHS_INIT(paths->most);
}

/*
 * Lower case, as far as names of files plausibly go: Latin, Greek, Cyrillic (Unicode's simple case folding).  Whoever
 * unpacks on a file system that ignores case would otherwise get one file for two.
 */
static uint32_t fold(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
	    (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	switch (c) {
	case 0x178:
		return 0xff;
	case 0x17f:
		return 's';
	case 0x3c2:
		return 0x3c3;
	case 0x212a:
		return 'k';
	default:
		return c;
	}
}

/* FNV-1a over characters, then mixed. */
static uint64_t hash(const char *bytes, size_t length, bool folded)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t at = 0; at < length;) {
		uint32_t c = (unsigned char)bytes[at]; /* what is no UTF-8, which names are not */
		const size_t step = text_utf8_next(bytes + at, length - at, &c);
		at += step > 0 ? step : 1;
		h = (h ^ (folded ? fold(c) : c)) * 0x100000001b3ULL;
	}
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	return h != 0 ? h : 1;
}

static struct paths_entry *slot(struct paths_entry *entries, size_t size, uint64_t folded)
{
	size_t at = folded & (size - 1);

	while (entries[at].folded != 0 && entries[at].folded != folded)
		at = (at + 1) & (size - 1);
	return &entries[at];
}

struct paths_entry *paths_find(const struct paths *paths, const char *path, size_t length)
{
	if (paths->size == 0)
		return NULL;
	struct paths_entry *found = slot(paths->entries, paths->size, hash(path, length, true));
	return found->folded != 0 && found->exact == (uint32_t)hash(path, length, false) ? found : NULL;
}

static int grow(struct paths *paths, struct fault *f)
{
	const size_t size = paths->size > 0 ? paths->size * 2 : 1024;
	struct paths_entry *larger = calloc(size, sizeof(*larger));

	if (larger == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < paths->size; i++)
		if (paths->entries[i].folded != 0)
			*slot(larger, size, paths->entries[i].folded) = paths->entries[i];
	free(paths->entries);
	paths->entries = larger;
	paths->size = size;
	return 0;
}

int paths_enter(struct paths *paths, const char *path, size_t length, struct paths_entry **ret_entry, bool *ret_new,
		struct fault *f)
{
	if (paths->count * 2 >= paths->size && grow(paths, f) < 0)
		return -1;

	const uint64_t folded = hash(path, length, true);
	struct paths_entry *found = slot(paths->entries, paths->size, folded);
	const uint32_t exact = (uint32_t)hash(path, length, false);
	*ret_new = found->folded == 0;
	if (*ret_new) {
		if (paths->count >= paths->most)
			return fault_refused(f, "more entries than --max-entries allows (%llu)",
					     (unsigned long long)paths->most);
		paths->count++;
		found->folded = folded;
		found->exact = exact;
	} else if (found->exact != exact) {
		return fault_refused(f, "the name differs from another one only in upper and lower case");
	}
	*ret_entry = found;
	return 0;
}
