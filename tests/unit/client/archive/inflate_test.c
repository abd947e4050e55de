#include "client/archive/inflate.h"
#include "client/archive/inflate_table.h"
#include "unit.h"

#include "made.h"

enum { ROOM = INFLATE_WINDOW + 1000, GUARD = 64 };

/* Decodes with that much input and output room at a time. */
static int decode_in(const struct text *packed, size_t piece, size_t room, struct text *out, size_t *ret_left,
		     struct fault *f)
{
	MADE_STREAM_AUTO input = made_stream(packed, piece);
	const size_t size = INFLATE_WINDOW + room;
	unsigned char *window = malloc(size + GUARD);
	struct inflate *z = malloc(sizeof(*z));
	size_t at = 0;
	int r = 0;

	assert_non_null(window);
	assert_non_null(z);
	memset(window + size, 0xa5, GUARD);
	inflate_start(z, &input.stream);
	while (r == 0 && !inflate_ended(z)) {
		if (at > INFLATE_WINDOW) {
			memmove(window, window + at - INFLATE_WINDOW, INFLATE_WINDOW);
			at = INFLATE_WINDOW;
		}
		const size_t from = at;
		r = inflate_run(z, window, &at, size, f);
		if (r == 0)
			text_add(out, window + from, at - from);
		for (size_t i = 0; i < GUARD; i++)
			assert_int_equal(window[size + i], 0xa5);
	}
	if (ret_left != NULL)
		*ret_left = (size_t)(input.stream.end - input.stream.at) + (size_t)(input.end - input.next);
	free(window);
	free(z);
	return r;
}

static int decode(const struct text *packed, struct text *out, struct fault *f)
{
	return decode_in(packed, SIZE_MAX, ROOM, out, NULL, f);
}

static void must_give(const struct text *packed, const void *expected, size_t length)
{
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	MUST(decode(packed, &out, &f));
	assert_int_equal(out.length, length);
	assert_memory_equal(text_string(&out), expected, length);
}

/* --- content that real packers see -------------------------------------------------------------------------------- */

static void sample(unsigned kind, struct text *out)
{
	static const char *const words[] = { "slot ", "token ", "libCryptoki2_64.so ", "Chrystoki2 = {\n", "}\n", "0" };
	uint32_t seed = 7 + kind;

	for (unsigned i = 0; i < 30000; i++) {
		switch (kind) {
		case 0:
			text_add_string(out, words[unit_random(&seed) % 6]);
			break;
		case 1:
			text_add_char(out, (char)unit_random(&seed));
			break;
		case 2:
			made_zeros(out, 9);
			break;
		case 3: /* few symbols, so that codes are short and sparse */
			text_add_char(out, "ab"[unit_random(&seed) & 1]);
			break;
		default: /* matches from far behind */
			text_add_char(out, (char)(unit_random(&seed) % 3 == 0 ? unit_random(&seed) : i >> 7));
			break;
		}
	}
}

static void it_gives_exactly_the_bytes_the_format_defines(void **state)
{
	static const char *const commands[] = { "gzip -n1", "gzip -n4", "gzip -n6", "gzip -n9" };

	(void)state;
	for (unsigned kind = 0; kind < 5; kind++)
		for (unsigned c = 0; c < 4; c++) {
			TEXT_AUTO bytes = { 0 };
			TEXT_AUTO zipped = { 0 };
			TEXT_AUTO packed = { 0 };
			sample(kind, &bytes);
			made_by(commands[c], text_string(&bytes), bytes.length, &zipped);
			text_add(&packed, text_string(&zipped) + 10, zipped.length - 18);
			must_give(&packed, text_string(&bytes), bytes.length);
		}
}

static void the_size_of_pieces_changes_nothing(void **state)
{
	static const size_t pieces[] = { 1, 2, 7, 23, 24, 25, 31, 64, 1000 };
	static const size_t rooms[] = { 1, 3, 258, 292, 293, 294, 400, 5000 };
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO zipped = { 0 };
	TEXT_AUTO packed = { 0 };
	struct fault f = { 0 };

	(void)state;
	sample(0, &bytes);
	text_cut(&bytes, 50000);
	made_by("gzip -n9", text_string(&bytes), bytes.length, &zipped);
	text_add(&packed, text_string(&zipped) + 10, zipped.length - 18);
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
		for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
			TEXT_AUTO out = { 0 };
			MUST(decode_in(&packed, pieces[p], rooms[r], &out, NULL, &f));
			assert_int_equal(out.length, bytes.length);
			assert_memory_equal(text_string(&out), text_string(&bytes), bytes.length);
		}
}

