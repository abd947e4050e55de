#include "client/archive/zip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/array.h"
#include "base/text.h"

enum { END_SIZE = 22, END64_SIZE = 56, LOCATOR_SIZE = 20, ENTRY_SIZE = 46, LOCAL_SIZE = 30, NAME_MAX_SIZE = 65535 };
enum { WINDOW_SIZE = 160 * 1024, LINK_MAX_SIZE = 4096, METHOD_STORED = 0, METHOD_DEFLATED = 8 };
enum { END_LOOKED_FOR = 16 * 1024 }; /* libarchive searches this much of the end for the end record */
enum { VERSION_KNOWN = 63, FLAG_ENCRYPTED = 1, FLAG_DESCRIBED = 8, EXTRA_ZIP64 = 1 };
#define END_SIGNATURE        0x06054b50U
#define END64_SIGNATURE      0x06064b50U
#define LOCATOR_SIGNATURE    0x07064b50U
#define ENTRY_SIGNATURE      0x02014b50U
#define LOCAL_SIGNATURE      0x04034b50U
#define DESCRIPTOR_SIGNATURE 0x08074b50U

/* The file and a window with the bytes read last, so that the central directory takes few calls. */
static struct file {
	int fd;
	uint64_t size;
	uint64_t at; /* offset of the window */
	size_t filled;
	unsigned char window[WINDOW_SIZE];
} whole;

/* The central directory: [at, end). */
struct directory {
	uint64_t at, end, count;
	uint64_t base; /* length of a program before the zip, which none of its offsets include */
};

void zip_done(struct zip *zip)
{
	free(zip->members);
	*zip = (struct zip){ 0 };
}

static uint64_t little(const unsigned char *at, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | at[bytes];
	return value;
}

static unsigned little_16(const unsigned char *at)
{
	return (unsigned)little(at, 2);
}

static uint32_t little_32(const unsigned char *at)
{
	return (uint32_t)little(at, 4);
}

static int damaged(struct fault *f, const char *what)
{
	return fault_refused(f, "damaged: %s", what);
}

static int read_at(int fd, uint64_t offset, void *bytes, size_t length, struct fault *f)
{
	unsigned char *to = bytes;

	while (length > 0) {
		const ssize_t got = pread(fd, to, length, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read it");
		if (got == 0)
			return damaged(f, "it ends too early");
		to += got;
		offset += (uint64_t)got;
		length -= (size_t)got;
	}
	return 0;
}

static int file_open(int fd, struct fault *f)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot look at it");
	whole.fd = fd;
	whole.size = (uint64_t)status.st_size;
	whole.filled = 0;
	return 0;
}

/* Returns the bytes in one piece, valid until the next call; fewer than a window holds. */
static int bytes_get(struct file *file, uint64_t offset, size_t length, const unsigned char **ret_bytes,
		     struct fault *f)
{
	if (offset > file->size || length > file->size - offset)
		return damaged(f, "it ends too early");
	if (offset < file->at || offset + length > file->at + file->filled) {
		const uint64_t left = file->size - offset;
		const size_t wanted = left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE;
		file->filled = 0;
		if (read_at(file->fd, offset, file->window, wanted, f) < 0)
			return -1;
		file->at = offset;
		file->filled = wanted;
	}
	*ret_bytes = file->window + (offset - file->at);
	return 0;
}

/* --- the end record ----------------------------------------------------------------------------------------------- */

static int in_parts(struct fault *f)
{
	return fault_refused(f, "one part of a zip in several files; pack it again, into one file");
}

/* libarchive takes the last signature; after it come only the comment and perhaps a last block's zeros. */
static int end_find(struct file *file, uint64_t *ret_at, struct fault *f)
{
	const uint64_t most = END_SIZE + NAME_MAX_SIZE, length = file->size < most ? file->size : most;
	const unsigned char *tail;

	if (bytes_get(file, file->size - length, (size_t)length, &tail, f) < 0)
		return -1;
	uint64_t last = length;
	while (last > 0 && tail[last - 1] == 0)
		last--;
	for (uint64_t at = length; at-- > 0;) {
		if (at + END_SIZE > length || little_32(tail + at) != END_SIGNATURE)
			continue;
		const uint64_t end = at + END_SIZE + little_16(tail + at + 20);
		if (end > length || end < last)
			break;
		if (length - at >= END_LOOKED_FOR)
			return fault_refused(f, "a comment of more than 16 KB; pack it again without");
		*ret_at = file->size - length + at;
		return 0;
	}
	if (bytes_get(file, 0, length < 4 ? 0 : 4, &tail, f) < 0)
		return -1;
	return length >= 4 && little_32(tail) == DESCRIPTOR_SIGNATURE
		       ? in_parts(f)
		       : damaged(f, "the zip's end record is not at its end");
}

