#include "client/archive/tar.h"
#include "client/archive/tar_field.h"
#include "unit.h"

#include "made.h"

static struct tar tar;

/* Every member as "TYPE NAME[ -> TARGET][=CONTENT]", one a line. */
static int list(const struct text *bytes, size_t piece, struct text *out, struct fault *f)
{
	static const char types[] = "fdlhDFSs?";
	MADE_STREAM_AUTO source = made_stream(bytes, piece);
	struct member m;
	int r;

	tar_start(&tar, &source.stream);
	while ((r = tar_next(&tar, &m, f)) > 0) {
		text_add_format(out, "%c ", types[m.type]);
		text_add(out, m.name, m.name_length);
		if (m.target_length > 0) {
			text_add_string(out, " -> ");
			text_add(out, m.target, m.target_length);
		}
		for (size_t length = 1, first = 1; length > 0; first = 0) {
			const unsigned char *content;
			if (tar_content(&tar, &content, &length, f) < 0)
				return -1;
			if (length > 0 && first)
				text_add_char(out, '=');
			if (length > 0)
				text_add(out, content, length);
		}
		text_add_char(out, '\n');
	}
	return r;
}

static void must_list(const struct text *bytes, const char *expected)
{
	TEXT_AUTO out = { 0 };
	TEXT_AUTO again = { 0 };
	struct fault f = { 0 };

	MUST(list(bytes, SIZE_MAX, &out, &f));
	assert_string_equal(text_string(&out), expected);
	MUST(list(bytes, 1, &again, &f));
	assert_string_equal(text_string(&again), expected);
}

static void must_refuse(const struct text *bytes, const char *words)
{
	TEXT_AUTO out = { 0 };
	struct fault f;

	MUST_FAIL(list(bytes, SIZE_MAX, &out, &f), FAULT_REFUSED, words);
	MUST_FAIL(list(bytes, 7, &out, &f), FAULT_REFUSED, words);
}

static void each_members_name_target_and_content_are_given(void **state)
{
	TEXT_AUTO bytes = { 0 };

	(void)state;
	MADE_ADD(&bytes, .name = "top/", .type = '5', .mode = 0755);
	MADE_ADD(&bytes, .name = "top/file", .content = "content of it");
	MADE_ADD(&bytes, .name = "top/link", .type = '2', .target = "file");
	MADE_ADD(&bytes, .name = "top/hard", .type = '1', .target = "top/file");
	MADE_ADD(&bytes, .name = "top/empty");
	MADE_ADD(&bytes, .name = "top/pipe", .type = '6');
	MADE_ADD(&bytes, .name = "top/disk", .type = '4');
	MADE_ADD(&bytes, .name = "top/tty", .type = '3');
	MADE_ADD(&bytes, .name = "top/seven", .type = '7', .content = "contiguous");
	MADE_ADD(&bytes, .name = "top/what", .type = 'V');
	made_end(&bytes);
	must_list(&bytes, "d top/\nf top/file=content of it\nl top/link -> file\nh top/hard -> top/file\nf top/empty\n"
			  "F top/pipe\nD top/disk\nD top/tty\nf top/seven=contiguous\n? top/what\n");
}

static void names_of_every_format_are_read(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO records = { 0 };
	char block[512], deep[181];

	(void)state;
	/* POSIX: a prefix before the name. */
	made_header(&(struct made_member){ .name = "name" }, block);
	memcpy(block + 345, "the/prefix", 10);
	made_checksum(block);
	text_add(&bytes, block, sizeof(block));
	/* The same bytes are none in GNU's format; there the field must be empty, or it is another thing. */
	memset(deep, 'd', 180);
	deep[180] = '\0';
	MADE_ADD(&bytes, .name = "././@LongLink", .type = 'L', .content = deep, .length = 181, .magic = "ustar  ");
	MADE_ADD(&bytes, .name = "cut off", .magic = "ustar  ");
	MADE_ADD(&bytes, .name = "././@LongLink", .type = 'K', .content = deep, .length = 181, .magic = "ustar  ");
	MADE_ADD(&bytes, .name = "link", .type = '2', .target = "cut off", .magic = "ustar  ");
	/* pax */
	made_record(&records, "path", "named by pax");
	made_record(&records, "mtime", "1.5");
	MADE_ADD(&bytes, .name = "PaxHeaders/x", .type = 'x', .content = text_string(&records));
	MADE_ADD(&bytes, .name = "cut off", .content = "abc");
	/* before all of them */
	MADE_ADD(&bytes, .name = "old", .magic = "\0\0\0\0\0\0\0", .type = '0');
	MADE_ADD(&bytes, .name = "olddir/", .magic = "\0\0\0\0\0\0\0", .type = '0');
	made_end(&bytes);
	TEXT_AUTO expected = { 0 };
	text_add_format(&expected, "f the/prefix/name\nf %s\nl link -> %s\nf named by pax=abc\nf old\nd olddir/\n",
			deep, deep);
	must_list(&bytes, text_string(&expected));
}

