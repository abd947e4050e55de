/*
 * client/layout: whose everything is.
 */
#include "client/layout.h"
#include "made.h"

static const struct client_ownership ownership = { .group = 34, .has_group = true };
static struct client_content content = { .kind = CLIENT_MINIMAL, .top = MINIMAL };
static int client = -1;

/* As unpacking has left it: root's, with the mode that the whole path in the archive gave. */
static int client_make(void **state)
{
	(void)unit_place_make(state);
	client = ((const struct unit_place *)*state)->dir;
	content.unpacked =
		UNPACKED(MINIMAL "bin/vtl", MINIMAL "cert/client/key.pem", MINIMAL "README", MINIMAL "odd.bak",
			 MINIMAL "data/", MINIMAL "server.pem", MINIMAL "link -> README", "elsewhere/x");
	for (size_t i = 0; i < content.unpacked.count; i++) {
		struct unpack_entry *e = &made_entries[i];
		e->secret = text_ends(e->path, "odd.bak");
		e->mode = e->secret ? 0600 : (uint16_t)client_layout_first_mode(e->path);
	}
	unit_dir(client, "bin", 0755);
	unit_dir(client, "cert", 0755);
	unit_dir(client, "cert/client", 0755);
	unit_dir(client, "data", 0755);
	unit_write(client, "bin/vtl", "tool", 0755);
	unit_write(client, "cert/client/key.pem", "key", 0600);
	unit_write(client, "README", "read", 0644);
	unit_write(client, "odd.bak", "secret", 0600);
	unit_write(client, "server.pem", "certificate", 0644);
	assert_int_equal(symlinkat("README", client, "link"), 0);
	return 0;
}

