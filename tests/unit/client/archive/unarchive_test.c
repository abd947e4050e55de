#include <errno.h>
#include <locale.h>
#include <sys/mman.h>

#include "client/archive/message.h"
#include "client/archive/unarchive.h"
#include "unit.h"

#include "made.h"

/* What was told, one line a message: "format tar", "file NAME SIZE", "content BYTES", "link NAME TARGET" ... */
static void told(const struct proc_message *message, struct text *out)
{
	static const char *const types[] = { "file",   "archive", "directory", "link",   "hard",
					     "device", "fifo",    "socket",    "sparse", "unknown" };
	struct member m;

	switch (message->kind) {
	case MESSAGE_FORMAT:
		text_add_format(out, "format %.*s\n", (int)message->length, (const char *)message->bytes);
		return;
	case MESSAGE_MEMBER:
		assert_int_equal(message_take_member(message, &m), 0);
		text_add_format(out, "%s %.*s", types[m.type], (int)m.name_length, (const char *)m.name);
		if (m.target_length > 0)
			text_add_format(out, " -> %.*s", (int)m.target_length, (const char *)m.target);
		text_add_char(out, '\n');
		return;
	case MESSAGE_CONTENT:
		text_add_format(out, "content %.*s\n", (int)(message->length < 20 ? message->length : 20),
				(const char *)message->bytes);
		return;
	case MESSAGE_INNER_END:
		text_add_string(out, "inner end\n");
		return;
	case MESSAGE_END:
		text_add_string(out, "end\n");
		return;
	}
	fail();
}

static int unarchived(const struct text *bytes, struct text *out, struct fault *f)
{
	FS_AUTO int archive = memfd_create("archive", MFD_CLOEXEC);
	FS_AUTO int pipe = memfd_create("messages", MFD_CLOEXEC);
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	char block[4096];

	assert_int_equal(pwrite(archive, bytes->bytes, bytes->length, 0), (ssize_t)bytes->length);
	const int r = unarchive_run(archive, pipe, f);
	assert_int_equal(lseek(pipe, 0, SEEK_SET), 0);
	for (ssize_t got; (got = read(pipe, block, sizeof(block))) > 0;) {
		proc_message_reader_add(&reader, block, (size_t)got);
		while (proc_message_reader_next(&reader, &message) > 0)
			told(&message, out);
	}
	proc_message_reader_done(&reader);
	return r;
}

static void tells(const struct text *bytes, const char *expected)
{
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	MUST(unarchived(bytes, &out, &f));
	assert_string_equal(text_string(&out), expected);
}

static void refuses(const struct text *bytes, const char *words)
{
	TEXT_AUTO out = { 0 };
	struct fault f;

	MUST_FAIL(unarchived(bytes, &out, &f), FAULT_REFUSED, words);
	assert_null(strstr(text_string(&out), "end\n"));
}

static void members_are_told_as_they_are(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO packed = { 0 };
	static const char expected[] =
		"directory d/\nfile d/f\ncontent abc\nfile ../empty\nlink l -> /etc\nhard h -> d/f\n"
		"device dev\nfifo pipe\nend\n";
	TEXT_AUTO with = { 0 };

	(void)state;
	MADE_ADD(&bytes, .name = "d/", .type = '5');
	MADE_ADD(&bytes, .name = "d/f", .content = "abc");
	MADE_ADD(&bytes, .name = "../empty");
	MADE_ADD(&bytes, .name = "l", .type = '2', .target = "/etc");
	MADE_ADD(&bytes, .name = "h", .type = '1', .target = "d/f");
	MADE_ADD(&bytes, .name = "dev", .type = '3');
	MADE_ADD(&bytes, .name = "pipe", .type = '6');
	made_end(&bytes);
	text_add_format(&with, "format tar\n%s", expected);
	tells(&bytes, with.bytes);
	made_gzip(&packed, bytes.bytes, bytes.length);
	text_cut(&with, 0);
	text_add_format(&with, "format tar.gz\n%s", expected);
	tells(&packed, with.bytes);
}

