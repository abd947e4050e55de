#include "client/archive/limits.h"
#include "client/archive/stream.h"
#include "unit.h"

#include "made.h"

static const char phrase[] = "what lies between the two ends of a stream";

static void text_random(struct text *out, size_t length)
{
	uint32_t seed = 11;

	for (; length > 0; length--)
		text_add_char(out, (char)unit_random(&seed));
}

/* --- the plain ones ----------------------------------------------------------------------------------------------- */

static void a_descriptor_is_read_from_a_place_to_a_place(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO out = { 0 };
	STREAM_AUTO *part = NULL;
	STREAM_AUTO *rest = NULL;
	struct fault f = { 0 };
	FS_AUTO int fd = -1;

	unit_write(place->dir, "file", phrase, 0600);
	fd = openat(place->dir, "file", O_RDONLY | O_CLOEXEC);
	MUST(stream_file(fd, 5, 4, &part, &f));
	MUST(made_drain(part, &out, &f));
	assert_string_equal(text_string(&out), "lies");
	assert_int_equal(part->passed, 4);
	text_cut(&out, 0);
	MUST(stream_file(fd, 30, STREAM_TO_END, &rest, &f));
	MUST(made_drain(rest, &out, &f));
	assert_string_equal(text_string(&out), phrase + 30);
}

static void reading_all_of_it_says_when_it_ends_too_early(void **state)
{
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };
	char got[64];
	size_t length;

	(void)state;
	text_add_string(&bytes, "12345");
	MADE_STREAM_AUTO one = made_stream(&bytes, 2);
	MUST(stream_read_all(&one.stream, got, 3, &f));
	assert_memory_equal(got, "123", 3);
	MUST_FAIL(stream_read_all(&one.stream, got, 3, &f), FAULT_REFUSED, "it ends too early");
	MADE_STREAM_AUTO two = made_stream(&bytes, 2);
	MUST(stream_read(&two.stream, got, sizeof(got), &length, &f));
	assert_int_equal(length, 5);
}

static void the_lead_lies_at_hand_in_one_piece_and_nothing_is_lost(void **state)
{
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	(void)state;
	text_random(&bytes, 3000);
	for (size_t piece = 1; piece < 1200; piece += 97) {
		TEXT_AUTO out = { 0 };
		STREAM_AUTO *lead = NULL;
		MADE_STREAM_AUTO inner = made_stream(&bytes, piece);
		MUST(stream_lead(&inner.stream, &lead, &f));
		assert_int_equal(lead->end - lead->at, STREAM_LEAD);
		assert_memory_equal(lead->at, bytes.bytes, STREAM_LEAD);
		MUST(made_drain(lead, &out, &f));
		assert_int_equal(out.length, bytes.length);
		assert_memory_equal(out.bytes, bytes.bytes, bytes.length);
		assert_int_equal(lead->passed, bytes.length);
	}
	text_cut(&bytes, 7);
	STREAM_AUTO *lead = NULL;
	MADE_STREAM_AUTO inner = made_stream(&bytes, 2);
	MUST(stream_lead(&inner.stream, &lead, &f));
	assert_int_equal(lead->end - lead->at, 7);
}

static void a_section_ends_where_it_should_and_leaves_the_rest(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO out = { 0 };
	STREAM_AUTO *section = NULL;
	STREAM_AUTO *longer = NULL;
	struct fault f = { 0 };

	(void)state;
	text_add_string(&bytes, phrase);
	MADE_STREAM_AUTO inner = made_stream(&bytes, 3);
	MUST(stream_section(&inner.stream, 10, &section, &f));
	MUST(made_drain(section, &out, &f));
	assert_int_equal(out.length, 10);
	MUST(made_drain(&inner.stream, &out, &f));
	assert_string_equal(text_string(&out), phrase);

	MADE_STREAM_AUTO short_one = made_stream(&bytes, 3);
	MUST(stream_section(&short_one.stream, sizeof(phrase), &longer, &f));
	MUST_FAIL(made_drain(longer, &out, &f), FAULT_REFUSED, "it ends too early");
}

/* --- gzip --------------------------------------------------------------------------------------------------------- */

