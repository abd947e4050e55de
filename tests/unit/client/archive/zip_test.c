#include <sys/mman.h>

#include "client/archive/zip.h"
#include "unit.h"

#include "made.h"

static int checked(const struct text *bytes, struct zip *zip, struct fault *f)
{
	FS_AUTO int fd = memfd_create("zip", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes->bytes, bytes->length), (ssize_t)bytes->length);
	return zip_check(fd, zip, f);
}

static void takes(struct made_zip *made, size_t count)
{
	ZIP_AUTO zip = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	made_zip_end(made, 0, &bytes);
	MUST(checked(&bytes, &zip, &f));
	assert_int_equal(zip.count, count);
}

static void refuses(struct made_zip *made, const char *words)
{
	struct zip zip;
	TEXT_AUTO bytes = { 0 };
	struct fault f;

	made_zip_end(made, 0, &bytes);
	MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, words);
}

static void both_lists_name_the_same_members(void **state)
{
	struct made_zip z = { .entries = 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "d/", .content = "", .mode = 0040755);
	MADE_ZIP_ADD(&z, .name = "d/stored", .content = "abc");
	MADE_ZIP_ADD(&z, .name = "d/deflated", .content = "abc", .deflated = true, .described = true);
	MADE_ZIP_ADD(&z, .name = "last", .content = "", .described = true);
	takes(&z, 4);
	MADE_ZIP_ADD(&z, .name = "good", .content = "abc", .local_name = "evil");
	refuses(&z, "member 'good': its own header and the zip's directory give it different names");
	MADE_ZIP_ADD(&z, .name = "good", .content = "abc", .local_name = "goods");
	refuses(&z, "give it different names");
	takes(&z, 0);
}

static void every_byte_belongs_to_a_member(void **state)
{
	struct made_zip z = { .entries = 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc", .hidden = "x");
	MADE_ZIP_ADD(&z, .name = "b", .content = "abc");
	refuses(&z, "bytes that belong to no member");
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc", .hidden = "twelve bytes");
	refuses(&z, "bytes that belong to no member");
	/* What only looks like a descriptor. */
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc", .flags = 8, .hidden = "twelve bytes");
	refuses(&z, "bytes that belong to no member");
	/* A second zip behind another. */
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	text_cut(&z.directory, 0);
	z.entries = 0;
	MADE_ZIP_ADD(&z, .name = "b", .content = "abc");
	refuses(&z, "bytes that belong to no member");
	text_add_string(&z.members, "PK\3");
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	refuses(&z, "bytes that belong to no member");
}

/* With its numbers put right (zip -A) and without, a program and the mark of a zip that was not split after all. */
static void a_zip_that_unpacks_itself_is_one(void **state)
{
	static const char *const heads[] = { "#!/bin/sh\nexit 0\n", "PK\7\10", "PK00" };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(heads) / sizeof(heads[0]); i++) {
		struct made_zip z = { .entries = 0 };
		ZIP_AUTO zip = { 0 };
		TEXT_AUTO bytes = { 0 };
		struct fault f = { 0 };
		const char *head = heads[i / 2];
		text_add_string(i % 2 == 0 ? &z.members : &bytes, head);
		MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
		MADE_ZIP_ADD(&z, .name = "b", .content = "abc");
		made_zip_end(&z, 0, &bytes);
		MUST(checked(&bytes, &zip, &f));
		assert_int_equal(zip.count, 2);
		assert_int_equal(zip.members[0].at, strlen(head));
		assert_memory_equal(bytes.bytes + zip.members[1].data, "abc", 3);
		/* The place of a member that is not there. */
		bytes.bytes[bytes.length - 22 - 46 - 1 + 42] ^= 0x40;
		MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, "member 'b': ");
	}
}

static void a_file_ends_as_a_zip_or_not(void **state)
{
	struct made_zip z = { .entries = 0 };
	TEXT_AUTO bytes = { 0 };
	FS_AUTO int fd = memfd_create("file", MFD_CLOEXEC);

	(void)state;
	assert_false(zip_ends(fd));
	text_add_string(&bytes, "a program\n");
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	made_zip_end(&z, 0, &bytes);
	assert_int_equal(pwrite(fd, bytes.bytes, bytes.length, 0), (ssize_t)bytes.length);
	assert_true(zip_ends(fd));
	/* As a tar does that holds one. */
	assert_int_equal(ftruncate(fd, (off_t)bytes.length + 1024), 0);
	assert_false(zip_ends(fd));
}