static void a_name_longer_than_the_limit_is_given_cut_but_longer_than_the_limit(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO name = { 0 };
	struct fault f = { 0 };
	struct member m;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		text_add_char(&name, 'n');
	MADE_ADD(&bytes, .name = "././@LongLink", .type = 'L', .content = name.bytes, .length = 3001);
	MADE_ADD(&bytes, .name = "cut off");
	made_end(&bytes);
	MADE_STREAM_AUTO source = made_stream(&bytes, 100);
	tar_start(&tar, &source.stream);
	assert_int_equal(tar_next(&tar, &m, &f), 1);
	assert_int_equal(m.name_length, LIMITS_PATH + 1);
}

static void where_two_readers_could_differ_there_is_no_member(void **state)
{
	(void)state;
	{
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO records = { 0 };
		made_record(&records, "path", "one");
		MADE_ADD(&bytes, .name = "l", .type = 'L', .content = "two", .length = 4);
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = records.bytes);
		MADE_ADD(&bytes, .name = "three");
		made_end(&bytes);
		must_refuse(&bytes, "a GNU long name and a pax name for one member");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "l", .type = 'L', .content = "two", .length = 4);
		MADE_ADD(&bytes, .name = "l", .type = 'L', .content = "one", .length = 4);
		MADE_ADD(&bytes, .name = "three");
		must_refuse(&bytes, "two long names for one member");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "l", .type = 'L', .content = "a\0b", .length = 4);
		MADE_ADD(&bytes, .name = "three");
		must_refuse(&bytes, "a long name that does not end where it should");
	}
	{
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO records = { 0 };
		made_record(&records, "path", "one");
		made_record(&records, "path", "two");
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = records.bytes);
		MADE_ADD(&bytes, .name = "three");
		must_refuse(&bytes, "the same pax record twice");
	}
	{
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO records = { 0 };
		made_record(&records, "path", "one");
		MADE_ADD(&bytes, .name = "g", .type = 'g', .content = records.bytes);
		must_refuse(&bytes, "a name or size for all members");
	}
	{
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO records = { 0 };
		made_record(&records, "size", "512");
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = records.bytes);
		MADE_ADD(&bytes, .name = "three", .content = "abc");
		made_zeros(&bytes, 2048);
		must_refuse(&bytes, "two different sizes for one member");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = "19 path=longer\n11 path=ab\n");
		MADE_ADD(&bytes, .name = "three");
		must_refuse(&bytes, "a pax record whose length is wrong");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = "13 path=a\0b\n", .length = 12);
		must_refuse(&bytes, "");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "link", .type = '2', .target = "x", .size = "00000001000");
		must_refuse(&bytes, "a size on a member that has no content");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "file", .target = "x");
		must_refuse(&bytes, "a link target on a file");
	}
	{
		TEXT_AUTO bytes = { 0 };
		char block[512];
		made_header(&(struct made_member){ .name = "name" }, block);
		memcpy(block + 6, "hidden", 6);
		made_checksum(block);
		text_add(&bytes, block, sizeof(block));
		must_refuse(&bytes, "bytes lie behind the end of a name");
	}
	{
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "file", .content = "abc");
		bytes.bytes[bytes.length - 1] = 'x';
		made_end(&bytes);
		must_refuse(&bytes, "bytes lie behind the end of a member's content");
	}
	{
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO records = { 0 };
		made_record(&records, "path", "one");
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = records.bytes);
		made_end(&bytes);
		must_refuse(&bytes, "an extension header without a member");
	}
}

static void sparse_files_of_every_make_are_told(void **state)
{
	static const char *const keys[] = { "GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.realsize",
					    "GNU.sparse.name" };
	TEXT_AUTO old = { 0 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO records = { 0 };
		made_record(&records, keys[i], "1");
		MADE_ADD(&bytes, .name = "x", .type = 'x', .content = records.bytes);
		MADE_ADD(&bytes, .name = "file");
		made_end(&bytes);
		must_list(&bytes, "s file\n");
	}
	MADE_ADD(&old, .name = "file", .type = 'S', .magic = "ustar  ");
	made_end(&old);
	must_list(&old, "s file\n");
}

static void extension_headers_have_limits(void **state)
{
	TEXT_AUTO many = { 0 };
	TEXT_AUTO large = { 0 };

	(void)state;
	for (unsigned i = 0; i < 101; i++)
		MADE_ADD(&many, .name = "g", .type = 'g', .content = "10 a=bcde\n");
	MADE_ADD(&many, .name = "file");
	must_refuse(&many, "extension headers in a row");
	MADE_ADD(&large, .name = "x", .type = 'x', .size = "00007777777");
	must_refuse(&large, "an extension header of more than");
}

