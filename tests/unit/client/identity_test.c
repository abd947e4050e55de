#include "client/identity.h"
#include "failing.h"
#include "trees.h"

#define DIR "/usr/safenet/lunaclient"

/* --- what it is --------------------------------------------------------------------------------------------------- */

static void the_identity_is_what_lies_below_its_names(void **state)
{
	static const char *const inside[] = { "cert",          "cert/client/x",    "configData/token/001/token.db",
					      "data",          "config/x",         "rbs/key",
					      "stc/identity",  "lock/x",           "Chrystoki.conf",
					      "partition.pem", "strange.pem/below" };
	static const char *const outside[] = { "certificates", "cert.old/x",         "database",  "bin/x.pem",
					       "openssl.cnf",  "Chrystoki.conf.bak", "libs/cert", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		assert_true(client_is_identity(inside[i]));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_false(client_is_identity(outside[i]));
}

/* --- carried over ------------------------------------------------------------------------------------------------- */

static struct client_content content = { .kind = CLIENT_MINIMAL };

/* From the old tree to the new one, or only told. */
static int carry_with(const char *conf, int to, struct text *paths, struct fault *f)
{
	const struct client_carry how = { .from = old,
					  .to = to,
					  .conf = conf,
					  .client_dir = DIR,
					  .content = &content,
					  .room = 1 << 20,
					  .report = made_report() };

	return client_identity_carry(&how, paths, f);
}

/* The paths are the same where it only tells. */
static void carry(const char *conf, const char *expected)
{
	TEXT_AUTO told = { 0 };
	TEXT_AUTO paths = { 0 };
	struct fault f = { 0 };

	MUST(carry_with(conf, -1, &told, &f));
	assert_string_equal(text_string(&told), expected);
	assert_false(unit_there(new, "cert"));
	MUST(carry_with(conf, new, &paths, &f));
	assert_string_equal(text_string(&paths), expected);
}

static void the_identity_is_carried_bit_for_bit_with_owner_mode_and_times(void **state)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 123456789 } };
	struct stat status;

	(void)state;
	trees_identity();
	assert_int_equal(fchownat(old, "cert/client/okvKey.pem", 12, 34, 0), 0);
	assert_int_equal(fchmodat(old, "cert/client/okvKey.pem", 0664, 0), 0);
	assert_int_equal(utimensat(old, "cert/client/okvKey.pem", times, 0), 0);
	carry(NULL, "cert\nconfigData\nChrystoki.conf\npartition-certificate.pem\ndata\n");
	unit_holds(new, "cert/client/okvKey.pem", "the key");
	assert_int_equal(fstatat(new, "cert/client/okvKey.pem", &status, 0), 0);
	assert_int_equal(status.st_uid, 12);
	assert_int_equal(status.st_gid, 34);
	assert_int_equal(status.st_mode & 07777, 0664);
	assert_int_equal(status.st_mtim.tv_sec, 2000);
	assert_int_equal(status.st_mtim.tv_nsec, 123456789);
	assert_int_equal(fstatat(new, "data", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 02777);
	unit_holds(new, "configData/token.db", "");
	assert_false(unit_there(new, "bin"));
	/* The old one is as it was. */
	unit_holds(old, "cert/client/okvKey.pem", "the key");
}

static void what_chrystoki_conf_names_is_carried_where_the_new_one_does_not_bring_it(void **state)
{
	static const char conf[] = "Misc = {\n A = /usr/safenet/lunaclient/own/place/x.cnf;\n"
				   " B = /usr/safenet/lunaclient/openssl.cnf;\n C = /usr/safenet/lunaclient/bin/vtl;\n"
				   " D = /usr/safenet/lunaclient/../../etc/passwd;\n}\n";

	(void)state;
	unit_dir(old, "own", 0755);
	unit_dir(old, "own/place", 0755);
	unit_write(old, "own/place/x.cnf", "mine", 0600);
	unit_write(old, "openssl.cnf", "old", 0644);
	unit_write(new, "openssl.cnf", "new", 0644);
	content.unpacked = UNPACKED("openssl.cnf");
	unit_dir(old, "bin", 0755);
	unit_write(old, "bin/vtl", "old program", 0755);
	carry(conf, "own/place/x.cnf\n");
	unit_holds(new, "own/place/x.cnf", "mine");
	unit_holds(new, "openssl.cnf", "new");
	assert_false(unit_there(new, "bin"));
}