static void a_part_of_a_zip_is_told_as_one(void **state)
{
	struct made_zip z = { .entries = 0 };
	struct zip zip;
	TEXT_AUTO bytes = { 0 };
	struct fault f;

	(void)state;
	text_add_string(&bytes, "PK\7\10PK\3\4 and no end of it in this file, however long it is");
	MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, "one part of a zip in several files");
	text_cut(&bytes, 0);
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	made_zip_end(&z, 0, &bytes);
	/* The number of the disk that it ends on. */
	bytes.bytes[bytes.length - 22 + 4] = 2;
	MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, "one part of a zip in several files");
}

static void two_members_share_no_bytes(void **state)
{
	struct made_zip z = { .entries = 0 };
	TEXT_AUTO twice = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	text_add(&twice, z.directory.bytes, z.directory.length);
	text_add(&z.directory, twice.bytes, twice.length);
	z.entries = 2;
	refuses(&z, "two members of the zip share bytes");
}

static void the_order_of_the_directory_is_any(void **state)
{
	struct made_zip z = { .entries = 0 };
	TEXT_AUTO turned = { 0 };
	TEXT_AUTO bytes = { 0 };
	ZIP_AUTO zip = { 0 };
	struct fault f = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	const size_t first = z.directory.length;
	MADE_ZIP_ADD(&z, .name = "link", .content = "a", .mode = 0120777);
	text_add(&turned, z.directory.bytes + first, z.directory.length - first);
	text_add(&turned, z.directory.bytes, first);
	text_cut(&z.directory, 0);
	text_add(&z.directory, turned.bytes, turned.length);
	made_zip_end(&z, 0, &bytes);
	MUST(checked(&bytes, &zip, &f));
	/* As they lie in the file. */
	assert_int_equal(zip.members[0].at, 0);
	assert_int_equal(zip.members[0].mode, 0100644);
	assert_int_equal(zip.members[1].mode, 0120777);
	assert_int_equal(zip.members[1].crc, crc32(0, (const unsigned char *)"a", 1));
}

static void a_comment_is_sound_and_nothing_else_behind_the_end_record(void **state)
{
	struct made_zip z = { .entries = 0 };
	ZIP_AUTO zip = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
	made_zip_end(&z, 0, &bytes);
	bytes.bytes[bytes.length - 2] = 7;
	text_add_string(&bytes, "comment");
	MUST(checked(&bytes, &zip, &f));
	zip_done(&zip);
	/* What bsdtar fills its last block with, where its output is a pipe. */
	text_add(&bytes, "\0\0\0", 3);
	MUST(checked(&bytes, &zip, &f));
	text_add_string(&bytes, "x");
	MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, "the zip's end record is not at its end");
}

/* libarchive looks for the end record in the last 16 KB only. */
static void a_longer_comment_than_libarchive_looks_behind_is_no_damage(void **state)
{
	static const unsigned lengths[] = { 16361, 16362, 65535 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct made_zip z = { .entries = 0 };
		ZIP_AUTO zip = { 0 };
		TEXT_AUTO bytes = { 0 };
		struct fault f = { 0 };
		MADE_ZIP_ADD(&z, .name = "a", .content = "abc");
		made_zip_end(&z, 0, &bytes);
		bytes.bytes[bytes.length - 2] = (char)(lengths[i] & 255);
		bytes.bytes[bytes.length - 1] = (char)(lengths[i] >> 8);
		for (unsigned at = 0; at < lengths[i]; at++)
			text_add_char(&bytes, 'c');
		if (i == 0)
			MUST(checked(&bytes, &zip, &f));
		else
			MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, "a comment of more than 16 KB; pack it");
	}
}

