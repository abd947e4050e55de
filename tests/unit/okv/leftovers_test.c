/* okv/leftovers: what is a copy, where one may lie, and that nothing unseen is taken for nothing. */
#include "unit_seccomp.h"

#include <errno.h>
#include <sys/syscall.h>

#include "okv/leftovers.c"

#define HSM "usr/local/okv/hsm"
#define VAR "opt/okv-luna/var"

static void node_make(const struct unit_place *place)
{
	static const char *const directories[] = {
		"etc",  "tmp",  "var",          "var/tmp",       "var/lib", "var/lib/oracle",
		"root", "home", "home/support", "home/oracle",   "opt",     "opt/okv-luna",
		VAR,    "usr",  "usr/local",    "usr/local/okv", HSM
	};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		unit_dir(place->dir, directories[i], 0755);
	unit_write(place->dir, "etc/passwd",
		   "root:x:0:0::/root:/bin/sh\noracle:x:1001:1001::/var/lib/oracle:/bin/sh\n"
		   "support:x:1002:1002::/home/support:/bin/sh\n",
		   0644);
}

/* "PATH: WORDS" of each, up to the size, a line each. */
static void found(int root, struct text *out)
{
	struct fault f = { 0 };
	OKV_LEFTOVERS_AUTO leftovers = { 0 };
	SETTINGS_AUTO settings = { 0 };

	MUST(settings_init(&settings, &f));
	MUST(okv_leftovers_find(root, &settings, &leftovers, &f));
	for (size_t i = 0; i < leftovers.count; i++) {
		TEXT_AUTO words = { 0 };
		okv_leftover_describe(&leftovers.items[i], &words);
		text_add_format(out, "%s: %.*s\n", leftovers.items[i].path, (int)strcspn(text_string(&words), ","),
				text_string(&words));
	}
}

static void assert_found(const struct unit_place *place, const char *expected)
{
	TEXT_AUTO out = { 0 };

	found(place->dir, &out);
	assert_string_equal(text_string(&out), expected);
}

static void content_decides_and_our_own_names(void **state)
{
	const struct unit_place *place = *state;

	node_make(place);
	assert_found(place, "");
	unit_write(place->dir, HSM "/hsmbundle", "the bundle", 0600);
	unit_write(place->dir, HSM "/.hsmbundle.okv-luna-new", "half", 0600);
	unit_write(place->dir, HSM "/before", "the bundle", 0600);
	unit_write(place->dir, VAR "/" SETTINGS_OUTGOING, "half", 0600);
	unit_write(place->dir, VAR "/.journal.okv-luna-new", "no bundle", 0600);
	unit_write(place->dir, "tmp/hsmbundle", "another", 0644);
	unit_write(place->dir, "tmp/anything", "OKVB1\n{ \"size\": 1, \"origin\" :\t\"okv1\" }\n", 0600);
	unit_write(place->dir, "tmp/escaped", "OKVB1\n{\"origin\":\"okv\\u0031\"}\n", 0600);
	unit_write(place->dir, "tmp/.y.okv-luna-new", "half", 0600);
	unit_write(place->dir, "tmp/hsmbundle.txt", "my notes", 0600);
	unit_write(place->dir, "tmp/long", "the bundle and more", 0600);
	unit_write(place->dir, "tmp/okvb", "OKVB2\n{}\n", 0600);
	unit_write(place->dir, "tmp/other", "The bundle", 0600);
	unit_write(place->dir, "var/tmp/x", "the bundle", 0600);
	unit_write(place->dir, "root/hsmbundle", "another", 0600);
	unit_write(place->dir, "var/lib/oracle/hsmbundle", "another", 0600);
	unit_write(place->dir, "home/support/s", "OKVB1\n", 0600);
	unit_write(place->dir, "home/oracle/y", "the bundle", 0600);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n"
			    "/home/oracle/y: an unsealed copy\n"
			    "/home/support/s: a sealed copy\n"
			    "/opt/okv-luna/var/" SETTINGS_OUTGOING ": left by a run that was killed\n"
			    "/root/hsmbundle: an unsealed copy\n"
			    "/tmp/.y.okv-luna-new: left by a run that was killed\n"
			    "/tmp/anything: a sealed copy from okv1\n"
			    "/tmp/escaped: a sealed copy\n"
			    "/tmp/hsmbundle: an unsealed copy\n"
			    "/usr/local/okv/hsm/.hsmbundle.okv-luna-new: left by a run that was killed\n"
			    "/usr/local/okv/hsm/before: an unsealed copy\n"
			    "/var/lib/oracle/hsmbundle: an unsealed copy\n"
			    "/var/tmp/x: an unsealed copy\n");
}

