#include "client/archive/unarchive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "client/archive/limits.h"
#include "client/archive/message.h"
#include "client/archive/sandbox.h"
#include "client/archive/zip.h"
#include "base/text.h"
#include "fs/read.h"
#include "proc/child.h"
#include "proc/worker.h"

/* Padding after a tar's end mark: GNU tar fills up to 10 KB, tapes had larger blocks. */
enum { TAR_BLOCK = 512, TAR_END = 1024, TAIL_MAX = 1024 * 1024 };
enum { BUFFER_SIZE = 64 * 1024, GZIP = 16 + MAX_WBITS, GZIP_FIRST = 0x1f };

/* Weak, so that the program starts with a libarchive before 3.3.3, as on Oracle Linux 7. */
extern int archive_read_support_filter_zstd(struct archive *archive) __attribute__((weak));

static void archive_done(struct archive **a)
{
	if (*a != NULL)
		(void)archive_read_free(*a);
}
#define ARCHIVE_AUTO __attribute__((cleanup(archive_done))) struct archive

/* --- streams ------------------------------------------------------------------------------------------------------ */

/*
 * A byte stream.  stream_more gives the next bytes, and none only at the real end, when everything that the compression
 * format says about them has been verified: for gzip, CRC-32 and length of every member (by zlib; libarchive does not);
 * for xz, bzip2 and Zstandard what libarchive verifies; and that only zeros follow.
 */
struct stream {
	int (*more)(struct stream *s, struct fault *f);
	const unsigned char *bytes; /* the current bytes */
	size_t length;
	uint64_t passed; /* total, up to the end of the current bytes */
	uint64_t zeros;  /* zero bytes at the end of these */
	bool ended;
	struct fault fault; /* of a read from a libarchive callback, which cannot return it */
	/* The source: */
	int fd;
	struct stream *packed;   /* the compressed stream, of gzip and of libarchive's filters */
	struct archive *archive; /* source of the content; owned by the stream if there is `packed` */
	z_stream inflate;
	bool within; /* inside a gzip member */
};

#define STREAM_AUTO __attribute__((cleanup(stream_done))) struct stream

static void stream_done(struct stream *s)
{
	if (s->packed == NULL)
		return;
	(void)inflateEnd(&s->inflate);
	archive_done(&s->archive);
}

static int stream_more(struct stream *s, struct fault *f)
{
	size_t zeros = 0;

	s->length = 0;
	if (!s->ended && s->more(s, f) < 0)
		return -1;
	s->ended = s->length == 0;
	while (zeros < s->length && s->bytes[s->length - 1 - zeros] == 0)
		zeros++;
	s->zeros = zeros == s->length ? s->zeros + zeros : zeros;
	s->passed += s->length;
	return 0;
}

/* Checks that only zeros follow the first `at` bytes, as padding of a last block; `what` has ended there. */
static int zeros_follow(struct stream *s, uint64_t at, const char *what, struct fault *f)
{
	do
		if (stream_more(s, f) < 0)
			return -1;
	while (s->length > 0 && s->passed - at <= TAIL_MAX);
	return s->ended && s->zeros >= s->passed - at
		       ? 0
		       : fault_refused(f, "damaged: something follows the end of the %s", what);
}

static int file_more(struct stream *s, struct fault *f)
{
	static unsigned char buffer[BUFFER_SIZE];
	ssize_t got;

	do
		got = read(s->fd, buffer, sizeof(buffer));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fault_system(f, errno, "cannot read it");
	s->bytes = buffer;
	s->length = (size_t)got;
	return 0;
}

static int gzip_damaged(const struct stream *s, struct fault *f)
{
	return fault_refused(f, "damaged: gzip: %s", s->inflate.msg != NULL ? s->inflate.msg : "it ends too early");
}

/* Runs zlib once; after the end of a member the next one begins, or the stream ends. */
static int gzip_step(struct stream *s, struct fault *f)
{
	z_stream *z = &s->inflate;

	if (z->avail_in == 0) {
		if (stream_more(s->packed, f) < 0)
			return -1;
		z->next_in = (z_const Bytef *)(uintptr_t)s->packed->bytes;
		z->avail_in = (uInt)s->packed->length;
	}
	/* Padding of the last block is not a member; gzip(1) skips it as well. */
	if (!s->within && (z->avail_in == 0 || *z->next_in != GZIP_FIRST)) {
		s->ended = true;
		return zeros_follow(s->packed, s->packed->passed - z->avail_in, "compressed data", f);
	}
	if (!s->within && inflateReset(z) != Z_OK)
		return gzip_damaged(s, f);
	s->within = true;
	const int r = inflate(z, Z_NO_FLUSH);
	if (r == Z_STREAM_END)
		s->within = false;
	else if (r == Z_MEM_ERROR)
		return fault_memory(f);
	else if (r != Z_OK || (s->packed->ended && z->avail_in == 0 && z->avail_out > 0))
		return gzip_damaged(s, f);
	return 0;
}