/* As Java and Python write them in members of any size. */
static void zip64_numbers_are_read_where_they_stand(void **state)
{
	struct made_zip z = { .entries = 0 };
	ZIP_AUTO zip = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc", .extra = "\x01\0\x10\0\x03\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0",
		     .extra_length = 20);
	/* Both sizes are in the field only. */
	memset(z.directory.bytes + 20, 0xff, 8);
	const uint64_t at = z.members.length, size = z.directory.length;
	text_add(&bytes, z.members.bytes, z.members.length);
	text_add(&bytes, z.directory.bytes, z.directory.length);
	const uint64_t end = bytes.length;
	made_little(&bytes, 0x06064b50, 4);
	made_little(&bytes, 44, 8);
	made_little(&bytes, 45, 2);
	made_little(&bytes, 45, 2);
	made_little(&bytes, 0, 8);
	made_little(&bytes, 1, 8);
	made_little(&bytes, 1, 8);
	made_little(&bytes, size, 8);
	made_little(&bytes, at, 8);
	made_little(&bytes, 0x07064b50, 4);
	made_little(&bytes, 0, 4);
	made_little(&bytes, end, 8);
	made_little(&bytes, 1, 4);
	made_little(&bytes, 0x06054b50, 4);
	made_little(&bytes, 0, 4);
	made_little(&bytes, 0xffffffff, 4);
	made_little(&bytes, 0xffffffffffffffff, 8);
	made_little(&bytes, 0, 2);
	MUST(checked(&bytes, &zip, &f));
	assert_int_equal(zip.count, 1);
	assert_int_equal(zip.members[0].end, at);
	bytes.bytes[bytes.length - 22 - 20 + 8]++;
	MUST_FAIL(checked(&bytes, &zip, &f), FAULT_REFUSED, "points to the wrong place");
	text_done(&z.members);
	text_done(&z.directory);
}

static void what_is_refused_says_what_to_do(void **state)
{
	struct made_zip z = { .entries = 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "d\\f", .content = "abc");
	refuses(&z, "a backslash in the name, as some Windows programs write between directories; pack it again");
	MADE_ZIP_ADD(&z, .name = "f", .content = "abc", .flags = 1);
	refuses(&z, "an encrypted member; pack it again without a password");
	MADE_ZIP_ADD(&z, .name = "f", .content = "abc", .version = 64);
	refuses(&z, "it needs version 64 of the format, which is not supported; pack it again");
}

/* Every cut, and every byte changed: refused, or sound still; never more bytes than there are. */
static void nothing_that_is_damaged_leads_out_of_the_file(void **state)
{
	struct made_zip z = { .entries = 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f;

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "abc", .described = true);
	MADE_ZIP_ADD(&z, .name = "b", .content = "abc", .extra = "\x01\0\x08\0\x03\0\0\0\0\0\0\0", .extra_length = 12);
	made_zip_end(&z, 0, &bytes);
	for (size_t cut = 0; cut < bytes.length; cut++) {
		const struct text less = { .bytes = bytes.bytes, .length = cut };
		struct zip zip;
		MUST_FAIL(checked(&less, &zip, &f), FAULT_REFUSED, "");
	}
	for (size_t at = 0; at < bytes.length; at++) {
		for (int bit = 0; bit < 8; bit++) {
			ZIP_AUTO zip = { 0 };
			bytes.bytes[at] ^= (char)(1 << bit);
			f = (struct fault){ 0 };
			if (checked(&bytes, &zip, &f) < 0)
				assert_int_equal(f.kind, FAULT_REFUSED);
			for (size_t i = 0; i < zip.count; i++)
				assert_true(zip.members[i].end <= bytes.length);
			bytes.bytes[at] ^= (char)(1 << bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_lists_name_the_same_members),
		cmocka_unit_test(every_byte_belongs_to_a_member),
		cmocka_unit_test(a_zip_that_unpacks_itself_is_one),
		cmocka_unit_test(a_file_ends_as_a_zip_or_not),
		cmocka_unit_test(a_part_of_a_zip_is_told_as_one),
		cmocka_unit_test(two_members_share_no_bytes),
		cmocka_unit_test(the_order_of_the_directory_is_any),
		cmocka_unit_test(a_comment_is_sound_and_nothing_else_behind_the_end_record),
		cmocka_unit_test(a_longer_comment_than_libarchive_looks_behind_is_no_damage),
		cmocka_unit_test(zip64_numbers_are_read_where_they_stand),
		cmocka_unit_test(what_is_refused_says_what_to_do),
		cmocka_unit_test(nothing_that_is_damaged_leads_out_of_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