bool zip_ends(int fd)
{
	struct fault ignored = { 0 };
	const unsigned char *end;
	uint64_t at;

	return file_open(fd, &ignored) == 0 && end_find(&whole, &at, &ignored) == 0 &&
	       bytes_get(&whole, at, END_SIZE, &end, &ignored) == 0 &&
	       at + END_SIZE + little_16(end + 20) == whole.size;
}

/* Numbers that do not fit into the end record are in the Zip64 record before it; some packers always write that. */
static int end64_read(struct file *file, uint64_t end_at, const unsigned char *locator, struct directory *ret_directory,
		      struct fault *f)
{
	const unsigned char *end;
	const uint64_t at = little(locator + 8, 8);

	if (end_at < LOCATOR_SIZE + END64_SIZE || at > end_at - LOCATOR_SIZE - END64_SIZE)
		return damaged(f, "the zip's end record points to the wrong place");
	if (bytes_get(file, at, END64_SIZE, &end, f) < 0)
		return -1;
	if (little_32(end) != END64_SIGNATURE || little(end + 4, 8) != end_at - LOCATOR_SIZE - at - 12)
		return damaged(f, "the zip's end record points to the wrong place");
	if (little(end + 16, 8) != 0 || little(end + 24, 8) != little(end + 32, 8))
		return in_parts(f);
	*ret_directory = (struct directory){ .at = little(end + 48, 8), .end = at, .count = little(end + 32, 8) };
	return little(end + 40, 8) == at - ret_directory->at && ret_directory->at <= at
		       ? 0
		       : damaged(f, "the zip's directory does not end where its end record begins");
}

static int directory_find(struct file *file, struct directory *ret_directory, struct fault *f)
{
	const unsigned char *end, *locator;
	uint64_t at = 0;

	if (end_find(file, &at, f) < 0)
		return -1;
	if (at >= LOCATOR_SIZE) {
		if (bytes_get(file, at - LOCATOR_SIZE, LOCATOR_SIZE, &locator, f) < 0)
			return -1;
		if (little_32(locator) == LOCATOR_SIGNATURE)
			return end64_read(file, at, locator, ret_directory, f);
	}
	if (bytes_get(file, at, END_SIZE, &end, f) < 0)
		return -1;
	const uint64_t size = little_32(end + 12), start = little_32(end + 16);
	if (little_32(end + 4) != 0 || little_16(end + 8) != little_16(end + 10))
		return in_parts(f);
	if (size > at || start > at - size)
		return damaged(f, "the zip's directory does not end where its end record begins");
	*ret_directory = (struct directory){
		.at = at - size, .end = at, .count = little_16(end + 10), .base = at - size - start
	};
	return 0;
}

/* --- members ------------------------------------------------------------------------------------------------------ */

struct entry {
	uint64_t packed, at;
	const unsigned char *name; /* points into the window */
	unsigned name_length;
};

/* Only numbers that do not fit are in the extra field, in this order: size, packed size, offset. */
static int zip64_read(const unsigned char *entry, const unsigned char *extra, unsigned length, struct entry *e,
		      struct fault *f)
{
	uint64_t ignored, *const wanted[] = { little_32(entry + 24) == 0xffffffff ? &ignored : NULL,
					      little_32(entry + 20) == 0xffffffff ? &e->packed : NULL,
					      little_32(entry + 42) == 0xffffffff ? &e->at : NULL };

