#include "client/archive/tar.h"

#include <string.h>

#include "client/archive/tar_field.h"
#include "base/text.h"

#define BEHIND "bytes lie behind the end of a name"

enum { EXTENDED_IN_A_ROW_MAX = 100, TAIL_MAX = 1024 * 1024 };

static const char magic_posix[TAR_MAGIC_SIZE] = { 'u', 's', 't', 'a', 'r', '\0', '0', '0' };
static const char magic_gnu[TAR_MAGIC_SIZE] = { 'u', 's', 't', 'a', 'r', ' ', ' ', '\0' };

/* What was said about the coming member by the headers before it. */
struct announced {
	bool long_name, long_target; /* GNU */
	bool pax_path, pax_target, pax_size;
	bool sparse;
	uint64_t size;
};

static int odd(struct fault *f, const char *what)
{
	return fault_refused(f, "a tar header that can be understood in two ways: %s", what);
}

void tar_start(struct tar *tar, struct stream *source)
{
	tar->source = source;
	tar->content_left = 0;
	tar->padding = 0;
	tar->extended_in_a_row = 0;
	tar->name_length = tar->target_length = 0;
	tar->named = false;
}

bool tar_recognise(const unsigned char block[TAR_BLOCK])
{
	return tar_field_checksum(block);
}

/* Keeps at most one byte more than is allowed: enough to be refused for its length. */
static void name_keep(unsigned char *to, size_t *ret_length, const unsigned char *from, size_t length)
{
	*ret_length = length < LIMITS_PATH + 1 ? length : LIMITS_PATH + 1;
	memcpy(to, from, *ret_length);
}

static int zeros_skip(struct tar *tar, struct fault *f)
{
	while (tar->padding > 0) {
		if (stream_fill(tar->source, f) < 0)
			return -1;
		size_t length = (size_t)(tar->source->end - tar->source->at);
		if (length == 0)
			return fault_refused(f, "damaged: it ends too early");
		length = length < tar->padding ? length : tar->padding;
		if (!tar_field_zero(tar->source->at, length))
			return odd(f, "bytes lie behind the end of a member's content");
		tar->source->at += length;
		tar->padding -= (unsigned)length;
	}
	return 0;
}

int tar_content(struct tar *tar, const unsigned char **ret_bytes, size_t *ret_length, struct fault *f)
{
	size_t length = 0;

	if (tar->content_left > 0) {
		if (stream_fill(tar->source, f) < 0)
			return -1;
		length = (size_t)(tar->source->end - tar->source->at);
		if (length == 0)
			return fault_refused(f, "damaged: it ends too early");
		length = length < tar->content_left ? length : (size_t)tar->content_left;
		*ret_bytes = tar->source->at;
		tar->source->at += length;
		tar->content_left -= length;
	}
	*ret_length = length;
	return 0;
}

static void content_begin(struct tar *tar, uint64_t size)
{
	tar->content_left = size;
	tar->padding = (unsigned)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static int member_skip(struct tar *tar, struct fault *f)
{
	const unsigned char *bytes;
	size_t length;

	do
		if (tar_content(tar, &bytes, &length, f) < 0)
			return -1;
	while (length > 0);
	return zeros_skip(tar, f);
}

/* The content of an extension header, whole. */
static int extended_read(struct tar *tar, uint64_t size, struct fault *f)
{
	if (size > TAR_EXTENDED_MAX)
		return fault_refused(f, "an extension header of more than %d bytes", TAR_EXTENDED_MAX);
	if (++tar->extended_in_a_row > EXTENDED_IN_A_ROW_MAX)
		return fault_refused(f, "more than %d extension headers in a row", EXTENDED_IN_A_ROW_MAX);
	content_begin(tar, size);
	tar->content_left = 0;
	if (stream_read_all(tar->source, tar->extended, size, f) < 0)
		return -1;
	return zeros_skip(tar, f);
}

/* A GNU long name is a string with its NUL. */
static int long_name_read(struct tar *tar, uint64_t size, bool *seen, unsigned char *to, size_t *ret_length,
			  struct fault *f)
{
	if (*seen)
		return odd(f, "two long names for one member");
	if (extended_read(tar, size, f) < 0)
		return -1;
	if (size < 2 || tar->extended[size - 1] != '\0' ||
	    memchr(tar->extended, '\0', size) != tar->extended + size - 1)
		return odd(f, "a long name that does not end where it should");
	*seen = true;
	tar->named = tar->named || to == tar->name;
	name_keep(to, ret_length, tar->extended, size - 1);
	return 0;
}

static int pax_number(const unsigned char *value, size_t length, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (length == 0 || length > 18)
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (value[i] < '0' || value[i] > '9')
			return -1;
		number = number * 10 + (value[i] - '0');
	}
	*ret_number = number;
	return 0;
}

