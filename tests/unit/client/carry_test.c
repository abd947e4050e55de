#include "client/carry.h"
#include "client/drift.h"
#include "failing.h"
#include "trees.h"

static struct client_carried carry(const char *conf)
{
	struct client_carried carried = { 0 };
	struct fault f = { 0 };

	MUST(client_carry(old, new, conf, "/usr/safenet/lunaclient", 1 << 20, made_report(), &carried, &f));
	return carried;
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
	struct client_carried carried = carry(NULL);
	assert_string_equal(text_string(&carried.kept),
			    "cert\nconfigData\ndata\nChrystoki.conf\npartition-certificate.pem\n");
	text_done(&carried.kept);
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
	unit_dir(old, "bin", 0755);
	unit_write(old, "bin/vtl", "old program", 0755);
	struct client_carried carried = carry(conf);
	assert_string_equal(text_string(&carried.kept), "own/place/x.cnf\n");
	text_done(&carried.kept);
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
	struct client_carried carried = carry(NULL);
	assert_string_equal(text_string(&carried.kept), "config\nrbs\nany-name.pem\n");
	assert_int_equal(carried.files, 3);
	assert_int_equal(carried.bytes, strlen("stc"
					       "rbs"
					       "certificate"));
	text_done(&carried.kept);
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
	struct client_carried carried = carry(NULL);
	text_done(&carried.kept);
	assert_int_equal(fstatat(old, "cert/client/okvKey.pem", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_nlink, 1);
	assert_int_equal(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	MUST(client_drift_find(old, new, &paths, &f));
	assert_string_equal(text_string(&paths), "");
}

static void what_cannot_be_looked_at_is_not_left_behind(void **state)
{
	static const char conf[] = "Misc = {\n A = /usr/safenet/lunaclient/own/x.cnf;\n}\n";
	struct client_carried carried = { 0 };
	struct fault f = { 0 };

	(void)state;
	trees_identity();
	unit_dir(old, "own", 0755);
	unit_write(old, "own/x.cnf", "mine", 0600);
	MUST_NOT_GUESS("cert", client_carry(old, new, NULL, "/x", 100, NULL, &carried, &f));
	MUST_NOT_GUESS("partition-certificate.pem", client_carry(old, new, NULL, "/x", 100, NULL, &carried, &f));
	MUST_NOT_GUESS("x.cnf", client_carry(old, new, conf, "/usr/safenet/lunaclient", 100, NULL, &carried, &f));
	assert_null(carried.kept.bytes);
}

static void with_nowhere_to_go_it_only_tells(void **state)
{
	struct client_carried carried = { 0 };
	struct fault f = { 0 };

	(void)state;
	trees_identity();
	MUST(client_carry(old, -1, NULL, "/x", 0, made_report(), &carried, &f));
	assert_non_null(strstr(text_string(&carried.kept), "cert\n"));
	text_done(&carried.kept);
	assert_false(unit_there(new, "cert"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREES(the_identity_is_carried_bit_for_bit_with_owner_mode_and_times),
		IN_TREES(what_chrystoki_conf_names_is_carried_where_the_new_one_does_not_bring_it),
		IN_TREES(stc_identities_and_certificates_at_the_top_are_of_the_identity),
		IN_TREES(the_old_tree_stays_whole),
		IN_TREES(what_cannot_be_looked_at_is_not_left_behind),
		IN_TREES(with_nowhere_to_go_it_only_tells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