static void an_empty_bundle_has_no_copies_by_content(void **state)
{
	const struct unit_place *place = *state;

	node_make(place);
	unit_write(place->dir, HSM "/hsmbundle", "", 0600);
	unit_write(place->dir, "tmp/empty", "", 0600);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place (empty)\n");
}

static void all_of_a_long_file_is_compared(void **state)
{
	const struct unit_place *place = *state;
	char bytes[100 * 1024 + 1];

	node_make(place);
	memset(bytes, 'a', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	unit_write(place->dir, HSM "/hsmbundle", bytes, 0600);
	unit_write(place->dir, "tmp/same", bytes, 0600);
	bytes[sizeof(bytes) - 2] = 'b';
	unit_write(place->dir, "tmp/other", bytes, 0600);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n/tmp/same: an unsealed copy\n");
}

static void no_link_is_followed_and_nothing_but_regular_files_is_opened(void **state)
{
	const struct unit_place *place = *state;

	node_make(place);
	unit_write(place->dir, "etc/sealed", "OKVB1\n", 0600);
	assert_int_equal(symlinkat("../../../../etc/sealed", place->dir, HSM "/hsmbundle"), 0);
	assert_int_equal(symlinkat("../etc/sealed", place->dir, "tmp/hsmbundle"), 0);
	assert_int_equal(symlinkat("../etc/sealed", place->dir, "tmp/other"), 0);
	/* Opening it would wait for a writer. */
	assert_int_equal(mkfifoat(place->dir, "tmp/line", 0600), 0);
	unit_dir(place->dir, "etc/below", 0755);
	unit_write(place->dir, "etc/below/hsmbundle", "plain", 0600);
	assert_int_equal(symlinkat("../etc/below", place->dir, "tmp/below"), 0);
	/* In the bundle's own place, a link may lead to one. */
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: could not be looked at: '/usr/local/okv/hsm/hsmbundle' is a "
			    "symbolic link\n");
}

static void what_copying_makes_of_the_name_is_a_copy(void **state)
{
	static const char *const copies[] = { "hsmbundle.bak",     "hsmbundle (1)",  "hsmbundle~",
					      "okv1-hsmbundle",    ".hsmbundle.swp", "HSMBUNDLE.old.gz",
					      "Copy of hsmbundle", "hsmbundle2" };
	static const char *const others[] = { "hsmbundle.txt", "hsmbundle.sha256", "push-hsmbundle.sh", "hsm-bundle" };
	const struct unit_place *place = *state;
	char path[128];

	node_make(place);
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		TEXT_AUTO expected = { 0 };
		(void)snprintf(path, sizeof(path), "home/support/%s", copies[i]);
		unit_write(place->dir, path, "yesterday's", 0644);
		text_add_format(&expected, "/%s: an unsealed copy (by its name)\n", path);
		assert_found(place, text_string(&expected));
		assert_int_equal(unlinkat(place->dir, path, 0), 0);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(path, sizeof(path), "home/support/%s", others[i]);
		unit_write(place->dir, path, "no bundle", 0644);
	}
	unit_write(place->dir, "root/send-hsmbundle", "a program", 0755);
	unit_dir(place->dir, HSM "/bin", 0755);
	unit_write(place->dir, HSM "/bin/hsmbundle", "OKV's", 0755);
	unit_write(place->dir, HSM "/bin/hsmbundle.rb", "OKV's", 0644);
	assert_found(place, "");
}

static void folders_are_looked_into(void **state)
{
	const struct unit_place *place = *state;
	char path[128] = "tmp";

	node_make(place);
	unit_write(place->dir, HSM "/hsmbundle", "the bundle", 0600);
	for (size_t i = 0; i < 20; i++) {
		strcat(path, "/d");
		unit_dir(place->dir, path, 0700);
	}
	unit_dir(place->dir, "home/support/.cache", 0700);
	strcat(path, "/x");
	unit_write(place->dir, path, "the bundle", 0600);
	unit_write(place->dir, "home/support/.cache/y", "OKVB1\n", 0600);
	unit_write(place->dir, "home/Z", "the bundle", 0600);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n"
			    "/home/Z: an unsealed copy\n"
			    "/home/support/.cache/y: a sealed copy\n"
			    "/tmp/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/x: an unsealed copy\n");
}

