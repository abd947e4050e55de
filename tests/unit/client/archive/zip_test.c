#include "client/archive/zip.h"
#include "unit.h"

#include "made.h"

static struct zip zip;

static int file_of(const struct text *bytes)
{
	char path[] = "/tmp/okv-luna-unit-XXXXXX";
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, text_string(bytes), bytes->length), (ssize_t)bytes->length);
	return fd;
}

/* Every member as "TYPE NAME[ -> TARGET][=CONTENT]", one a line. */
static int list(const struct text *bytes, struct text *out, struct fault *f)
{
	static const char types[] = "fdlhDFSs?";
	FS_AUTO int fd = file_of(bytes);
	struct zip_place place;
	struct member m;
	int r;

	if (zip_start(&zip, fd, f) < 0)
		return -1;
	while ((r = zip_next(&zip, &m, &place, f)) > 0) {
		STREAM_AUTO *inner = NULL;
		STREAM_AUTO *stream = NULL;
		text_add_format(out, "%c ", types[m.type]);
		text_add(out, m.name, m.name_length);
		if (m.target_length > 0) {
			text_add_string(out, " -> ");
			text_add(out, m.target, m.target_length);
		}
		if (m.type == MEMBER_FILE) {
			text_add_char(out, '=');
			if (zip_open(fd, &place, &stream, &inner, f) < 0 || made_drain(stream, out, f) < 0) {
				stream_free(&stream);
				return -1;
			}
			stream_free(&stream);
		}
		text_add_char(out, '\n');
	}
	return r;
}

static void must_refuse(const struct text *bytes, const char *words)
{
	TEXT_AUTO out = { 0 };
	struct fault f;

	MUST_FAIL(list(bytes, &out, &f), FAULT_REFUSED, words);
}

/* A zip of that one member, with another one behind it. */
static void must_refuse_member(const struct made_zip_member *m, const char *words)
{
	struct made_zip z = { 0 };
	TEXT_AUTO bytes = { 0 };

	made_zip_add(&z, m);
	MADE_ZIP_ADD(&z, .name = "after", .content = "it");
	made_zip_end(&z, 0, &bytes);
	must_refuse(&bytes, words);
}

#define MUST_REFUSE(words, ...) must_refuse_member(&(struct made_zip_member){ __VA_ARGS__ }, (words))

static void good(struct text *out)
{
	struct made_zip z = { 0 };

	MADE_ZIP_ADD(&z, .name = "top/", .content = "", .mode = 040755);
	MADE_ZIP_ADD(&z, .name = "top/stored", .content = "as it is");
	MADE_ZIP_ADD(&z, .name = "top/deflated", .content = "packed", .deflated = true);
	MADE_ZIP_ADD(&z, .name = "top/described", .content = "with numbers behind", .deflated = true,
		     .described = true);
	MADE_ZIP_ADD(&z, .name = "top/link", .content = "stored", .mode = 0120777);
	MADE_ZIP_ADD(&z, .name = "top/empty", .content = "");
	made_zip_end(&z, 0, out);
}

static void members_are_given_with_what_they_hold(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	good(&bytes);
	MUST(list(&bytes, &out, &f));
	assert_string_equal(text_string(&out),
			    "d top/\nf top/stored=as it is\nf top/deflated=packed\n"
			    "f top/described=with numbers behind\nl top/link -> stored\nf top/empty=\n");
	zip_rewind(&zip);
	assert_int_equal(zip.entries_read, 0);
}

