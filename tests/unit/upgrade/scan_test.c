#include "upgrade/tree.h"

#include <fcntl.h>
#include <unistd.h>

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

static void what_is_long_and_new_or_of_another_size_is_not_read(void **state)
{
	const int root = tree_root(state);
	SCAN_AUTO old = { 0 };
	SCAN_AUTO now = { 0 };
	const struct scan_request request = {
		.root = root, .settings = tree_settings(), .depth = SCAN_DIGESTS, .known = &old.manifest
	};
	struct fault f = { 0 };

	tree_scan(root, &old);
	FS_AUTO int a = openat(root, "usr/safenet/lunaclient/cert/a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(a, (1 << 20) + 1), 0);
	tree_file(root, "/usr/safenet/lunaclient/cert/b", "BBB\n");
	tree_file(root, "/usr/safenet/lunaclient/cert/new", "new\n");
	tree_file(root, "/usr/safenet/lunaclient/cert/long", "");
	FS_AUTO int new = openat(root, "usr/safenet/lunaclient/cert/long", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(new, (1 << 20) + 1), 0);
	MUST(scan_preserved(&request, &now, &f));
	assert_false(manifest_find(&now.manifest, "usr/safenet/lunaclient/cert/a")->has_digest);
	assert_true(manifest_find(&now.manifest, "usr/safenet/lunaclient/cert/b")->has_digest);
	assert_true(manifest_find(&now.manifest, "usr/safenet/lunaclient/cert/new")->has_digest);
	assert_false(manifest_find(&now.manifest, "usr/safenet/lunaclient/cert/long")->has_digest);
	assert_true(manifest_find(&now.manifest, "etc/Chrystoki.conf")->has_digest);
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

static void file(struct manifest *m, const char *path, uint64_t size, unsigned char digest)
{
	struct fault f = { 0 };
	struct manifest_entry *entry = manifest_add(m, path, NULL, &f);

	entry->type = MANIFEST_FILE;
	entry->has_attributes = entry->has_digest = true;
	entry->mode = 0644;
	entry->size = size;
	memset(entry->digest, digest, sizeof(entry->digest));
}

static void link_to(struct manifest *m, const char *path, const char *target)
{
	struct fault f = { 0 };

	manifest_add(m, path, target, &f)->type = MANIFEST_LINK;
}

static void every_difference_is_told_once_and_in_order(void **state)
{
	(void)state;
	MANIFEST_AUTO old = { 0 };
	MANIFEST_AUTO now = { 0 };
	SCAN_DIFFERENCES_AUTO c = { 0 };
	struct settings settings = { 0 };
	struct fault f = { 0 };

	file(&old, "bytes", 4, 1);
	file(&now, "bytes", 4, 2);
	file(&old, "lost", 4, 1);
	file(&now, "new", 4, 1);
	file(&old, "mode", 4, 1);
	file(&now, "mode", 4, 1);
	now.entries[now.count - 1].mode = 0600;
	file(&old, "same", 4, 1);
	file(&now, "same", 4, 1);
	file(&old, "size", 4, 1);
	file(&now, "size", 5, 1);
	link_to(&old, "target", "a");
	link_to(&now, "target", "b");
	file(&old, "type", 4, 1);
	link_to(&now, "type", "b");
	file(&old, "unread", 4, 1);
	file(&now, "unread", 4, 1);
	now.entries[now.count - 1].has_digest = false;
	assert_int_equal(manifest_sort(&old, &f), 0);
	assert_int_equal(manifest_sort(&now, &f), 0);
	assert_int_equal(settings_init(&settings, &f), 0);
	scan_compare(&old, &now, &settings, STEP_HIGH, &c);

	assert_string_equal(text_string(&c.others.lines), "'/new' is new (a file)\n");
	assert_string_equal(
		text_string(&c.lost.lines),
		"'/bytes' has different content: 4 bytes with SHA-256 020202020202..., and before 4 bytes with SHA-256 "
		"010101010101...\n"
		"'/lost' is missing (a file before)\n"
		"'/size' has different content: 5 bytes with SHA-256 010101010101..., and before 4 bytes with SHA-256 "
		"010101010101...\n"
		"'/target' leads to 'b', and led to 'a' before\n"
		"'/type' is a link, and was a file before\n"
		"'/unread' could not be read now\n");
	assert_int_equal(c.same, 2);
	assert_int_equal(c.attributes, 1);
	assert_int_equal(c.lost.count, 6);
	assert_int_equal(c.others.count, 1);
	settings_done(&settings);
}

static void what_a_client_is_must_be_as_it_was(void **state)
{
	(void)state;
	struct settings s = { 0 };
	struct fault f = { 0 };
	static const struct {
		const char *path;
		enum step_severity severity;
	} table[] = {
		{ "etc/Chrystoki.conf", STEP_HIGH },
		{ "usr/safenet/lunaclient/lib/libCryptoki2_64.so", STEP_HIGH },
		{ "usr/safenet/lunaclient/cert/client/okvKey.pem", STEP_HIGH },
		{ "usr/safenet/lunaclient/database", STEP_HIGH },
		{ "usr/safenet/lunaclient/data", STEP_INFO },
		{ "usr/safenet/lunaclient/data/lock/x", STEP_INFO },
		{ "usr/safenet/lunaclient/configData/token/001/token.db", STEP_LOW },
		{ "opt/okv-luna/libexec/okv-luna-slots", STEP_LOW },
		{ "opt/okv-luna/etc/okv-luna.conf", STEP_MEDIUM },
		{ "opt/okv-luna-not", STEP_HIGH },
	};

	assert_int_equal(settings_init(&s, &f), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (int is_new = 0; is_new <= 1; is_new++) {
			for (enum step_severity most = STEP_LOW; most <= STEP_HIGH; most += STEP_HIGH - STEP_LOW) {
				MANIFEST_AUTO there = { 0 };
				const struct manifest none = { 0 };
				SCAN_DIFFERENCES_AUTO c = { 0 };
				file(&there, table[i].path, 1, 1);
				scan_compare(is_new ? &none : &there, is_new ? &there : &none, &s, most, &c);
				const enum step_severity said = c.lost.count > 0 ? STEP_HIGH : c.others.severity;
				const enum step_severity must = is_new ? STEP_INFO : table[i].severity;
				assert_int_equal(said, must < most ? must : most);
				assert_int_equal(c.lost.count + c.others.count, 1);
			}
		}
	}
	settings_done(&s);
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_make, unit_place_remove)
	const struct CMUnitTest tests[] = {
		IN_TREE(ours_is_left_out_and_every_directory_above_is_named),
		IN_TREE(paths_are_the_union_without_those_inside_others),
		IN_TREE(what_is_long_and_new_or_of_another_size_is_not_read),
		cmocka_unit_test(every_difference_is_told_once_and_in_order),
		cmocka_unit_test(what_a_client_is_must_be_as_it_was),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	settings_done(tree_settings());
	return failed;
}
