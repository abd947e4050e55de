#include "client/archive/decode.h"

#include <stdio.h>
#include <string.h>

#include "client/archive/dispatch.h"
#include "client/archive/judge.h"
#include "client/archive/stream.h"
#include "client/archive/tar.h"
#include "client/archive/zip.h"
#include "base/text.h"

struct decoder {
	const struct decode *decode;
	struct judge judge;
	struct dispatch dispatch;
	size_t archive;       /* the one being read */
	uint64_t read_before; /* of those before it */
	struct tar tars[LIMITS_NESTING + 1];
	struct zip zip;
};

static int tar_read(struct decoder *d, struct stream *source, unsigned layer, const char *prefix, struct fault *f);

/* --- archives inside ---------------------------------------------------------------------------------------------- */

/* Only a tar is read through: a zip needs its end first, and what the client's zip brings as one is for Windows. */
static bool is_nested(const struct member *member)
{
	static const char *const endings[] = { ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst" };

	if (member->type != MEMBER_FILE || member->size == 0)
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		const size_t length = strlen(endings[i]);
		if (member->name_length > length &&
		    memcmp(member->name + member->name_length - length, endings[i], length) == 0)
			return true;
	}
	return false;
}

/* As the judge sees it; an archive inside counts by its members. */
static int member_judge(struct decoder *d, const struct member *member, bool nested, unsigned layer,
			char ret_path[LIMITS_PATH + 1], enum judge_verdict *ret_verdict, struct fault *f)
{
	struct member judged = *member;

	if (nested)
		judged.size = 0;
	if (judge_member(&d->judge, &judged, layer, ret_path, ret_verdict, f) < 0)
		return -1;
	return *ret_verdict == JUDGE_COVERED ? dispatch_note(&d->dispatch, PIPE_NOTE_COVERED, 0, ret_path, f) : 0;
}

/* Puts the member's name before what is wrong with it; outermost name first. */
static int member_blame(const unsigned char *name, size_t length, struct fault *f)
{
	return f->kind == FAULT_REFUSED && length > 0 ? fault_prefix(f, "member '%s': ", SHOWN_BYTES(name, length))
						      : -1;
}

/* What a tar is packed in, by its first bytes; NULL for what is no tar at all. */
static const char *packing(const struct stream *lead)
{
	const size_t have = (size_t)(lead->end - lead->at);

	if (have >= 2 && lead->at[0] == 0x1f && lead->at[1] == 0x8b)
		return "gz";
	if (have >= 6 && memcmp(lead->at,
				"\xfd"
				"7zXZ\0",
				6) == 0)
		return "xz";
	if (have >= 3 && memcmp(lead->at, "BZh", 3) == 0)
		return "bz2";
	if (have >= 4 && memcmp(lead->at, "\x28\xb5\x2f\xfd", 4) == 0)
		return "zst";
	return have >= TAR_BLOCK && tar_recognise(lead->at) ? "" : NULL;
}

/* Reads a tar, packed or not. */
static int tar_open(struct decoder *d, struct stream *lead, unsigned layer, const char *prefix, struct fault *f)
{
	STREAM_AUTO *unpacked = NULL;
	char format[16];
	const char *packed = packing(lead);

	if (packed == NULL)
		return fault_refused(f, "%s",
				     lead->at == lead->end ? "it is empty" : "it is no tar or zip, or it is damaged");
	(void)snprintf(format, sizeof(format), "tar%s%s", packed[0] != '\0' ? "." : "", packed);
	if (dispatch_note(&d->dispatch, PIPE_NOTE_FORMAT, 0, format, f) < 0)
		return -1;
	if (packed[0] == '\0')
		return tar_read(d, lead, layer, prefix, f);
	if ((strcmp(packed, "gz") == 0 ? stream_gzip(lead, &unpacked, f) : stream_filter(lead, &unpacked, f)) < 0)
		return -1;
	return tar_read(d, unpacked, layer, prefix, f);
}

