#include <time.h>

#include "upgrade/tree.h"

#include "upgrade/scan.h"
#include "upgrade/seal.h"
#include "upgrade/snapshot.h"

static int tree(void **state)
{
	if (unit_place_make(state) < 0)
		return -1;
	const int root = tree_root(state);
	tree_file(root, "/etc/group", "root:x:0:\nhsmusers:x:986:oracle,other\n");
	tree_file(root, "/etc/passwd", "root:x:0:0::/:\noracle:x:500:500::/:\n");
	tree_file(root, "/etc/os-release", "NAME=x\nPRETTY_NAME=\"An OS \\\"9\\\"\"\n");
	tree_file(root, "/etc/okv-release", "Oracle Key Vault Server 21.9\n");
	tree_file(root, "/etc/Chrystoki.conf", "conf\n");
	tree_file(root, "/usr/safenet/lunaclient/cert/a", "aaa\n");
	tree_file(root, "/usr/safenet/lunaclient/cert/b", "bbb\n");
	tree_file(root, "/opt/okv-luna/var/ours", "not looked at\n");
	return 0;
}

static void paths_of(int root, struct upgrade_paths *paths)
{
	struct fault f = { 0 };

	if (upgrade_paths_preserved(root, tree_settings(), paths, &f) < 0)
		fail_msg("%s", f.text);
}

static void scan_of(int root, int64_t fresh_since, struct upgrade_scan *scan)
{
	UPGRADE_PATHS_AUTO paths = { 0 };
	const struct upgrade_scan_how how = { .depth = UPGRADE_SCAN_DIGESTS, .fresh_since = fresh_since };
	struct fault f = { 0 };

	paths_of(root, &paths);
	if (upgrade_scan(root, &paths, &how, scan, &f) < 0)
		fail_msg("%s", f.text);
}

static void taken(int root, struct upgrade_snapshot *s)
{
	UPGRADE_SCAN_AUTO scan = { 0 };
	struct fault f = { 0 };

	scan_of(root, 0, &scan);
	assert_int_equal(upgrade_snapshot_look(root, tree_settings(), s, &f), 0);
	s->manifest = scan.manifest;
	scan.manifest = (struct manifest){ 0 };
	if (upgrade_snapshot_write(root, UPGRADE_SNAPSHOT, s, &f) < 0)
		fail_msg("%s", f.text);
}

static void what_is_written_is_read_back(void **state)
{
	const int root = tree_root(state);
	UPGRADE_SNAPSHOT_AUTO s = { 0 };
	UPGRADE_SNAPSHOT_AUTO again = { 0 };
	struct upgrade_slot slots[] = { { 3, "with blank=and#", "1234", "Luna K7" }, { 0, "", "", "" } };
	const struct upgrade_slots two = { .items = slots, .count = 2 };
	struct fault f = { 0 };

	taken(root, &s);
	assert_int_equal(upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_WHOLE, &again, &f), 0);
	assert_false(again.slots_known);
	upgrade_snapshot_done(&again);
	assert_int_equal(upgrade_snapshot_slots(root, &two, &f), 0);
	if (upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_WHOLE, &again, &f) < 0)
		fail_msg("%s", f.text);
	assert_true(again.taken == s.taken);
	assert_string_equal(again.okv, "Oracle Key Vault Server 21.9");
	assert_string_equal(again.group, "hsmusers");
	assert_string_equal(again.members, "oracle,other");
	assert_true(again.group_there && again.member && !again.wired && !again.armed);
	assert_int_equal(again.group_id, 986);
	assert_int_equal(again.manifest.count, s.manifest.count);
	assert_int_equal(again.slots.count, 2);
	assert_string_equal(again.slots.items[0].label, "with blank=and#");
	assert_string_equal(again.slots.items[0].model, "Luna K7");
	assert_true(again.slots.items[0].id == 3);
	assert_string_equal(again.slots.items[1].label, "");
}

static void ours_is_left_out_and_every_directory_above_is_named(void **state)
{
	const int root = tree_root(state);
	UPGRADE_SCAN_AUTO scan = { 0 };

	scan_of(root, 0, &scan);
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
	UPGRADE_PATHS_AUTO paths = { 0 };

	tree_file(root, "/usr/local/okv/hsm/generic/okv_hsm.conf",
		  "PRESERVED_FILES=\"/usr/safenet/lunaclient/lib/x:/srv//hsm/:relative:/a/../b:/w*d:/srv/hsm/inside:/"
		  "srv/hsm.d\"\n");
	paths_of(root, &paths);
	assert_int_equal(paths.count, 5);
	assert_string_equal(paths.items[0], "/etc/Chrystoki.conf");
	assert_string_equal(paths.items[1], "/opt/okv-luna");
	assert_string_equal(paths.items[2], "/srv/hsm");
	assert_string_equal(paths.items[3], "/srv/hsm.d");
	assert_string_equal(paths.items[4], "/usr/safenet/lunaclient");
}