static void it_stops_at_the_byte_behind_the_stream(void **state)
{
	TEXT_AUTO packed = { 0 };
	struct made_bits b = { .out = &packed };
	struct fault f = { 0 };

	(void)state;
	made_bits_add(&b, 1 | 1 << 1, 3);
	for (unsigned i = 0; i < 100; i++)
		made_bits_fixed(&b, 'x');
	made_bits_fixed(&b, 256);
	made_bits_end(&b, false);
	text_add_string(&packed, "and what follows the stream, long enough for the fast loop to see it");
	for (size_t piece = 1; piece < 200; piece++) {
		TEXT_AUTO out = { 0 };
		size_t left = 0;
		MUST(decode_in(&packed, piece, ROOM, &out, &left, &f));
		assert_int_equal(out.length, 100);
		assert_int_equal(left, 68);
	}
}

/* --- made by hand ------------------------------------------------------------------------------------------------- */

static void stored_blocks_are_copied(void **state)
{
	TEXT_AUTO packed = { 0 };

	(void)state;
	made_deflate_stored(&packed, "a stored block, and some more of it", 35, 10);
	must_give(&packed, "a stored block, and some more of it", 35);
}

/* A block of the fixed code with these symbols; a length is followed by its distance, both without extra bits. */
static void fixed(struct text *out, const unsigned *symbols, size_t count, bool dirty)
{
	struct made_bits b = { .out = out };

	made_bits_add(&b, 1 | 1 << 1, 3);
	for (size_t i = 0; i < count; i++) {
		made_bits_fixed(&b, symbols[i]);
		if (symbols[i] > 256)
			made_bits_code(&b, symbols[++i], 5);
	}
	made_bits_end(&b, dirty);
}

#define FIXED(out, dirty, ...) \
	fixed((out), (const unsigned[]){ __VA_ARGS__ }, sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned), (dirty))

static void a_match_may_overlap_what_it_makes(void **state)
{
	TEXT_AUTO packed = { 0 };

	(void)state;
	FIXED(&packed, false, 'a', 'b', 264, 1, 256); /* 10 bytes from 2 back */
	must_give(&packed, "abababababab", 12);
}

static void must_refuse(const struct text *packed, const char *words)
{
	TEXT_AUTO out = { 0 };
	struct fault f;

	MUST_FAIL(decode_in(packed, SIZE_MAX, ROOM, &out, NULL, &f), FAULT_REFUSED, words);
	text_cut(&out, 0);
	MUST_FAIL(decode_in(packed, 1, ROOM, &out, NULL, &f), FAULT_REFUSED, words);
}

static void damage_that_the_format_would_let_pass_is_refused(void **state)
{
	TEXT_AUTO last = { 0 };
	TEXT_AUTO stored = { 0 };

	(void)state;
	FIXED(&last, true, 'a', 256);
	must_refuse(&last, "the bits that fill up a byte are not zero");
	made_deflate_stored(&stored, "x", 1, 1);
	stored.bytes[0] = (char)(stored.bytes[0] | 0x80);
	must_refuse(&stored, "the bits that fill up a byte are not zero");
}

static void what_is_no_deflate_is_refused_with_the_reason(void **state)
{
	TEXT_AUTO kind = { 0 };
	TEXT_AUTO inverse = { 0 };
	TEXT_AUTO before = { 0 };
	TEXT_AUTO length = { 0 };
	TEXT_AUTO distance = { 0 };
	TEXT_AUTO cut = { 0 };

	(void)state;
	text_add_char(&kind, 7);
	must_refuse(&kind, "a block is of no known kind");
	made_deflate_stored(&inverse, "x", 1, 1);
	inverse.bytes[3] ^= 1;
	must_refuse(&inverse, "a stored block contradicts its own length");
	FIXED(&before, false, 'a', 257, 1, 256);
	must_refuse(&before, "a match reaches back before the beginning");
	FIXED(&length, false, 'a', 286, 0, 256);
	made_zeros(&length, 40);
	must_refuse(&length, "a code that is none");
	FIXED(&distance, false, 'a', 257, 30, 256);
	made_zeros(&distance, 40);
	must_refuse(&distance, "a code that is none");
	FIXED(&cut, false, 'a', 'b', 'c', 256);
	for (size_t left = cut.length - 1; left > 0; left--) {
		text_cut(&cut, left);
		must_refuse(&cut, "ends too early");
	}
}

