/* bundle/outgoing: the one copy that never has a name. */
#include "okv_tree.h"

#include "bundle/outgoing.h"

static void a_freshly_sealed_one_has_no_name_and_is_roots_alone(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	SETTINGS_AUTO settings = { 0 };
	char pass[128];
	struct bundle_seal how = { .root = place->dir,
				   .settings = &settings,
				   .own_name = "okv1",
				   .now = 1700000000,
				   .iterations = BUNDLE_ITERATIONS_LEAST,
				   .source = { .file = pass, .fd = -1 } };
	FS_AUTO int fd = -1;
	struct stat status;
	uint64_t size = 0;

	MUST(settings_init(&settings, &f));
	tree_make(place->dir);
	(void)snprintf(pass, sizeof(pass), "%s/pass", place->path);
	unit_write(place->dir, "pass", "correct horse\n", 0600);
	MUST_FAIL(bundle_outgoing_make(&how, &fd, &size, &f), FAULT_ABSENT, "Create Bundle");
	assert_false(unit_there(place->dir, "opt/okv-luna/var/" SETTINGS_OUTGOING));
	tree_bundle(place->dir, "bundle");
	MUST(bundle_outgoing_make(&how, &fd, &size, &f));
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, size);
	assert_false(unit_there(place->dir, "opt/okv-luna/var/" SETTINGS_OUTGOING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_freshly_sealed_one_has_no_name_and_is_roots_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
