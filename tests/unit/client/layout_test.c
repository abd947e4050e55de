#include "client/kind.h"
#include "client/layout.h"
#include "unit.h"

/* Entries by hand: "d/" is a directory, "a -> b" a link, all else a file. */
enum { MOST = 40 };
static struct unpack_entry entries[MOST];
static char names[MOST][128];

static int entry_order(const void *a, const void *b)
{
	return text_path_compare(((const struct unpack_entry *)a)->path, ((const struct unpack_entry *)b)->path);
}

static struct unpack unpacked(const char *const *lines)
{
	struct unpack u = { .entries = entries };

	for (; *lines != NULL; lines++, u.count++) {
		struct unpack_entry *e = &entries[u.count];
		char *name = names[u.count];
		(void)snprintf(name, sizeof(names[0]), "%s", *lines);
		*e = (struct unpack_entry){ .path = name, .type = PIPE_ENTRY_FILE };
		char *arrow = strstr(name, " -> ");
		if (arrow != NULL) {
			*arrow = '\0';
			e->target = arrow + 4;
			e->type = PIPE_ENTRY_LINK;
		} else if (name[strlen(name) - 1] == '/') {
			name[strlen(name) - 1] = '\0';
			e->type = PIPE_ENTRY_DIRECTORY;
		}
	}
	qsort(entries, u.count, sizeof(entries[0]), entry_order);
	return u;
}

#define UNPACKED(...) unpacked((const char *const[]){ __VA_ARGS__, NULL })
#define MINIMAL "LunaClient-Minimal-10.4.0-417.x86_64/"

static void the_kind_is_told_by_the_names(void **state)
{
	struct client_content c;
	struct fault f = FAULT_INIT;

	(void)state;
	struct unpack u = UNPACKED(MINIMAL "libs/64/libCryptoki2.so",
				   MINIMAL "libs/64/libCryptoki2_64.so -> libCryptoki2.so");
	MUST(client_content_find(&u, CLIENT_AUTO, &c, &f));
	assert_int_equal(c.kind, CLIENT_MINIMAL);
	assert_string_equal(c.top, MINIMAL);
	assert_string_equal(c.version, "10.4.0-417");
	assert_string_equal(c.library, "libs/64/libCryptoki2.so");
	MUST_FAIL(client_content_find(&u, CLIENT_FULL, &c, &f), FAULT_REFUSED,
		  "it is a minimal client, not a full one");

	u = UNPACKED("libs/64/libCryptoki2_64.so", "libs/64/libCryptoki2.so -> libCryptoki2_64.so", "setenv");
	MUST(client_content_find(&u, CLIENT_AUTO, &c, &f));
	assert_int_equal(c.kind, CLIENT_CLOUD);
	assert_string_equal(c.top, "");
	assert_string_equal(c.library, "libs/64/libCryptoki2_64.so");

	u = UNPACKED("LunaClient_10.9.4-122_Linux/64/libcryptoki-10.9.4-122.x86_64.rpm",
		     "LunaClient_10.9.4-122_Linux/64/common");
	MUST(client_content_find(&u, CLIENT_AUTO, &c, &f));
	assert_int_equal(c.kind, CLIENT_FULL);
	assert_string_equal(c.version, "10.9.4-122");
}

static void none_or_more_than_one_client_is_refused(void **state)
{
	struct client_content c;
	struct fault f;

	(void)state;
	struct unpack u = UNPACKED("README");
	MUST_FAIL(client_content_find(&u, CLIENT_AUTO, &c, &f), FAULT_REFUSED, "no Luna client in it");
	u = UNPACKED("a/libs/64/libCryptoki2.so", "b/libs/64/libCryptoki2.so");
	MUST_FAIL(client_content_find(&u, CLIENT_AUTO, &c, &f), FAULT_REFUSED, "more than one client");
	u = UNPACKED("libs/64/libCryptoki2.so -> x", "libs/64/x");
	MUST_FAIL(client_content_find(&u, CLIENT_AUTO, &c, &f), FAULT_REFUSED, "no PKCS#11 library that is a file");
}

/* --- where it goes ------------------------------------------------------------------------------------------------ */

static int link_list(void *context, const char *path, const char *target, struct fault *f)
{
	(void)f;
	text_add_format(context, "%s -> %s\n", path, target);
	return 0;
}

static void the_names_of_an_installed_client_lead_to_the_vendors(void **state)
{
	struct client_content c;
	struct fault f = FAULT_INIT;
	TEXT_AUTO links = TEXT_INIT;
	char path[LIMITS_PATH + 1];

	(void)state;
	struct unpack u = UNPACKED(MINIMAL "libs/64/libCryptoki2.so", MINIMAL "bin/64/vtl", MINIMAL "bin/64/",
				   MINIMAL "libs/64/libcklog2.so", MINIMAL "libs/64/plugins/libdpod.plugin");
	MUST(client_content_find(&u, CLIENT_AUTO, &c, &f));
	MUST(client_layout_links(&u, &c, link_list, &links, &f));
	assert_string_equal(text_string(&links), "libs/64/plugins -> ../../plugins\n"
						 "lib/libCryptoki2_64.so -> ../libs/64/libCryptoki2.so\n"
						 "lib/libCryptoki2.so -> ../libs/64/libCryptoki2.so\n"
						 "bin/vtl -> 64/vtl\n"
						 "lib/libcklog2.so -> ../libs/64/libcklog2.so\n");
	assert_true(client_layout_path(&u, &c, MINIMAL "libs/64/plugins/libdpod.plugin", path));
	assert_string_equal(path, "plugins/libdpod.plugin");
	assert_true(client_layout_path(&u, &c, MINIMAL "bin/64/vtl", path));
	assert_string_equal(path, "bin/64/vtl");
	assert_false(client_layout_path(&u, &c, "elsewhere/file", path));
}