static void every_byte_of_the_file_is_accounted_for(void **state)
{
	TEXT_AUTO bytes = { 0 };

	(void)state;
	good(&bytes);
	/* One byte more, anywhere. */
	for (size_t at = 0; at <= bytes.length; at++) {
		TEXT_AUTO more = { 0 };
		TEXT_AUTO out = { 0 };
		struct fault f;
		text_add(&more, bytes.bytes, at);
		text_add_char(&more, 'x');
		text_add(&more, bytes.bytes + at, bytes.length - at);
		MUST_FAIL(list(&more, &out, &f), FAULT_REFUSED, "");
	}
	/* One byte less, anywhere. */
	for (size_t at = 0; at < bytes.length; at++) {
		TEXT_AUTO less = { 0 };
		TEXT_AUTO out = { 0 };
		struct fault f;
		text_add(&less, bytes.bytes, at);
		text_add(&less, bytes.bytes + at + 1, bytes.length - at - 1);
		MUST_FAIL(list(&less, &out, &f), FAULT_REFUSED, "");
	}
}

/* The types alone. */
static void types_of(const struct text *listing, struct text *out)
{
	for (const char *at = text_string(listing); *at != '\0'; at += strcspn(at, "\n") + 1)
		text_add_char(out, *at);
}

static void every_flipped_bit_is_seen_or_says_nothing(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO right = { 0 };
	struct fault f = { 0 };

	(void)state;
	good(&bytes);
	MUST(list(&bytes, &right, &f));
	for (size_t bit = 0; bit < bytes.length * 8; bit++) {
		TEXT_AUTO out = { 0 };
		TEXT_AUTO types = { 0 };
		f = (struct fault){ 0 };
		bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
		/* Permissions, dates and versions decide nothing, and another type is for the judge to refuse. */
		if (list(&bytes, &out, &f) < 0) {
			assert_int_equal(f.kind, FAULT_REFUSED);
			text_cut(&out, 0);
		}
		types_of(&out, &types);
		if (strcmp(text_string(&types), "dffflf") == 0)
			assert_string_equal(text_string(&out), text_string(&right));
		bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void a_local_header_says_the_same_as_its_directory_entry(void **state)
{
	(void)state;
	MUST_REFUSE("local header and directory differ in the name", .name = "good", .local_name = "evil",
		    .content = "x");
	MUST_REFUSE("local header and directory differ in the name", .name = "good", .local_name = "longer",
		    .content = "x");
	MUST_REFUSE("local header and directory differ in size or checksum", .name = "a", .content = "x",
		    .local_crc_error = 1);
	MUST_REFUSE("data descriptor and directory differ", .name = "a", .content = "x", .described = true,
		    .local_crc_error = 1);
	MUST_REFUSE("does not match its CRC-32", .name = "a", .content = "x", .crc_error = 1);
	MUST_REFUSE("a stored member with two sizes", .name = "a", .content = "x", .size_error = 1);
	MUST_REFUSE("", .name = "a", .content = "x", .deflated = true, .size_error = -1);
}

static void the_directory_has_as_many_entries_as_it_says(void **state)
{
	(void)state;
	for (int error = -1; error <= 1; error += 2) {
		struct made_zip z = { 0 };
		TEXT_AUTO bytes = { 0 };
		MADE_ZIP_ADD(&z, .name = "a", .content = "x");
		MADE_ZIP_ADD(&z, .name = "b", .content = "x");
		made_zip_end(&z, error, &bytes);
		must_refuse(&bytes, error < 0 ? "more entries than it says" : "fewer entries than it says");
	}
}

static void a_second_end_record_is_refused(void **state)
{
	struct made_zip z = { 0 };
	TEXT_AUTO bytes = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "x");
	made_zip_end(&z, 0, &bytes);
	/* The comment of the first is the second. */
	const size_t end = bytes.length - 22;
	bytes.bytes[bytes.length - 2] = 22;
	text_reserve(&bytes, 22);
	text_add(&bytes, bytes.bytes + end, 22);
	bytes.bytes[bytes.length - 2] = 0;
	must_refuse(&bytes, "it has two end records");
}

static void members_that_overlap_are_refused(void **state)
{
	struct made_zip z = { 0 };
	TEXT_AUTO bytes = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "a", .content = "x");
	const size_t second = z.directory.length;
	MADE_ZIP_ADD(&z, .name = "a", .content = "x");
	/* Both entries name the first member. */
	memset(z.directory.bytes + second + 42, 0, 4);
	made_zip_end(&z, 0, &bytes);
	must_refuse(&bytes, "members overlap, or bytes lie between them");
}

