#include "client/rpm.c"
#include "made.h"

/* What needs rpm itself is tested where there is one: tests/bats. */

#define FULL      "LunaClient_10.9.4-122_Linux/"
#define RPM(name) FULL "64/" name "-10.9.4-122.x86_64.rpm"
#define NEEDED    RPM("libcryptoki"), RPM("lunacm"), RPM("vtl"), RPM("configurator")

static struct client_content content = { .kind = CLIENT_FULL, .top = FULL };

static struct text packages = { 0 };

static int find(struct client_rpm *ret_rpm, struct fault *f)
{
	text_cut(&packages, 0);
	*ret_rpm = (struct client_rpm){ .content = &content, .packages = &packages };
	return packages_find(ret_rpm, f);
}

static const struct unpack_entry *package(const struct client_rpm *set, const char *name)
{
	for (size_t i = 0; i < CLIENT_RPM_PACKAGES; i++)
		if (strcmp(known[i].name, name) == 0)
			return set->entries[i];
	fail_msg("no package %s in the set", name);
	return NULL;
}

static void the_network_set_is_taken_and_nothing_else(void **state)
{
	static const char *const all[] = { "libcryptoki", "libshim", "cklog",   "lunacm",       "vtl",
					   "ckdemo",      "lunacmu", "salogin", "configurator", "multitoken" };
	struct client_rpm set;
	struct fault f = { 0 };
	char path[128];

	(void)state;
	content.unpacked = UNPACKED(NEEDED, RPM("libshim"), RPM("cklog"), RPM("ckdemo"), RPM("lunacmu"), RPM("salogin"),
				    RPM("multitoken"), RPM("lunajsp"), RPM("vkd"), FULL "64/install.sh",
				    FULL "32/vtl-10.9.4-122.i386.rpm", FULL "64/more/vtl-9.9.9-9.x86_64.rpm");
	MUST(find(&set, &f));
	assert_string_equal(set.version, "10.9.4-122");
	for (size_t i = 0; i < CLIENT_RPM_PACKAGES; i++) {
		(void)snprintf(path, sizeof(path), FULL "64/%s-10.9.4-122.x86_64.rpm", all[i]);
		assert_non_null(package(&set, all[i]));
		assert_string_equal(package(&set, all[i])->path, path);
	}
}

static void what_is_not_needed_may_be_missing(void **state)
{
	struct client_rpm set;
	struct fault f = { 0 };

	(void)state;
	content.unpacked = UNPACKED(NEEDED);
	MUST(find(&set, &f));
	assert_null(package(&set, "multitoken"));
	assert_non_null(package(&set, "vtl"));
}

static void without_a_needed_package_it_is_refused(void **state)
{
	struct client_rpm set;
	struct fault f;

	(void)state;
	content.unpacked = UNPACKED(RPM("libcryptoki"), RPM("lunacm"), RPM("vtl"));
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "no package 'configurator-");
	content.unpacked = UNPACKED(RPM("lunacm"), RPM("vtl"), RPM("configurator"));
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "no package 'libcryptoki-");
	/* One for another machine is not it, and neither is one that only begins alike. */
	content.unpacked = UNPACKED(RPM("libcryptoki"), RPM("lunacm"), RPM("configurator"),
				    FULL "64/vtl-10.9.4-122.aarch64.rpm", RPM("vtlx"), RPM("vtl-more"));
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "no package 'vtl-");
}

static void packages_of_two_versions_are_refused(void **state)
{
	struct client_rpm set;
	struct fault f;

	(void)state;
	content.unpacked = UNPACKED(NEEDED, FULL "64/ckdemo-10.9.4-121.x86_64.rpm");
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "not of version 10.9.4-12");
	content.unpacked = UNPACKED(NEEDED, FULL "64/vtl-10.9.4-123.x86_64.rpm");
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "a second package 'vtl'");
}

static void a_package_that_is_a_link_is_refused(void **state)
{
	struct client_rpm set;
	struct fault f;

	(void)state;
	content.unpacked = UNPACKED(NEEDED, RPM("ckdemo") " -> ../x");
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "a package that is a link");
}

static void a_version_that_is_too_long_is_refused(void **state)
{
	struct client_rpm set;
	struct fault f;

	(void)state;
	content.unpacked = UNPACKED(FULL "64/vtl-1.1111111111222222222233333333334444444444555555555566666666667-1"
					 ".x86_64.rpm");
	MUST_FAIL(find(&set, &f), FAULT_REFUSED, "a version that is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_network_set_is_taken_and_nothing_else),
		cmocka_unit_test(what_is_not_needed_may_be_missing),
		cmocka_unit_test(without_a_needed_package_it_is_refused),
		cmocka_unit_test(packages_of_two_versions_are_refused),
		cmocka_unit_test(a_package_that_is_a_link_is_refused),
		cmocka_unit_test(a_version_that_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
