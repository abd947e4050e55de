/* base/hex: one spelling for each byte. */
#include "unit.h"

#include "base/hex.h"

static void every_byte_comes_back(void **state)
{
	char text[HEX_SIZE(1)];
	unsigned char back;

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		const unsigned char one = (unsigned char)byte;
		hex_encode(&one, 1, text);
		assert_true(hex_decode(text, 2, &back, 1));
		assert_int_equal(back, byte);
	}
}

static void lower_case_and_exactly_as_long(void **state)
{
	unsigned char bytes[2] = { 7, 7 };
	static const char *const odd[] = { "0AFF", "0af", "0aff0", "0aff00", "0afg", "0x0a", " 0af", "" };

	(void)state;
	assert_true(hex_decode("0aff", 4, bytes, 2));
	assert_int_equal(bytes[0], 0x0a);
	assert_int_equal(bytes[1], 0xff);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_false(hex_decode(odd[i], strlen(odd[i]), bytes, 2));
	/* Untouched on failure. */
	assert_int_equal(bytes[1], 0xff);
	assert_int_equal(hex_digit('A'), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(lower_case_and_exactly_as_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
