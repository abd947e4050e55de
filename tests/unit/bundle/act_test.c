/* bundle/act: which tree is a node of OKV's, whose file is accepted, and the sealed copy that has no name. */
#include "okv_tree.h"

#include "bundle/act.c"

static int node_try(int root, struct fault *f)
{
	BUNDLE_NODE_AUTO node = BUNDLE_NODE_INIT;
	SETTINGS_AUTO settings = { 0 };

	assert_int_equal(settings_init(&settings, f), 0);
	const struct bundle_act act = { .root = root, .settings = &settings };
	return node_open(&act, &node, f);
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
	MUST_FAIL(node_try(place->dir, &f), FAULT_REFUSED, "not a regular file");
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
		const struct bundle_act act = { .root = place->dir, .settings = &settings };
		MUST(node_open(&act, &node, &f));
		assert_int_equal(bundle_node_owns(&node, &node.status), cases[i].owned);
	}
}

static void a_tree_that_does_not_run_is_called_by_its_own_file(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct bundle_act act = { .root = place->dir };
	char name[BUNDLE_ORIGIN_SIZE], kernels[BUNDLE_ORIGIN_SIZE];

	tree_make(place->dir);
	MUST(host_name(&act, name, &f));
	assert_string_equal(name, "okv2");
	assert_int_equal(gethostname(kernels, sizeof(kernels)), 0);
	act.own_root = true;
	MUST(host_name(&act, name, &f));
	assert_string_equal(name, kernels);
}

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
	/* The outputs are untouched on failure. */
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
		UNIT_IN_PLACE(a_tree_without_directory_user_or_group_is_not_okvs),
		UNIT_IN_PLACE(anything_but_a_regular_file_under_the_bundles_name_is_refused),
		UNIT_IN_PLACE(owner_group_and_mode_all_count),
		UNIT_IN_PLACE(a_tree_that_does_not_run_is_called_by_its_own_file),
		UNIT_IN_PLACE(only_a_regular_file_with_one_name_is_an_input),
		UNIT_IN_PLACE(nobody_exchanges_the_file_that_is_read),
		UNIT_IN_PLACE(a_freshly_sealed_one_has_no_name_and_is_roots_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
