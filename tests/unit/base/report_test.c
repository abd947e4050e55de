/* base/report: each thing once, to whoever listens. */
#include "unit.h"

#include "base/report.h"
#include "base/text.h"

static void hear(struct report *self, enum report_level level, const char *line)
{
	text_add_format(self->context, "%d:%s;", (int)level, line);
}

static void a_line_reaches_the_listener_with_its_level(void **state)
{
	TEXT_AUTO heard = { 0 };
	struct report report = { .on_line = hear, .context = &heard };

	(void)state;
	report_say(&report, REPORT_WARNING, "'%s' is old", "x");
	report_say(&report, REPORT_RESULT, "%d changed", 2);
	report_say(&report, REPORT_DETAIL, "done");
	assert_string_equal(text_string(&heard), "0:'x' is old;1:2 changed;2:done;");
}

static void a_long_line_is_whole(void **state)
{
	TEXT_AUTO heard = { 0 };
	struct report report = { .on_line = hear, .context = &heard };

	(void)state;
	report_say(&report, REPORT_RESULT, "%9000d", 1);
	assert_int_equal(heard.length, 9000 + 3);
}

static void without_a_listener_there_is_silence(void **state)
{
	struct report deaf = { .on_line = NULL, .context = NULL };

	(void)state;
	report_say(NULL, REPORT_RESULT, "%s", "x");
	report_say(&deaf, REPORT_RESULT, "%s", "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_reaches_the_listener_with_its_level),
		cmocka_unit_test(a_long_line_is_whole),
		cmocka_unit_test(without_a_listener_there_is_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
