/* base/time: one way to write an instant, and every day comes back. */
#include "unit.h"

#include "base/time.h"

static bool reads(const char *stamp, int64_t *ret_seconds)
{
	return time_parse(stamp, strlen(stamp), ret_seconds);
}

static void every_day_of_400_years_comes_back(void **state)
{
	char text[TIME_STAMP_SIZE], before[TIME_STAMP_SIZE] = "";
	int64_t back;

	(void)state;
	for (int64_t day = 0; day < 146097; day++) {
		const int64_t seconds = day * 86400 + day % 86400;
		time_format(seconds, text);
		if (!reads(text, &back) || back != seconds || strcmp(before, text) >= 0)
			fail_msg("%s", text);
		strcpy(before, text);
	}
}

static void known_instants(void **state)
{
	static const struct {
		const char *stamp;
		int64_t seconds;
	} known[] = { { "1970-01-01T00:00:00Z", 0 },
		      { "2000-02-29T12:00:00Z", 951825600 },
		      { "2016-12-31T23:59:60Z", 1483228800 },
		      { "2026-02-03T04:05:06.789Z", 1770091506 },
		      { "9999-12-31T23:59:59Z", INT64_C(253402300799) } };
	int64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_true(reads(known[i].stamp, &seconds));
		assert_int_equal(seconds, known[i].seconds);
	}
}

static void nothing_else_is_read(void **state)
{
	static const char *const odd[] = { "2026-02-30T00:00:00Z",
					   "2100-02-29T00:00:00Z",
					   "2026-04-31T00:00:00Z",
					   "2026-13-01T00:00:00Z",
					   "2026-00-01T00:00:00Z",
					   "2026-01-00T00:00:00Z",
					   "2026-01-01T24:00:00Z",
					   "2026-01-01T00:60:00Z",
					   "2026-01-01T00:00:61Z",
					   "2026-01-01T00:00:00",
					   "2026-01-01T00:00:00z",
					   "2026-01-01 00:00:00Z",
					   "2026-01-01T00:00:00+00:00",
					   "2026-01-01T00:00:00.Z",
					   "2026-1-1T0:0:0Z",
					   "2026-01-01T00:00:00ZZ",
					   "1969-12-31T23:59:59Z",
					   "",
					   "2026-01-01T00:00:00.1234567890Z" };
	int64_t seconds = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (reads(odd[i], &seconds) || seconds != 42)
			fail_msg("%s", odd[i]);
}

static void a_time_that_cannot_be_written_is_the_beginning(void **state)
{
	char text[TIME_STAMP_SIZE];

	(void)state;
	time_format(-1, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	time_format(INT64_MAX, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	time_format(INT64_C(253402300800), text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void a_day_is_the_first_part_of_a_stamp(void **state)
{
	char text[TIME_STAMP_SIZE];

	(void)state;
	assert_string_equal(time_day(INT64_C(1770091506), text), "2026-02-03");
	assert_string_equal(time_day(-1, text), "1970-01-01");
}

static void an_age_is_one_number(void **state)
{
	TEXT_AUTO age = { 0 };

	(void)state;
	time_add_age(-5, &age);
	text_add_char(&age, ' ');
	time_add_age(120, &age);
	text_add_char(&age, ' ');
	time_add_age(121, &age);
	text_add_char(&age, ' ');
	time_add_age(3 * 3600, &age);
	text_add_char(&age, ' ');
	time_add_age(12 * 86400, &age);
	text_add_char(&age, ' ');
	time_add_age(-301, &age);
	text_add_char(&age, ' ');
	time_add_age(-12 * 86400, &age);
	assert_string_equal(
		text_string(&age),
		"0 s old 120 s old 2 min old 3 h old 12 d old dated 5 min in the future dated 12 d in the future");
}

static void a_date_of_http_is_read(void **state)
{
	int64_t seconds = 0;

	(void)state;
	assert_true(time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: x", &seconds));
	assert_int_equal(seconds, 784111777);
	assert_false(time_parse_http("1994-11-06T08:49:37Z", &seconds));
	assert_false(time_parse_http("Sun, 06 Nov 1994 08:49:37 CET", &seconds));
	assert_int_equal(seconds, 784111777);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_of_400_years_comes_back),
		cmocka_unit_test(known_instants),
		cmocka_unit_test(nothing_else_is_read),
		cmocka_unit_test(a_time_that_cannot_be_written_is_the_beginning),
		cmocka_unit_test(a_day_is_the_first_part_of_a_stamp),
		cmocka_unit_test(an_age_is_one_number),
		cmocka_unit_test(a_date_of_http_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