static void a_sealed_bundle_in_its_place_is_no_bundle(void **state)
{
	const struct unit_place *place = *state;

	node_make(place);
	unit_write(place->dir, HSM "/hsmbundle", "OKVB1\n{\"origin\":\"okv1\"}\n", 0600);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place (still sealed) from okv1\n");
}

static void a_further_name_is_found_wherever_it_is(void **state)
{
	const struct unit_place *place = *state;

	node_make(place);
	unit_write(place->dir, HSM "/hsmbundle", "the bundle", 0600);
	assert_int_equal(fchownat(place->dir, HSM "/hsmbundle", 1001, 1001, 0), 0);
	assert_int_equal(linkat(place->dir, HSM "/hsmbundle", place->dir, "tmp/second", 0), 0);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n/tmp/second: an unsealed copy\n");
	unit_dir(place->dir, "var/spool", 0755);
	unit_write(place->dir, "root/x", "OKVB1\n", 0600);
	assert_int_equal(linkat(place->dir, HSM "/hsmbundle", place->dir, "etc/third", 0), 0);
	assert_int_equal(linkat(place->dir, "root/x", place->dir, "var/spool/x", 0), 0);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n"
			    "/etc/third: an unsealed copy\n"
			    "/root/x: a sealed copy\n"
			    "/tmp/second: an unsealed copy\n"
			    "/var/spool/x: a sealed copy\n");
}

/* A neighbour may give somebody else's file the name, or the place, of a bundle. */
static void a_file_that_is_only_called_a_bundle_is_not_known_by_its_other_names(void **state)
{
	const struct unit_place *place = *state;

	node_make(place);
	unit_write(place->dir, "etc/shadow", "secret", 0600);
	assert_int_equal(linkat(place->dir, "etc/shadow", place->dir, HSM "/hsmbundle", 0), 0);
	assert_int_equal(linkat(place->dir, "etc/shadow", place->dir, "tmp/x", 0), 0);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n"
			    "/etc/shadow: is the same file as '/usr/local/okv/hsm/hsmbundle'\n"
			    "/tmp/x: is the same file as '/usr/local/okv/hsm/hsmbundle'\n"
			    "/usr/local/okv/hsm/hsmbundle: has more hard links elsewhere\n");
}