static int gzip_more(struct stream *s, struct fault *f)
{
	static unsigned char buffer[BUFFER_SIZE];

	s->bytes = buffer;
	s->inflate.next_out = buffer;
	s->inflate.avail_out = BUFFER_SIZE;
	while (!s->ended && s->inflate.avail_out > 0)
		if (gzip_step(s, f) < 0)
			return -1;
	s->length = BUFFER_SIZE - s->inflate.avail_out;
	return 0;
}

static int gzip_open(struct stream *packed, struct stream *ret_stream, struct fault *f)
{
	*ret_stream = (struct stream){ .packed = packed, .more = gzip_more, .within = true };
	return inflateInit2(&ret_stream->inflate, GZIP) == Z_OK ? 0 : fault_memory(f);
}

/* Fault from libarchive or from the stream that it reads.  Also for its warnings: they mean damage. */
static int blame(struct archive *archive, const struct stream *s, struct fault *f)
{
	const char *what = archive_error_string(archive);

	if (s != NULL && s->fault.kind != FAULT_NONE) {
		*f = s->fault;
		return -1;
	}
	if (archive_errno(archive) == ENOMEM)
		return fault_memory(f);
	if (what != NULL && strstr(what, "be converted from") != NULL)
		return fault_refused(f, "a name that is not UTF-8; rename it, and pack it again");
	if (what != NULL && text_starts(what, "Unsupported ZIP compression method"))
		return fault_refused(f, "packed by a method that is not supported; pack it again with DEFLATE");
	return fault_refused(f, "damaged: %s", what != NULL ? SHOWN(what) : "libarchive cannot read it");
}

static la_ssize_t bytes_give(struct archive *archive, void *context, const void **ret_bytes)
{
	struct stream *s = context;

	if (stream_more(s, &s->fault) < 0) {
		archive_set_error(archive, EIO, "%s", "the source failed");
		return -1;
	}
	*ret_bytes = s->bytes;
	return (la_ssize_t)s->length;
}

/* Lets libarchive read the stream; a fault of the stream is left in stream->fault. */
static int feed(struct stream *s, struct archive *archive)
{
	return archive_read_open(archive, s, NULL, bytes_give, NULL);
}

/* libarchive reports a hole as a jump in the offset. */
static int content_more(struct stream *s, struct fault *f)
{
	const void *bytes = NULL;
	size_t length = 0;
	la_int64_t offset = 0;

	while (length == 0) {
		const int r = archive_read_data_block(s->archive, &bytes, &length, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK)
			return blame(s->archive, NULL, f);
	}
	if (offset != (la_int64_t)s->passed)
		return fault_refused(f, "a sparse file; pack it again without holes (tar without --sparse)");
	s->bytes = bytes;
	s->length = length;
	return 0;
}

/* libarchive stops at the end of the compressed data, which may be before the end of the file. */
static int filter_more(struct stream *s, struct fault *f)
{
	struct archive_entry *entry;

	if (content_more(s, f) < 0) {
		if (s->packed->fault.kind != FAULT_NONE)
			*f = s->packed->fault;
		return -1;
	}
	if (s->length > 0)
		return 0;
	if (archive_read_next_header(s->archive, &entry) != ARCHIVE_EOF)
		return blame(s->archive, s->packed, f);
	return zeros_follow(s->packed, (uint64_t)archive_filter_bytes(s->archive, -1), "compressed data", f);
}

/* Opens xz, bzip2 or Zstandard.  *ret_stream must not be moved afterwards. */
static int filter_open(struct stream *packed, struct stream *ret_stream, struct fault *f)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;

	if (a == NULL)
		return fault_memory(f);
	*ret_stream = (struct stream){ .packed = packed, .archive = a, .more = filter_more };
	/* Only filters built into libarchive: it must not start a program. */
	if (archive_read_support_filter_xz(a) != ARCHIVE_OK || archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
	    (archive_read_support_filter_zstd != NULL && archive_read_support_filter_zstd(a) != ARCHIVE_OK) ||
	    archive_read_support_format_raw(a) != ARCHIVE_OK || feed(packed, a) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return blame(a, packed, f);
	/* One filter plus the raw bytes: libarchive would pass through unknown data, and accept nested compression. */
	return archive_filter_count(a) == 2
		       ? 0
		       : fault_refused(f, "damaged: it is not compressed, or compressed more than once");
}

