#include "upgrade/tree.h"

#include "upgrade/scan.h"
#include "upgrade/snapshot.h"

static void taken(int root, struct snapshot *s)
{
	SCAN_AUTO scan = { 0 };
	struct fault f = { 0 };

	tree_scan(root, &scan);
	*s = (struct snapshot){ .taken = 1770091506,
				.machine = { .uuid = strdup("4c4c4544003310398046b7c04f4d3833"),
					     .host = strdup("okv1"),
					     .os = strdup("An OS"),
					     .okv = strdup("Oracle Key Vault Server 21.9") },
				.users = strdup("0=root,54321=oracle"),
				.groups = strdup("0=root,986=hsmusers"),
				.group = strdup("hsmusers"),
				.group_there = true,
				.group_id = 986,
				.members = strdup("oracle,other"),
				.member = true };
	s->manifest = scan.manifest;
	scan.manifest = (struct manifest){ 0 };
	if (snapshot_write(root, SNAPSHOT_DIR, s, &f) < 0)
		fail_msg("%s", f.text);
}

/* A usable one, as the library shows it. */
#define SLOT(id_, label_, serial_, model_) \
	{ \
		.id = (id_), .label = label_, .serial = serial_, .model = model_, .present = true, .usable = true \
	}

static void what_is_written_is_read_back(void **state)
{
	const int root = tree_root(state);
	SNAPSHOT_AUTO s = { 0 };
	SNAPSHOT_AUTO again = { 0 };
	struct hsm_slot slots[] = { SLOT(3, "with blank=and#", "1234", "Luna K7"),
				    { .id = 4, .label = "of no use", .present = true },
				    SLOT(0, "", "", "") };
	const struct hsm_answer three = { .slots = slots, .slot_count = 3 };
	struct fault f = { 0 };

	taken(root, &s);
	assert_int_equal(snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &again, &f), 0);
	assert_false(again.slots_known);
	snapshot_done(&again);
	assert_int_equal(snapshot_add_slots(root, &three, &f), 0);
	if (snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &again, &f) < 0)
		fail_msg("%s", f.text);
	assert_true(again.taken == s.taken);
	assert_string_equal(again.machine.okv, "Oracle Key Vault Server 21.9");
	assert_string_equal(again.group, "hsmusers");
	assert_string_equal(again.members, "oracle,other");
	assert_true(again.group_there && again.member && !again.wired && !again.armed);
	assert_int_equal(again.group_id, 986);
	assert_int_equal(again.manifest.count, s.manifest.count);
	assert_int_equal(again.slot_count, 2);
	assert_string_equal(again.slots[0].label, "with blank=and#");
	assert_string_equal(again.slots[0].model, "Luna K7");
	assert_true(again.slots[0].id == 3);
	assert_string_equal(again.slots[1].label, "");
}

