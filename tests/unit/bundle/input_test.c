/* bundle/input: a file that somebody else may have laid there. */
#include "unit.h"

#include "bundle/input.h"

static char *path_of(const struct unit_place *place, const char *leaf)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", place->path, leaf);
	return path;
}

static void only_a_regular_file_with_one_name_is_an_input(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_INPUT_AUTO input = BUNDLE_INPUT_INIT;

	unit_write(place->dir, "real", "bytes", 0600);
	assert_int_equal(symlinkat("real", place->dir, "link"), 0);
	assert_int_equal(mkfifoat(place->dir, "line", 0600), 0);
	unit_dir(place->dir, "directory", 0700);
	MUST_FAIL(bundle_input_open(path_of(place, "link"), &input, &f), FAULT_REFUSED, "link");
	MUST_FAIL(bundle_input_open(path_of(place, "line"), &input, &f), FAULT_REFUSED, "line");
	MUST_FAIL(bundle_input_open(path_of(place, "directory"), &input, &f), FAULT_REFUSED, "directory");
	MUST_FAIL(bundle_input_open(path_of(place, "none"), &input, &f), FAULT_ABSENT, "none");
	assert_int_equal(linkat(place->dir, "real", place->dir, "second", 0), 0);
	MUST_FAIL(bundle_input_open(path_of(place, "real"), &input, &f), FAULT_REFUSED, "2 names");
	/* Whatever failed left the output as it was. */
	assert_int_equal(input.fd, -1);
	assert_int_equal(unlinkat(place->dir, "second", 0), 0);
	MUST(bundle_input_open(path_of(place, "real"), &input, &f));
}

static void nobody_exchanges_the_file_that_is_read(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_INPUT_AUTO input = BUNDLE_INPUT_INIT;
	char bytes[8] = "";

	unit_write(place->dir, "x", "first", 0600);
	unit_write(place->dir, "y", "other", 0600);
	MUST(bundle_input_open(path_of(place, "x"), &input, &f));
	assert_int_equal(renameat(place->dir, "y", place->dir, "x"), 0);
	assert_int_equal(read(input.fd, bytes, sizeof(bytes)), 5);
	assert_string_equal(bytes, "first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(only_a_regular_file_with_one_name_is_an_input),
		UNIT_IN_PLACE(nobody_exchanges_the_file_that_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
