#include "client/archive/unarchive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/archive/limits.h"
#include "client/archive/message.h"
#include "client/archive/sandbox.h"
#include "client/archive/stream.h"
#include "client/archive/zip.h"
#include "base/text.h"

/* What follows a tar's end mark: GNU tar fills up to 10 KB, tapes have had larger blocks. */
enum { TAR_BLOCK = 512, TAR_END = 1024, TAR_TAIL_MAX = 1024 * 1024 };

struct unarchive {
	int archive;
	struct message_writer out;
	struct zip zip; /* of a zip: its members in libarchive's order, */
	size_t next;    /* and the present one's number */
};

static void archive_done(struct archive **a)
{
	if (*a != NULL)
		(void)archive_read_free(*a);
}
#define ARCHIVE_AUTO __attribute__((cleanup(archive_done))) struct archive

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
	for (;;) {
		if (stream_more(content, f) < 0)
			return -1;
		if (content->length == 0)
			break;
		if (content->passed > size)
			break;
		for (size_t at = 0; at < content->length;) {
			const size_t left = content->length - at,
				     part = left < PROC_MESSAGE_MAX ? left : PROC_MESSAGE_MAX;
			if (message_send(&u->out, MESSAGE_CONTENT, content->bytes + at, part, f) < 0)
				return -1;
			at += part;
		}
	}
	return content->passed == size ? 0 : fault_refused(f, "damaged: its content is not as long as its header says");
}

static int file_send(struct unarchive *u, struct archive *a, const struct member *member, bool inner, struct fault *f)
{
	struct member told = *member;
	struct stream content;

	stream_content(a, &content);
	if (inner || member->size == 0 || !is_inner((const char *)member->name))
		return message_send_member(&u->out, member, f) < 0 ? -1 : content_send(u, &content, member->size, f);
	told.type = MEMBER_ARCHIVE;
	told.size = 0;
	if (message_send_member(&u->out, &told, f) < 0 || tar_read(u, &content, true, f) < 0)
		return -1;
	return message_send(&u->out, MESSAGE_INNER_END, NULL, 0, f);
}

static int zip_link(struct unarchive *u, const struct zip_member *z, struct member *member, struct text *target,
		    struct fault *f)
{
	if (member->type != MEMBER_FILE && member->type != MEMBER_LINK)
		return fault_refused(f, "damaged: a link that has another type, too");
	if (zip_link_target(u->archive, z, target, f) < 0)
		return -1;
	member->type = MEMBER_LINK;
	member->size = 0;
	member->target = (const unsigned char *)target->bytes;
	member->target_length = target->length;
	return 0;
}

/* Of a zip of another system libarchive does not look at the mode; nor does it at a directory's name. */
static int zip_type_check(const struct zip_member *z, const struct member *member, struct fault *f)
{
	const unsigned type = z->mode & S_IFMT;

	if (member->type == MEMBER_FILE && type != 0 && type != S_IFREG)
		return fault_refused(f, "damaged: a file with the mode of something else");
	if (z->directory != (member->type == MEMBER_DIRECTORY))
		return fault_refused(f, "damaged: its mode and its name differ about whether it is a directory");
	return 0;
}

/* A small file that may be a link of which the mode has lost a bit: told with its content as what it would lead to. */
static int small_send(struct unarchive *u, struct archive *a, struct member *member, struct fault *f)
{
	TEXT_AUTO content = { 0 };
	struct stream stream;

	for (stream_content(a, &stream); stream_more(&stream, f) == 0 && stream.length > 0;)
		text_add(&content, stream.bytes, stream.passed <= member->size ? stream.length : 0);
	if (!stream.ended || text_check(&content, f) < 0)
		return -1;
	if (stream.passed != member->size)
		return fault_refused(f, "damaged: its content is not as long as its header says");
	member->target = (const unsigned char *)content.bytes;
	member->target_length = content.length;
	return message_send_member(&u->out, member, f) < 0
		       ? -1
		       : message_send(&u->out, MESSAGE_CONTENT, content.bytes, content.length, f);
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
	return message_send_member(&u->out, &member, f);
}