	for (unsigned at = 0; length - at >= 4;) {
		const unsigned size = little_16(extra + at + 2);
		if (size > length - at - 4)
			break;
		at += 4;
		if (little_16(extra + at - 4) != EXTRA_ZIP64) {
			at += size;
			continue;
		}
		unsigned used = 0;
		for (unsigned i = 0; i < 3; i++) {
			if (wanted[i] == NULL)
				continue;
			if (size - used < 8)
				return damaged(f, "a Zip64 field that is too short");
			*wanted[i] = little(extra + at + used, 8);
			used += 8;
		}
		return 0;
	}
	return wanted[0] != NULL || wanted[1] != NULL || wanted[2] != NULL ? damaged(f, "a Zip64 field is missing") : 0;
}

static int entry_judge(const unsigned char *entry, const struct entry *e, struct fault *f)
{
	if ((entry[6]) > VERSION_KNOWN)
		return fault_refused(f, "it needs version %u of the format, which is not supported; pack it again",
				     entry[6]);
	if ((entry[8] & FLAG_ENCRYPTED) != 0)
		return fault_refused(f, "an encrypted member; pack it again without a password");
	if (memchr(e->name, '\\', e->name_length) != NULL)
		return fault_refused(f, "a backslash in the name, as some Windows programs write between directories; "
					"pack it again with '/', for example with 7-Zip");
	return 0;
}

/* Compares the local header with the directory's name; then the member's end is known. */
static int local_read(int fd, const struct entry *e, const struct directory *directory, struct zip_member *member,
		      struct fault *f)
{
	static unsigned char local[LOCAL_SIZE + NAME_MAX_SIZE];

	if (e->at > directory->at || directory->at - e->at < LOCAL_SIZE + (uint64_t)e->name_length)
		return damaged(f, "it is outside the zip's members");
	if (read_at(fd, e->at, local, LOCAL_SIZE + e->name_length, f) < 0)
		return -1;
	if (little_32(local) != LOCAL_SIGNATURE)
		return damaged(f, "no member where the zip's directory says");
	if (little_16(local + 26) != e->name_length || memcmp(local + LOCAL_SIZE, e->name, e->name_length) != 0)
		return fault_refused(f, "its own header and the zip's directory give it different names");
	const uint64_t data = e->at + LOCAL_SIZE + e->name_length + little_16(local + 28);
	if (data > directory->at || e->packed > directory->at - data)
		return damaged(f, "it is outside the zip's members");
	member->at = e->at;
	member->data = data;
	member->end = data + e->packed;
	member->described = (local[6] & FLAG_DESCRIBED) != 0;
	return 0;
}

/* Reads one entry of the central directory; *at moves past it. */
static int entry_read(struct file *file, const struct directory *directory, uint64_t *at, struct zip_member *ret_member,
		      struct fault *f)
{
	const unsigned char *entry;

	if (directory->end - *at < ENTRY_SIZE)
		return damaged(f, "the zip's directory has fewer entries than it says");
	if (bytes_get(file, *at, ENTRY_SIZE, &entry, f) < 0)
		return -1;
	if (little_32(entry) != ENTRY_SIGNATURE)
		return damaged(f, "no entry where the zip's directory has one");
	struct entry e = { .packed = little_32(entry + 20), .at = little_32(entry + 42) };
	e.name_length = little_16(entry + 28);
	const unsigned extra = little_16(entry + 30), size = ENTRY_SIZE + e.name_length + extra;
	const uint64_t length = (uint64_t)size + little_16(entry + 32);
	if (directory->end - *at < length)
		return damaged(f, "the zip's directory has fewer entries than it says");
	if (bytes_get(file, *at, size, &entry, f) < 0)
		return -1;
	e.name = entry + ENTRY_SIZE;
	struct zip_member member = { .crc = little_32(entry + 16),
				     .mode = little_32(entry + 38) >> 16,
				     .method = little_16(entry + 10),
				     .directory = e.name_length > 0 && e.name[e.name_length - 1] == '/' };
	if (zip64_read(entry, e.name + e.name_length, extra, &e, f) < 0 || entry_judge(entry, &e, f) < 0)
		return fault_prefix(f, "member '%s': ", SHOWN_BYTES(e.name, e.name_length));
	e.at = e.at <= directory->at ? e.at + directory->base : e.at;
	if (local_read(file->fd, &e, directory, &member, f) < 0)
		return fault_prefix(f, "member '%s': ", SHOWN_BYTES(e.name, e.name_length));
	*at += length;
	*ret_member = member;
	return 0;
}