static int gunzip(const struct text *bytes, struct text *out, struct fault *f)
{
	STREAM_AUTO *s = NULL;
	MADE_STREAM_AUTO inner = made_stream(bytes, 4096);

	if (stream_gzip(&inner.stream, &s, f) < 0)
		return -1;
	return made_drain(s, out, f);
}

static void must_refuse_gzip(const struct text *bytes, const char *words)
{
	TEXT_AUTO out = { 0 };
	struct fault f;

	MUST_FAIL(gunzip(bytes, &out, &f), FAULT_REFUSED, words);
}

static void a_gzip_with_every_field_is_read(void **state)
{
	static const char extra[] = "\4\0RS\0\0", name[] = "client.tar", comment[] = "made for a test";
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	text_add(&bytes, "\x1f\x8b\x08\x1f\x01\x02\x03\x04\x02\x03", 10);
	text_add(&bytes, extra, 6);
	text_add(&bytes, name, sizeof(name));
	text_add(&bytes, comment, sizeof(comment));
	made_little(&bytes, crc32_add(0, bytes.bytes, bytes.length) & 0xffff, 2);
	const size_t crc_at = bytes.length - 2;
	made_deflate_stored(&bytes, phrase, sizeof(phrase), 100);
	made_little(&bytes, crc32_add(0, phrase, sizeof(phrase)), 4);
	made_little(&bytes, sizeof(phrase), 4);
	MUST(gunzip(&bytes, &out, &f));
	assert_string_equal(text_string(&out), phrase);
	bytes.bytes[crc_at] ^= 1;
	must_refuse_gzip(&bytes, "the gzip header does not match its checksum");
}

static void several_gzip_members_are_one_stream(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	made_gzip(&bytes, "one, ", 5);
	made_gzip(&bytes, "", 0);
	made_gzip(&bytes, "two", 3);
	MUST(gunzip(&bytes, &out, &f));
	assert_string_equal(text_string(&out), "one, two");
}

static void what_gzip_says_about_the_content_is_compared_with_it(void **state)
{
	TEXT_AUTO bytes = { 0 };

	(void)state;
	made_gzip(&bytes, phrase, sizeof(phrase));
	bytes.bytes[bytes.length - 8] ^= 0x40;
	must_refuse_gzip(&bytes, "the content does not match gzip's CRC-32");
	bytes.bytes[bytes.length - 8] ^= 0x40;
	bytes.bytes[bytes.length - 1] ^= 0x01;
	must_refuse_gzip(&bytes, "the content does not have the length that gzip says");
	bytes.bytes[bytes.length - 1] ^= 0x01;
	bytes.bytes[20] ^= 0x20;
	must_refuse_gzip(&bytes, "the content does not match gzip's CRC-32");
}

static void nothing_may_follow_the_end_of_gzip(void **state)
{
	static const char *const tails[] = { "\0", "\0\0\0\0\0\0\0\0\0\0\0\0", "trailing garbage", "\x1f\x8b\x08\x00" };
	static const size_t lengths[] = { 1, 12, 16, 4 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		TEXT_AUTO bytes = { 0 };
		made_gzip(&bytes, phrase, sizeof(phrase));
		text_add(&bytes, tails[i], lengths[i]);
		must_refuse_gzip(&bytes, "");
	}
}