static void the_archive_must_end_with_two_blocks_of_zeros_and_nothing_but_zeros_after_them(void **state)
{
	static const struct {
		size_t zeros;
		const char *tail;
		const char *words;
	} endings[] = {
		{ 0, "", "it ends too early" },
		{ 512, "", "it ends too early" },
		{ 1024, "x", "something follows the end" },
		{ 10240, "x", "something follows the end" },
		{ 1025, "", "it does not end at a full block" },
		{ 513, "x", "" },
		{ 3 * 1024 * 1024, "", "something follows the end" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		TEXT_AUTO bytes = { 0 };
		MADE_ADD(&bytes, .name = "file", .content = "abc");
		made_zeros(&bytes, endings[i].zeros);
		text_add_string(&bytes, endings[i].tail);
		must_refuse(&bytes, endings[i].words);
	}
	TEXT_AUTO bytes = { 0 };
	MADE_ADD(&bytes, .name = "file", .content = "abc");
	made_zeros(&bytes, 10240 - bytes.length);
	must_list(&bytes, "f file=abc\n");
}

static void numbers_are_octal_or_base_256_or_none(void **state)
{
	static const struct {
		const char *field;
		int fine;
		uint64_t value;
	} fields[] = {
		{ "00000000017", 1, 15 },
		{ "       17 \0", 1, 15 },
		{ "17\0\0\0\0\0\0\0\0\0", 1, 15 },
		{ "\0\0\0\0\0\0\0\0\0\0\0", 1, 0 },
		{ "           ", 0, 0 },
		{ "0000000008\0", 0, 0 },
		{ "-0000000001", 0, 0 },
		{ "0x000000001", 0, 0 },
		{ "17\0 \0x\0\0\0\0\0", 0, 0 },
		{ "\x80\0\0\0\0\0\0\0\0\0\1\1", 1, 257 },
		{ "\x80\1\0\0\0\0\0\0\0\0\0\0", 0, 0 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint64_t value = 0;
		assert_int_equal(tar_field_number((const unsigned char *)fields[i].field, 12, &value), fields[i].fine);
		if (fields[i].fine)
			assert_int_equal(value, fields[i].value);
	}
}

static void a_header_whose_checksum_is_wrong_is_no_member(void **state)
{
	TEXT_AUTO bytes = { 0 };

	(void)state;
	MADE_ADD(&bytes, .name = "file", .content = "abc");
	made_end(&bytes);
	assert_true(tar_recognise((const unsigned char *)bytes.bytes));
	for (size_t at = 0; at < 512; at++) {
		bytes.bytes[at] ^= 1;
		assert_true(!tar_recognise((const unsigned char *)bytes.bytes) || (at >= 148 && at < 156));
		bytes.bytes[at] ^= 1;
	}
	bytes.bytes[0] ^= 1;
	must_refuse(&bytes, "does not match its checksum");
}

static void what_gnu_tar_and_bsdtar_write_is_read(void **state)
{
	static const char *const packers[] = { "tar --format=gnu", "tar --format=posix",  "tar --format=ustar",
					       "tar --format=v7",  "bsdtar --format=pax", "bsdtar --format=ustar" };
	const struct unit_place *place = *state;

	unit_dir(place->dir, "d", 0755);
	unit_write(place->dir, "d/a", "first", 0644);
	unit_write(place->dir, "d/name of some length but not too long for any of the formats", "second", 0644);
	assert_int_equal(symlinkat("a", place->dir, "d/l"), 0);
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		TEXT_AUTO bytes = { 0 };
		char line[300];
		(void)snprintf(line, sizeof(line),
			       "%s -C %s -cf - d/a d/l 'd/name of some length but not too long for any of "
			       "the formats' #",
			       packers[i], place->path);
		made_by(line, "", 0, &bytes);
		must_list(&bytes, "f d/a=first\nl d/l -> a\nf d/name of some length but not too long for any of the "
				  "formats=second\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_members_name_target_and_content_are_given),
		cmocka_unit_test(names_of_every_format_are_read),
		cmocka_unit_test(a_name_longer_than_the_limit_is_given_cut_but_longer_than_the_limit),
		cmocka_unit_test(where_two_readers_could_differ_there_is_no_member),
		cmocka_unit_test(sparse_files_of_every_make_are_told),
		cmocka_unit_test(extension_headers_have_limits),
		cmocka_unit_test(the_archive_must_end_with_two_blocks_of_zeros_and_nothing_but_zeros_after_them),
		cmocka_unit_test(numbers_are_octal_or_base_256_or_none),
		cmocka_unit_test(a_header_whose_checksum_is_wrong_is_no_member),
		UNIT_IN_PLACE(what_gnu_tar_and_bsdtar_write_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