static int pax_record(struct tar *tar, bool global, const unsigned char *key, size_t key_length,
		      const unsigned char *value, size_t length, struct announced *said, struct fault *f)
{
	const char *name = (const char *)key;
	const bool path = text_equal(name, key_length, "path"), target = text_equal(name, key_length, "linkpath");
	const bool size = text_equal(name, key_length, "size");

	if (memchr(key, '\0', key_length) != NULL)
		return odd(f, "a pax key with a NUL");
	if (key_length >= 10 && memcmp(key, "GNU.sparse", 10) == 0) {
		said->sparse = true;
		return 0;
	}
	if (!path && !target && !size)
		return 0; /* times, owners, attributes, comments: none of them decides anything here */
	if (global)
		return odd(f, "a name or size for all members");
	if ((path && said->pax_path) || (target && said->pax_target) || (size && said->pax_size))
		return odd(f, "the same pax record twice for one member");
	if (size) {
		said->pax_size = true;
		return pax_number(value, length, &said->size) < 0 ? odd(f, "a pax size that is no number") : 0;
	}
	if (length == 0 || memchr(value, '\0', length) != NULL)
		return odd(f, "a pax name that is empty or has a NUL");
	if (path) {
		said->pax_path = tar->named = true;
		name_keep(tar->name, &tar->name_length, value, length);
	} else {
		said->pax_target = true;
		name_keep(tar->target, &tar->target_length, value, length);
	}
	return 0;
}

/* "LENGTH KEY=VALUE\n", LENGTH counting the whole record. */
static int pax_read(struct tar *tar, bool global, uint64_t size, struct announced *said, struct fault *f)
{
	if (extended_read(tar, size, f) < 0)
		return -1;
	const unsigned char *at = tar->extended, *const end = at + size;
	while (at < end) {
		const unsigned char *blank = memchr(at, ' ', (size_t)(end - at));
		uint64_t length;
		if (blank == NULL || pax_number(at, (size_t)(blank - at), &length) < 0 || at[0] == '0' ||
		    length > (uint64_t)(end - at) || length < (uint64_t)(blank - at) + 4 || at[length - 1] != '\n')
			return odd(f, "a pax record whose length is wrong");
		const unsigned char *key = blank + 1, *const stop = at + length - 1;
		const unsigned char *equals = memchr(key, '=', (size_t)(stop - key));
		if (equals == NULL || equals == key)
			return odd(f, "a pax record without a key");
		if (pax_record(tar, global, key, (size_t)(equals - key), equals + 1, (size_t)(stop - equals - 1), said,
			       f) < 0)
			return -1;
		at += length;
	}
	return 0;
}

/* After the first block of zeros: a second, and then nothing but zeros to the true end. */
static int end_read(struct tar *tar, struct fault *f)
{
	unsigned char block[TAR_BLOCK];
	uint64_t tail = 0;

	if (stream_read_all(tar->source, block, sizeof(block), f) < 0)
		return fault_prefix(f, "at the end of the archive: ");
	if (!tar_field_zero(block, sizeof(block)))
		return fault_refused(f, "damaged: something follows the end of the archive");
	for (;;) {
		if (stream_fill(tar->source, f) < 0)
			return -1;
		const size_t length = (size_t)(tar->source->end - tar->source->at);
		if (length == 0)
			break;
		tail += length;
		if (!tar_field_zero(tar->source->at, length) || tail > TAIL_MAX)
			return fault_refused(f, "damaged: something follows the end of the archive");
		tar->source->at = tar->source->end;
	}
	return tail % TAR_BLOCK == 0 ? 0 : fault_refused(f, "damaged: it does not end at a full block");
}

static enum member_type type_of(unsigned char flag, bool sparse)
{
	switch (flag) {
	case '0':
	case '\0':
	case '7': /* contiguous: a plain file on every system of today */
		return sparse ? MEMBER_SPARSE : MEMBER_FILE;
	case '1':
		return MEMBER_HARD_LINK;
	case '2':
		return MEMBER_LINK;
	case '3':
	case '4':
		return MEMBER_DEVICE;
	case '5':
		return MEMBER_DIRECTORY;
	case '6':
		return MEMBER_FIFO;
	case 'S':
		return MEMBER_SPARSE;
	default:
		return MEMBER_UNKNOWN;
	}
}