static int nested_read(struct decoder *d, struct stream *content, unsigned layer, const char *path, struct fault *f)
{
	STREAM_AUTO *lead = NULL;
	char prefix[LIMITS_PATH + 1];

	if (layer > LIMITS_NESTING)
		return fault_refused(f, "archives inside of archives, more than %d deep", LIMITS_NESTING);
	if (dispatch_note(&d->dispatch, PIPE_NOTE_NESTED, 0, path, f) < 0 || stream_lead(content, &lead, f) < 0)
		return -1;
	/* What it holds lies where it lay. */
	const char *slash = strrchr(path, '/');
	const size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	memcpy(prefix, path, length);
	prefix[length] = '\0';
	if (tar_open(d, lead, layer, prefix, f) < 0)
		return -1;
	if (stream_fill(lead, f) < 0)
		return -1;
	return lead->at == lead->end ? 0 : fault_refused(f, "something follows the archive in it");
}

/* --- tar ---------------------------------------------------------------------------------------------------------- */

/*
 * The member as seen from the top of everything.  An absolute name stays as it is, so that the judge sees it; a "./"
 * goes, so that it does not end up inside.
 */
static void member_prefix(const char *prefix, struct member *member, unsigned char storage[2 * LIMITS_PATH + 4])
{
	const size_t length = strlen(prefix);
	const unsigned char *name = member->name;
	size_t left = member->name_length;

	if (length == 0 || left == 0 || name[0] == '/')
		return;
	if (left >= 2 && name[0] == '.' && name[1] == '/') {
		name += 2;
		left -= 2;
	} else if (left == 1 && name[0] == '.') {
		left = 0;
	}
	memcpy(storage, prefix, length);
	memcpy(storage + length, name, left);
	member->name = storage;
	member->name_length = length + left;
}

static int tar_file(struct decoder *d, struct tar *tar, const struct member *member, const char *path, struct fault *f)
{
	const unsigned char *bytes;
	size_t length;

	if (dispatch_file(&d->dispatch, path, member, f) < 0)
		return -1;
	for (;;) {
		if (tar_content(tar, &bytes, &length, f) < 0)
			return -1;
		if (length == 0)
			return 0;
		if (dispatch_content(&d->dispatch, bytes, length, f) < 0)
			return -1;
	}
}

static int tar_nested(struct decoder *d, struct tar *tar, const struct member *member, unsigned layer, const char *path,
		      struct fault *f)
{
	STREAM_AUTO *content = NULL;

	if (stream_section(tar->source, member->size, &content, f) < 0)
		return -1;
	tar->content_left = 0;
	return nested_read(d, content, layer + 1, path, f);
}

static int tar_member(struct decoder *d, struct tar *tar, struct member *member, unsigned layer, const char *prefix,
		      struct fault *f)
{
	unsigned char prefixed[2 * LIMITS_PATH + 4];
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;

	member_prefix(prefix, member, prefixed);
	const bool nested = is_nested(member);
	if (member_judge(d, member, nested, layer, path, &verdict, f) < 0)
		return -1;
	if (verdict != JUDGE_PLACE)
		return 0;
	if (nested)
		return tar_nested(d, tar, member, layer, path, f);
	switch (member->type) {
	case MEMBER_DIRECTORY:
		return dispatch_directory(&d->dispatch, path, f);
	case MEMBER_FILE:
		return tar_file(d, tar, member, path, f);
	default:
		return dispatch_link(&d->dispatch, path, member, judge_last_target(&d->judge), f);
	}
}

static int tar_read(struct decoder *d, struct stream *source, unsigned layer, const char *prefix, struct fault *f)
{
	struct tar *tar = &d->tars[layer];

	tar_start(tar, source);
	for (;;) {
		struct member member = { .name = NULL };
		int r = tar_next(tar, &member, f);
		if (r == 0)
			return 0;
		if (r < 0 && !tar->named && tar->name_length > 0 && f->kind == FAULT_REFUSED)
			return fault_prefix(f, "behind member '%s': ", SHOWN_BYTES(tar->name, tar->name_length));
		if (r > 0)
			r = tar_member(d, tar, &member, layer, prefix, f);
		if (r < 0)
			return member_blame(tar->name, tar->name_length, f);
		if (layer == 0 && dispatch_progress(&d->dispatch, d->read_before + source->passed, f) < 0)
			return -1;
	}
}

/* --- zip ---------------------------------------------------------------------------------------------------------- */