static void stc_identities_and_certificates_at_the_top_are_of_the_identity(void **state)
{
	(void)state;
	unit_dir(old, "config", 0750);
	unit_write(old, "config/stc", "stc", 0600);
	unit_dir(old, "rbs", 0750);
	unit_write(old, "rbs/key.pem", "rbs", 0600);
	unit_write(old, "any-name.pem", "certificate", 0640);
	unit_write(old, "README", "the vendor's", 0644);
	carry(NULL, "config\nrbs\nany-name.pem\n");
	unit_holds(new, "config/stc", "stc");
	unit_holds(new, "rbs/key.pem", "rbs");
	assert_false(unit_there(new, "README"));
}

static void the_old_tree_stays_whole(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };
	struct stat before, after;

	(void)state;
	trees_identity();
	assert_int_equal(fstatat(old, "cert/client/okvKey.pem", &before, 0), 0);
	MUST(carry_with(NULL, new, &paths, &f));
	text_cut(&paths, 0);
	assert_int_equal(fstatat(old, "cert/client/okvKey.pem", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_nlink, 1);
	assert_int_equal(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	MUST(client_identity_changes(old, new, &paths, &f));
	assert_string_equal(text_string(&paths), "");
}

static void what_cannot_be_looked_at_is_not_left_behind(void **state)
{
	static const char conf[] = "Misc = {\n A = /usr/safenet/lunaclient/own/x.cnf;\n}\n";
	TEXT_AUTO paths = { 0 };
	struct fault f = { 0 };

	(void)state;
	trees_identity();
	unit_dir(old, "own", 0755);
	unit_write(old, "own/x.cnf", "mine", 0600);
	MUST_NOT_GUESS("cert", carry_with(NULL, new, &paths, &f));
	MUST_NOT_GUESS("partition-certificate.pem", carry_with(NULL, new, &paths, &f));
	MUST_NOT_GUESS("x.cnf", carry_with(conf, new, &paths, &f));
}

/* --- changed since ------------------------------------------------------------------------------------------------ */

static void only_what_was_changed_since_is_told(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	trees_identity();
	MUST(carry_with(NULL, new, &paths, &f));
	text_cut(&paths, 0);
	MUST(client_identity_changes(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "");
	unit_write(new, "cert/client/okvKey.pem", "made new", 0664);
	unit_write(new, "cert/client/second.pem", "new", 0664);
	unit_write(new, "data/log", "of the day", 0664);
	unit_dir(new, "lock", 0755);
	unit_write(new, "lock/1", "", 0664);
	unit_write(new, "README", "the vendor's", 0664);
	MUST(client_identity_changes(new, old, &paths, &f));
	assert_non_null(strstr(text_string(&paths), "cert/client/okvKey.pem\n"));
	assert_non_null(strstr(text_string(&paths), "cert/client/second.pem\n"));
	assert_int_equal(paths.length, strlen("cert/client/okvKey.pem\ncert/client/second.pem\n"));
}

/* A file of each tree, the same but for one thing. */
static const char *changed(const char *bytes, time_t time)
{
	static char said[64];
	const struct timespec times[2] = { { 1000, 0 }, { time, 0 } };
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	unit_write(new, "key.pem", bytes, 0600);
	assert_int_equal(utimensat(new, "key.pem", times, 0), 0);
	MUST(client_identity_changes(new, old, &paths, &f));
	(void)snprintf(said, sizeof(said), "%s", text_string(&paths));
	return said;
}

static void size_time_and_type_are_compared(void **state)
{
	const struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_write(old, "key.pem", "key", 0600);
	assert_int_equal(utimensat(old, "key.pem", times, 0), 0);
	assert_string_equal(changed("key", 2000), "");
	assert_string_equal(changed("key2", 2000), "key.pem\n");
	assert_string_equal(changed("yek", 2001), "key.pem\n");
	assert_int_equal(unlinkat(new, "key.pem", 0), 0);
	assert_int_equal(symlinkat("abc", new, "key.pem"), 0);
	MUST(client_identity_changes(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "key.pem\n");
}

static void behind_a_link_of_the_old_tree_there_is_nothing(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_dir(new, "cert", 0755);
	unit_write(new, "cert/a", "x", 0600);
	assert_int_equal(symlinkat("../new/cert", old, "cert"), 0);
	MUST(client_identity_changes(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "cert/a\n");
}

static void no_file_is_opened(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_dir(new, "cert", 0755);
	/* Whoever opened it would wait for ever. */
	assert_int_equal(mkfifoat(new, "cert/fifo", 0600), 0);
	MUST(client_identity_changes(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "cert/fifo\n");
}

static void what_cannot_be_looked_at_is_a_fault(void **state)
{
	struct fault f;
	TEXT_AUTO paths = { 0 };

	(void)state;
	unit_write(new, "key.pem", "x", 0600);
	MUST_NOT_GUESS("key.pem", client_identity_changes(new, old, &paths, &f));
}

/* --- what Chrystoki.conf names ------------------------------------------------------------------------------------ */

static void what_an_existing_file_names_and_the_new_client_lacks_is_said(void **state)
{
	static const char conf[] = "Misc = {\n   A = " DIR "/there;\n   B = " DIR "/not/there;\n   C = /etc/none;\n}\n";
	struct report *report = made_report();
	struct fault f = { 0 };

	(void)state;
	unit_write(new, "there", "", 0644);
	MUST(client_identity_lacking(new, conf, DIR, report, &f));
	assert_string_equal(text_string(&made_told),
			    "Chrystoki.conf names 'not/there' (B), which the new client does not have\n");
	MUST_NOT_GUESS("there", client_identity_lacking(new, conf, DIR, NULL, &f));
}

static void only_what_lies_below_the_clients_directory_is_looked_for(void **state)
{
	static const char conf[] = "One = {\n  A = " DIR "/a/b;\n  B = " DIR ";\n  C = " DIR "/;\n  D = " DIR "s/x;\n"
				   "  E = usr/safenet/lunaclient/x;\n}\nTwo = {\n  F = " DIR "/f;\n  G = ;\n}\n";
	struct fault f = { 0 };

	(void)state;
	MUST(client_identity_lacking(new, conf, DIR, made_report(), &f));
	assert_string_equal(text_string(&made_told),
			    "Chrystoki.conf names 'a/b' (A), which the new client does not have\n"
			    "Chrystoki.conf names 'f' (F), which the new client does not have\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_identity_is_what_lies_below_its_names),
		IN_TREES(the_identity_is_carried_bit_for_bit_with_owner_mode_and_times),
		IN_TREES(what_chrystoki_conf_names_is_carried_where_the_new_one_does_not_bring_it),
		IN_TREES(stc_identities_and_certificates_at_the_top_are_of_the_identity),
		IN_TREES(the_old_tree_stays_whole),
		IN_TREES(what_cannot_be_looked_at_is_not_left_behind),
		IN_TREES(only_what_was_changed_since_is_told),
		IN_TREES(size_time_and_type_are_compared),
		IN_TREES(behind_a_link_of_the_old_tree_there_is_nothing),
		IN_TREES(no_file_is_opened),
		IN_TREES(what_cannot_be_looked_at_is_a_fault),
		IN_TREES(what_an_existing_file_names_and_the_new_client_lacks_is_said),
		IN_TREES(only_what_lies_below_the_clients_directory_is_looked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