static void a_tar_has_its_end_and_nothing_behind_it(void **state)
{
	TEXT_AUTO bytes = { 0 };
	static char zeros[2048];

	(void)state;
	MADE_ADD(&bytes, .name = "f", .content = zeros, .length = sizeof(zeros));
	/* Its last bytes are zeros, and are no end mark. */
	refuses(&bytes, "without the end mark of a tar");
	made_zeros(&bytes, 512);
	refuses(&bytes, "without the end mark of a tar");
	made_zeros(&bytes, 512);
	tells(&bytes, "format tar\nfile f\ncontent \nend\n");
	made_zeros(&bytes, 8192);
	tells(&bytes, "format tar\nfile f\ncontent \nend\n");
	made_zeros(&bytes, 5);
	refuses(&bytes, "does not end at a full block");
	text_add_string(&bytes, "x");
	refuses(&bytes, "something follows the end of the archive");
	text_cut(&bytes, bytes.length - 6);
	MADE_ADD(&bytes, .name = "second", .content = "hidden");
	made_end(&bytes);
	refuses(&bytes, "something follows the end of the archive");
	text_cut(&bytes, 1000);
	refuses(&bytes, "damaged: ");
}

static void only_the_clouds_own_tar_is_read_through_wherever_it_lies(void **state)
{
	TEXT_AUTO inner = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct made_zip z = { .entries = 0 };

	(void)state;
	MADE_ADD(&inner, .name = "./setenv", .content = "abc");
	made_end(&inner);
	MADE_ADD(&bytes, .name = "a/cvclient-min.tar", .content = inner.bytes, .length = inner.length);
	MADE_ADD(&bytes, .name = "how-to.tar", .content = "a text");
	MADE_ADD(&bytes, .name = "b/xcvclient-min.tar", .content = "a text");
	made_end(&bytes);
	tells(&bytes, "format tar\narchive a/cvclient-min.tar\nformat tar\nfile ./setenv\ncontent abc\ninner end\n"
		      "file how-to.tar\ncontent a text\nfile b/xcvclient-min.tar\ncontent a text\nend\n");
	/* The inner one has an end, too. */
	text_cut(&bytes, 0);
	MADE_ADD(&bytes, .name = "cvclient-min.tar", .content = inner.bytes, .length = inner.length - 1024);
	made_end(&bytes);
	refuses(&bytes, "member 'cvclient-min.tar': damaged: it ends too early, without the end mark");
	text_cut(&bytes, 0);
	MADE_ZIP_ADD(&z, .name = "Chrystoki.conf", .content = "x", .deflated = true);
	made_zip_end(&z, 0, &bytes);
	tells(&bytes, "format zip\nfile Chrystoki.conf\ncontent x\nend\n");
}

static void a_zips_content_and_link_targets_match_their_sums(void **state)
{
	struct made_zip z = { .entries = 0 };
	TEXT_AUTO good = { 0 };
	TEXT_AUTO content = { 0 };
	TEXT_AUTO target = { 0 };

	(void)state;
	MADE_ZIP_ADD(&z, .name = "f", .content = "abc", .deflated = true, .described = true);
	MADE_ZIP_ADD(&z, .name = "l", .content = "f", .mode = 0120777);
	MADE_ZIP_ADD(&z, .name = "u", .content = "l", .mode = 0120777, .deflated = true);
	MADE_ZIP_ADD(&z, .name = "w", .content = "l", .mode = 0120777, .host = 10, .deflated = true);
	made_zip_end(&z, 0, &good);
	tells(&good, "format zip\nfile f\ncontent abc\nlink l -> f\nlink u -> l\nlink w -> l\nend\n");
	MADE_ZIP_ADD(&z, .name = "f", .content = "abc", .crc_error = 1);
	made_zip_end(&z, 0, &content);
	refuses(&content, "member 'f': damaged: ");
	MADE_ZIP_ADD(&z, .name = "l", .content = "f", .mode = 0120777, .crc_error = 1);
	made_zip_end(&z, 0, &target);
	refuses(&target, "member 'l': damaged: a link's target does not match its CRC-32");
}

static void a_link_in_a_zip_is_one_whatever_it_was_packed_on(void **state)
{
	static const unsigned hosts[] = { MADE_FAT, 1, 3, 7, 10, 11, 19, 255 };

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct made_zip z = { .entries = 0 };
		TEXT_AUTO bytes = { 0 };
		MADE_ZIP_ADD(&z, .name = "l", .content = "f", .mode = 0120777, .host = hosts[i]);
		made_zip_end(&z, 0, &bytes);
		tells(&bytes, "format zip\nlink l -> f\nend\n");
	}
}

