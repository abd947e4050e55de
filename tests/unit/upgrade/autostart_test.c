#include "upgrade/tree.h"

#include "upgrade/autostart.c"

static int tree(void **state)
{
	if (unit_place_make(state) < 0)
		return -1;
	tree_file(tree_root(state), AUTOSTART_UNIT_FILE, "[Unit]\n");
	unit_dir(tree_root(state), "etc", 0755);
	unit_dir(tree_root(state), "etc/systemd", 0755);
	unit_dir(tree_root(state), "etc/systemd/system", 0755);
	return 0;
}

static struct okv_job job_of(int root, enum okv_mode mode)
{
	return (struct okv_job){ .root = root, .settings = tree_settings(), .mode = mode };
}

static bool arm(int root)
{
	const struct okv_job job = job_of(root, OKV_APPLY);
	struct fault f = { 0 };
	bool changed;

	if (autostart_enable(&job, &changed, &f) < 0)
		fail_msg("%s", f.text);
	return changed;
}

static bool disarm(int root)
{
	const struct okv_job job = job_of(root, OKV_APPLY);
	struct fault f = { 0 };
	bool changed;

	if (autostart_disable(&job, &changed, &f) < 0)
		fail_msg("%s", f.text);
	return changed;
}

static bool armed(int root)
{
	struct fault f = { 0 };
	bool is;

	if (fs_existence(root, AUTOSTART_UNIT_WANTED, &is, &f) < 0)
		fail_msg("%s", f.text);
	return is;
}

static void arming_twice_changes_nothing_and_disarming_removes_what_it_made(void **state)
{
	const int root = tree_root(state);

	assert_false(armed(root));
	assert_true(arm(root));
	assert_true(armed(root));
	assert_false(arm(root));
	assert_true(disarm(root));
	assert_false(armed(root));
	assert_false(disarm(root));
	assert_true(fs_exists(root, AUTOSTART_UNIT_FILE));
}

/* As systemctl disable leaves it; what a killed run left beside goes too. */
static void the_directory_of_the_link_goes_when_nothing_else_is_in_it(void **state)
{
	const int root = tree_root(state);
	static const char other[] = AUTOSTART_UNIT_WANTS_DIR "/other.service";
	static const char stage[] = AUTOSTART_UNIT_WANTS_DIR "/." AUTOSTART_UNIT ".okv-luna-new";

	tree_file(root, other, "");
	assert_true(arm(root) && disarm(root));
	assert_true(fs_exists(root, other));
	assert_int_equal(unlinkat(root, &other[1], 0), 0);
	assert_int_equal(symlinkat("x", root, &stage[1]), 0);
	assert_true(arm(root) && disarm(root));
	assert_false(fs_exists(root, AUTOSTART_UNIT_WANTS_DIR));
	tree_file(root, stage, "");
	(void)disarm(root);
	assert_false(fs_exists(root, AUTOSTART_UNIT_WANTS_DIR));
}

static void without_systemd_or_unit_it_is_absent(void **state)
{
	const int root = tree_root(state);
	const struct okv_job job = job_of(root, OKV_APPLY);
	struct fault f = { 0 };
	bool changed;

	assert_int_equal(unlinkat(root, &AUTOSTART_UNIT_FILE[1], 0), 0);
	assert_int_equal(autostart_enable(&job, &changed, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_int_equal(unlinkat(root, "etc/systemd/system", AT_REMOVEDIR), 0);
	assert_int_equal(autostart_enable(&job, &changed, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_false(disarm(root));
}

static void what_the_system_cannot_tell_is_a_fault_and_neither_yes_nor_no(void **state)
{
	/* No descriptor: the kernel answers EBADF. */
	const struct okv_job job = job_of(-1, OKV_PLAN);
	struct fault f = { 0 };
	bool is = true;

	(void)state;
	assert_int_equal(fs_existence(-1, AUTOSTART_UNIT_WANTED, &is, &f), -1);
	assert_int_equal(f.kind, FAULT_SYSTEM);
	assert_int_equal(autostart_enable(&job, &is, &f), -1);
	assert_int_equal(f.kind, FAULT_SYSTEM);
	assert_int_equal(autostart_disable(&job, &is, &f), -1);
	assert_int_equal(f.kind, FAULT_SYSTEM);
	assert_true(is);
}

static enum order judge(const char *text)
{
	TEXT_AUTO unit = { 0 };

	text_add_string(&unit, text);
	return order_of(&unit, "oracle");
}

static void only_a_service_that_waits_for_the_network_itself_is_put_after_ours(void **state)
{
	(void)state;
	assert_int_equal(judge("[Unit]\nAfter=network-online.target\n[Service]\nUser=oracle\n"), AFTER_OURS);
	assert_int_equal(
		judge("[Unit]\nAfter=a.service network-online.target\n[Service]\nExecStart=/usr/local/okv/bin/x\n"),
		AFTER_OURS);
	assert_int_equal(judge("[Service]\nUser=oracle\n"), LEFT_ALONE);
	assert_int_equal(judge("[Unit]\nAfter=network-online.target.wants\n[Service]\nUser=oracle\n"), LEFT_ALONE);
	assert_int_equal(judge("[Unit]\nDefaultDependencies=no\nAfter=network-online.target\n[Service]\nUser=oracle\n"),
			 LEFT_ALONE);
	assert_int_equal(judge("[Unit]\nAfter=network-online.target\n[Service]\nUser=oracle2\nExecStart=/bin/true\n"),
			 FOREIGN);
	assert_int_equal(judge(""), FOREIGN);
}

static void okvs_services_get_an_order_and_lose_it_again(void **state)
{
	const int root = tree_root(state);
	TEXT_AUTO order = { 0 };
	static const char unit[] = "[Unit]\nAfter=network-online.target\n[Service]\nUser=oracle\n";

	tree_file(root, "/etc/systemd/system/okv.service", unit);
	tree_file(root, "/usr/lib/systemd/system/okv.service", unit);
	tree_file(root, "/usr/lib/systemd/system/okv-web.service", unit);
	tree_file(root, "/usr/lib/systemd/system/other.service", "[Service]\nExecStart=/bin/true\n");
	tree_file(root, "/usr/lib/systemd/system/odd name.service", unit);
	assert_true(arm(root));
	tree_read(root, AUTOSTART_UNIT_ORDER, &order);
	assert_non_null(strstr(text_string(&order), "[Unit]\nBefore=okv.service\nBefore=okv-web.service\n"));
	assert_null(strstr(text_string(&order), "other"));
	assert_null(strstr(text_string(&order), "odd"));
	assert_false(arm(root));
	assert_true(disarm(root));
	assert_false(fs_exists(root, AUTOSTART_UNIT_ORDER_DIR));
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree, unit_place_remove)
	const struct CMUnitTest tests[] = {
		IN_TREE(arming_twice_changes_nothing_and_disarming_removes_what_it_made),
		IN_TREE(the_directory_of_the_link_goes_when_nothing_else_is_in_it),
		IN_TREE(without_systemd_or_unit_it_is_absent),
		IN_TREE(what_the_system_cannot_tell_is_a_fault_and_neither_yes_nor_no),
		cmocka_unit_test(only_a_service_that_waits_for_the_network_itself_is_put_after_ours),
		IN_TREE(okvs_services_get_an_order_and_lose_it_again),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	settings_done(tree_settings());
	return failed;
}
