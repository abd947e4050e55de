/* bundle/node: which tree is OKV's. */
#include "okv_tree.h"

#include "bundle/node.h"

static int node_try(int root, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	SETTINGS_AUTO settings = { 0 };

	assert_int_equal(settings_init(&settings, f), 0);
	return bundle_node_open(root, &settings, &node, f);
}

static void a_tree_without_directory_user_or_group_is_not_okvs(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	tree_make(place->dir);
	MUST(node_try(place->dir, &f));
	unit_write(place->dir, "etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0644);
	MUST_FAIL(node_try(place->dir, &f), FAULT_REFUSED, "no user 'oracle'");
	unit_write(place->dir, "etc/passwd", "oracle:x:1001:1001::/:/bin/sh\n", 0644);
	unit_write(place->dir, "etc/group", "root:x:0:\n", 0644);
	MUST_FAIL(node_try(place->dir, &f), FAULT_REFUSED, "no group 'oinstall'");
	assert_int_equal(unlinkat(place->dir, TREE_HSM, AT_REMOVEDIR), 0);
	MUST_FAIL(node_try(place->dir, &f), FAULT_REFUSED, "no directory '/usr/local/okv/hsm'");
}

static void anything_but_a_regular_file_under_the_bundles_name_is_refused(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	tree_make(place->dir);
	assert_int_equal(symlinkat("/etc/passwd", place->dir, TREE_BUNDLE), 0);
	MUST_FAIL(node_try(place->dir, &f), FAULT_REFUSED, "symbolic link");
	assert_int_equal(unlinkat(place->dir, TREE_BUNDLE, 0), 0);
	assert_int_equal(mkfifoat(place->dir, TREE_BUNDLE, 0600), 0);
	MUST_FAIL(node_try(place->dir, &f), FAULT_REFUSED, "not a regular file");
}

static void owner_group_and_mode_all_count(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	SETTINGS_AUTO settings = { 0 };
	static const struct {
		uid_t uid;
		gid_t gid;
		mode_t mode;
		bool owned;
	} cases[] = { { 1001, 1001, 0600, true },
		      { 0, 1001, 0600, false },
		      { 1001, 0, 0600, false },
		      { 1001, 1001, 0640, false },
		      { 1001, 1001, 04600, false } };

	MUST(settings_init(&settings, &f));
	tree_make(place->dir);
	unit_write(place->dir, TREE_BUNDLE, "bundle", 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
		assert_int_equal(fchownat(place->dir, TREE_BUNDLE, cases[i].uid, cases[i].gid, 0), 0);
		assert_int_equal(fchmodat(place->dir, TREE_BUNDLE, cases[i].mode, 0), 0);
		MUST(bundle_node_open(place->dir, &settings, &node, &f));
		assert_int_equal(bundle_node_owned(&node), cases[i].owned);
	}
}

static void a_tree_that_does_not_run_is_called_by_its_own_file(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	char name[BUNDLE_ORIGIN_SIZE], kernels[BUNDLE_ORIGIN_SIZE];

	tree_make(place->dir);
	MUST(bundle_host_name(place->dir, false, name, &f));
	assert_string_equal(name, "okv2");
	assert_int_equal(gethostname(kernels, sizeof(kernels)), 0);
	MUST(bundle_host_name(place->dir, true, name, &f));
	assert_string_equal(name, kernels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_tree_without_directory_user_or_group_is_not_okvs),
		UNIT_IN_PLACE(anything_but_a_regular_file_under_the_bundles_name_is_refused),
		UNIT_IN_PLACE(owner_group_and_mode_all_count),
		UNIT_IN_PLACE(a_tree_that_does_not_run_is_called_by_its_own_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