/* --- output ------------------------------------------------------------------------------------------------------- */

struct unarchive {
	int archive, out;
	struct text gathered; /* buffered messages, so that small files do not cost a write(2) each */
	struct zip zip;       /* the members of a zip in libarchive's order */
	size_t next;          /* index of the current member */
};

static int flush(struct unarchive *u, struct fault *f)
{
	if (text_check(&u->gathered, f) < 0)
		return -1;
	const int r = fs_write(u->out, "the installing process", u->gathered.bytes, u->gathered.length, f);
	text_cut(&u->gathered, 0);
	return r;
}

static int flush_when_full(struct unarchive *u, struct fault *f)
{
	return u->gathered.length < BUFFER_SIZE && !u->gathered.failed ? 0 : flush(u, f);
}

static int tell(struct unarchive *u, enum message_kind kind, const void *bytes, size_t length, struct fault *f)
{
	proc_message_add(&u->gathered, kind, bytes, length);
	return flush_when_full(u, f);
}

static int member_tell(struct unarchive *u, const struct member *member, struct fault *f)
{
	message_add_member(&u->gathered, member);
	return flush_when_full(u, f);
}

static int tar_read(struct unarchive *u, struct stream *source, bool inner, struct fault *f);

/* --- members ------------------------------------------------------------------------------------------------------ */

static bool is_inner(const char *name)
{
	static const char wanted[] = "cvclient-min.tar";

	return strcmp(name, wanted) == 0 || text_ends(name, "/cvclient-min.tar");
}

static enum member_type type_of(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry) != NULL)
		return MEMBER_HARD_LINK;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return archive_entry_sparse_count(entry) > 0 ? MEMBER_SPARSE : MEMBER_FILE;
	case AE_IFDIR:
		return MEMBER_DIRECTORY;
	case AE_IFLNK:
		return MEMBER_LINK;
	case AE_IFCHR:
	case AE_IFBLK:
		return MEMBER_DEVICE;
	case AE_IFIFO:
		return MEMBER_FIFO;
	case AE_IFSOCK:
		return MEMBER_SOCKET;
	default:
		return MEMBER_UNKNOWN;
	}
}

static int member_make(struct archive_entry *entry, struct member *ret_member, struct fault *f)
{
	const char *name = archive_entry_pathname(entry), *target = NULL;
	struct member member = { .type = type_of(entry), .mode = archive_entry_perm(entry) };

	if (name == NULL)
		return fault_refused(f, "damaged: a name that cannot be read");
	if (member.type == MEMBER_HARD_LINK)
		target = archive_entry_hardlink(entry);
	else if (member.type == MEMBER_LINK)
		target = archive_entry_symlink(entry);
	if (member.type == MEMBER_FILE) {
		if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0)
			return fault_refused(f, "damaged: a member without a size");
		member.size = (uint64_t)archive_entry_size(entry);
	}
	member.name = (const unsigned char *)name;
	member.name_length = strlen(name);
	member.target = (const unsigned char *)target;
	member.target_length = target != NULL ? strlen(target) : 0;
	*ret_member = member;
	return 0;
}

static int content_send(struct unarchive *u, struct stream *content, uint64_t size, struct fault *f)
{
	while (!content->ended && content->passed <= size) {
		if (stream_more(content, f) < 0)
			return -1;
		for (size_t at = 0; at < content->length && content->passed <= size;) {
			const size_t left = content->length - at,
				     part = left < PROC_MESSAGE_MAX ? left : PROC_MESSAGE_MAX;
			if (tell(u, MESSAGE_CONTENT, content->bytes + at, part, f) < 0)
				return -1;
			at += part;
		}
	}
	return content->passed == size ? 0 : fault_refused(f, "damaged: its content is not as long as its header says");
}

static int file_send(struct unarchive *u, struct archive *a, const struct member *member, bool inner, struct fault *f)
{
	struct member told = *member;
	struct stream content = { .archive = a, .more = content_more };

	if (inner || member->size == 0 || !is_inner((const char *)member->name))
		return member_tell(u, member, f) < 0 ? -1 : content_send(u, &content, member->size, f);
	told.type = MEMBER_ARCHIVE;
	told.size = 0;
	if (member_tell(u, &told, f) < 0 || tar_read(u, &content, true, f) < 0)
		return -1;
	return tell(u, MESSAGE_INNER_END, NULL, 0, f);
}

