/*
 * made: archives made in memory, right and wrong.
 */
#ifndef OKV_UNIT_ARCHIVE_MADE_H
#define OKV_UNIT_ARCHIVE_MADE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/text.h"
#include "unit.h"

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static inline void made_little(struct text *out, uint64_t value, unsigned bytes)
{
	for (; bytes > 0; bytes--, value >>= 8)
		text_add_char(out, (char)(value & 0xff));
}

static inline void made_zeros(struct text *out, size_t length)
{
	for (; length > 0; length--)
		text_add_char(out, '\0');
}

/* --- DEFLATE and gzip -------------------------------------------------------------------------------------------- */

/* Stored blocks of at most `most` bytes. */
static inline void made_deflate_stored(struct text *out, const void *bytes, size_t length, size_t most)
{
	const char *at = bytes;

	do {
		const size_t part = length < most ? length : most;
		text_add_char(out, part == length);
		made_little(out, part, 2);
		made_little(out, ~(uint64_t)part & 0xffff, 2);
		text_add(out, at, part);
		at += part;
		length -= part;
	} while (length > 0);
}

static inline void made_gzip(struct text *out, const void *bytes, size_t length)
{
	static const char head[10] = { 0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };

	text_add(out, head, sizeof(head));
	made_deflate_stored(out, bytes, length, 65535);
	made_little(out, (uint32_t)crc32(0, bytes, (uInt)length), 4);
	made_little(out, length, 4);
}

/* --- tar ---------------------------------------------------------------------------------------------------------- */

struct made_member {
	const char *name, *target, *content;
	size_t length;     /* of the content; 0: that of the string */
	char type;         /* '0' when 0 */
	unsigned mode;     /* 0644 when 0 */
	const char *magic; /* 8 bytes; POSIX's when NULL */
	const char *size;  /* the size field as it is; NULL: that of the content */
};

/* A header block as POSIX has it, with the checksum at the end: whoever damages it on purpose calls made_checksum. */
static inline void made_checksum(char *block)
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (unsigned i = 0; i < 512; i++)
		sum += (unsigned char)block[i];
	(void)snprintf(block + 148, 8, "%06o", sum & 0777777);
}

static inline void made_header(const struct made_member *m, char block[512])
{
	const size_t length = m->length > 0 ? m->length : m->content != NULL ? strlen(m->content) : 0;

	memset(block, 0, 512);
	memcpy(block, m->name, strnlen(m->name, 100));
	(void)snprintf(block + 100, 8, "%07o", (m->mode != 0 ? m->mode : 0644) & 0777777);
	(void)snprintf(block + 108, 8, "%07o", 0);
	(void)snprintf(block + 116, 8, "%07o", 0);
	if (m->size != NULL)
		memcpy(block + 124, m->size, 12);
	else
		(void)snprintf(block + 124, 12, "%011zo", length);
	(void)snprintf(block + 136, 12, "%011o", 0);
	block[156] = m->type != 0 ? m->type : '0';
	if (m->target != NULL)
		memcpy(block + 157, m->target, strnlen(m->target, 100));
	memcpy(block + 257,
	       m->magic != NULL ? m->magic
				: "ustar\0"
				  "00",
	       8);
	made_checksum(block);
}

static inline void made_content(struct text *out, const void *bytes, size_t length)
{
	text_add(out, bytes, length);
	made_zeros(out, (512 - length % 512) % 512);
}

static inline void made_add(struct text *out, const struct made_member *m)
{
	char block[512];

	made_header(m, block);
	text_add(out, block, sizeof(block));
	if (m->content != NULL)
		made_content(out, m->content, m->length > 0 ? m->length : strlen(m->content));
}

#define MADE_ADD(out, ...) made_add((out), &(struct made_member){ __VA_ARGS__ })

static inline void made_end(struct text *out)
{
	made_zeros(out, 1024);
}

/* One pax record, its length counted. */
static inline void made_record(struct text *out, const char *key, const char *value)
{
	const size_t rest = strlen(key) + strlen(value) + 3;
	size_t length = rest + 1;

	while (length != rest + (size_t)snprintf(NULL, 0, "%zu", length))
		length++;
	text_add_format(out, "%zu %s=%s\n", length, key, value);
}

/* --- zip ---------------------------------------------------------------------------------------------------------- */

struct made_zip {
	struct text members, directory;
	unsigned entries;
};

enum { MADE_FAT = 0x100 };

struct made_zip_member {
	const char *name, *content;
	const char *local_name; /* what the local header says; NULL: the same */
	unsigned mode;          /* with type; S_IFREG | 0644 when 0 */
	unsigned flags, method, disk;
	uint32_t crc_error;       /* added to the checksum of both */
	uint32_t local_crc_error; /* only to that of the local header */
	int size_error;           /* added to the size of both */
	unsigned host;            /* 3 (Unix) when 0; MADE_FAT for that */
	const char *extra;        /* of both; without a length */
	size_t extra_length;
	bool described;     /* a data descriptor follows */
	bool deflated;      /* stored blocks, method 8 */
	unsigned version;   /* 20 when 0 */
	const char *hidden; /* bytes behind the member */
};