static void what_is_not_read_is_refused_by_name(void **state)
{
	(void)state;
	MUST_REFUSE("an encrypted member", .name = "a", .content = "x", .flags = 1);
	MUST_REFUSE("flags that are not read (0x2000)", .name = "a", .content = "x", .flags = 0x2000);
	MUST_REFUSE("packed by a method that is not read (12)", .name = "a", .content = "x", .method = 12);
	MUST_REFUSE("several disks", .name = "a", .content = "x", .disk = 1);
	MUST_REFUSE("an unknown kind of system (7)", .name = "a", .content = "x", .host = 7);
	MUST_REFUSE("a mode on a member that was not made on Unix", .name = "a", .content = "x", .host = 10);
	MUST_REFUSE("a zip64 member", .name = "a", .content = "x", .extra = "\1\0\0\0", .extra_length = 4);
	MUST_REFUSE("a second name in an extra field", .name = "a", .content = "x", .extra = "\x75\x70\1\0x",
		    .extra_length = 5);
	MUST_REFUSE("an extra field that does not end where it should", .name = "a", .content = "x",
		    .extra = "\x55\x54\7\0x", .extra_length = 5);
	MUST_REFUSE("an extra field that does not end where it should", .name = "a", .content = "x", .extra = "xyz",
		    .extra_length = 3);
	MUST_REFUSE("the name and the attributes differ about a directory", .name = "a/", .content = "");
	MUST_REFUSE("the name and the attributes differ about a directory", .name = "a", .content = "", .mode = 040755);
	MUST_REFUSE("a directory with content", .name = "a/", .content = "x", .mode = 040755);
}

static void types_are_told_for_the_judge(void **state)
{
	static const struct {
		unsigned mode;
		char type;
	} types[] = { { 020644, 'D' }, { 060644, 'D' }, { 010644, 'F' }, { 0140644, 'S' }, { 0150644, '?' } };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct made_zip z = { 0 };
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO out = { 0 };
		struct fault f = { 0 };
		MADE_ZIP_ADD(&z, .name = "a", .content = "x", .mode = types[i].mode);
		made_zip_end(&z, 0, &bytes);
		MUST(list(&bytes, &out, &f));
		assert_int_equal(text_string(&out)[0], types[i].type);
	}
}

static void what_other_zippers_write_is_read(void **state)
{
	static const char *const packers[] = { "zip -qyr -", "zip -qyrX0 -", "zip -qy z.zip",
					       "bsdtar --format=zip -cf z.zip" };
	const struct unit_place *place = *state;

	unit_dir(place->dir, "d", 0755);
	unit_write(place->dir, "d/a", "first first first first first first", 0644);
	unit_write(place->dir, "d/b", "second", 0755);
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO out = { 0 };
		struct fault f = { 0 };
		char line[300];
		(void)snprintf(line, sizeof(line),
			       "cd %s && rm -f z.zip && %s d/a d/b && { [ ! -f z.zip ] || cat z.zip; } #", place->path,
			       packers[i]);
		made_by(line, "", 0, &bytes);
		MUST(list(&bytes, &out, &f));
		assert_string_equal(text_string(&out), "f d/a=first first first first first first\nf d/b=second\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_given_with_what_they_hold),
		cmocka_unit_test(every_byte_of_the_file_is_accounted_for),
		cmocka_unit_test(every_flipped_bit_is_seen_or_says_nothing),
		cmocka_unit_test(a_local_header_says_the_same_as_its_directory_entry),
		cmocka_unit_test(the_directory_has_as_many_entries_as_it_says),
		cmocka_unit_test(a_second_end_record_is_refused),
		cmocka_unit_test(members_that_overlap_are_refused),
		cmocka_unit_test(what_is_not_read_is_refused_by_name),
		cmocka_unit_test(types_are_told_for_the_judge),
		UNIT_IN_PLACE(what_other_zippers_write_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