/* Reads a member's content through: where it is not placed, its checksum is still compared. */
static int zip_content_check(struct decoder *d, const struct zip_place *place, struct fault *f)
{
	STREAM_AUTO *stream = NULL;
	STREAM_AUTO *inner = NULL;

	if (zip_open(d->zip.fd, place, &stream, &inner, f) < 0)
		return -1;
	do {
		stream->at = stream->end;
		if (stream_fill(stream, f) < 0)
			return -1;
	} while (stream->at < stream->end);
	return 0;
}

static int zip_nested(struct decoder *d, const struct zip_place *place, const char *path, struct fault *f)
{
	STREAM_AUTO *stream = NULL;
	STREAM_AUTO *inner = NULL;

	return zip_open(d->zip.fd, place, &stream, &inner, f) < 0 ? -1 : nested_read(d, stream, 1, path, f);
}

static int zip_member(struct decoder *d, const struct member *member, const struct zip_place *place, struct fault *f)
{
	char path[LIMITS_PATH + 1];
	enum judge_verdict verdict;
	const bool nested = is_nested(member);

	if (member_judge(d, member, nested, 0, path, &verdict, f) < 0)
		return -1;
	if (nested)
		return verdict == JUDGE_PLACE ? zip_nested(d, place, path, f) : 0;
	if (verdict == JUDGE_COVERED && member->type == MEMBER_FILE && zip_content_check(d, place, f) < 0)
		return -1;
	if (verdict != JUDGE_PLACE)
		return 0;
	switch (member->type) {
	case MEMBER_DIRECTORY:
		return dispatch_directory(&d->dispatch, path, f);
	case MEMBER_FILE:
		return dispatch_zip(&d->dispatch, path, member, d->archive, place, f);
	default:
		return dispatch_link(&d->dispatch, path, member, judge_last_target(&d->judge), f);
	}
}

/* Archives inside come first: what they hold is meant to lie over what lies beside them. */
enum zip_pass { PASS_NESTED, PASS_MEMBERS };

static int zip_pass(struct decoder *d, enum zip_pass pass, struct fault *f)
{
	zip_rewind(&d->zip);
	for (;;) {
		struct member member = { .name = NULL };
		struct zip_place place;
		int r = zip_next(&d->zip, &member, &place, f);

		if (r == 0)
			return 0;
		if (r > 0)
			r = is_nested(&member) == (pass == PASS_NESTED) ? zip_member(d, &member, &place, f) : 0;
		if (r < 0)
			return member_blame(member.name, member.name_length, f);
	}
}

static int zip_read(struct decoder *d, int fd, struct fault *f)
{
	if (dispatch_note(&d->dispatch, PIPE_NOTE_FORMAT, 0, "zip", f) < 0 || zip_start(&d->zip, fd, f) < 0)
		return -1;
	return zip_pass(d, PASS_NESTED, f) < 0 ? -1 : zip_pass(d, PASS_MEMBERS, f);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static int archive_read_through(struct decoder *d, int fd, struct fault *f)
{
	STREAM_AUTO *file = NULL;
	STREAM_AUTO *lead = NULL;

	if (stream_file(fd, 0, STREAM_TO_END, &file, f) < 0 || stream_lead(file, &lead, f) < 0)
		return -1;
	if (lead->end - lead->at >= 4 && lead->at[0] == 'P' && lead->at[1] == 'K')
		return zip_read(d, fd, f);
	if (tar_open(d, lead, 0, "", f) < 0)
		return -1;
	d->read_before += file->passed;
	return 0;
}

int decode_run(const struct decode *decode, struct fault *f)
{
	static struct decoder decoder;
	struct decoder *d = &decoder;

	d->decode = decode;
	dispatch_start(&d->dispatch, decode->placers, decode->notes, decode->mode_of);
	d->judge = (struct judge)JUDGE_INIT(decode->limits);
	for (d->archive = 0; d->archive < decode->archive_count; d->archive++) {
		if (archive_read_through(d, decode->archives[d->archive], f) < 0)
			return fault_prefix(f, "%s: ", SHOWN(decode->names[d->archive]));
	}
	if (judge_links(&d->judge, f) < 0)
		return fault_prefix(f, "%s: ", SHOWN(decode->names[0]));
	judge_done(&d->judge);
	return dispatch_end(&d->dispatch, f);
}
