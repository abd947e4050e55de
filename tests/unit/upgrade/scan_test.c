#include "upgrade/tree.h"

static void ours_is_left_out_and_every_directory_above_is_named(void **state)
{
	const int root = tree_root(state);
	SCAN_AUTO scan = { 0 };

	tree_scan(root, &scan);
	assert_null(manifest_find(&scan.manifest, "opt/okv-luna/var"));
	assert_null(manifest_find(&scan.manifest, "opt/okv-luna/var/ours"));
	assert_non_null(manifest_find(&scan.manifest, "opt/okv-luna"));
	assert_false(manifest_find(&scan.manifest, "usr/safenet")->has_attributes);
	assert_true(manifest_find(&scan.manifest, "usr/safenet/lunaclient/cert/a")->has_digest);
	assert_true(manifest_find(&scan.manifest, "etc/Chrystoki.conf")->has_digest);
}

static void paths_are_the_union_without_those_inside_others(void **state)
{
	const int root = tree_root(state);
	PRESERVED_AUTO paths = { 0 };
	struct fault f = { 0 };

	tree_file(root, "/usr/local/okv/hsm/generic/okv_hsm.conf",
		  "PRESERVED_FILES=\"/usr/safenet/lunaclient/lib/x:/srv//hsm/:relative:/a/../b:/w*d:/srv/hsm/inside:/"
		  "srv/hsm.d\"\n");
	MUST(scan_paths(root, tree_settings(), &paths, &f));
	assert_int_equal(paths.count, 5);
	assert_string_equal(paths.paths[0], "/etc/Chrystoki.conf");
	assert_string_equal(paths.paths[1], "/opt/okv-luna");
	assert_string_equal(paths.paths[2], "/srv/hsm");
	assert_string_equal(paths.paths[3], "/srv/hsm.d");
	assert_string_equal(paths.paths[4], "/usr/safenet/lunaclient");
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_make, unit_place_remove)
	const struct CMUnitTest tests[] = {
		IN_TREE(ours_is_left_out_and_every_directory_above_is_named),
		IN_TREE(paths_are_the_union_without_those_inside_others),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	settings_done(tree_settings());
	return failed;
}