/* --- codes of a block's own --------------------------------------------------------------------------------------- */

enum { PRE = 19 };

/* The head of a dynamic block: lengths of the code that lengths are told in, by symbol. */
static void dynamic_head(struct made_bits *b, unsigned literals, unsigned distances, const unsigned char pre[PRE])
{
	static const unsigned char order[PRE] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

	made_bits_add(b, 1 | 2 << 1, 3);
	made_bits_add(b, literals - 257, 5);
	made_bits_add(b, distances - 1, 5);
	made_bits_add(b, PRE - 4, 4);
	for (unsigned i = 0; i < PRE; i++)
		made_bits_add(b, pre[order[i]], 3);
}

/* Codes 0 (of length 0) and 1 (of length 1) of one bit, 18 (many zeros) of two: "0", "10", "11". */
static const unsigned char pre_simple[PRE] = { [0] = 2, [1] = 1, [18] = 2 };

static void pre_zero(struct made_bits *b)
{
	made_bits_code(b, 2, 2);
}

static void pre_one(struct made_bits *b)
{
	made_bits_code(b, 0, 1);
}

static void pre_zeros(struct made_bits *b, unsigned count)
{
	made_bits_code(b, 3, 2);
	made_bits_add(b, count - 11, 7);
}

/* 'a' and the end of the block have one bit each; `distances` are the lengths of two distance codes. */
static void dynamic(struct text *out, unsigned distances)
{
	struct made_bits b = { .out = out };

	dynamic_head(&b, 257, 2, pre_simple);
	pre_zeros(&b, 97);
	pre_one(&b);
	pre_zeros(&b, 138);
	pre_zeros(&b, 20);
	pre_one(&b);
	for (unsigned i = 0; i < 2; i++)
		if ((distances >> i & 1) != 0)
			pre_one(&b);
		else
			pre_zero(&b);
	made_bits_code(&b, 0, 1);
	made_bits_code(&b, 0, 1);
	made_bits_code(&b, 1, 1);
	made_bits_end(&b, false);
}

static void a_single_code_or_none_is_taken_for_distances(void **state)
{
	(void)state;
	for (unsigned distances = 0; distances < 4; distances++) {
		TEXT_AUTO packed = { 0 };
		dynamic(&packed, distances);
		must_give(&packed, "aa", 2);
	}
}

static void a_code_that_is_not_complete_is_refused(void **state)
{
	static const unsigned char hole[PRE] = { [0] = 2, [1] = 2, [18] = 2 };
	static const unsigned char many[PRE] = { [0] = 1, [1] = 1, [18] = 1 };
	TEXT_AUTO incomplete = { 0 };
	TEXT_AUTO over = { 0 };
	TEXT_AUTO endless = { 0 };
	struct made_bits b = { .out = &incomplete };

	(void)state;
	dynamic_head(&b, 257, 1, hole);
	made_bits_end(&b, false);
	must_refuse(&incomplete, "code of code lengths is not complete");
	b = (struct made_bits){ .out = &over };
	dynamic_head(&b, 257, 1, many);
	made_bits_end(&b, false);
	must_refuse(&over, "code of code lengths is not complete");
	/* No code for the end of the block. */
	b = (struct made_bits){ .out = &endless };
	dynamic_head(&b, 257, 1, pre_simple);
	pre_one(&b);
	pre_one(&b);
	pre_zeros(&b, 138);
	pre_zeros(&b, 117);
	pre_one(&b);
	made_bits_end(&b, false);
	made_zeros(&endless, 8);
	must_refuse(&endless, "a block has no end");
}

