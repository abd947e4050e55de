#include "upgrade/tar.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 512 };

/* The header of pax(1), ustar: fields at fixed places, numbers in octal. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], modified[12], checksum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], device_major[8], device_minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static void blank_to_block(struct text *archive)
{
	static const char zeros[BLOCK];
	const size_t over = archive->length % BLOCK;

	if (over > 0)
		text_add(archive, zeros, BLOCK - over);
}

void upgrade_tar_add(struct text *archive, const char *name, const void *bytes, size_t length, int64_t modified)
{
	struct header h;
	unsigned sum = 0;

	memset(&h, 0, sizeof(h));
	(void)snprintf(h.name, sizeof(h.name), "%s", name);
	(void)snprintf(h.mode, sizeof(h.mode), "%07o", 0600U);
	(void)snprintf(h.uid, sizeof(h.uid), "%07o", 0U);
	(void)snprintf(h.gid, sizeof(h.gid), "%07o", 0U);
	(void)snprintf(h.size, sizeof(h.size), "%011llo", (unsigned long long)length & 077777777777ULL);
	(void)snprintf(h.modified, sizeof(h.modified), "%011llo", (unsigned long long)modified & 077777777777ULL);
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	memcpy(h.user, "root", 5);
	memcpy(h.group, "root", 5);
	h.type = '0';
	/* The sum counts its own field as blanks. */
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	(void)snprintf(h.checksum, sizeof(h.checksum), "%06o", sum & 0777777U);
	h.checksum[7] = ' ';

	text_add(archive, &h, sizeof(h));
	text_add(archive, bytes, length);
	blank_to_block(archive);
}

void upgrade_tar_end(struct text *archive)
{
	static const char zeros[2 * BLOCK];

	text_add(archive, zeros, sizeof(zeros));
}