static void refused(int root, const char *file, const char *part)
{
	SNAPSHOT_AUTO s = { 0 };
	TEXT_AUTO bytes = { 0 };
	char path[128];
	struct fault f = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", SNAPSHOT_DIR, file);
	tree_read(root, path, &bytes);
	bytes.bytes[bytes.length - 2] ^= 1;
	tree_file(root, path, text_string(&bytes));
	assert_int_equal(snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &s, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	if (strstr(f.text, part) == NULL)
		fail_msg("'%s' lacks '%s'", f.text, part);
	bytes.bytes[bytes.length - 2] ^= 1;
	tree_file(root, path, text_string(&bytes));
}

static void a_snapshot_whose_digests_do_not_fit_is_refused(void **state)
{
	const int root = tree_root(state);
	SNAPSHOT_AUTO s = { 0 };
	struct hsm_slot slot = SLOT(0, "label", "serial", "model");
	const struct hsm_answer one = { .slots = &slot, .slot_count = 1 };
	struct fault f = { 0 };

	taken(root, &s);
	assert_int_equal(snapshot_add_slots(root, &one, &f), 0);
	refused(root, "manifest.mtree", "manifest was changed");
	refused(root, "slots", "slots were changed");
	refused(root, "system", "");
	tree_file(root, SNAPSHOT_DIR "/system", "TAKEN=\"2026-01-01T00:00:00Z\"\n");
	assert_int_equal(snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_HEAD, &s, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

static void a_run_killed_between_the_two_renames_loses_nothing(void **state)
{
	const int root = tree_root(state);
	SNAPSHOT_AUTO s = { 0 };
	SNAPSHOT_AUTO again = { 0 };
	SNAPSHOT_AUTO fresh = { 0 };
	struct fault f = { 0 };

	taken(root, &s);
	assert_int_equal(renameat(root, "opt/okv-luna/var/snapshot", root, "opt/okv-luna/var/snapshot.old"), 0);
	tree_file(root, "/opt/okv-luna/var/snapshot.new/system", "half");
	assert_int_equal(snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_WHOLE, &again, &f), 0);
	assert_int_equal(again.manifest.count, s.manifest.count);
	taken(root, &fresh);
	assert_false(fs_exists(root, SNAPSHOT_DIR ".old"));
	assert_false(fs_exists(root, SNAPSHOT_DIR ".new"));
	assert_int_equal(snapshot_remove(root, SNAPSHOT_DIR, &f), 0);
	assert_int_equal(snapshot_remove(root, SNAPSHOT_DIR, &f), 0);
	snapshot_done(&again);
	assert_int_equal(snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_HEAD, &again, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
}

/* Whatever part of it a killed removal has left: it is none, and the next removal takes it away. */
static void a_removal_is_one_step(void **state)
{
	static const char *const left[] = { SNAPSHOT_DIR ".new", SNAPSHOT_DIR ".old" };
	const int root = tree_root(state);
	struct fault f = { 0 };

	for (size_t i = 0; i < 2; i++) {
		SNAPSHOT_AUTO s = { 0 };
		char path[128];
		taken(root, &s);
		(void)snprintf(path, sizeof(path), "%s/manifest.mtree", left[i]);
		tree_file(root, path, "half");
		assert_int_equal(snapshot_remove(root, SNAPSHOT_DIR, &f), 0);
		assert_false(fs_exists(root, left[i]));
		snapshot_done(&s);
		assert_int_equal(snapshot_read(root, SNAPSHOT_DIR, SNAPSHOT_HEAD, &s, &f), -1);
		assert_int_equal(f.kind, FAULT_ABSENT);
		f = (struct fault){ 0 };
	}
	tree_file(root, SNAPSHOT_DIR ".new/system", "half");
	assert_int_equal(snapshot_remove(root, SNAPSHOT_DIR, &f), 0);
	assert_false(fs_exists(root, SNAPSHOT_DIR ".new"));
}

static void after_a_day_it_is_stale(void **state)
{
	(void)state;
	const struct snapshot s = { .taken = 1000000 };

	assert_false(snapshot_is_stale(&s, 1000000 + 24 * 3600));
	assert_true(snapshot_is_stale(&s, 1000000 + 24 * 3600 + 1));
}

static void dated_in_the_future_it_is_stale(void **state)
{
	(void)state;
	const struct snapshot s = { .taken = 1000000 };

	/* A clock that is set again by NTP. */
	assert_false(snapshot_is_stale(&s, 1000000 - 300));
	assert_true(snapshot_is_stale(&s, 1000000 - 301));
}

static void slots_are_the_same_by_label_and_serial_number(void **state)
{
	(void)state;
	struct hsm_slot old[] = { SLOT(0, "a", "1", "m"), SLOT(1, "b", "2", "m") };
	struct hsm_slot slots[] = { SLOT(7, "b", "2", "other"), SLOT(8, "a", "1", "m"), SLOT(9, "c", "3", "m") };
	const struct snapshot s = { .slots = old, .slot_count = 2 };
	const struct hsm_answer now = { .slots = slots, .slot_count = 3 };

	assert_null(snapshot_slot_lost(&s, &now));
	slots[0].serial[0] = '9';
	assert_ptr_equal(snapshot_slot_lost(&s, &now), &old[1]);
	slots[0].serial[0] = '2';
	slots[0].label[0] = 'x';
	assert_ptr_equal(snapshot_slot_lost(&s, &now), &old[1]);
	slots[0].label[0] = 'b';
	slots[0].usable = false;
	assert_ptr_equal(snapshot_slot_lost(&s, &now), &old[1]);
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_make, unit_place_remove)
	const struct CMUnitTest tests[] = {
		IN_TREE(what_is_written_is_read_back),
		IN_TREE(a_snapshot_whose_digests_do_not_fit_is_refused),
		IN_TREE(a_run_killed_between_the_two_renames_loses_nothing),
		IN_TREE(a_removal_is_one_step),
		cmocka_unit_test(after_a_day_it_is_stale),
		cmocka_unit_test(dated_in_the_future_it_is_stale),
		cmocka_unit_test(slots_are_the_same_by_label_and_serial_number),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	settings_done(tree_settings());
	return failed;
}
