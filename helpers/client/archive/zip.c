#include "client/archive/zip.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

enum { END_SIZE = 22, DIRECTORY_SIZE = 46, LOCAL_SIZE = 30, DESCRIPTOR_SIZE = 16 };
enum { COMMENT_MAX = 65535 };
#define END_SIGNATURE        0x06054b50U
#define DIRECTORY_SIGNATURE  0x02014b50U
#define LOCAL_SIGNATURE      0x04034b50U
#define DESCRIPTOR_SIGNATURE 0x08074b50U

enum {
	FLAG_DEFLATE_OPTIONS = 0x0006,
	FLAG_DESCRIPTOR = 0x0008,
	FLAG_UTF8 = 0x0800,
	FLAGS_KNOWN = FLAG_DEFLATE_OPTIONS | FLAG_DESCRIPTOR | FLAG_UTF8,
};
enum { HOST_FAT = 0, HOST_UNIX = 3, HOST_NTFS = 10, HOST_OSX = 19 };
enum { EXTRA_ZIP64 = 0x0001, EXTRA_UNICODE_PATH = 0x7075, EXTRA_UNICODE_COMMENT = 0x6375 };

static unsigned little_16(const unsigned char *at)
{
	return at[0] | (unsigned)at[1] << 8;
}

static uint32_t little_32(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int disagrees(struct fault *f, const char *what)
{
	return fault_refused(f, "a zip that can be understood in two ways: %s", what);
}

static int read_at(const struct zip *zip, uint64_t offset, void *bytes, size_t length, struct fault *f)
{
	unsigned char *to = bytes;

	while (length > 0) {
		const ssize_t got = pread(zip->fd, to, length, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read it");
		if (got == 0)
			return fault_refused(f, "damaged: it ends too early");
		to += got;
		offset += (uint64_t)got;
		length -= (size_t)got;
	}
	return 0;
}

/* The end record is the last thing in the file, its comment included; a comment may not hold a second one. */
static int end_find(struct zip *zip, uint64_t file_size, struct fault *f)
{
	static unsigned char tail[END_SIZE + COMMENT_MAX];
	const size_t length = file_size < sizeof(tail) ? (size_t)file_size : sizeof(tail);
	size_t found = length;
	unsigned count = 0;

	if (length < END_SIZE)
		return fault_refused(f, "damaged: it is too short for a zip");
	if (read_at(zip, file_size - length, tail, length, f) < 0)
		return -1;
	for (size_t at = 0; at + END_SIZE <= length; at++) {
		if (little_32(tail + at) != END_SIGNATURE)
			continue;
		if (at + END_SIZE + little_16(tail + at + 20) == length) {
			found = at;
			count++;
		}
	}
	if (count == 0)
		return fault_refused(f, "damaged: the zip's end record is not at its end");
	if (count > 1)
		return disagrees(f, "it has two end records");

	const unsigned char *end = tail + found;
	zip->end_at = file_size - length + found;
	if (little_16(end + 4) != 0 || little_16(end + 6) != 0 || little_16(end + 8) != little_16(end + 10))
		return fault_refused(f, "a part of a zip on several disks");
	zip->entries = little_16(end + 10);
	zip->directory_at = little_32(end + 16);
	zip->directory_end = zip->directory_at + little_32(end + 12);
	if (zip->entries == 0xffff || little_32(end + 12) == 0xffffffff || little_32(end + 16) == 0xffffffff)
		return fault_refused(f, "a zip64 archive, which is not read");
	if (zip->directory_end != zip->end_at)
		return disagrees(f, "the directory does not end where the end record begins");
	return 0;
}

int zip_start(struct zip *zip, int fd, struct fault *f)
{
	struct stat status;

	zip->fd = fd;
	if (fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot look at it");
	if (end_find(zip, (uint64_t)status.st_size, f) < 0)
		return -1;
	zip_rewind(zip);
	return 0;
}

void zip_rewind(struct zip *zip)
{
	zip->at = zip->directory_at;
	zip->local_at = 0;
	zip->entries_read = 0;
}

/* Extra fields must be well formed; those that would give the member another name or size are refused. */
static int extra_check(const struct zip *zip, uint64_t offset, unsigned length, struct fault *f)
{
	static unsigned char extra[65536];

	if (read_at(zip, offset, extra, length, f) < 0)
		return -1;
	for (unsigned at = 0; at < length;) {
		if (length - at < 4 || length - at - 4 < little_16(extra + at + 2))
			return fault_refused(f, "damaged: an extra field that does not end where it should");
		switch (little_16(extra + at)) {
		case EXTRA_ZIP64:
			return fault_refused(f, "a zip64 member, which is not read");
		case EXTRA_UNICODE_PATH:
		case EXTRA_UNICODE_COMMENT:
			return disagrees(f, "a second name in an extra field");
		default:
			break;
		}
		at += 4 + little_16(extra + at + 2);
	}
	return 0;
}

static int local_check(struct zip *zip, const unsigned char *entry, unsigned name_length, struct zip_place *place,
		       struct fault *f)
{
	unsigned char local[LOCAL_SIZE], descriptor[DESCRIPTOR_SIZE];
	static unsigned char name[65536];
	const bool described = (little_16(entry + 8) & FLAG_DESCRIPTOR) != 0;

	if (little_32(entry + 42) != zip->local_at)
		return disagrees(f, "members overlap, or bytes lie between them");
	if (read_at(zip, zip->local_at, local, LOCAL_SIZE, f) < 0)
		return -1;
	if (little_32(local) != LOCAL_SIGNATURE)
		return fault_refused(f, "damaged: no local header where the directory says");
	/* Version, flags, method, time and date stand in the same order in both. */
	if (memcmp(local + 4, entry + 6, 10) != 0)
		return disagrees(f, "local header and directory differ");
	/* Checksum and two sizes; a writer that did not know one yet left a zero and a descriptor. */
	for (unsigned at = 14; at < 26; at += 4)
		if (little_32(local + at) != little_32(entry + at + 2) && !(described && little_32(local + at) == 0))
			return disagrees(f, "local header and directory differ in size or checksum");
	if (little_16(local + 26) != name_length)
		return disagrees(f, "local header and directory differ in the name");
	if (read_at(zip, zip->local_at + LOCAL_SIZE, name, name_length, f) < 0)
		return -1;
	if (memcmp(name, zip->name, name_length) != 0)
		return disagrees(f, "local header and directory differ in the name");
	const unsigned extra_length = little_16(local + 28);
	if (extra_check(zip, zip->local_at + LOCAL_SIZE + name_length, extra_length, f) < 0)
		return -1;

	place->offset = zip->local_at + LOCAL_SIZE + name_length + extra_length;
	uint64_t end = place->offset + place->packed;
	if (described) {
		/* With or without a signature; nothing else fits the three numbers behind it. */
		if (read_at(zip, end, descriptor, DESCRIPTOR_SIZE, f) < 0)
			return -1;
		const unsigned lead = little_32(descriptor) == DESCRIPTOR_SIGNATURE ? 4 : 0;
		if (memcmp(descriptor + lead, entry + 16, 12) != 0)
			return disagrees(f, "data descriptor and directory differ");
		end += 12 + lead;
	}
	if (end > zip->directory_at)
		return disagrees(f, "a member reaches into the directory");
	zip->local_at = end;
	return 0;
}

static int target_read(struct zip *zip, const struct zip_place *place, struct member *member, struct fault *f)
{
	STREAM_AUTO *stream = NULL;
	STREAM_AUTO *inner = NULL;
	size_t length;

	if (zip_open(zip->fd, place, &stream, &inner, f) < 0 ||
	    stream_read(stream, zip->target, sizeof(zip->target), &length, f) < 0 || stream_fill(stream, f) < 0)
		return -1;
	/* Longer than the limit: refused by its length, so the rest does not matter. */
	member->target = zip->target;
	member->target_length = length;
	member->size = 0;
	return 0;
}

static enum member_type type_of(unsigned type, bool slash)
{
	switch (type) {
	case 0:
		return slash ? MEMBER_DIRECTORY : MEMBER_FILE;
	case S_IFREG:
		return MEMBER_FILE;
	case S_IFDIR:
		return MEMBER_DIRECTORY;
	case S_IFLNK:
		return MEMBER_LINK;
	case S_IFBLK:
	case S_IFCHR:
		return MEMBER_DEVICE;
	case S_IFIFO:
		return MEMBER_FIFO;
	case S_IFSOCK:
		return MEMBER_SOCKET;
	default:
		return MEMBER_UNKNOWN;
	}
}

/* Type and mode, which a Unix zip keeps in the directory only. */
static int attributes_read(const unsigned char *entry, struct member *member, struct fault *f)
{
	enum { DOS_DIRECTORY = 0x10, DOS_VOLUME = 0x08 };
	const unsigned host = entry[5];
	const uint32_t external = little_32(entry + 38);
	const bool slash = member->name_length > 0 && member->name[member->name_length - 1] == '/';

	if (host == HOST_UNIX || host == HOST_OSX) {
		member->mode = external >> 16;
		member->type = type_of(member->mode & S_IFMT, slash);
		member->mode &= 07777;
	} else if (host == HOST_FAT || host == HOST_NTFS) {
		if (external >> 16 != 0)
			return disagrees(f, "a mode on a member that was not made on Unix");
		member->type = slash ? MEMBER_DIRECTORY : MEMBER_FILE;
	} else {
		return fault_refused(f, "a member from an unknown kind of system (%u)", host);
	}
	if ((external & DOS_VOLUME) != 0)
		return fault_refused(f, "a volume label");
	if (slash != (member->type == MEMBER_DIRECTORY) || ((external & DOS_DIRECTORY) != 0 && !slash))
		return disagrees(f, "the name and the attributes differ about a directory");
	if (member->type == MEMBER_DIRECTORY && member->size != 0)
		return disagrees(f, "a directory with content");
	return 0;
}

static int entry_read(struct zip *zip, struct member *ret_member, struct zip_place *ret_place, struct fault *f)
{
	unsigned char entry[DIRECTORY_SIZE];

	if (zip->directory_end - zip->at < DIRECTORY_SIZE)
		return disagrees(f, "the directory has fewer entries than it says");
	if (read_at(zip, zip->at, entry, sizeof(entry), f) < 0)
		return -1;
	if (little_32(entry) != DIRECTORY_SIGNATURE)
		return fault_refused(f, "damaged: no entry where the directory has one");
	const unsigned name_length = little_16(entry + 28), extra_length = little_16(entry + 30);
	const unsigned comment_length = little_16(entry + 32), flags = little_16(entry + 8),
		       method = little_16(entry + 10);
	const uint64_t after = zip->at + DIRECTORY_SIZE + name_length + extra_length + comment_length;

	if (after > zip->directory_end)
		return disagrees(f, "a directory entry reaches past the directory");
	if (read_at(zip, zip->at + DIRECTORY_SIZE, zip->name, name_length, f) < 0)
		return -1;
	struct member member = {
		.type = MEMBER_FILE, .name = zip->name, .name_length = name_length, .size = little_32(entry + 24)
	};
	struct zip_place place = { .packed = little_32(entry + 20),
				   .size = member.size,
				   .crc = little_32(entry + 16),
				   .method = (int)method };
	*ret_member = member; /* for the name in the fault */
	if ((flags & 1) != 0)
		return fault_refused(f, "an encrypted member");
	if ((flags & ~(unsigned)FLAGS_KNOWN) != 0)
		return fault_refused(f, "a member with flags that are not read (0x%04x)", flags);
	if (method != 0 && method != 8)
		return fault_refused(f, "a member packed by a method that is not read (%u)", method);
	if (little_16(entry + 34) != 0)
		return fault_refused(f, "a part of a zip on several disks");
	if (place.packed == 0xffffffff || place.size == 0xffffffff || little_32(entry + 42) == 0xffffffff)
		return fault_refused(f, "a zip64 member, which is not read");
	if (method == 0 && place.packed != place.size)
		return disagrees(f, "a stored member with two sizes");
	if (limits_check_ratio(place.packed, place.size, f) < 0 ||
	    extra_check(zip, zip->at + DIRECTORY_SIZE + name_length, extra_length, f) < 0 ||
	    attributes_read(entry, &member, f) < 0 || local_check(zip, entry, name_length, &place, f) < 0)
		return -1;
	if (member.type == MEMBER_LINK && target_read(zip, &place, &member, f) < 0)
		return -1;

	zip->at = after;
	zip->entries_read++;
	*ret_member = member;
	*ret_place = place;
	return 1;
}

int zip_next(struct zip *zip, struct member *ret_member, struct zip_place *ret_place, struct fault *f)
{
	if (zip->entries_read < zip->entries)
		return entry_read(zip, ret_member, ret_place, f);
	if (zip->at != zip->directory_end)
		return disagrees(f, "the directory has more entries than it says");
	if (zip->local_at != zip->directory_at)
		return disagrees(f, "bytes lie between the members and the directory");
	return 0;
}

int zip_open(int fd, const struct zip_place *place, struct stream **ret_stream, struct stream **ret_inner,
	     struct fault *f)
{
	STREAM_AUTO *inner = NULL;

	if (stream_file(fd, (off_t)place->offset, (off_t)place->packed, &inner, f) < 0 ||
	    stream_zip(inner, place->method, place->size, place->crc, ret_stream, f) < 0)
		return -1;
	*ret_inner = inner;
	inner = NULL;
	return 0;
}
