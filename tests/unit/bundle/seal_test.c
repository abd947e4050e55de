/* bundle/seal: the one copy that never has a name. */
#include "okv_tree.h"

static void a_freshly_sealed_one_has_no_name_and_is_roots_alone(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct tree_act t;
	FS_AUTO int fd = -1;
	struct stat status;
	uint64_t size = 0;

	tree_make(place->dir);
	tree_act_init(&t, place);
	MUST_FAIL(bundle_seal_unnamed(&t.act, &fd, &size, &f), FAULT_ABSENT, "Create Bundle");
	assert_false(unit_there(place->dir, "opt/okv-luna/var/" SETTINGS_OUTGOING));
	tree_bundle(place->dir, "bundle");
	t.act.dry_run = true;
	MUST(bundle_seal_unnamed(&t.act, &fd, &size, &f));
	assert_int_equal(fd, -1);
	t.act.dry_run = false;
	MUST(bundle_seal_unnamed(&t.act, &fd, &size, &f));
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, size);
	assert_false(unit_there(place->dir, "opt/okv-luna/var/" SETTINGS_OUTGOING));
	tree_act_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_freshly_sealed_one_has_no_name_and_is_roots_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
