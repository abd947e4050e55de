#include "client/content.h"
#include "made.h"

static void the_kind_is_told_by_the_names(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };

	(void)state;
	c.unpacked =
		UNPACKED(MINIMAL "libs/64/libCryptoki2.so", MINIMAL "libs/64/libCryptoki2_64.so -> libCryptoki2.so");
	MUST(client_content_find(&c, NULL, &f));
	assert_int_equal(c.kind, CLIENT_MINIMAL);
	assert_string_equal(c.top, MINIMAL);
	assert_string_equal(c.version, "10.4.0-417");
	assert_string_equal(c.library, "libs/64/libCryptoki2.so");
	MUST_FAIL(client_content_find(&c, "full", &f), FAULT_REFUSED, "it is a minimal client, not a full one");
	MUST(client_content_find(&c, "minimal", &f));
	MUST(client_content_find(&c, "auto", &f));

	c.unpacked = UNPACKED("libs/64/libCryptoki2_64.so", "libs/64/libCryptoki2.so -> libCryptoki2_64.so", "setenv");
	MUST(client_content_find(&c, NULL, &f));
	assert_int_equal(c.kind, CLIENT_CLOUD);
	assert_string_equal(c.top, "");
	assert_string_equal(c.library, "libs/64/libCryptoki2_64.so");

	/* Wherever its setenv is: what that builds from is the cloud client's alone. */
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "Chrystoki-base.conf");
	MUST(client_content_find(&c, NULL, &f));
	assert_int_equal(c.kind, CLIENT_CLOUD);

	/* A minimal client that was packed where it was in use. */
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "Chrystoki.conf", "Chrystoki-template.conf");
	MUST(client_content_find(&c, NULL, &f));
	assert_int_equal(c.kind, CLIENT_MINIMAL);

	c.unpacked = UNPACKED("LunaClient_10.9.4-122_Linux/64/libcryptoki-10.9.4-122.x86_64.rpm",
			      "LunaClient_10.9.4-122_Linux/64/common");
	MUST(client_content_find(&c, NULL, &f));
	assert_int_equal(c.kind, CLIENT_FULL);
	assert_string_equal(c.version, "10.9.4-122");
}

static void none_or_more_than_one_client_is_refused(void **state)
{
	struct client_content c = { 0 };
	struct fault f;

	(void)state;
	c.unpacked = UNPACKED("README");
	MUST_FAIL(client_content_find(&c, NULL, &f), FAULT_REFUSED, "no Luna client in it");
	c.unpacked = UNPACKED("a/libs/64/libCryptoki2.so", "b/libs/64/libCryptoki2.so");
	MUST_FAIL(client_content_find(&c, NULL, &f), FAULT_REFUSED, "more than one client");
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so -> y", "libs/64/x");
	MUST_FAIL(client_content_find(&c, NULL, &f), FAULT_REFUSED, "no PKCS#11 library that is a regular file");
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so -> libCryptoki2_64.so",
			      "libs/64/libCryptoki2_64.so -> libCryptoki2.so");
	MUST_FAIL(client_content_find(&c, NULL, &f), FAULT_REFUSED, "no PKCS#11 library that is a regular file");
}

static void the_library_may_be_a_chain_of_links(void **state)
{
	struct client_content c = { .kind = CLIENT_AUTO };
	struct fault f = { 0 };

	(void)state;
	c.unpacked =
		UNPACKED("t/libs/64/libCryptoki2_64.so -> libCryptoki2.so",
			 "t/libs/64/libCryptoki2.so -> libCryptoki2.so.10.4.0", "t/libs/64/libCryptoki2.so.10.4.0");
	MUST(client_content_find(&c, NULL, &f));
	assert_string_equal(c.library, "libs/64/libCryptoki2.so.10.4.0");
	/* Whoever packed it has called the top otherwise; "so.2" alone would be the interface's number. */
	assert_string_equal(c.version, "10.4.0");
	c.unpacked = UNPACKED("t/libs/64/libCryptoki2.so -> libCryptoki2.so.2", "t/libs/64/libCryptoki2.so.2");
	MUST(client_content_find(&c, NULL, &f));
	assert_string_equal(c.version, "");
	c.unpacked =
		UNPACKED("t/libs/64/libCryptoki2.so -> /usr/safenet/lunaclient/libs/64/real.so", "t/libs/64/real.so");
	c.unpacked.judge.own_place = "/usr/safenet/lunaclient";
	MUST(client_content_find(&c, NULL, &f));
	assert_string_equal(c.library, "libs/64/real.so");
}

static void a_top_directory_may_be_there_or_not(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };

	(void)state;
	c.unpacked = UNPACKED("a/b/libs/64/libCryptoki2.so", "a/b/x", "elsewhere/y");
	MUST(client_content_find(&c, NULL, &f));
	assert_string_equal(c.top, "a/b/");
	assert_string_equal(c.version, "");
	assert_string_equal(client_content_path(&c, "a/b/x"), "x");
	assert_null(client_content_path(&c, "elsewhere/y"));
	assert_null(client_content_path(&c, "a/b/"));
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so");
	MUST(client_content_find(&c, NULL, &f));
	assert_string_equal(c.top, "");
}

static void a_name_that_only_ends_alike_is_no_client(void **state)
{
	struct client_content c = { 0 };
	struct fault f;

	(void)state;
	c.unpacked = UNPACKED("xlibs/64/libCryptoki2.so", "x64/libcryptoki-10.9.4-122.x86_64.rpm",
			      "64/libcryptoki-10.9.4-122.i386.rpm", "libs/64/libCryptoki2.so/");
	MUST_FAIL(client_content_find(&c, NULL, &f), FAULT_REFUSED, "no Luna client in it");
}

static void what_is_for_another_system_is_no_part_of_the_cloud_client(void **state)
{
	static const char *const foreign[] = { "cvclient-min.zip", "crystoki.ini", "crystoki-template.ini" };
	struct client_content c = { 0 };
	struct fault f = { 0 };

	(void)state;
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "setenv");
	MUST(client_content_find(&c, NULL, &f));
	for (size_t i = 0; i < 3; i++)
		assert_null(client_content_path(&c, foreign[i]));
	c.kind = CLIENT_MINIMAL;
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(client_content_path(&c, foreign[i]), foreign[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kind_is_told_by_the_names),
		cmocka_unit_test(none_or_more_than_one_client_is_refused),
		cmocka_unit_test(the_library_may_be_a_chain_of_links),
		cmocka_unit_test(a_top_directory_may_be_there_or_not),
		cmocka_unit_test(a_name_that_only_ends_alike_is_no_client),
		cmocka_unit_test(what_is_for_another_system_is_no_part_of_the_cloud_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