static void what_is_for_another_system_is_not_placed(void **state)
{
	struct client_content c;
	struct fault f = FAULT_INIT;
	char path[LIMITS_PATH + 1];

	(void)state;
	struct unpack u = UNPACKED("libs/64/libCryptoki2.so", "Chrystoki.conf", "cvclient-min.zip", "crystoki.ini");
	MUST(client_content_find(&u, CLIENT_AUTO, &c, &f));
	assert_false(client_layout_path(&u, &c, "cvclient-min.zip", path));
	assert_false(client_layout_path(&u, &c, "crystoki.ini", path));
	assert_true(client_layout_path(&u, &c, "Chrystoki.conf", path));
}

static void a_name_that_the_archive_uses_is_left_to_it(void **state)
{
	struct client_content c;
	struct fault f = FAULT_INIT;
	TEXT_AUTO links = TEXT_INIT;

	(void)state;
	struct unpack u = UNPACKED("libs/64/libCryptoki2.so", "bin/64/vtl", "bin/vtl", "libs/64/plugins/a", "plugins/b",
				   "lib/libCryptoki2_64.so");
	MUST(client_content_find(&u, CLIENT_AUTO, &c, &f));
	MUST(client_layout_links(&u, &c, link_list, &links, &f));
	assert_string_equal(text_string(&links), "lib/libCryptoki2.so -> ../libs/64/libCryptoki2.so\n");
}

static void the_library_is_one_of_this_machine(void **state)
{
	const struct unit_place *place = *state;
	const struct client_content c = { .kind = CLIENT_MINIMAL, .library = "lib.so" };
	struct fault f;

	unit_write(place->dir, "lib.so", "#!/bin/sh\n", 0755);
	MUST_FAIL(client_layout_check(place->dir, &c, &f), FAULT_REFUSED, "no 64-bit shared library");
}

/* --- owners and modes --------------------------------------------------------------------------------------------- */

static void owners_and_modes_come_from_the_policy(void **state)
{
	static const struct {
		const char *path;
		mode_t without, guide, strict;
		bool group;
	} files[] = {
		{ "bin/64/vtl", 0755, 0755, 0755, false },
		{ "libs/64/libCryptoki2.so", 0755, 0755, 0755, false },
		{ "plugins/libdpod.plugin", 0755, 0755, 0755, false },
		{ "openssl.cnf", 0644, 0644, 0644, false },
		{ "setenv", 0644, 0644, 0644, false },
		{ "cert/client/okvKey.pem", 0600, 0640, 0640, true },
		{ "Chrystoki.conf", 0600, 0640, 0640, true },
		{ "configData/token/001/token.db", 0600, 0640, 0640, true },
	};
	const struct client_policy none = { .has_group = false }, guide = { .has_group = true, .group = 7 };
	const struct client_policy strict = { .has_group = true, .group = 7, .strict = true };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(client_policy_file(&none, files[i].path).mode, files[i].without);
		assert_int_equal(client_policy_file(&none, files[i].path).gid, 0);
		assert_int_equal(client_policy_file(&guide, files[i].path).mode, files[i].guide);
		assert_int_equal(client_policy_file(&strict, files[i].path).mode, files[i].strict);
		assert_int_equal(client_policy_file(&guide, files[i].path).gid, files[i].group ? 7 : 0);
		/* Made first with no more than it has in the end, before anybody owns it. */
		assert_int_equal(client_policy_first_mode(files[i].path) & ~files[i].guide & 07777, 0);
	}
	assert_int_equal(client_policy_directory(&none, "cert").mode, 0700);
	assert_int_equal(client_policy_directory(&guide, "cert").mode, 02770);
	assert_int_equal(client_policy_directory(&strict, "cert").mode, 02750);
	assert_int_equal(client_policy_directory(&strict, "data").mode, 02770);
	assert_int_equal(client_policy_directory(&guide, "bin").mode, 0755);
	assert_int_equal(client_policy_conf(&none).mode, 0600);
	assert_int_equal(client_policy_conf(&guide).mode, 0660);
	assert_int_equal(client_policy_conf(&strict).mode, 0640);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kind_is_told_by_the_names),
		cmocka_unit_test(none_or_more_than_one_client_is_refused),
		cmocka_unit_test(the_names_of_an_installed_client_lead_to_the_vendors),
		cmocka_unit_test(what_is_for_another_system_is_not_placed),
		cmocka_unit_test(a_name_that_the_archive_uses_is_left_to_it),
		UNIT_IN_PLACE(the_library_is_one_of_this_machine),
		cmocka_unit_test(owners_and_modes_come_from_the_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