/* Outside of the tree, as it may be on a file system that is mounted elsewhere. */
/* An entry whose name leads to another file by now than when it was looked at. */
static void what_was_exchanged_is_not_judged_by_the_other_file(void **state)
{
	static const char *const paths[] = { "/tmp/file", SETTINGS_BUNDLE };
	const struct unit_place *place = *state;
	const int root = place->dir;
	struct fault f = { 0 };
	struct stat others, bundle;

	node_make(place);
	unit_write(root, "etc/shadow", "the bundle", 0600);
	unit_write(root, HSM "/hsmbundle", "the bundle", 0600);
	unit_write(root, "tmp/file", SETTINGS_SEALED_MAGIC "{}", 0600);
	assert_int_equal(fstatat(root, "etc/shadow", &others, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstatat(root, HSM "/hsmbundle", &bundle, AT_SYMLINK_NOFOLLOW), 0);
	for (size_t i = 0; i < 2; i++) {
		FS_AUTO int dir = -1;
		char leaf[FS_NAME_SIZE];
		struct search s = { .root = root, .bundle = -1, .bundle_status = bundle };
		MUST(fs_parent_open(root, paths[i], FS_NOFOLLOW, &dir, leaf, &f));
		const struct fs_walk_entry entry = { .dir = dir, .name = leaf, .path = paths[i], .status = &others };
		MUST(file_look(&s, &entry, &f));
		assert_int_equal(s.found.count, 1);
		/* Nothing that would have its further names removed. */
		assert_true(s.found.items[0].kind == OKV_LEFTOVER_UNSEEN || s.found.items[0].named_only);
		okv_leftovers_done(&s.found);
	}
}

static void a_name_that_was_not_found_is_told(void **state)
{
	const struct unit_place *place = *state;
	FS_AUTO int beside = -1;
	char path[] = "/tmp/leftovers-XXXXXX";

	node_make(place);
	assert_non_null(mkdtemp(path));
	beside = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unit_write(place->dir, HSM "/hsmbundle", "the bundle", 0600);
	assert_int_equal(fchownat(place->dir, HSM "/hsmbundle", 1001, 1001, 0), 0);
	assert_int_equal(linkat(place->dir, HSM "/hsmbundle", place->dir, "tmp/second", 0), 0);
	assert_int_equal(linkat(place->dir, HSM "/hsmbundle", beside, "third", 0), 0);
	assert_found(place, "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n"
			    "/tmp/second: an unsealed copy\n"
			    "/tmp/second: has more hard links elsewhere\n"
			    "/usr/local/okv/hsm/hsmbundle: has more hard links elsewhere\n");
	assert_int_equal(unlinkat(beside, "third", 0), 0);
	assert_int_equal(rmdir(path), 0);
}

static int directories_unread(void *context)
{
	const struct unit_place *place = context;
	TEXT_AUTO out = { 0 };

	found(place->dir, &out);
	return strcmp(text_string(&out), "/home: could not be looked at: Input/output error\n"
					 "/home/support: could not be looked at: Input/output error\n"
					 "/opt: could not be looked at: Input/output error\n"
					 "/opt/okv-luna/var: could not be looked at: Input/output error\n"
					 "/root: could not be looked at: Input/output error\n"
					 "/tmp: could not be looked at: Input/output error\n"
					 "/usr/local/okv/hsm: could not be looked at: Input/output error\n"
					 "/var/lib/oracle: could not be looked at: Input/output error\n"
					 "/var/tmp: could not be looked at: Input/output error\n") == 0
		       ? 0
		       : 1;
}

static int files_unread(void *context)
{
	const struct unit_place *place = context;
	TEXT_AUTO out = { 0 };

	found(place->dir, &out);
	return strcmp(text_string(&out), "/usr/local/okv/hsm/hsmbundle: the bundle in its place\n"
					 "/tmp/hsmbundle: an unsealed copy\n"
					 "/tmp/same length: could not be looked at: Input/output error\n") == 0
		       ? 0
		       : 1;
}

static void what_cannot_be_read_is_told(void **state)
{
	struct unit_place *place = *state;

	node_make(place);
	assert_int_equal(unit_with_denied(SYS_getdents64, EIO, directories_unread, place), 0);
	unit_write(place->dir, HSM "/hsmbundle", "12345", 0600);
	unit_write(place->dir, "tmp/same length", "54321", 0600);
	unit_write(place->dir, "tmp/hsmbundle", "another", 0600);
	unit_write(place->dir, "tmp/it", "no", 0600);
	assert_int_equal(unit_with_denied(SYS_pread64, EIO, files_unread, place), 0);
}

static void only_that_very_file_is_removed(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	OKV_LEFTOVERS_AUTO leftovers = { 0 };
	SETTINGS_AUTO settings = { 0 };

	MUST(settings_init(&settings, &f));
	node_make(place);
	unit_write(place->dir, "tmp/hsmbundle", "plain", 0600);
	MUST(okv_leftovers_find(place->dir, &settings, &leftovers, &f));
	assert_int_equal(leftovers.count, 1);
	unit_write(place->dir, "tmp/other", "mine", 0600);
	assert_int_equal(renameat(place->dir, "tmp/other", place->dir, "tmp/hsmbundle"), 0);
	MUST_FAIL(okv_leftover_remove(place->dir, &leftovers.items[0], &f), FAULT_INCOMPLETE, "another file now");
	unit_holds(place->dir, "tmp/hsmbundle", "mine");
	assert_int_equal(unlinkat(place->dir, "tmp/hsmbundle", 0), 0);
	MUST(okv_leftover_remove(place->dir, &leftovers.items[0], &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(content_decides_and_our_own_names),
		UNIT_IN_PLACE(an_empty_bundle_has_no_copies_by_content),
		UNIT_IN_PLACE(all_of_a_long_file_is_compared),
		UNIT_IN_PLACE(no_link_is_followed_and_nothing_but_regular_files_is_opened),
		UNIT_IN_PLACE(what_copying_makes_of_the_name_is_a_copy),
		UNIT_IN_PLACE(folders_are_looked_into),
		UNIT_IN_PLACE(a_sealed_bundle_in_its_place_is_no_bundle),
		UNIT_IN_PLACE(a_further_name_is_found_wherever_it_is),
		UNIT_IN_PLACE(a_file_that_is_only_called_a_bundle_is_not_known_by_its_other_names),
		UNIT_IN_PLACE(what_was_exchanged_is_not_judged_by_the_other_file),
		UNIT_IN_PLACE(a_name_that_was_not_found_is_told),
		UNIT_IN_PLACE(what_cannot_be_read_is_told),
		UNIT_IN_PLACE(only_that_very_file_is_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
