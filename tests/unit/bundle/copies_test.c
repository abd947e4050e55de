/* bundle/copies, bundle/outgoing: what counts as a copy, and the one copy that never has a name. */
#include "okv_tree.h"

#include "bundle/copies.h"
#include "bundle/outgoing.h"

/* "KIND PATH" of each, a line each. */
static void assert_copies(const struct unit_place *place, const char *expected)
{
	struct fault f = { 0 };
	BUNDLE_COPIES_AUTO copies = { 0 };
	SETTINGS_AUTO settings = { 0 };
	TEXT_AUTO found = { 0 };

	MUST(settings_init(&settings, &f));
	MUST(bundle_copies_find(place->dir, &settings, &copies, &f));
	for (size_t i = 0; i < copies.count; i++)
		text_add_format(&found, "%s %s\n", bundle_copy_kind_name(copies.items[i].kind), copies.items[i].path);
	assert_string_equal(text_string(&found), expected);
}

static void a_copy_is_known_by_its_name_its_stage_or_its_first_line(void **state)
{
	const struct unit_place *place = *state;

	tree_make(place->dir);
	unit_dir(place->dir, "var/lib", 0755);
	unit_dir(place->dir, "var/lib/oracle", 0755);
	assert_copies(place, "");
	tree_bundle(place->dir, "bundle");
	unit_write(place->dir, TREE_HSM "/.hsmbundle.okv-luna-new", "half", 0600);
	unit_write(place->dir, "opt/okv-luna/var/" BUNDLE_OUTGOING, "half", 0600);
	unit_write(place->dir, "tmp/hsmbundle", "plain", 0644);
	unit_write(place->dir, "tmp/anything", "OKVB1\n{}\n", 0600);
	unit_write(place->dir, "tmp/.y.okv-luna-new", "half", 0600);
	unit_write(place->dir, "tmp/hsmbundle.txt", "mine", 0600);
	unit_write(place->dir, "tmp/okvb", "OKVB2\n{}\n", 0600);
	unit_write(place->dir, "root/hsmbundle", "plain", 0600);
	unit_write(place->dir, "var/lib/oracle/hsmbundle", "plain", 0600);
	unit_write(place->dir, "home/support/s", "OKVB1\n", 0600);
	assert_copies(place, "bundle /usr/local/okv/hsm/hsmbundle\n"
			     "stage /usr/local/okv/hsm/.hsmbundle.okv-luna-new\n"
			     "stage /opt/okv-luna/var/" BUNDLE_OUTGOING "\n"
			     "stage /tmp/.y.okv-luna-new\n"
			     "sealed /tmp/anything\n"
			     "plain /tmp/hsmbundle\n"
			     "plain /root/hsmbundle\n"
			     "sealed /home/support/s\n"
			     "plain /var/lib/oracle/hsmbundle\n");
}

static void no_link_is_followed_and_nothing_but_regular_files_is_opened(void **state)
{
	const struct unit_place *place = *state;

	tree_make(place->dir);
	unit_write(place->dir, "etc/sealed", "OKVB1\n", 0600);
	assert_int_equal(symlinkat("../etc/sealed", place->dir, "tmp/hsmbundle"), 0);
	assert_int_equal(symlinkat("../etc/sealed", place->dir, "tmp/other"), 0);
	/* Opening it would wait for a writer. */
	assert_int_equal(mkfifoat(place->dir, "tmp/line", 0600), 0);
	unit_dir(place->dir, "tmp/below", 0755);
	unit_write(place->dir, "tmp/below/hsmbundle", "plain", 0600);
	assert_copies(place, "");
}

static void only_that_very_file_is_removed(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	BUNDLE_COPIES_AUTO copies = { 0 };
	SETTINGS_AUTO settings = { 0 };

	MUST(settings_init(&settings, &f));
	tree_make(place->dir);
	unit_write(place->dir, "tmp/hsmbundle", "plain", 0600);
	MUST(bundle_copies_find(place->dir, &settings, &copies, &f));
	assert_int_equal(copies.count, 1);
	unit_write(place->dir, "tmp/other", "mine", 0600);
	assert_int_equal(renameat(place->dir, "tmp/other", place->dir, "tmp/hsmbundle"), 0);
	MUST_FAIL(bundle_copy_remove(place->dir, &copies.items[0], &f), FAULT_INCOMPLETE, "exchanged meanwhile");
	unit_holds(place->dir, "tmp/hsmbundle", "mine");
	assert_int_equal(unlinkat(place->dir, "tmp/hsmbundle", 0), 0);
	MUST(bundle_copy_remove(place->dir, &copies.items[0], &f));
}

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
	assert_false(unit_there(place->dir, "opt/okv-luna/var/" BUNDLE_OUTGOING));
	tree_bundle(place->dir, "bundle");
	MUST(bundle_outgoing_make(&how, &fd, &size, &f));
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, size);
	assert_false(unit_there(place->dir, "opt/okv-luna/var/" BUNDLE_OUTGOING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_copy_is_known_by_its_name_its_stage_or_its_first_line),
		UNIT_IN_PLACE(no_link_is_followed_and_nothing_but_regular_files_is_opened),
		UNIT_IN_PLACE(only_that_very_file_is_removed),
		UNIT_IN_PLACE(a_freshly_sealed_one_has_no_name_and_is_roots_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