static void too_many_or_unfounded_code_lengths_are_refused(void **state)
{
	static const unsigned char repeat[PRE] = { [0] = 1, [16] = 1 };
	TEXT_AUTO first = { 0 };
	TEXT_AUTO long_one = { 0 };
	TEXT_AUTO known = { 0 };
	struct made_bits b = { .out = &first };

	(void)state;
	dynamic_head(&b, 257, 1, repeat);
	made_bits_code(&b, 1, 1); /* "as before", and there is nothing before */
	made_bits_add(&b, 0, 2);
	made_bits_end(&b, false);
	made_zeros(&first, 8);
	must_refuse(&first, "repeat what is not there");
	b = (struct made_bits){ .out = &long_one };
	dynamic_head(&b, 257, 1, pre_simple);
	pre_zeros(&b, 138);
	pre_zeros(&b, 138);
	made_bits_end(&b, false);
	made_zeros(&long_one, 8);
	must_refuse(&long_one, "more code lengths than codes");
	b = (struct made_bits){ .out = &known };
	dynamic_head(&b, 287, 1, pre_simple);
	made_bits_end(&b, false);
	must_refuse(&known, "more codes than the format knows");
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

/* Random complete codes: every code is found under every filling of the bits behind it. */
static void a_table_finds_every_code_and_keeps_to_its_room(void **state)
{
	static uint32_t table[INFLATE_LITERAL_SIZE + GUARD];
	uint32_t seed = 3;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		uint8_t lengths[INFLATE_LITERAL_SYMBOLS] = { 0 };
		unsigned leaves = 1;
		/* Splits of a tree: each makes two leaves one deeper out of one. */
		uint8_t depth[INFLATE_LITERAL_SYMBOLS] = { 0 };
		while (leaves < 286) {
			const unsigned at = round % 2 == 0 ? unit_random(&seed) % leaves : leaves - 1;
			if (depth[at] >= INFLATE_CODE_BITS_MAX) {
				if (round % 2 != 0)
					break;
				continue;
			}
			depth[at]++;
			depth[leaves++] = depth[at];
		}
		for (unsigned i = 0; i < leaves; i++)
			lengths[(i * 7) % 286] = depth[i];
		memset(table, 0xa5, sizeof(table));
		assert_true(inflate_table_make(table, INFLATE_LITERAL_SIZE, INFLATE_LITERAL_BITS, lengths, 286,
					       INFLATE_LITERALS));
		for (unsigned i = 0; i < GUARD; i++)
			assert_int_equal(table[INFLATE_LITERAL_SIZE + i], 0xa5a5a5a5);

		unsigned code = 0;
		for (unsigned length = 1; length <= INFLATE_CODE_BITS_MAX; length++, code <<= 1)
			for (unsigned symbol = 0; symbol < 286; symbol++) {
				if (lengths[symbol] != length)
					continue;
				unsigned bits = 0;
				for (unsigned i = 0; i < length; i++)
					bits |= (code >> (length - 1 - i) & 1) << i;
				bits |= unit_random(&seed) << length;
				uint32_t entry = table[bits & ((1U << INFLATE_LITERAL_BITS) - 1)];
				unsigned used = 0;
				if ((entry & INFLATE_ENTRY_LINK) != 0) {
					used = INFLATE_LITERAL_BITS;
					entry = table[INFLATE_ENTRY_VALUE(entry) +
						      (bits >> used & ((1U << INFLATE_ENTRY_EXTRA(entry)) - 1))];
				}
				assert_int_equal(used + INFLATE_ENTRY_BITS(entry) - INFLATE_ENTRY_EXTRA(entry), length);
				if (symbol < 256)
					assert_int_equal(INFLATE_ENTRY_VALUE(entry), symbol);
				code++;
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_exactly_the_bytes_the_format_defines),
		cmocka_unit_test(the_size_of_pieces_changes_nothing),
		cmocka_unit_test(it_stops_at_the_byte_behind_the_stream),
		cmocka_unit_test(stored_blocks_are_copied),
		cmocka_unit_test(a_match_may_overlap_what_it_makes),
		cmocka_unit_test(damage_that_the_format_would_let_pass_is_refused),
		cmocka_unit_test(what_is_no_deflate_is_refused_with_the_reason),
		cmocka_unit_test(a_single_code_or_none_is_taken_for_distances),
		cmocka_unit_test(a_code_that_is_not_complete_is_refused),
		cmocka_unit_test(too_many_or_unfounded_code_lengths_are_refused),
		cmocka_unit_test(a_table_finds_every_code_and_keeps_to_its_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
