/* base/number: times with their units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"

static void seconds_minutes_hours_and_days(void **state)
{
	static const struct {
		const char *string;
		uint64_t seconds;
	} good[] = { { "1", 1 },
		     { "90", 90 },
		     { "90s", 90 },
		     { "30m", 1800 },
		     { "24h", 86400 },
		     { "2d", 172800 },
		     { "36500d", UINT64_C(3153600000) } };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fault f = { 0 };
		uint64_t seconds = 0;
		assert_int_equal(number_parse_seconds(good[i].string, "--max-age", &seconds, &f), 0);
		assert_int_equal(seconds, good[i].seconds);
	}
}

static void everything_else_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "0",
					   "0h",
					   "h",
					   "-1",
					   "+1",
					   " 1",
					   "1 h",
					   "1.5h",
					   "24H",
					   "1w",
					   "36501d",
					   "99999999999999999999",
					   "213503982334601d" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fault f = { 0 };
		uint64_t seconds = 7;
		assert_int_equal(number_parse_seconds(bad[i], "--max-age", &seconds, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
		assert_int_equal(seconds, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_minutes_hours_and_days),
		cmocka_unit_test(everything_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