/* --- every byte belongs to something ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct zip_member *one = a, *other = b;

	return one->at < other->at ? -1 : one->at > other->at;
}

/* Checksum and two sizes of 4 or 8 bytes, with or without a signature. */
static bool is_descriptor(int fd, const struct zip_member *member, uint64_t length)
{
	unsigned char bytes[24];
	struct fault ignored = { 0 };

	if (!member->described || (length != 12 && length != 16 && length != 20 && length != 24) ||
	    read_at(fd, member->end, bytes, (size_t)length, &ignored) < 0)
		return false;
	const bool has_signature = length == 16 || length == 24;
	return (!has_signature || little_32(bytes) == DESCRIPTOR_SIGNATURE) &&
	       little_32(bytes + (has_signature ? 4 : 0)) == member->crc;
}

/*
 * Before the first member there may be a self-extracting program, or the mark of zip(1) for a zip that could be split;
 * but not another member, which a program that reads from the front would find.
 */
static bool may_precede(int fd, uint64_t length)
{
	unsigned char bytes[4];
	struct fault ignored = { 0 };

	return length >= sizeof(bytes) && read_at(fd, 0, bytes, sizeof(bytes), &ignored) == 0 &&
	       little_32(bytes) != LOCAL_SIGNATURE;
}

static int members_tile(int fd, const struct zip *zip, uint64_t end, struct fault *f)
{
	uint64_t at = 0;

	for (size_t i = 0; i <= zip->count; i++) {
		const uint64_t next = i < zip->count ? zip->members[i].at : end;
		if (next < at)
			return fault_refused(f, "two members of the zip share bytes");
		if (next > at && !(i == 0 ? may_precede(fd, next) : is_descriptor(fd, &zip->members[i - 1], next - at)))
			return fault_refused(f, "the zip holds bytes that belong to no member");
		at = i < zip->count ? zip->members[i].end : next;
	}
	return 0;
}

int zip_check(int fd, struct zip *ret_zip, struct fault *f)
{
	ZIP_AUTO zip = { 0 };
	struct directory directory;

	if (file_open(fd, f) < 0 || directory_find(&whole, &directory, f) < 0)
		return -1;
	uint64_t at = directory.at;
	for (uint64_t i = 0; i < directory.count; i++) {
		if (!ARRAY_GROW(zip.members, zip.count))
			return fault_memory(f);
		if (entry_read(&whole, &directory, &at, &zip.members[zip.count], f) < 0)
			return -1;
		zip.count++;
	}
	if (at != directory.end)
		return damaged(f, "the zip's directory has more entries than it says");
	if (zip.count > 0)
		qsort(zip.members, zip.count, sizeof(*zip.members), compare);
	if (members_tile(fd, &zip, directory.at, f) < 0)
		return -1;
	*ret_zip = zip;
	zip = (struct zip){ 0 };
	return 0;
}

/* --- links -------------------------------------------------------------------------------------------------------- */

int zip_link_target(int fd, const struct zip_member *link, struct text *ret_target, struct fault *f)
{
	unsigned char packed[LINK_MAX_SIZE], target[LINK_MAX_SIZE];
	const uint64_t length = link->end - link->data;
	z_stream z = { .next_in = packed, .avail_in = (uInt)length, .next_out = target, .avail_out = sizeof(target) };

	if (length > sizeof(packed))
		return fault_refused(f, "a link's target longer than %d bytes", LINK_MAX_SIZE);
	if (read_at(fd, link->data, packed, (size_t)length, f) < 0)
		return -1;
	if (link->method == METHOD_STORED) {
		memcpy(target, packed, (size_t)length);
		z.total_out = (uLong)length;
	} else {
		if (link->method != METHOD_DEFLATED || inflateInit2(&z, -MAX_WBITS) != Z_OK)
			return fault_refused(f, "a link packed by method %u; pack it again with DEFLATE", link->method);
		const int r = inflate(&z, Z_FINISH);
		(void)inflateEnd(&z);
		if (r != Z_STREAM_END || z.avail_in > 0)
			return damaged(f, "a link's target cannot be unpacked");
	}
	if (crc32(0, target, (uInt)z.total_out) != link->crc)
		return damaged(f, "a link's target does not match its CRC-32");
	text_add(ret_target, target, z.total_out);
	return text_check(ret_target, f);
}