static void refused(int root, const char *file, const char *part)
{
	UPGRADE_SNAPSHOT_AUTO s = { 0 };
	TEXT_AUTO bytes = { 0 };
	char path[128];
	struct fault f = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", UPGRADE_SNAPSHOT, file);
	tree_read(root, path, &bytes);
	bytes.bytes[bytes.length - 2] ^= 1;
	tree_file(root, path, text_string(&bytes));
	assert_int_equal(upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_WHOLE, &s, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	if (strstr(f.text, part) == NULL)
		fail_msg("'%s' lacks '%s'", f.text, part);
	bytes.bytes[bytes.length - 2] ^= 1;
	tree_file(root, path, text_string(&bytes));
}

static void a_snapshot_whose_digests_do_not_fit_is_refused(void **state)
{
	const int root = tree_root(state);
	UPGRADE_SNAPSHOT_AUTO s = { 0 };
	struct upgrade_slot slot = { 0, "label", "serial", "model" };
	const struct upgrade_slots one = { .items = &slot, .count = 1 };
	struct fault f = { 0 };

	taken(root, &s);
	assert_int_equal(upgrade_snapshot_slots(root, &one, &f), 0);
	refused(root, "manifest.mtree", "manifest was changed");
	refused(root, "slots", "slots were changed");
	refused(root, "system", "");
	tree_file(root, UPGRADE_SNAPSHOT "/system", "TAKEN=\"2026-01-01T00:00:00Z\"\n");
	assert_int_equal(upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_HEAD, &s, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

static void a_run_killed_between_the_two_renames_loses_nothing(void **state)
{
	const int root = tree_root(state);
	UPGRADE_SNAPSHOT_AUTO s = { 0 };
	UPGRADE_SNAPSHOT_AUTO again = { 0 };
	UPGRADE_SNAPSHOT_AUTO fresh = { 0 };
	struct fault f = { 0 };

	taken(root, &s);
	assert_int_equal(renameat(root, "opt/okv-luna/var/snapshot", root, "opt/okv-luna/var/snapshot.old"), 0);
	tree_file(root, "/opt/okv-luna/var/snapshot.new/system", "half");
	assert_int_equal(upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_WHOLE, &again, &f), 0);
	assert_int_equal(again.manifest.count, s.manifest.count);
	taken(root, &fresh);
	assert_false(fs_exists(root, UPGRADE_SNAPSHOT ".old"));
	assert_false(fs_exists(root, UPGRADE_SNAPSHOT ".new"));
	assert_int_equal(upgrade_snapshot_remove(root, UPGRADE_SNAPSHOT, &f), 0);
	assert_int_equal(upgrade_snapshot_remove(root, UPGRADE_SNAPSHOT, &f), 0);
	upgrade_snapshot_done(&again);
	assert_int_equal(upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_HEAD, &again, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
}

/* Whatever part of it a killed removal has left: it is none, and the next removal takes it away. */
static void a_removal_is_one_step(void **state)
{
	static const char *const left[] = { UPGRADE_SNAPSHOT ".new", UPGRADE_SNAPSHOT ".old" };
	const int root = tree_root(state);
	struct fault f = { 0 };

	for (size_t i = 0; i < 2; i++) {
		UPGRADE_SNAPSHOT_AUTO s = { 0 };
		char path[128];
		taken(root, &s);
		(void)snprintf(path, sizeof(path), "%s/manifest.mtree", left[i]);
		tree_file(root, path, "half");
		assert_int_equal(upgrade_snapshot_remove(root, UPGRADE_SNAPSHOT, &f), 0);
		assert_false(fs_exists(root, left[i]));
		upgrade_snapshot_done(&s);
		assert_int_equal(upgrade_snapshot_read(root, UPGRADE_SNAPSHOT, UPGRADE_SNAPSHOT_HEAD, &s, &f), -1);
		assert_int_equal(f.kind, FAULT_ABSENT);
		f = (struct fault){ 0 };
	}
	tree_file(root, UPGRADE_SNAPSHOT ".new/system", "half");
	assert_int_equal(upgrade_snapshot_remove(root, UPGRADE_SNAPSHOT, &f), 0);
	assert_false(fs_exists(root, UPGRADE_SNAPSHOT ".new"));
}

static void after_a_day_it_is_stale(void **state)
{
	(void)state;
	const struct upgrade_snapshot s = { .taken = 1000000 };

	assert_false(upgrade_snapshot_is_stale(&s, 1000000 + 24 * 3600));
	assert_true(upgrade_snapshot_is_stale(&s, 1000000 + 24 * 3600 + 1));
}

/* --- the seal --------------------------------------------------------------------------------------------------- */

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool holds(int root, const char *hex, int64_t started)
{
	UPGRADE_PATHS_AUTO paths = { 0 };
	size_t entries;

	paths_of(root, &paths);
	return upgrade_seal_holds(root, &paths, hex, started, UPGRADE_SEAL_LOOK, &entries);
}

static void sealed(int root, int64_t started)
{
	UPGRADE_SCAN_AUTO scan = { 0 };
	UPGRADE_PATHS_AUTO paths = { 0 };
	struct fault f = { 0 };

	scan_of(root, started, &scan);
	paths_of(root, &paths);
	if (upgrade_seal_set(root, &paths, HEX, &scan, &f) < 0)
		fail_msg("%s", f.text);
}

static void a_seal_holds_for_its_manifest_until_something_is_touched(void **state)
{
	const int root = tree_root(state);
	const int64_t later = time(NULL) + 2;
	struct timespec same[2];
	struct stat st;

	assert_false(holds(root, HEX, later));
	sealed(root, later);
	assert_true(holds(root, HEX, later));
	assert_false(holds(root, "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", later));
	/* Same size, same time of modification: the kernel knows better. */
	assert_int_equal(fstatat(root, "usr/safenet/lunaclient/cert/a", &st, 0), 0);
	same[0] = st.st_atim;
	same[1] = st.st_mtim;
	tree_file(root, "/usr/safenet/lunaclient/cert/a", "aab\n");
	assert_int_equal(utimensat(root, "usr/safenet/lunaclient/cert/a", same, 0), 0);
	assert_false(holds(root, HEX, later));
}

static void a_new_a_lost_and_a_chmodded_entry_break_the_seal(void **state)
{
	const int root = tree_root(state);
	const int64_t later = time(NULL) + 2;

	sealed(root, later);
	tree_file(root, "/usr/safenet/lunaclient/cert/c", "");
	assert_false(holds(root, HEX, later));
	sealed(root, later);
	assert_true(holds(root, HEX, later));
	assert_int_equal(unlinkat(root, "usr/safenet/lunaclient/cert/b", 0), 0);
	assert_false(holds(root, HEX, later));
	sealed(root, later);
	assert_int_equal(fchmodat(root, "usr/safenet/lunaclient/cert/a", 0600, 0), 0);
	assert_false(holds(root, HEX, later));
}

static void what_was_changed_during_the_run_is_kept_apart_and_read_each_time(void **state)
{
	const int root = tree_root(state);
	const int64_t earlier = time(NULL) - 100;
	TEXT_AUTO seal = { 0 };

	/* Everything here is younger than the run's start. */
	sealed(root, earlier);
	tree_read(root, "/opt/okv-luna/var/seal", &seal);
	assert_non_null(strstr(text_string(&seal), "./usr/safenet/lunaclient/cert/a type=file"));
	assert_true(holds(root, HEX, earlier));
	/* Touched with the same bytes: still proven.  Other bytes: not. */
	tree_file(root, "/usr/safenet/lunaclient/cert/a", "aaa\n");
	assert_true(holds(root, HEX, earlier));
	tree_file(root, "/usr/safenet/lunaclient/cert/a", "aab\n");
	assert_false(holds(root, HEX, earlier));
}

static void too_much_that_is_fresh_is_not_sealed(void **state)
{
	const int root = tree_root(state);

	for (unsigned i = 0; i <= UPGRADE_FRESH_MAX; i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/usr/safenet/lunaclient/data/%u", i);
		tree_file(root, path, "x");
	}
	sealed(root, time(NULL) - 100);
	assert_false(fs_exists(root, "/opt/okv-luna/var/seal"));
}

static void a_damaged_seal_holds_nothing(void **state)
{
	const int root = tree_root(state);
	const int64_t later = time(NULL) + 2;
	TEXT_AUTO seal = { 0 };

	sealed(root, later);
	tree_read(root, "/opt/okv-luna/var/seal", &seal);
	for (size_t cut = 0; cut < seal.length; cut++) {
		TEXT_AUTO part = { 0 };
		text_add(&part, seal.bytes, cut);
		tree_file(root, "/opt/okv-luna/var/seal", text_string(&part));
		assert_false(holds(root, HEX, later));
	}
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree, unit_place_remove)
	const struct CMUnitTest tests[] = {
		IN_TREE(what_is_written_is_read_back),
		IN_TREE(ours_is_left_out_and_every_directory_above_is_named),
		IN_TREE(paths_are_the_union_without_those_inside_others),
		IN_TREE(a_snapshot_whose_digests_do_not_fit_is_refused),
		IN_TREE(a_run_killed_between_the_two_renames_loses_nothing),
		IN_TREE(a_removal_is_one_step),
		cmocka_unit_test(after_a_day_it_is_stale),
		IN_TREE(a_seal_holds_for_its_manifest_until_something_is_touched),
		IN_TREE(a_new_a_lost_and_a_chmodded_entry_break_the_seal),
		IN_TREE(what_was_changed_during_the_run_is_kept_apart_and_read_each_time),
		IN_TREE(too_much_that_is_fresh_is_not_sealed),
		IN_TREE(a_damaged_seal_holds_nothing),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	settings_done(tree_settings());
	return failed;
}
