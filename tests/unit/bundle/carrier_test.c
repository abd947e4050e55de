/* bundle/carrier: a file that somebody else may have laid there. */
#include "unit.h"

#include "bundle/carrier.h"

static char *path_of(const struct unit_place *place, const char *leaf)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", place->path, leaf);
	return path;
}

static void only_a_regular_file_with_one_name_is_a_carrier(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;

	unit_write(place->dir, "real", "bytes", 0600);
	assert_int_equal(symlinkat("real", place->dir, "link"), 0);
	assert_int_equal(mkfifoat(place->dir, "line", 0600), 0);
	unit_dir(place->dir, "directory", 0700);
	MUST_FAIL(bundle_carrier_open(path_of(place, "link"), &carrier, &f), FAULT_REFUSED, "link");
	MUST_FAIL(bundle_carrier_open(path_of(place, "line"), &carrier, &f), FAULT_REFUSED, "line");
	MUST_FAIL(bundle_carrier_open(path_of(place, "directory"), &carrier, &f), FAULT_REFUSED, "directory");
	MUST_FAIL(bundle_carrier_open(path_of(place, "none"), &carrier, &f), FAULT_ABSENT, "none");
	assert_int_equal(linkat(place->dir, "real", place->dir, "second", 0), 0);
	MUST_FAIL(bundle_carrier_open(path_of(place, "real"), &carrier, &f), FAULT_REFUSED, "2 names");
	/* Whatever failed left the output as it was. */
	assert_int_equal(carrier.fd, -1);
	assert_int_equal(unlinkat(place->dir, "second", 0), 0);
	MUST(bundle_carrier_open(path_of(place, "real"), &carrier, &f));
}

static void nobody_exchanges_the_file_that_is_read(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;
	char bytes[8] = "";

	unit_write(place->dir, "x", "first", 0600);
	unit_write(place->dir, "y", "other", 0600);
	MUST(bundle_carrier_open(path_of(place, "x"), &carrier, &f));
	assert_int_equal(renameat(place->dir, "y", place->dir, "x"), 0);
	assert_int_equal(read(carrier.fd, bytes, sizeof(bytes)), 5);
	assert_string_equal(bytes, "first");
}

static void what_is_removed_is_that_same_file(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;

	unit_write(place->dir, "x", "first", 0600);
	MUST(bundle_carrier_open(path_of(place, "x"), &carrier, &f));
	unit_write(place->dir, "y", "other", 0600);
	assert_int_equal(renameat(place->dir, "y", place->dir, "x"), 0);
	MUST_FAIL(bundle_carrier_remove(&carrier, &f), FAULT_INCOMPLETE, "another file now");
	unit_holds(place->dir, "x", "other");
	bundle_carrier_done(&carrier);

	MUST(bundle_carrier_open(path_of(place, "x"), &carrier, &f));
	MUST(bundle_carrier_remove(&carrier, &f));
	assert_false(unit_there(place->dir, "x"));
	/* Somebody was quicker: that is what was wanted. */
	MUST(bundle_carrier_remove(&carrier, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(only_a_regular_file_with_one_name_is_a_carrier),
		UNIT_IN_PLACE(nobody_exchanges_the_file_that_is_read),
		UNIT_IN_PLACE(what_is_removed_is_that_same_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
