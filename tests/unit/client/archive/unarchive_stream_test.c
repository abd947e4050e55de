#include <sys/mman.h>

#include "client/archive/unarchive.c"
#include "unit.h"

#include "made.h"

/* All that comes out of packed bytes; -1 with the fault. */
static int unpacked(int (*open_it)(struct stream *packed, struct stream *ret_stream, struct fault *f),
		    const struct text *bytes, struct text *out, struct fault *f)
{
	FS_AUTO int fd = memfd_create("packed", MFD_CLOEXEC);
	struct stream file = { .fd = fd, .more = file_more };
	STREAM_AUTO stream = { 0 };

	assert_int_equal(pwrite(fd, bytes->bytes, bytes->length, 0), (ssize_t)bytes->length);
	if (open_it(&file, &stream, f) < 0)
		return -1;
	do {
		if (stream_more(&stream, f) < 0)
			return -1;
		text_add(out, stream.bytes, stream.length);
	} while (stream.length > 0);
	assert_int_equal(stream.passed, out->length);
	return 0;
}

static void content(struct text *out, size_t length)
{
	uint32_t seed = 1;

	while (out->length < length)
		text_add_char(out, (char)(unit_random(&seed) % 64));
}

static void gzip_is_read_member_after_member(void **state)
{
	TEXT_AUTO all = { 0 };
	TEXT_AUTO packed = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	(void)state;
	content(&all, 300000);
	made_gzip(&packed, all.bytes, 200000);
	made_gzip(&packed, "", 0);
	made_gzip(&packed, all.bytes + 200000, 100000);
	MUST(unpacked(gzip_open, &packed, &out, &f));
	assert_int_equal(out.length, all.length);
	assert_memory_equal(out.bytes, all.bytes, all.length);
}

/* CRC-32 and length, which libarchive does not compare. */
static void a_changed_byte_of_gzip_is_damage_wherever_it_counts(void **state)
{
	TEXT_AUTO packed = { 0 };
	struct fault f;

	(void)state;
	made_gzip(&packed, "some content", 12);
	for (size_t at = 10; at < packed.length; at++) {
		TEXT_AUTO out = { 0 };
		packed.bytes[at] ^= 1;
		MUST_FAIL(unpacked(gzip_open, &packed, &out, &f), FAULT_REFUSED, "damaged: gzip: ");
		packed.bytes[at] ^= 1;
	}
	for (size_t cut = 1; cut < packed.length; cut++) {
		const struct text less = { .bytes = packed.bytes, .length = cut };
		TEXT_AUTO out = { 0 };
		MUST_FAIL(unpacked(gzip_open, &less, &out, &f), FAULT_REFUSED, "damaged: gzip: ");
	}
}

/*
 * What fills a last block is passed over, as the packers' own programs do (but zstd(1)); anything else may be a part of
 * something.
 */
static void what_is_packed_is_read_to_its_end_and_nothing_follows_but_zeros(void **state)
{
	static const char *const packers[] = { "gzip", "xz -0", "bzip2", "zstd -q" };
	static const struct text tails[] = {
		{ .bytes = "x", .length = 1 },        { .bytes = "\x1f", .length = 1 },
		{ .bytes = "\x1f\x8b", .length = 2 }, { .bytes = "PK\3\4", .length = 4 },
		{ .bytes = "\0\0\0\1", .length = 4 }, { .bytes = "something", .length = 9 }
	};
	static const char zeros[512];
	TEXT_AUTO all = { 0 };
	struct fault f = { 0 };

	(void)state;
	content(&all, 200000);
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		int (*const open_it)(struct stream *, struct stream *, struct fault *) =
			i == 0 ? gzip_open : filter_open;
		TEXT_AUTO packed = { 0 };
		TEXT_AUTO out = { 0 };
		made_by(packers[i], all.bytes, all.length, &packed);
		const size_t length = packed.length;
		for (size_t padding = 0; padding <= (i < 3 ? sizeof(zeros) : 0); padding += sizeof(zeros)) {
			text_add(&packed, zeros, padding);
			text_cut(&out, 0);
			MUST(unpacked(open_it, &packed, &out, &f));
			assert_int_equal(out.length, all.length);
			assert_memory_equal(out.bytes, all.bytes, all.length);
		}
		text_cut(&packed, length - 1);
		text_cut(&out, 0);
		MUST_FAIL(unpacked(open_it, &packed, &out, &f), FAULT_REFUSED, "damaged: ");
		for (size_t j = 0; j < sizeof(tails) / sizeof(tails[0]); j++) {
			text_cut(&packed, 0);
			made_by(packers[i], all.bytes, all.length, &packed);
			text_add(&packed, tails[j].bytes, tails[j].length);
			text_cut(&out, 0);
			MUST_FAIL(unpacked(open_it, &packed, &out, &f), FAULT_REFUSED, "damaged: ");
		}
		f = (struct fault){ 0 };
	}
}

static void what_is_packed_twice_or_not_at_all_is_refused(void **state)
{
	TEXT_AUTO once = { 0 };
	TEXT_AUTO twice = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f;

	(void)state;
	made_by("xz -0", "content", 7, &once);
	made_by("bzip2", once.bytes, once.length, &twice);
	MUST_FAIL(unpacked(filter_open, &twice, &out, &f), FAULT_REFUSED,
		  "not compressed, or compressed more than once");
	text_cut(&once, 0);
	text_add_string(&once, "plain content");
	MUST_FAIL(unpacked(filter_open, &once, &out, &f), FAULT_REFUSED,
		  "not compressed, or compressed more than once");
}

static void zeros_at_the_end_are_counted(void **state)
{
	FS_AUTO int fd = memfd_create("file", MFD_CLOEXEC);
	struct stream file = { .fd = fd, .more = file_more };
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(ftruncate(fd, 200000), 0);
	assert_int_equal(pwrite(fd, "x", 1, 99999), 1);
	do
		MUST(stream_more(&file, &f));
	while (file.length > 0);
	assert_int_equal(file.zeros, 100000);
	assert_true(file.ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_is_read_member_after_member),
		cmocka_unit_test(a_changed_byte_of_gzip_is_damage_wherever_it_counts),
		cmocka_unit_test(what_is_packed_is_read_to_its_end_and_nothing_follows_but_zeros),
		cmocka_unit_test(what_is_packed_twice_or_not_at_all_is_refused),
		cmocka_unit_test(zeros_at_the_end_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
