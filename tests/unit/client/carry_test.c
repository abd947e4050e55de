#include <sys/xattr.h>

#include "client/carry.h"
#include "client/drift.h"
#include "unit.h"

static int old = -1, new = -1;
static unsigned warnings;

static void count(struct report *self, enum report_level level, const char *line)
{
	(void)self;
	(void)line;
	warnings += level == REPORT_WARNING;
}

static struct report report = { .hear = count };

static int trees_make(void **state)
{
	(void)unit_place_make(state);
	const int dir = ((const struct unit_place *)*state)->dir;

	unit_dir(dir, "old", 0755);
	unit_dir(dir, "new", 0755);
	old = openat(dir, "old", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	new = openat(dir, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	warnings = 0;
	return old < 0 || new < 0;
}

static int trees_end(void **state)
{
	fs_close(&old);
	fs_close(&new);
	return unit_place_remove(state);
}

static struct client_carried carry(const char *conf)
{
	struct client_carried carried = CLIENT_CARRIED_INIT;
	struct fault f = FAULT_INIT;

	MUST(client_carry(old, new, conf, "/usr/safenet/lunaclient", 1 << 20, &report, &carried, &f));
	return carried;
}

static void identity(void)
{
	unit_dir(old, "cert", 02770);
	unit_dir(old, "cert/client", 02770);
	unit_write(old, "cert/client/okvKey.pem", "the key", 0664);
	unit_dir(old, "configData", 02770);
	unit_write(old, "configData/token.db", "", 0660);
	unit_dir(old, "data", 02777);
	unit_write(old, "partition-certificate.pem", "partition", 0640);
	unit_write(old, "Chrystoki.conf", "conf", 0640);
	unit_dir(old, "bin", 0755);
	unit_write(old, "bin/vtl", "old program", 0755);
}

static void the_identity_is_carried_bit_for_bit_with_owner_mode_and_times(void **state)
{
	const struct timespec times[2] = { { 1000, 1 }, { 2000, 123456789 } };
	struct stat status;

	(void)state;
	identity();
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

static void where_both_have_a_file_the_old_one_stays_and_the_new_one_lies_beside_it(void **state)
{
	(void)state;
	identity();
	unit_dir(new, "cert", 0755);
	unit_dir(new, "cert/client", 0755);
	unit_write(new, "cert/client/okvKey.pem", "another key", 0644);
	unit_write(new, "Chrystoki.conf", "conf", 0644);
	struct client_carried carried = carry(NULL);
	text_done(&carried.kept);
	unit_holds(new, "cert/client/okvKey.pem", "the key");
	unit_holds(new, "cert/client/okvKey.pem.okv-luna-new", "another key");
	/* With the same content there is nothing to put aside. */
	assert_false(unit_there(new, "Chrystoki.conf.okv-luna-new"));
	assert_int_equal(warnings, 1);
}

static void no_link_is_followed_and_what_is_no_file_is_left_behind(void **state)
{
	const struct unit_place *place = *state;
	char target[64] = "";

	unit_write(place->dir, "secret", "outside", 0600);
	unit_dir(old, "data", 0777);
	assert_int_equal(symlinkat("../../secret", old, "data/link"), 0);
	assert_int_equal(mkfifoat(old, "data/fifo", 0600), 0);
	unit_dir(new, "data", 0755);
	unit_write(new, "data/link", "new file", 0600);
	struct client_carried carried = carry(NULL);
	text_done(&carried.kept);
	assert_int_equal(readlinkat(new, "data/link", target, sizeof(target) - 1), 12);
	assert_string_equal(target, "../../secret");
	assert_false(unit_there(new, "data/fifo"));
	unit_holds(place->dir, "secret", "outside");
	assert_true(warnings >= 1);
}

static void a_planted_link_in_the_new_tree_is_not_written_through(void **state)
{
	const struct unit_place *place = *state;

	unit_write(place->dir, "victim", "untouched", 0600);
	identity();
	unit_dir(new, "cert", 0755);
	unit_dir(new, "cert/client", 0755);
	assert_int_equal(symlinkat("../../../victim", new, "cert/client/okvKey.pem"), 0);
	struct client_carried carried = carry(NULL);
	text_done(&carried.kept);
	unit_holds(place->dir, "victim", "untouched");
	unit_holds(new, "cert/client/okvKey.pem", "the key");
}

static void set_user_id_bits_and_capabilities_stay_behind(void **state)
{
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };
	struct stat status;
	char value[64];

	(void)state;
	unit_dir(old, "data", 0755);
	unit_write(old, "data/tool", "x", 04755);
	FS_AUTO int fd = openat(old, "data/tool", O_RDONLY | O_CLOEXEC);
	const bool capable = fsetxattr(fd, "security.capability", capability, sizeof(capability), 0) == 0;
	struct client_carried carried = carry(NULL);
	text_done(&carried.kept);
	assert_int_equal(fstatat(new, "data/tool", &status, 0), 0);
	assert_int_equal(status.st_mode & 06000, 0);
	FS_AUTO int copy = openat(new, "data/tool", O_RDONLY | O_CLOEXEC);
	if (capable)
		assert_int_equal(fgetxattr(copy, "security.capability", value, sizeof(value)), -1);
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

static void more_than_there_is_room_for_is_refused(void **state)
{
	struct client_carried carried = CLIENT_CARRIED_INIT;
	struct fault f;

	(void)state;
	identity();
	MUST_FAIL(client_carry(old, new, NULL, "/x", 5, &report, &carried, &f), FAULT_REFUSED,
		  "take more than 5 bytes");
}

static void with_nowhere_to_go_it_only_tells(void **state)
{
	struct client_carried carried = CLIENT_CARRIED_INIT;
	struct fault f = FAULT_INIT;

	(void)state;
	identity();
	MUST(client_carry(old, -1, NULL, "/x", 0, &report, &carried, &f));
	assert_non_null(strstr(text_string(&carried.kept), "cert\n"));
	text_done(&carried.kept);
	assert_false(unit_there(new, "cert"));
}

static void only_what_was_changed_since_has_drifted(void **state)
{
	struct fault f = FAULT_INIT;
	TEXT_AUTO paths = TEXT_INIT;

	(void)state;
	identity();
	struct client_carried carried = carry(NULL);
	text_done(&carried.kept);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_string_equal(text_string(&paths), "");
	unit_write(new, "cert/client/okvKey.pem", "made new", 0664);
	unit_write(new, "cert/client/second.pem", "new", 0664);
	unit_write(new, "data/log", "of the day", 0664);
	MUST(client_drift_find(new, old, &paths, &f));
	assert_non_null(strstr(text_string(&paths), "cert/client/okvKey.pem\n"));
	assert_non_null(strstr(text_string(&paths), "cert/client/second.pem\n"));
	assert_null(strstr(text_string(&paths), "data"));
}

#define CARRY(test) cmocka_unit_test_setup_teardown(test, trees_make, trees_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CARRY(the_identity_is_carried_bit_for_bit_with_owner_mode_and_times),
		CARRY(where_both_have_a_file_the_old_one_stays_and_the_new_one_lies_beside_it),
		CARRY(no_link_is_followed_and_what_is_no_file_is_left_behind),
		CARRY(a_planted_link_in_the_new_tree_is_not_written_through),
		CARRY(set_user_id_bits_and_capabilities_stay_behind),
		CARRY(what_chrystoki_conf_names_is_carried_where_the_new_one_does_not_bring_it),
		CARRY(more_than_there_is_room_for_is_refused),
		CARRY(with_nowhere_to_go_it_only_tells),
		CARRY(only_what_was_changed_since_has_drifted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