/* The names of the header itself, where no extension has given them. */
static int names_read(struct tar *tar, const unsigned char *block, const struct announced *said, struct fault *f)
{
	unsigned char prefix[TAR_PREFIX_SIZE + 1];
	size_t length = 0;
	const bool posix = memcmp(block + TAR_MAGIC_AT, magic_posix, TAR_MAGIC_SIZE) == 0;

	if (!said->long_target && !said->pax_target) {
		tar->target_length = 0;
		if (!tar_field_text(tar->target, &tar->target_length, block + TAR_TARGET_AT, TAR_TARGET_SIZE))
			return odd(f, BEHIND);
	}
	if (said->long_name || said->pax_path)
		return 0;
	tar->name_length = 0;
	tar->named = true;
	if (posix) {
		if (!tar_field_text(prefix, &length, block + TAR_PREFIX_AT, TAR_PREFIX_SIZE))
			return odd(f, BEHIND);
		memcpy(tar->name, prefix, length);
		tar->name_length = length;
		if (length > 0)
			tar->name[tar->name_length++] = '/';
	}
	return tar_field_text(tar->name, &tar->name_length, block + TAR_NAME_AT, TAR_NAME_SIZE) ? 0 : odd(f, BEHIND);
}

static int member_make(struct tar *tar, const unsigned char *block, const struct announced *said, uint64_t size,
		       struct member *ret_member, struct fault *f)
{
	uint64_t mode;

	if (memcmp(block + TAR_MAGIC_AT, magic_gnu, TAR_MAGIC_SIZE) != 0 &&
	    memcmp(block + TAR_MAGIC_AT, magic_posix, TAR_MAGIC_SIZE) != 0 &&
	    !tar_field_zero(block + TAR_MAGIC_AT, TAR_MAGIC_SIZE))
		return fault_refused(f, "damaged: a tar header of no known kind");
	if (!tar_field_number(block + TAR_MODE_AT, TAR_MODE_SIZE, &mode) || mode > 0777777)
		return fault_refused(f, "damaged: a mode that is no number");
	if ((said->long_name && said->pax_path) || (said->long_target && said->pax_target))
		return odd(f, "a GNU long name and a pax name for one member");
	if (said->pax_size) {
		if (size != 0 && size != said->size)
			return odd(f, "two different sizes for one member");
		size = said->size;
	}
	if (names_read(tar, block, said, f) < 0)
		return -1;

	struct member member = { .type = type_of(block[TAR_TYPE_AT], said->sparse),
				 .name = tar->name,
				 .name_length = tar->name_length,
				 .target = tar->target,
				 .target_length = tar->target_length,
				 .size = size,
				 .mode = (unsigned)mode };
	/* Before POSIX a directory was a file whose name ends in a slash; for others a slash there is a contradiction.
	 */
	if (member.type == MEMBER_FILE && tar->name_length > 0 && tar->name[tar->name_length - 1] == '/')
		member.type = MEMBER_DIRECTORY;
	if (member.type != MEMBER_FILE && member.type != MEMBER_SPARSE && member.type != MEMBER_UNKNOWN && size != 0)
		return odd(f, "a size on a member that has no content");
	if (member.type == MEMBER_FILE && tar->target_length != 0)
		return odd(f, "a link target on a file");
	content_begin(tar, member.type == MEMBER_FILE ? size : 0);
	*ret_member = member;
	return 1;
}

int tar_next(struct tar *tar, struct member *ret_member, struct fault *f)
{
	struct announced said = { .size = 0 };
	bool any = false;

	if (member_skip(tar, f) < 0)
		return -1;
	tar->named = false;
	for (;;) {
		unsigned char block[TAR_BLOCK];
		uint64_t size;

		if (stream_read_all(tar->source, block, sizeof(block), f) < 0)
			return -1;
		if (tar_field_zero(block, sizeof(block)))
			return any ? odd(f, "an extension header without a member") : end_read(tar, f);
		if (!tar_field_checksum(block))
			return fault_refused(f, "damaged: a tar header that does not match its checksum");
		if (!tar_field_number(block + TAR_SIZE_AT, TAR_SIZE_SIZE, &size))
			return fault_refused(f, "damaged: a size that is no number");

		int r;
		switch (block[TAR_TYPE_AT]) {
		case 'L':
			r = long_name_read(tar, size, &said.long_name, tar->name, &tar->name_length, f);
			break;
		case 'K':
			r = long_name_read(tar, size, &said.long_target, tar->target, &tar->target_length, f);
			break;
		case 'x':
			r = pax_read(tar, false, size, &said, f);
			break;
		case 'g':
			r = pax_read(tar, true, size, &said, f);
			break;
		default:
			tar->extended_in_a_row = 0;
			return member_make(tar, block, &said, size, ret_member, f);
		}
		if (r < 0)
			return -1;
		any = any || block[TAR_TYPE_AT] != 'g';
	}
}