static int zip_link(struct unarchive *u, const struct zip_member *z, struct member *member, struct text *target,
		    struct fault *f)
{
	if (member->type != MEMBER_FILE && member->type != MEMBER_LINK)
		return fault_refused(f, "damaged: a member that is both a link and something else");
	if (zip_link_target(u->archive, z, target, f) < 0)
		return -1;
	member->type = MEMBER_LINK;
	member->size = 0;
	member->target = (const unsigned char *)target->bytes;
	member->target_length = target->length;
	return 0;
}

/* libarchive ignores the mode in a zip from another system, and whether a name ends like a directory's. */
static int zip_type_check(const struct zip_member *z, const struct member *member, struct fault *f)
{
	const unsigned type = z->mode & S_IFMT;

	if (member->type == MEMBER_FILE && type != 0 && type != S_IFREG)
		return fault_refused(f, "damaged: a file with the mode of something else");
	if (z->directory != (member->type == MEMBER_DIRECTORY))
		return fault_refused(f, "damaged: its mode and its name disagree about whether it is a directory");
	return 0;
}

/* Sends a small file, which may be a link whose mode was damaged, with its content as the possible target. */
static int small_send(struct unarchive *u, struct archive *a, struct member *member, struct fault *f)
{
	TEXT_AUTO content = { 0 };
	struct stream stream = { .archive = a, .more = content_more };

	while (stream_more(&stream, f) == 0 && stream.length > 0)
		text_add(&content, stream.bytes, stream.passed <= member->size ? stream.length : 0);
	if (!stream.ended || text_check(&content, f) < 0)
		return -1;
	if (stream.passed != member->size)
		return fault_refused(f, "damaged: its content is not as long as its header says");
	member->target = (const unsigned char *)content.bytes;
	member->target_length = content.length;
	return member_tell(u, member, f) < 0 ? -1 : tell(u, MESSAGE_CONTENT, content.bytes, content.length, f);
}

static int member_send(struct unarchive *u, struct archive *a, struct archive_entry *entry, bool inner, struct fault *f)
{
	TEXT_AUTO target = { 0 };
	const bool listed = !inner && u->zip.members != NULL;
	struct member member;

	if (member_make(entry, &member, f) < 0)
		return -1;
	if (listed && u->next >= u->zip.count)
		return fault_refused(f, "damaged: more members than the zip's directory names");
	const struct zip_member *z = listed ? &u->zip.members[u->next++] : NULL;
	if (z != NULL && (S_ISLNK(z->mode) || member.type == MEMBER_LINK) && zip_link(u, z, &member, &target, f) < 0)
		return -1;
	if (z != NULL && zip_type_check(z, &member, f) < 0)
		return -1;
	if (z != NULL && z->mode == (S_IFREG | 0777) && member.type == MEMBER_FILE && member.size > 0 &&
	    member.size <= LIMITS_PATH)
		return small_send(u, a, &member, f);
	if (member.type == MEMBER_FILE)
		return file_send(u, a, &member, inner, f);
	return member_tell(u, &member, f);
}

/* Sends every member, to libarchive's end.  `source` is the stream that libarchive reads, if any. */
static int members_send(struct unarchive *u, struct archive *a, const struct stream *source, bool inner,
			struct fault *f)
{
	TEXT_AUTO name = { 0 };
	struct archive_entry *entry;
	int r;

	while ((r = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		const char *said = archive_entry_pathname(entry);
		text_cut(&name, 0);
		text_add_string(&name, said != NULL ? said : "");
		if (member_send(u, a, entry, inner, f) == 0)
			continue;
		if (source != NULL && source->fault.kind != FAULT_NONE)
			*f = source->fault;
		return f->kind == FAULT_REFUSED ? fault_prefix(f, "member '%s': ", SHOWN(text_string(&name))) : -1;
	}
	if (r == ARCHIVE_EOF)
		return 0;
	(void)blame(a, source, f);
	return f->kind == FAULT_REFUSED && name.length > 0
		       ? fault_prefix(f, "after member '%s': ", SHOWN(text_string(&name)))
		       : -1;
}

/* --- tar ---------------------------------------------------------------------------------------------------------- */

/* libarchive stops at the end mark, and accepts a tar without one; then it has tried to read past the end. */
static int tar_end(struct archive *a, struct stream *source, struct fault *f)
{
	const uint64_t used = (uint64_t)archive_filter_bytes(a, 0);

	if (source->ended)
		return fault_refused(f, "damaged: it ends too early, without the end mark of a tar");
	if (used <= TAR_END)
		return fault_refused(
			f, "it begins with zeros: an empty tar, or a download that was cut short; download it again");
	/* The end mark itself consists of zeros, too. */
	if (zeros_follow(source, used - TAR_END, "archive", f) < 0)
		return -1;
	return source->passed % TAR_BLOCK == 0 ? 0 : fault_refused(f, "damaged: it does not end at a full block");
}

static int tar_read(struct unarchive *u, struct stream *source, bool inner, struct fault *f)
{
	ARCHIVE_AUTO *a = archive_read_new();

	if (a == NULL)
		return fault_memory(f);
	if (inner && tell(u, MESSAGE_FORMAT, "tar", 3, f) < 0)
		return -1;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK)
		return blame(a, source, f);
	if (feed(source, a) != ARCHIVE_OK) {
		(void)blame(a, source, f);
		return source->fault.kind == FAULT_NONE && f->kind == FAULT_REFUSED
			       ? fault_refused(
					 f, "it is not a tar or zip archive, or it is damaged; pack it again as a tar "
					    "(plain or by gzip, xz, bzip2 or zstd) or a zip")
			       : -1;
	}
	return members_send(u, a, source, inner, f) < 0 ? -1 : tar_end(a, source, f);
}

