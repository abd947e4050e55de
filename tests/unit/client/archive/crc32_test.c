#include "client/archive/crc32.h"
#include "unit.h"

static unsigned char bytes[5000];

static int bytes_fill(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)unit_random(&seed);
	return 0;
}

static void it_is_the_checksum_of_rfc_1952(void **state)
{
	(void)state;
	assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_add_portable(0, "123456789", 9), 0xcbf43926);
	/* As gzip prints it, of 200 times 'a'. */
	memset(bytes, 'a', 200);
	assert_int_equal(crc32_add(0, bytes, 200), 0x599af058);
	(void)bytes_fill(state);
}

static void zero_is_the_checksum_of_nothing(void **state)
{
	(void)state;
	assert_int_equal(crc32_add(0, bytes, 0), 0);
	assert_int_equal(crc32_add(0x12345678, bytes, 0), 0x12345678);
}

static void the_checksum_of_two_parts_in_a_row_is_that_of_the_whole(void **state)
{
	const uint32_t whole = crc32_add(0, bytes, sizeof(bytes));

	(void)state;
	for (size_t cut = 0; cut <= sizeof(bytes); cut += 7)
		assert_int_equal(crc32_add(crc32_add(0, bytes, cut), bytes + cut, sizeof(bytes) - cut), whole);
}

static void the_result_does_not_depend_on_the_processor(void **state)
{
	(void)state;
	for (size_t length = 0; length < 700; length++)
		for (size_t from = 0; from < 17; from++)
			assert_int_equal(crc32_add(5, bytes + from, length),
					 crc32_add_portable(5, bytes + from, length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_checksum_of_rfc_1952),
		cmocka_unit_test(zero_is_the_checksum_of_nothing),
		cmocka_unit_test(the_checksum_of_two_parts_in_a_row_is_that_of_the_whole),
		cmocka_unit_test(the_result_does_not_depend_on_the_processor),
	};
	return cmocka_run_group_tests(tests, bytes_fill, NULL);
}