/* Every member, to libarchive's end.  `source`: what the archive reads, where that is a stream. */
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
	(void)stream_blame(a, source, f);
	return f->kind == FAULT_REFUSED && name.length > 0
		       ? fault_prefix(f, "after member '%s': ", SHOWN(text_string(&name)))
		       : -1;
}

/* --- tar ---------------------------------------------------------------------------------------------------------- */

/* libarchive stops at the end mark, and does without one; then it has asked for bytes that were not there. */
static int tar_end(struct archive *a, struct stream *source, struct fault *f)
{
	const uint64_t used = (uint64_t)archive_filter_bytes(a, 0);

	if (source->ended)
		return fault_refused(f, "damaged: it ends too early, without the end mark of a tar");
	do
		if (stream_more(source, f) < 0)
			return -1;
	while (source->length > 0 && source->passed - used <= TAR_TAIL_MAX);
	if (source->zeros < source->passed - used + TAR_END || !source->ended)
		return fault_refused(f, "damaged: something follows the end of the archive");
	return source->passed % TAR_BLOCK == 0 ? 0 : fault_refused(f, "damaged: it does not end at a full block");
}

static int tar_read(struct unarchive *u, struct stream *source, bool inner, struct fault *f)
{
	ARCHIVE_AUTO *a = archive_read_new();

	if (a == NULL)
		return fault_memory(f);
	if (inner && message_send(&u->out, MESSAGE_FORMAT, "tar", 3, f) < 0)
		return -1;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK)
		return stream_blame(a, source, f);
	if (stream_feed(source, a) != ARCHIVE_OK) {
		(void)stream_blame(a, source, f);
		return f->kind == FAULT_REFUSED ? fault_prefix(f, "it is not a tar or zip archive, or ") : -1;
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
		return stream_blame(a, NULL, f);
	if (members_send(u, a, NULL, false, f) < 0)
		return -1;
	return u->next == u->zip.count ? 0 : fault_refused(f, "damaged: fewer members than the zip's directory names");
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static const struct packing {
	const char *format, *magic;
	unsigned length;
	enum { NOT_PACKED, BY_GZIP, BY_FILTER, IS_ZIP } how;
} packings[] = {
	{ "zip", "PK", 2, IS_ZIP },
	{ "tar.gz", "\x1f\x8b", 2, BY_GZIP },
	{ "tar.xz",
	  "\xfd"
	  "7zXZ",
	  6, BY_FILTER },
	{ "tar.bz2", "BZh", 3, BY_FILTER },
	{ "tar.zst", "\x28\xb5\x2f\xfd", 4, BY_FILTER },
	{ "tar", "", 0, NOT_PACKED },
};

static int packed_read(struct unarchive *u, const struct packing *packing, struct fault *f)
{
	STREAM_AUTO file = { 0 };
	STREAM_AUTO unpacked = { 0 };

	if (packing->how == IS_ZIP)
		return zip_read(u, f);
	if (stream_file(u->archive, &file, f) < 0)
		return -1;
	if (packing->how == NOT_PACKED)
		return tar_read(u, &file, false, f);
	if ((packing->how == BY_GZIP ? stream_gzip(&file, &unpacked, f) : stream_filter(&file, &unpacked, f)) < 0)
		return -1;
	return tar_read(u, &unpacked, false, f);
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
	if (message_send(&u->out, MESSAGE_FORMAT, packing->format, strlen(packing->format), f) < 0)
		return -1;
	return packed_read(u, packing, f) < 0 ? -1 : message_send(&u->out, MESSAGE_END, NULL, 0, f);
}

int unarchive_run(int archive, int out, struct fault *f)
{
	struct unarchive u = { .archive = archive, .out = { .fd = out } };
	int r = archive_read_through(&u, f);

	if (r == 0)
		r = message_flush(&u.out, f);
	if (r < 0)
		message_send_fault(&u.out, f);
	zip_done(&u.zip);
	text_done(&u.out.gathered);
	return r;
}

int unarchive_serve(uid_t id, int archive, int out)
{
	struct message_writer w = { .fd = out };
	struct fault f = { 0 };

	if (sandbox_enter(id, &f) == 0)
		return unarchive_run(archive, out, &f) < 0 ? 1 : 0;
	message_send_fault(&w, &f);
	return 1;
}