/* --- zip ---------------------------------------------------------------------------------------------------------- */

static int zip_read(struct unarchive *u, struct fault *f)
{
	ARCHIVE_AUTO *a = archive_read_new();

	if (a == NULL)
		return fault_memory(f);
	if (zip_check(u->archive, &u->zip, f) < 0)
		return -1;
	if (archive_read_support_format_zip_seekable(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, u->archive, 64 * 1024) != ARCHIVE_OK)
		return blame(a, NULL, f);
	if (members_send(u, a, NULL, false, f) < 0)
		return -1;
	return u->next == u->zip.count ? 0 : fault_refused(f, "damaged: fewer members than the zip's directory names");
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static const struct packing {
	const char *format, *magic;
	unsigned length;
	int (*open)(struct stream *packed, struct stream *ret_stream, struct fault *f);
} packings[] = {
	{ "zip", "PK", 2, NULL },
	{ "tar.gz", "\x1f\x8b", 2, gzip_open },
	{ "tar.xz",
	  "\xfd"
	  "7zXZ",
	  6, filter_open },
	{ "tar.bz2", "BZh", 3, filter_open },
	{ "tar.zst", "\x28\xb5\x2f\xfd", 4, filter_open },
	/* A skippable frame: pzstd writes one before each data frame. */
	{ "tar.zst", "\x50\x2a\x4d\x18", 4, filter_open },
	{ "tar", "", 0, NULL },
};

static int packed_read(struct unarchive *u, const struct packing *packing, struct fault *f)
{
	struct stream file = { .fd = u->archive, .more = file_more };
	STREAM_AUTO unpacked = { 0 };

	if (packing == packings)
		return zip_read(u, f);
	if (packing->open == NULL)
		return tar_read(u, &file, false, f);
	return packing->open(&file, &unpacked, f) < 0 ? -1 : tar_read(u, &unpacked, false, f);
}

static int archive_read_through(struct unarchive *u, struct fault *f)
{
	char lead[6] = { 0 };
	const struct packing *packing = packings;

	const ssize_t got = pread(u->archive, lead, sizeof(lead), 0);
	if (got <= 0)
		return got == 0 ? fault_refused(f, "it is empty") : fault_system(f, errno, "cannot read it");
	while (packing->length > 0 && memcmp(lead, packing->magic, packing->length) != 0)
		packing++;
	if (packing->length == 0 && zip_ends(u->archive))
		packing = packings;
	if (tell(u, MESSAGE_FORMAT, packing->format, strlen(packing->format), f) < 0)
		return -1;
	return packed_read(u, packing, f) < 0 ? -1 : tell(u, MESSAGE_END, NULL, 0, f);
}

int unarchive_run(int archive, int out, struct fault *f)
{
	struct unarchive u = { .archive = archive, .out = out };
	struct fault ignored = { 0 };
	int r = archive_read_through(&u, f);

	/* Send what was buffered before the fault: it is valid, and may itself be refused. */
	if (flush(&u, r < 0 ? &ignored : f) < 0)
		r = -1;
	zip_done(&u.zip);
	text_done(&u.gathered);
	return r;
}

int unarchive_serve(uid_t id)
{
	struct fault f = { 0 };

	return sandbox_enter(id, &f) < 0 || unarchive_run(STDIN_FILENO, PROC_CHILD_TELL, &f) < 0 ? proc_worker_fail(&f)
												 : 0;
}
