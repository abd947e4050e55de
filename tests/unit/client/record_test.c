#include "client/layout.h"
#include "client/record.h"
#include "fs/sha256.h"
#include "failing.h"
#include "made.h"

#define DIR "/usr/safenet/lunaclient"

/* One file, one link, one hard link, something of the identity, and the library without which there is no client. */
#define CONTENT \
	"libs/64/libCryptoki2.so", "bin/64/vtl", "bin/64/again => bin/64/vtl", "doc/link -> ../bin/64/vtl", \
		"cert/client/key.pem", "setenv"

static const struct client_ownership ownership = { .group = 34, .has_group = true };
static struct client_content content;
static struct manifest record;
static int root, client = -1;

static const char *bytes_of(const char *path)
{
	return strcmp(path, "libs/64/libCryptoki2.so") == 0 ? "library" : strcmp(path, "setenv") == 0 ? "" : "program";
}

static void file_announce(struct unpack_entry *e)
{
	SHA256_AUTO d = SHA256_INIT;
	struct fault f = { 0 };

	if (e->type != UNPACK_FILE && e->type != UNPACK_HARD_LINK)
		return;
	const char *bytes = bytes_of(e->type == UNPACK_FILE ? e->path : e->target);
	e->size = strlen(bytes);
	MUST(fs_sha256_start(&d, &f));
	MUST(fs_sha256_add(&d, bytes, e->size, &f));
	MUST(fs_sha256_finish(&d, e->sha256, &f));
}

static int record_make(void **state)
{
	struct fault f = { 0 };

	(void)unit_place_make(state);
	root = ((const struct unit_place *)*state)->dir;
	content = (struct client_content){ 0 };
	content.unpacked = UNPACKED(CONTENT);
	for (size_t i = 0; i < content.unpacked.count; i++)
		file_announce(&made_entries[i]);
	MUST(client_content_find(&content, NULL, &f));
	MUST(client_record_make(&content, &ownership, DIR, &record, &f));
	return 0;
}

static int record_end(void **state)
{
	manifest_done(&record);
	fs_close(&client);
	return unit_place_remove(state);
}

/* The client as an installation leaves it, made from the record itself: what it does not name is not there. */
static void entry_install(const struct manifest_entry *e, const char *path)
{
	if (e->type == MANIFEST_DIR)
		unit_dir(client, path, 0700);
	else if (e->type == MANIFEST_LINK)
		assert_int_equal(symlinkat(e->target, client, path), 0);
	else
		unit_write(client, path, bytes_of(path), 0600);
	assert_int_equal(fchownat(client, path, e->uid, e->gid, AT_SYMLINK_NOFOLLOW), 0);
	if (e->type != MANIFEST_LINK)
		assert_int_equal(fchmodat(client, path, e->mode, 0), 0);
}

/* The path of an entry below the client's directory; NULL for the directories above and itself. */
static const char *path_below(const struct manifest_entry *e)
{
	return strlen(e->path) > strlen(DIR) - 1 ? e->path + strlen(DIR) : NULL;
}