static void is(const char *path, mode_t type, mode_t mode, gid_t gid)
{
	struct stat status;

	assert_int_equal(fstatat(client, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(status.st_mode, type | mode);
	assert_int_equal(status.st_uid, 0);
	assert_int_equal(status.st_gid, gid);
}

static void what_depends_on_the_clients_top_is_given_when_that_is_known(void **state)
{
	struct fault f = { 0 };

	(void)state;
	MUST(client_layout_apply(client, &content, &ownership, "/usr/client", &f));
	is(".", S_IFDIR, 0755, 0);
	is("bin", S_IFDIR, 0755, 0);
	is("bin/vtl", S_IFREG, 0755, 0);
	is("README", S_IFREG, 0644, 0);
	/* Directories of the identity that the archive does not name, too. */
	is("cert", S_IFDIR, 02770, 34);
	is("cert/client", S_IFDIR, 02770, 34);
	is("cert/client/key.pem", S_IFREG, 0640, 34);
	is("data", S_IFDIR, 02770, 34);
	is("odd.bak", S_IFREG, 0640, 34);
	is("server.pem", S_IFREG, 0644, 0);
}

static void a_link_among_them_is_never_followed(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(unlinkat(client, "cert/client/key.pem", 0), 0);
	assert_int_equal(unlinkat(client, "cert/client", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../data", client, "cert/client"), 0);
	MUST_FAIL(client_layout_apply(client, &content, &ownership, "/usr/client", &f), FAULT_REFUSED, "cert/client");
}

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
	const struct client_ownership none = { .has_group = false }, guide = { .has_group = true, .group = 7 };
	const struct client_ownership strict = { .has_group = true, .group = 7, .strict = true };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(client_layout_rights(&none, files[i].path, CLIENT_PLAIN).mode, files[i].without);
		assert_int_equal(client_layout_rights(&none, files[i].path, CLIENT_PLAIN).gid, 0);
		assert_int_equal(client_layout_rights(&guide, files[i].path, CLIENT_PLAIN).mode, files[i].guide);
		assert_int_equal(client_layout_rights(&strict, files[i].path, CLIENT_PLAIN).mode, files[i].strict);
		assert_int_equal(client_layout_rights(&guide, files[i].path, CLIENT_PLAIN).gid, files[i].group ? 7 : 0);
		/* Made first with no more than it has in the end, before anybody owns it. */
		assert_int_equal(client_layout_first_mode(files[i].path) & ~files[i].guide & 07777, 0);
	}
	/* Whatever its name; and the cloud's certificates, which OKV's user reads with the group and without. */
	assert_int_equal(client_layout_rights(&guide, "README", CLIENT_SECRET).mode, 0640);
	assert_int_equal(client_layout_rights(&guide, "README", CLIENT_SECRET).gid, 7);
	assert_int_equal(client_layout_rights(&none, "README", CLIENT_SECRET).mode, 0600);
	assert_int_equal(client_layout_rights(&none, "server-certificate.pem", CLIENT_PLAIN).mode, 0644);
	assert_int_equal(client_layout_rights(&guide, "server-certificate.pem", CLIENT_PLAIN).mode, 0644);
	assert_int_equal(client_layout_rights(&guide, "server-certificate.pem", CLIENT_SECRET).mode, 0640);
	assert_int_equal(client_layout_rights(&none, "cert", CLIENT_DIRECTORY).mode, 0700);
	assert_int_equal(client_layout_rights(&guide, "cert", CLIENT_DIRECTORY).mode, 02770);
	assert_int_equal(client_layout_rights(&strict, "cert", CLIENT_DIRECTORY).mode, 02750);
	assert_int_equal(client_layout_rights(&strict, "data", CLIENT_DIRECTORY).mode, 02770);
	assert_int_equal(client_layout_rights(&guide, "bin", CLIENT_DIRECTORY).mode, 0755);
}

/* Below a root with that group file. */
static struct client_rights conf_rights(int root, const char *group, const char *profile)
{
	const struct settings settings = { .profile = (char *)profile, .hsm_group = (char *)"hsmusers" };
	struct client_ownership o;
	struct fault f = { 0 };

	unit_write(root, "etc/group", group, 0644);
	MUST(client_layout_owners(root, &settings, &o, &f));
	return o.conf;
}

static void chrystoki_conf_is_the_groups_where_there_is_one(void **state)
{
	const int root = ((const struct unit_place *)*state)->dir;

	unit_dir(root, "etc", 0755);
	assert_int_equal(conf_rights(root, "root:x:0:\n", "guide").mode, 0600);
	assert_int_equal(conf_rights(root, "root:x:0:\n", "strict").gid, 0);
	assert_int_equal(conf_rights(root, "hsmusers:x:986:\n", "guide").mode, 0660);
	assert_int_equal(conf_rights(root, "hsmusers:x:986:\n", "guide").gid, 986);
	assert_int_equal(conf_rights(root, "hsmusers:x:986:\n", "strict").mode, 0640);
}

static void programs_and_libraries_are_told_by_place_and_name(void **state)
{
	static const char *const code[] = { "bin/vtl", "share/bin/tool", "jsp/lib.so", "libs/64/libx.so.1",
					    "plugins/a.plugin" };
	static const char *const plain[] = { "bin", "README", "so", "x.sofa", "plugins/readme.txt", "binary/x" };

	(void)state;
	for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++)
		assert_int_equal(client_layout_first_mode(code[i]), 0755);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_int_equal(client_layout_first_mode(plain[i]), 0644);
}

static void nothing_is_for_others_to_write_or_runs_as_its_owner(void **state)
{
	static const char *const paths[] = { "bin/vtl", "cert/client/k", "data/x", "README", "Chrystoki.conf", "lib" };

	(void)state;
	for (int way = 0; way < 4; way++) {
		const struct client_ownership policy = { .group = 7, .has_group = way & 1, .strict = (way & 2) != 0 };
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			assert_int_equal(client_layout_rights(&policy, paths[i], CLIENT_PLAIN).mode & 06022, 0);
			assert_int_equal(client_layout_rights(&policy, paths[i], CLIENT_DIRECTORY).mode & 04002, 0);
		}
	}
}

#define APPLY(test) cmocka_unit_test_setup_teardown(test, client_make, unit_place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		APPLY(what_depends_on_the_clients_top_is_given_when_that_is_known),
		APPLY(a_link_among_them_is_never_followed),
		cmocka_unit_test(owners_and_modes_come_from_the_policy),
		UNIT_IN_PLACE(chrystoki_conf_is_the_groups_where_there_is_one),
		cmocka_unit_test(programs_and_libraries_are_told_by_place_and_name),
		cmocka_unit_test(nothing_is_for_others_to_write_or_runs_as_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