/* Of a type that is never taken. */
static bool odd(const struct text *out)
{
	static const char *const types[] = { "\ndevice ", "\nfifo ", "\nsocket ", "\nunknown " };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strstr(text_string(out), types[i]) != NULL)
			return true;
	return false;
}

/*
 * Nothing in a zip sums its headers up.  A link that becomes a file is told so that it can be judged; a file that becomes
 * a link leads to what its content says, which is no member's name.
 */
static void a_bit_of_a_zips_headers_that_flips_is_refused_or_says_nothing(void **state)
{
	static const unsigned hosts[] = { MADE_FAT, 3, 10 };
	static const char good[] = "format zip\ndirectory d/\nfile d/f\ncontent abc\nlink l -> d/f\nend\n",
			  file[] = "format zip\ndirectory d/\nfile d/f\ncontent abc\nfile l -> d/f\ncontent d/f\nend\n",
			  link[] = "format zip\ndirectory d/\nlink d/f -> abc\nlink l -> d/f\nend\n";
	unsigned refused = 0, files = 0, links = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct made_zip z = { .entries = 0 };
		TEXT_AUTO bytes = { 0 };
		MADE_ZIP_ADD(&z, .name = "d/", .content = "", .mode = 040755, .host = hosts[i]);
		MADE_ZIP_ADD(&z, .name = "d/f", .content = "abc", .deflated = true, .host = hosts[i]);
		MADE_ZIP_ADD(&z, .name = "l", .content = "d/f", .mode = 0120777, .host = hosts[i]);
		made_zip_end(&z, 0, &bytes);
		tells(&bytes, good);
		for (size_t bit = 0; bit < bytes.length * 8; bit++) {
			TEXT_AUTO out = { 0 };
			struct fault f = { 0 };
			bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
			if (unarchived(&bytes, &out, &f) < 0 || odd(&out))
				refused++;
			else if (strcmp(text_string(&out), file) == 0)
				files++;
			else if (strcmp(text_string(&out), link) == 0)
				links++;
			else
				assert_string_equal(text_string(&out), good);
			bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
		}
	}
	assert_true(refused > 1000);
	assert_int_equal(files, 3);
	assert_int_equal(links, 3);
}

static void names_of_pax_are_utf8_in_a_utf8_locale(void **state)
{
	TEXT_AUTO records = { 0 };
	TEXT_AUTO bytes = { 0 };

	(void)state;
	made_record(&records, "path", "Schl\xc3\xbcssel");
	MADE_ADD(&bytes, .name = "x", .type = 'x', .content = records.bytes);
	MADE_ADD(&bytes, .name = "short", .content = "abc");
	made_end(&bytes);
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	tells(&bytes, "format tar\nfile Schl\xc3\xbcssel\ncontent abc\nend\n");
	(void)setlocale(LC_CTYPE, "C");
}

static void what_is_no_archive_is_refused(void **state)
{
	struct made_zip z = { .entries = 0 };
	TEXT_AUTO bytes = { 0 };

	(void)state;
	refuses(&bytes, "it is empty");
	for (unsigned i = 0; i < 200; i++)
		text_add_string(&bytes, "no archive at all\n");
	refuses(&bytes, "it is not a tar or zip archive, or it is damaged; pack it again as a tar");
	text_cut(&bytes, 0);
	made_zeros(&bytes, 40000);
	refuses(&bytes, "it begins with zeros: an empty tar, or a download that was cut short; download it again");
	/* Deflate64, as Windows writes it in large ones. */
	text_cut(&bytes, 0);
	MADE_ZIP_ADD(&z, .name = "f", .content = "abc", .method = 9);
	made_zip_end(&z, 0, &bytes);
	refuses(&bytes, "member 'f': packed by a method that is not supported; pack it again with DEFLATE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_told_as_they_are),
		cmocka_unit_test(a_tar_has_its_end_and_nothing_behind_it),
		cmocka_unit_test(only_the_clouds_own_tar_is_read_through_wherever_it_lies),
		cmocka_unit_test(a_zips_content_and_link_targets_match_their_sums),
		cmocka_unit_test(a_link_in_a_zip_is_one_whatever_it_was_packed_on),
		cmocka_unit_test(a_bit_of_a_zips_headers_that_flips_is_refused_or_says_nothing),
		cmocka_unit_test(names_of_pax_are_utf8_in_a_utf8_locale),
		cmocka_unit_test(what_is_no_archive_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