static void install(void)
{
	unit_dir(root, "client", 0755);
	client = openat(root, "client", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(client >= 0);
	for (size_t i = 0; i < record.count; i++)
		if (path_below(&record.entries[i]) != NULL)
			entry_install(&record.entries[i], path_below(&record.entries[i]));
}

static const struct text carried = { .bytes = (char *)"own/kept\n", .length = sizeof("own/kept\n") - 1 };
static const struct client_expected expected = { .record = &record, .carried = &carried };

/* Is it exactly what was recorded?  And if only because of more than that, which is `extra`. */
static bool matches_but(const char *extra)
{
	TEXT_AUTO paths = { 0 };
	struct fault f = { 0 };
	bool same;

	MUST(client_record_compare(client, DIR, &expected, &same, &paths, &f));
	assert_string_equal(text_string(&paths), extra);
	return same;
}

static bool matches(void)
{
	return matches_but("");
}

static void it_names_every_file_directory_and_link_and_nothing_of_the_identity(void **state)
{
	TEXT_AUTO paths = { 0 };

	(void)state;
	for (size_t i = 0; i < record.count; i++) {
		const struct manifest_entry *e = &record.entries[i];
		if (path_below(e) != NULL)
			text_add_format(&paths, "%s%s\n", path_below(e),
					e->type == MANIFEST_DIR    ? "/"
					: e->type == MANIFEST_LINK ? "@"
								   : "");
	}
	assert_string_equal(text_string(&paths),
			    "bin/\nbin/64/\nbin/64/again\nbin/64/vtl\nbin/again@\nbin/vtl@\ndoc/\ndoc/link@\n"
			    "lib/\nlib/libCryptoki2.so@\nlib/libCryptoki2_64.so@\nlibs/\nlibs/64/\n"
			    "libs/64/libCryptoki2.so\nplugins/\nsetenv\n");
}

static void a_client_as_it_was_installed_matches(void **state)
{
	(void)state;
	install();
	assert_true(matches());
	/* The identity changes, and so does what is carried beside it; an empty directory says nothing. */
	unit_dir(client, "cert", 0777);
	unit_dir(client, "own", 0777);
	unit_write(client, "own/kept", "x", 0600);
	assert_true(matches());
}

static void what_is_there_beside_it_is_told(void **state)
{
	(void)state;
	install();
	unit_dir(client, "own", 0777);
	unit_write(client, "own/kept", "carried", 0600);
	assert_int_equal(symlinkat("kept", client, "own/link"), 0);
	assert_false(matches_but("own/link\n"));
	assert_int_equal(unlinkat(client, "own/link", 0), 0);
	/* Also behind a difference. */
	unit_write(client, "bin/64/more", "x", 0600);
	assert_int_equal(unlinkat(client, "setenv", 0), 0);
	assert_int_equal(fchmodat(client, "bin", 0700, 0), 0);
	assert_false(matches_but("bin/64/more\n"));
}

static void every_difference_is_found(void **state)
{
	(void)state;
	install();
	unit_write(client, "bin/64/vtl", "progran", 0755);
	assert_false(matches());
	unit_write(client, "bin/64/vtl", "program of another size", 0755);
	assert_false(matches());
	unit_write(client, "bin/64/vtl", "program", 0744);
	assert_false(matches());
	unit_write(client, "bin/64/vtl", "program", 0755);
	assert_true(matches());
	assert_int_equal(fchownat(client, "bin/64/vtl", 0, 12, 0), 0);
	assert_false(matches());
	assert_int_equal(fchownat(client, "bin/64/vtl", 0, 0, 0), 0);
	assert_int_equal(fchmodat(client, "bin/64/vtl", 0755, 0), 0);
	/* A second name is one that somebody else may have; also where it is of the identity, which is not looked at. */
	unit_dir(client, "cert", 0700);
	assert_int_equal(linkat(client, "bin/64/vtl", client, "cert/second", 0), 0);
	assert_false(matches());
	assert_int_equal(unlinkat(client, "cert/second", 0), 0);
	assert_true(matches());
	assert_int_equal(fchmodat(client, "plugins", 0700, 0), 0);
	assert_false(matches());
	assert_int_equal(fchmodat(client, "plugins", 0755, 0), 0);
	assert_int_equal(unlinkat(client, "doc/link", 0), 0);
	assert_false(matches());
	assert_int_equal(symlinkat("../bin/64/vt", client, "doc/link"), 0);
	assert_false(matches());
	assert_int_equal(unlinkat(client, "doc/link", 0), 0);
	unit_write(client, "doc/link", "a file", 0644);
	assert_false(matches());
	assert_int_equal(unlinkat(client, "doc/link", 0), 0);
	assert_int_equal(symlinkat("../bin/64/vtl", client, "doc/link"), 0);
	assert_true(matches());
	assert_int_equal(fchmod(client, 0750), 0);
	assert_false(matches());
}

static void what_cannot_be_looked_at_is_no_difference(void **state)
{
	TEXT_AUTO extra = { 0 };
	struct fault f;
	bool same;

	(void)state;
	install();
	MUST_NOT_GUESS("vtl", client_record_compare(client, DIR, &expected, &same, &extra, &f));
}

/* The record on disk, read back. */
static struct manifest written(struct text *ret_text)
{
	struct manifest m = { 0 };
	struct fault f = { 0 };
	char bytes[8192];
	struct stat status;
	FS_AUTO int fd = openat(root, &CLIENT_RECORD[1], O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	const ssize_t length = read(fd, bytes, sizeof(bytes));
	assert_true(length > 0 && (size_t)length < sizeof(bytes));
	text_add(ret_text, bytes, (size_t)length);
	MUST(manifest_parse(&m, "client.mtree", bytes, (size_t)length, &f));
	return m;
}

static size_t written_size(struct text *ret_text)
{
	MANIFEST_AUTO m = written(ret_text);

	return m.count;
}

static void it_is_written_with_owner_mode_size_and_digest(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO text = { 0 };

	(void)state;
	MUST(client_record_write(root, &record, "a comment", &f));
	MANIFEST_AUTO m = written(&text);
	assert_true(text_starts(text_string(&text), "#mtree\n# a comment\n"));
	const struct manifest_entry *e = manifest_find(&m, "usr/safenet/lunaclient/libs/64/libCryptoki2.so");
	assert_non_null(e);
	assert_int_equal(e->type, MANIFEST_FILE);
	assert_int_equal(e->mode, 0755);
	assert_int_equal(e->uid, 0);
	assert_int_equal(e->gid, 0);
	assert_int_equal(e->size, 7);
	assert_true(e->has_digest);
	assert_memory_equal(e->digest, unpack_find(&content.unpacked, "libs/64/libCryptoki2.so")->sha256, SHA256_SIZE);
	e = manifest_find(&m, "usr/safenet/lunaclient/bin/64/again");
	assert_non_null(e);
	assert_memory_equal(e->digest, unpack_find(&content.unpacked, "bin/64/vtl")->sha256, SHA256_SIZE);
	e = manifest_find(&m, "usr/safenet/lunaclient/doc/link");
	assert_non_null(e);
	assert_string_equal(e->target, "../bin/64/vtl");
	/* Of the directories above only that they are there. */
	e = manifest_find(&m, "usr/safenet");
	assert_non_null(e);
	assert_false(e->has_attributes);
	assert_null(manifest_find(&m, "usr/safenet/lunaclient/cert"));
}

static void rewrite(void)
{
	MANIFEST_AUTO now = { 0 };
	struct fault f = { 0 };

	MUST(client_record_read(client, DIR, &now, &f));
	MUST(client_record_write(root, &now, "same", &f));
}

static void read_from_the_disk_it_is_the_same(void **state)
{
	struct fault f = { 0 };
	TEXT_AUTO made = { 0 };
	TEXT_AUTO read = { 0 };

	(void)state;
	install();
	unit_dir(client, "cert", 0770);
	unit_write(client, "cert/key.pem", "of the identity", 0600);
	MUST(client_record_write(root, &record, "same", &f));
	const size_t count = written_size(&made);
	rewrite();
	assert_int_equal(written_size(&read), count);
	assert_string_equal(text_string(&made), text_string(&read));
	/* And it is read: what has changed is written as it is now. */
	unit_write(client, "setenv", "more", 0600);
	text_cut(&read, 0);
	rewrite();
	MANIFEST_AUTO third = written(&read);
	const struct manifest_entry *e = manifest_find(&third, "usr/safenet/lunaclient/setenv");
	assert_non_null(e);
	assert_int_equal(e->size, 4);
	assert_int_equal(e->mode, 0600);
}

static void what_cannot_be_read_is_not_recorded(void **state)
{
	MANIFEST_AUTO now = { 0 };
	struct fault f;

	(void)state;
	install();
	MUST_NOT_GUESS("vtl", client_record_read(client, DIR, &now, &f));
	assert_int_equal(now.count, 0);
}

static void a_record_that_cannot_be_written_leaves_the_old_one(void **state)
{
	struct fault f;

	(void)state;
	unit_dir(root, "opt", 0755);
	unit_dir(root, "opt/okv-luna", 0755);
	unit_dir(root, "opt/okv-luna/var", 0700);
	unit_write(root, &CLIENT_RECORD[1], "the old one", 0600);
	MUST_NOT_GUESS("client.mtree", client_record_write(root, &record, "x", &f));
	unit_holds(root, &CLIENT_RECORD[1], "the old one");
}

#define RECORD(test) cmocka_unit_test_setup_teardown(test, record_make, record_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RECORD(it_names_every_file_directory_and_link_and_nothing_of_the_identity),
		RECORD(a_client_as_it_was_installed_matches),
		RECORD(every_difference_is_found),
		RECORD(what_is_there_beside_it_is_told),
		RECORD(what_cannot_be_looked_at_is_no_difference),
		RECORD(it_is_written_with_owner_mode_size_and_digest),
		RECORD(read_from_the_disk_it_is_the_same),
		RECORD(what_cannot_be_read_is_not_recorded),
		RECORD(a_record_that_cannot_be_written_leaves_the_old_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