static inline void made_zip_add(struct made_zip *z, const struct made_zip_member *m)
{
	TEXT_AUTO packed = { 0 };
	const size_t length = strlen(m->content);
	const uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)m->content, (uInt)length) + m->crc_error;
	const unsigned mode = m->mode != 0 ? m->mode : 0100644;
	const unsigned method = m->method != 0 ? m->method : m->deflated ? 8 : 0;
	const unsigned flags = m->flags | (m->described ? 8 : 0);
	const char *local = m->local_name != NULL ? m->local_name : m->name;
	const size_t at = z->members.length;

	if (m->deflated)
		made_deflate_stored(&packed, m->content, length, 65535);
	else
		text_add(&packed, m->content, length);
	const uint64_t size = (uint64_t)((int64_t)length + m->size_error);

	made_little(&z->members, 0x04034b50, 4);
	made_little(&z->members, m->version != 0 ? m->version : 20, 2);
	made_little(&z->members, flags, 2);
	made_little(&z->members, method, 2);
	made_little(&z->members, 0x21000000, 4);
	made_little(&z->members, m->described ? 0 : crc + m->local_crc_error, 4);
	made_little(&z->members, m->described ? 0 : packed.length, 4);
	made_little(&z->members, m->described ? 0 : size, 4);
	made_little(&z->members, strlen(local), 2);
	made_little(&z->members, m->extra_length, 2);
	text_add_string(&z->members, local);
	text_add(&z->members, m->extra, m->extra_length);
	text_add(&z->members, text_string(&packed), packed.length);
	if (m->described) {
		made_little(&z->members, 0x08074b50, 4);
		made_little(&z->members, crc + m->local_crc_error, 4);
		made_little(&z->members, packed.length, 4);
		made_little(&z->members, size, 4);
	}
	text_add_string(&z->members, m->hidden != NULL ? m->hidden : "");

	made_little(&z->directory, 0x02014b50, 4);
	made_little(&z->directory, (m->host != 0 ? m->host & 0xff : 3) << 8 | 20, 2);
	made_little(&z->directory, m->version != 0 ? m->version : 20, 2);
	made_little(&z->directory, flags, 2);
	made_little(&z->directory, method, 2);
	made_little(&z->directory, 0x21000000, 4);
	made_little(&z->directory, crc, 4);
	made_little(&z->directory, packed.length, 4);
	made_little(&z->directory, size, 4);
	made_little(&z->directory, strlen(m->name), 2);
	made_little(&z->directory, m->extra_length, 2);
	made_little(&z->directory, 0, 2);
	made_little(&z->directory, m->disk, 2);
	made_little(&z->directory, 0, 2);
	made_little(&z->directory, (uint32_t)mode << 16, 4);
	made_little(&z->directory, at, 4);
	text_add_string(&z->directory, m->name);
	text_add(&z->directory, m->extra, m->extra_length);
	z->entries++;
}

#define MADE_ZIP_ADD(z, ...) made_zip_add((z), &(struct made_zip_member){ __VA_ARGS__ })

/* The whole file; `entries_error` is added to what the end record says. */
static inline void made_zip_end(struct made_zip *z, int entries_error, struct text *out)
{
	const unsigned entries = (unsigned)((int)z->entries + entries_error);

	text_add(out, text_string(&z->members), z->members.length);
	text_add(out, text_string(&z->directory), z->directory.length);
	made_little(out, 0x06054b50, 4);
	made_little(out, 0, 4);
	made_little(out, entries, 2);
	made_little(out, entries, 2);
	made_little(out, z->directory.length, 4);
	made_little(out, z->members.length, 4);
	made_little(out, 0, 2);
	text_done(&z->members);
	text_done(&z->directory);
	z->entries = 0;
}

/* --- the system's own packers ------------------------------------------------------------------------------------- */

/* What `command` prints when it reads the bytes; the test fails where it cannot run. */
static inline void made_by(const char *command, const void *bytes, size_t length, struct text *out)
{
	char path[] = "/tmp/okv-luna-unit-XXXXXX", line[256], block[65536];
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), (ssize_t)length);
	(void)close(fd);
	(void)snprintf(line, sizeof(line), "%s <%s", command, path);
	FILE *from = popen(line, "r");
	assert_non_null(from);
	for (size_t got; (got = fread(block, 1, sizeof(block), from)) > 0;)
		text_add(out, block, got);
	assert_int_equal(pclose(from), 0);
	assert_int_equal(unlink(path), 0);
}

#endif
