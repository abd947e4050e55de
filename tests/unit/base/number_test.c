/* base/number: digits to numbers, strictly. */
#include "unit.h"

#include "base/number.h"

static void the_whole_string_is_the_number(void **state)
{
	static const char *const bad[] = { "",
					   " 1",
					   "1 ",
					   "+1",
					   "-1",
					   "0x1",
					   "1.0",
					   "1e3",
					   "one",
					   "1\n",
					   "18446744073709551616",
					   "99999999999999999999999" };
	struct fault f = { 0 };
	uint64_t value = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		MUST_FAIL(number_parse(bad[i], "N", 0, UINT64_MAX, &value, &f), FAULT_REFUSED,
			  "N must be a whole number");
		assert_int_equal(value, 42);
	}
	MUST(number_parse("18446744073709551615", "N", 0, UINT64_MAX, &value, &f));
	assert_true(value == UINT64_MAX);
	MUST(number_parse("007", "N", 0, 7, &value, &f));
	assert_int_equal(value, 7);
}

static void out_of_range_is_said_with_the_range(void **state)
{
	struct fault f = { 0 };
	uint64_t value = 0;

	(void)state;
	MUST(number_parse("1", "--timeout", 1, 3600, &value, &f));
	MUST(number_parse("3600", "--timeout", 1, 3600, &value, &f));
	MUST_FAIL(number_parse("0", "--timeout", 1, 3600, &value, &f), FAULT_REFUSED,
		  "--timeout must be a whole number from 1 to 3600, not '0'");
	MUST_FAIL(number_parse("3601", "--timeout", 1, 3600, &value, &f), FAULT_REFUSED, "not '3601'");
	assert_int_equal(value, 3600);
	for (uint64_t most = 0; most < 120; most++) {
		char string[8];
		for (uint64_t number = 0; number < 130; number++) {
			(void)snprintf(string, sizeof(string), "%d", (int)number);
			assert_int_equal(number_digits(string, strlen(string), 10, most, &value), number <= most);
		}
	}
}

static void a_mode_is_three_to_five_octal_digits(void **state)
{
	static const char *const bad[] = { "", "7", "64", "0o640", "640 ", "0800", "10000", "017777", "-640", "u=rw" };
	struct fault f = { 0 };
	mode_t mode = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		MUST_FAIL(number_parse_mode(bad[i], "mode", &mode, &f), FAULT_REFUSED, "octal mode such as 0640");
	assert_int_equal(mode, 1);
	MUST(number_parse_mode("640", "mode", &mode, &f));
	assert_int_equal(mode, 0640);
	MUST(number_parse_mode("02770", "mode", &mode, &f));
	assert_int_equal(mode, 02770);
	MUST(number_parse_mode("7777", "mode", &mode, &f));
	assert_int_equal(mode, 07777);
}

static void a_size_has_one_suffix_of_a_power_of_1024(void **state)
{
	static const struct {
		const char *string;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "64K", 65536 },
		{ "16M", 16777216 },
		{ "2G", 2147483648u },
		{ "1T", 1099511627776u },
		{ "16777215T", UINT64_C(16777215) << 40 },
	};
	static const char *const bad[] = { "", "K", "1KB", "1 K", "1k", "1.5G", "16777216T", "KK", "-1K" };
	struct fault f = { 0 };
	uint64_t bytes = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		MUST(number_parse_size(good[i].string, "size", &bytes, &f));
		assert_true(bytes == good[i].bytes);
	}
	bytes = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		MUST_FAIL(number_parse_size(bad[i], "size", &bytes, &f), FAULT_REFUSED, "size must be a size such as");
	assert_int_equal(bytes, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_string_is_the_number),
		cmocka_unit_test(out_of_range_is_said_with_the_range),
		cmocka_unit_test(a_mode_is_three_to_five_octal_digits),
		cmocka_unit_test(a_size_has_one_suffix_of_a_power_of_1024),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
