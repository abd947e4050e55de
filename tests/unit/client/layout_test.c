#include <elf.h>

#include "client/layout.h"
#include "failing.h"
#include "made.h"

static const struct client_ownership ownership = { .group = 34, .has_group = true };

static int link_list(void *context, const char *path, const char *target, struct fault *f)
{
	(void)f;
	text_add_format(context, "%s -> %s\n", path, target);
	return 0;
}

static void the_names_of_an_installed_client_lead_to_the_vendors(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO links = { 0 };
	char path[LIMITS_PATH + 1];

	(void)state;
	c.unpacked = UNPACKED(MINIMAL "libs/64/libCryptoki2.so", MINIMAL "bin/64/vtl", MINIMAL "bin/64/",
			      MINIMAL "libs/64/libcklog2.so", MINIMAL "libs/64/plugins/libdpod.plugin");
	MUST(client_content_find(&c, NULL, &f));
	MUST(client_layout_links(&c, link_list, &links, &f));
	assert_string_equal(text_string(&links), "libs/64/plugins -> ../../plugins\n"
						 "lib/libCryptoki2_64.so -> ../libs/64/libCryptoki2.so\n"
						 "lib/libCryptoki2.so -> ../libs/64/libCryptoki2.so\n"
						 "bin/vtl -> 64/vtl\n"
						 "lib/libcklog2.so -> ../libs/64/libcklog2.so\n");
	assert_true(client_layout_path(&c, MINIMAL "libs/64/plugins/libdpod.plugin", path));
	assert_string_equal(path, "plugins/libdpod.plugin");
	assert_true(client_layout_path(&c, MINIMAL "bin/64/vtl", path));
	assert_string_equal(path, "bin/64/vtl");
	assert_false(client_layout_path(&c, "elsewhere/file", path));
}

static void what_is_for_another_system_is_not_placed(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };
	char path[LIMITS_PATH + 1];

	(void)state;
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "Chrystoki.conf", "cvclient-min.zip", "crystoki.ini");
	MUST(client_content_find(&c, NULL, &f));
	assert_false(client_layout_path(&c, "cvclient-min.zip", path));
	assert_false(client_layout_path(&c, "crystoki.ini", path));
	assert_true(client_layout_path(&c, "Chrystoki.conf", path));
}

static void a_name_that_the_archive_uses_is_left_to_it(void **state)
{
	struct client_content c = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO links = { 0 };

	(void)state;
	c.unpacked = UNPACKED("libs/64/libCryptoki2.so", "bin/64/vtl", "bin/vtl", "libs/64/plugins/a", "plugins/b",
			      "lib/libCryptoki2_64.so");
	MUST(client_content_find(&c, NULL, &f));
	MUST(client_layout_links(&c, link_list, &links, &f));
	assert_string_equal(text_string(&links), "lib/libCryptoki2.so -> ../libs/64/libCryptoki2.so\n");
}

static void library_make(int client, unsigned char class, Elf64_Half type, Elf64_Half machine)
{
	const Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class },
				  .e_type = type,
				  .e_machine = machine };
	FS_AUTO int fd = openat(client, "libs/64/libCryptoki2.so", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_int_equal(write(fd, &head, sizeof(head)), sizeof(head));
}

#if defined(__x86_64__)
static void the_directories_and_links_are_made_around_the_vendors_files(void **state)
{
	const int client = ((const struct unit_place *)*state)->dir;
	struct client_content c = { 0 };
	struct fault f = { 0 };
	struct stat status;

	c.unpacked =
		UNPACKED("libs/64/libCryptoki2.so", "libs/64/plugins/a.plugin", "bin/64/vtl", "setenv", "crystoki.ini");
	MUST(client_content_find(&c, NULL, &f));
	unit_dir(client, "libs", 0755);
	unit_dir(client, "libs/64", 0755);
	unit_dir(client, "libs/64/plugins", 0755);
	unit_write(client, "libs/64/plugins/a.plugin", "plugin", 0755);
	unit_dir(client, "bin", 0755);
	unit_dir(client, "bin/64", 0755);
	unit_write(client, "bin/64/vtl", "vtl", 0755);
	unit_write(client, "setenv", "", 0644);
	unit_write(client, "crystoki.ini", "of another system", 0644);
	library_make(client, ELFCLASS64, ET_DYN, EM_X86_64);
	MUST(client_layout_apply(client, &c, &ownership, "/usr/client", &f));
	unit_holds(client, "bin/vtl", "vtl");
	unit_holds(client, "plugins/a.plugin", "plugin");
	unit_holds(client, "libs/64/plugins/a.plugin", "plugin");
	assert_int_equal(fstatat(client, "plugins", &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(status.st_mode));
	assert_true(unit_there(client, "lib/libCryptoki2_64.so"));
	assert_false(unit_there(client, "crystoki.ini"));
	assert_int_equal(fstatat(client, "configData/token/001", &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode, S_IFDIR | 02770);
	assert_int_equal(status.st_gid, 34);
}

#endif

static void what_stands_where_a_directory_must_be_is_refused(void **state)
{
	struct client_content c = { 0 };
	char file[64], link[64];
	struct fault f = { 0 };

	(void)state;
	for (const char *const *path = client_layout_directories; *path != NULL; path++) {
		(void)snprintf(file, sizeof(file), MINIMAL "%s", *path);
		(void)snprintf(link, sizeof(link), MINIMAL "%s -> libs", *path);
		c.unpacked = UNPACKED(MINIMAL "libs/64/libCryptoki2.so", file);
		MUST(client_content_find(&c, NULL, &f));
		MUST_FAIL(client_layout_evaluate(&c, &f), FAULT_REFUSED, "needs a directory of that name");
		c.unpacked = UNPACKED(MINIMAL "libs/64/libCryptoki2.so", link);
		MUST_FAIL(client_layout_evaluate(&c, &f), FAULT_REFUSED, "needs a directory of that name");
	}
}

static void what_cannot_be_looked_at_is_a_fault(void **state)
{
	const int client = ((const struct unit_place *)*state)->dir;
	struct client_content c = { 0 };
	struct fault f = { 0 };

	c.unpacked = UNPACKED("libs/64/libCryptoki2.so");
	MUST(client_content_find(&c, NULL, &f));
	unit_dir(client, "libs", 0755);
	unit_dir(client, "libs/64", 0755);
	unit_write(client, "libs/64/libCryptoki2.so", "", 0755);
	unit_dir(client, "cert", 0755);
	MUST_NOT_GUESS("cert", client_layout_apply(client, &c, &ownership, "/usr/client", &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_names_of_an_installed_client_lead_to_the_vendors),
		cmocka_unit_test(what_is_for_another_system_is_not_placed),
		cmocka_unit_test(a_name_that_the_archive_uses_is_left_to_it),
#if defined(__x86_64__)
		UNIT_IN_PLACE(the_directories_and_links_are_made_around_the_vendors_files),
#endif
		cmocka_unit_test(what_stands_where_a_directory_must_be_is_refused),
		UNIT_IN_PLACE(what_cannot_be_looked_at_is_a_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