static void every_cut_and_every_flipped_bit_of_a_gzip_is_seen(void **state)
{
	TEXT_AUTO content = { 0 };
	TEXT_AUTO bytes = { 0 };
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		text_add_format(&content, "line %u of what is packed\n", i * i);
	made_by("gzip -n", content.bytes, content.length, &bytes);
	for (size_t length = 0; length < bytes.length; length++) {
		TEXT_AUTO cut = { 0 };
		text_add(&cut, bytes.bytes, length);
		must_refuse_gzip(&cut, "damaged: ");
	}
	for (size_t bit = 0; bit < bytes.length * 8; bit++) {
		TEXT_AUTO out = { 0 };
		struct fault f = { 0 };
		bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
		if (gunzip(&bytes, &out, &f) == 0) {
			/* Only what says nothing about the content may differ: when, and on which system, it was made.
			 */
			assert_true(bit / 8 >= 3 && bit / 8 <= 9);
			assert_int_equal(out.length, content.length);
			assert_memory_equal(out.bytes, content.bytes, content.length);
			passed++;
		}
		bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_true(passed <= 7 * 8);
}

static void a_gzip_bomb_is_refused_long_before_it_is_unpacked(void **state)
{
	TEXT_AUTO bytes = { 0 };
	STREAM_AUTO *s = NULL;
	struct fault f = { 0 };

	(void)state;
	made_by("head -c 80000000 /dev/zero | gzip -n1 #", "", 0, &bytes);
	MADE_STREAM_AUTO inner = made_stream(&bytes, 4096);
	MUST(stream_gzip(&inner.stream, &s, &f));
	int r;
	while ((r = stream_fill(s, &f)) == 0 && s->at < s->end)
		s->at = s->end;
	assert_int_equal(r, -1);
	assert_non_null(strstr(f.text, "a bomb: more than 100 times as large"));
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_true(s->passed < LIMITS_RATIO_FREE + 1024 * 1024);
}

/* --- zip members -------------------------------------------------------------------------------------------------- */

static int unzip(const struct text *packed, int method, uint64_t size, uint32_t crc, struct text *out, struct fault *f)
{
	STREAM_AUTO *s = NULL;
	MADE_STREAM_AUTO inner = made_stream(packed, 16);

	if (stream_zip(&inner.stream, method, size, crc, &s, f) < 0)
		return -1;
	return made_drain(s, out, f);
}

static void a_zip_member_is_what_it_promised(void **state)
{
	const uint32_t crc = crc32_add(0, phrase, sizeof(phrase));
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	for (int method = 0; method <= 8; method += 8) {
		TEXT_AUTO packed = { 0 };
		if (method == 0)
			text_add(&packed, phrase, sizeof(phrase));
		else
			made_deflate_stored(&packed, phrase, sizeof(phrase), 10);
		text_cut(&out, 0);
		MUST(unzip(&packed, method, sizeof(phrase), crc, &out, &f));
		assert_string_equal(text_string(&out), phrase);
		MUST_FAIL(unzip(&packed, method, sizeof(phrase), crc ^ 1, &out, &f), FAULT_REFUSED,
			  "the content does not match its CRC-32");
		MUST_FAIL(unzip(&packed, method, sizeof(phrase) + 1, crc, &out, &f), FAULT_REFUSED,
			  "does not have the length");
		MUST_FAIL(unzip(&packed, method, sizeof(phrase) - 1, crc, &out, &f), FAULT_REFUSED, "");
		text_add_char(&packed, 'x');
		MUST_FAIL(unzip(&packed, method, sizeof(phrase), crc, &out, &f), FAULT_REFUSED, "");
	}
}

/* --- libarchive's ------------------------------------------------------------------------------------------------- */

static int filter(const struct text *bytes, struct text *out, struct fault *f)
{
	STREAM_AUTO *s = NULL;
	MADE_STREAM_AUTO inner = made_stream(bytes, 4096);

	if (stream_filter(&inner.stream, &s, f) < 0)
		return -1;
	return made_drain(s, out, f);
}

static const char *const packers[] = { "xz -c", "bzip2 -c", "zstd -qc" };

static void xz_bzip2_and_zstandard_are_read_to_their_true_end(void **state)
{
	TEXT_AUTO content = { 0 };
	struct fault f = { 0 };

	(void)state;
	text_random(&content, 300000);
	for (size_t p = 0; p < 3; p++) {
		TEXT_AUTO bytes = { 0 };
		TEXT_AUTO out = { 0 };
		made_by(packers[p], content.bytes, content.length, &bytes);
		MUST(filter(&bytes, &out, &f));
		assert_int_equal(out.length, content.length);
		assert_memory_equal(out.bytes, content.bytes, content.length);
		text_add_string(&bytes, "garbage");
		MUST_FAIL(filter(&bytes, &out, &f), FAULT_REFUSED, "damaged: ");
	}
}

static void a_cut_or_flipped_bit_in_them_is_refused(void **state)
{
	TEXT_AUTO content = { 0 };
	uint32_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		text_add_format(&content, "%u lines ", i);
	for (size_t p = 0; p < 3; p++) {
		TEXT_AUTO bytes = { 0 };
		made_by(packers[p], content.bytes, content.length, &bytes);
		for (unsigned i = 0; i < 60; i++) {
			TEXT_AUTO cut = { 0 };
			TEXT_AUTO out = { 0 };
			struct fault f;
			text_add(&cut, bytes.bytes, 1 + unit_random(&seed) % (bytes.length - 1));
			MUST_FAIL(filter(&cut, &out, &f), FAULT_REFUSED, "");
		}
		for (unsigned i = 0; i < 200; i++) {
			TEXT_AUTO out = { 0 };
			struct fault f = { 0 };
			const size_t bit = unit_random(&seed) % (bytes.length * 8);
			bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
			/* Silent only where the content is none the worse for it. */
			if (filter(&bytes, &out, &f) == 0) {
				assert_int_equal(out.length, content.length);
				assert_memory_equal(out.bytes, content.bytes, content.length);
			} else {
				assert_int_equal(f.kind, FAULT_REFUSED);
			}
			bytes.bytes[bit / 8] ^= (char)(1 << bit % 8);
		}
	}
}

static void what_is_not_packed_or_twice_is_refused(void **state)
{
	TEXT_AUTO plain = { 0 };
	TEXT_AUTO once = { 0 };
	TEXT_AUTO twice = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f;

	(void)state;
	text_random(&plain, 3000);
	MUST_FAIL(filter(&plain, &out, &f), FAULT_REFUSED, "it is not packed, or more than once");
	made_by("bzip2 -c", plain.bytes, plain.length, &once);
	made_by("xz -c", once.bytes, once.length, &twice);
	MUST_FAIL(filter(&twice, &out, &f), FAULT_REFUSED, "it is not packed, or more than once");
}

static void their_bombs_are_refused_too(void **state)
{
	static const char *const bombs[] = { "head -c 80000000 /dev/zero | xz -c0 #",
					     "head -c 80000000 /dev/zero | bzip2 -c #",
					     "head -c 80000000 /dev/zero | zstd -qc #" };

	(void)state;
	for (size_t p = 0; p < 3; p++) {
		TEXT_AUTO bytes = { 0 };
		STREAM_AUTO *s = NULL;
		struct fault f = { 0 };
		made_by(bombs[p], "", 0, &bytes);
		MADE_STREAM_AUTO inner = made_stream(&bytes, 4096);
		MUST(stream_filter(&inner.stream, &s, &f));
		int r;
		while ((r = stream_fill(s, &f)) == 0 && s->at < s->end)
			s->at = s->end;
		assert_int_equal(r, -1);
		assert_non_null(strstr(f.text, "a bomb"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_descriptor_is_read_from_a_place_to_a_place),
		cmocka_unit_test(reading_all_of_it_says_when_it_ends_too_early),
		cmocka_unit_test(the_lead_lies_at_hand_in_one_piece_and_nothing_is_lost),
		cmocka_unit_test(a_section_ends_where_it_should_and_leaves_the_rest),
		cmocka_unit_test(a_gzip_with_every_field_is_read),
		cmocka_unit_test(several_gzip_members_are_one_stream),
		cmocka_unit_test(what_gzip_says_about_the_content_is_compared_with_it),
		cmocka_unit_test(nothing_may_follow_the_end_of_gzip),
		cmocka_unit_test(every_cut_and_every_flipped_bit_of_a_gzip_is_seen),
		cmocka_unit_test(a_gzip_bomb_is_refused_long_before_it_is_unpacked),
		cmocka_unit_test(a_zip_member_is_what_it_promised),
		cmocka_unit_test(xz_bzip2_and_zstandard_are_read_to_their_true_end),
		cmocka_unit_test(a_cut_or_flipped_bit_in_them_is_refused),
		cmocka_unit_test(what_is_not_packed_or_twice_is_refused),
		cmocka_unit_test(their_bombs_are_refused_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
