/* base/fault: a failure as a value. */
#include "unit.h"

#include <errno.h>
#include <locale.h>

static void each_kind_has_its_exit_status_and_its_name(void **state)
{
	static const struct {
		int (*make)(struct fault *, const char *, ...);
		enum fault_kind kind;
		int status;
		const char *name;
	} kinds[] = {
		{ fault_negative, FAULT_NEGATIVE, 1, "negative" },
		{ fault_usage, FAULT_USAGE, 2, "usage" },
		{ fault_refused, FAULT_REFUSED, 3, "refused" },
		{ fault_incomplete, FAULT_INCOMPLETE, 4, "incomplete" },
		{ fault_absent, FAULT_ABSENT, 6, "absent" },
		{ fault_late, FAULT_LATE, 7, "late" },
	};
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(FAULT_NONE, 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(kinds[i].make(&f, "%s at %d", "here", 7), -1);
		assert_int_equal(f.kind, kinds[i].kind);
		assert_int_equal(f.errnum, 0);
		assert_string_equal(f.text, "here at 7");
		assert_int_equal(f.kind, kinds[i].status);
		assert_string_equal(fault_kind_name(f.kind), kinds[i].name);
	}
	assert_int_equal(fault_system(&f, EIO, "x"), -1);
	assert_int_equal(f.kind, 5);
	assert_string_equal(fault_kind_name(f.kind), "system");
	assert_string_equal(fault_kind_name(FAULT_NONE), "none");
}

static void errno_is_appended_and_decides_the_kind(void **state)
{
	static const struct {
		int errnum;
		enum fault_kind kind;
	} cases[] = {
		{ ENOENT, FAULT_ABSENT }, { ENOTDIR, FAULT_ABSENT }, { ELOOP, FAULT_REFUSED },
		{ EACCES, FAULT_SYSTEM }, { ENOSPC, FAULT_SYSTEM },
	};
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[128];
		(void)snprintf(expected, sizeof(expected), "cannot open 'x': %s", strerror(cases[i].errnum));
		assert_int_equal(fault_errno(&f, cases[i].errnum, "cannot open '%s'", "x"), -1);
		assert_int_equal(f.kind, cases[i].kind);
		assert_int_equal(f.errnum, cases[i].errnum);
		assert_string_equal(f.text, expected);
	}
	(void)fault_system(&f, ENOENT, "x");
	assert_int_equal(f.kind, FAULT_SYSTEM);
	(void)fault_system(&f, 0, "x");
	assert_string_equal(f.text, "x");
	(void)fault_memory(&f);
	assert_int_equal(f.errnum, ENOMEM);
}

static void a_long_text_is_cut_never_overrun(void **state)
{
	char *huge = malloc(2 * FAULT_TEXT_MAX);
	struct fault f = { 0 };

	(void)state;
	assert_non_null(huge);
	memset(huge, 'x', 2 * FAULT_TEXT_MAX);
	huge[2 * FAULT_TEXT_MAX - 1] = '\0';
	(void)fault_errno(&f, EACCES, "%s", huge);
	assert_int_equal(strlen(f.text), FAULT_TEXT_MAX - 1);
	(void)fault_prefix(&f, "%s", huge);
	assert_int_equal(strlen(f.text), FAULT_TEXT_MAX - 1);
	free(huge);
}

static void a_prefix_keeps_kind_and_errnum(void **state)
{
	struct fault f = { 0 };

	(void)state;
	(void)fault_errno(&f, ENOENT, "cannot open 'a'");
	assert_int_equal(fault_prefix(&f, "%s:%d: ", "okv_hsm.conf", 3), -1);
	assert_string_equal(f.text, "okv_hsm.conf:3: cannot open 'a': No such file or directory");
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_int_equal(f.errnum, ENOENT);
}

static void every_errno_has_a_text(void **state)
{
	(void)state;
	for (int errnum = -1; errnum < 200; errnum++)
		assert_non_null(fault_errno_text(errnum));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_exit_status_and_its_name),
		cmocka_unit_test(errno_is_appended_and_decides_the_kind),
		cmocka_unit_test(a_long_text_is_cut_never_overrun),
		cmocka_unit_test(a_prefix_keeps_kind_and_errnum),
		cmocka_unit_test(every_errno_has_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
