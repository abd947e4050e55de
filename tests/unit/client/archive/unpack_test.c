#include <errno.h>
#include <signal.h>
#include <libgen.h>
#include <limits.h>
#include <sys/wait.h>

#include "client/archive/unpack.h"
#include "base/hex.h"
#include "unit.h"

#include "made.h"

enum { ID = 65533 };

/* The program as it was built with this test: build/unit/client/archive/unpack_test, build/libexec. */
static const char *program_built(void)
{
	static char path[PATH_MAX];
	const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 64);

	assert_true(length > 0);
	path[length] = '\0';
	for (int up = 0; up < 4; up++)
		(void)dirname(path);
	strcat(path, "/libexec/okv-luna-unarchive");
	return path;
}

static mode_t mode_of(const char *path)
{
	return text_ends(path, ".so") ? 0755 : 0644;
}

static struct unpack_request request;

static int unpack(const struct unit_place *place, const struct text *bytes, bool place_it, struct unpack *u,
		  struct fault *f)
{
	static const char *const names[] = { "made.tar" };
	FS_AUTO int tree = -1;
	FS_AUTO int fd = openat(place->dir, "made.tar", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *program = request.program != NULL ? request.program : program_built();

	(void)mkdirat(place->dir, "tree", 0700);
	tree = openat(place->dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(write(fd, bytes->bytes, bytes->length), (ssize_t)bytes->length);
	request = (struct unpack_request){ .program = program,
					   .archives = &fd,
					   .names = names,
					   .archive_count = 1,
					   .tree = place_it ? tree : -1,
					   .id = ID,
					   .client_dir = "/usr/safenet/lunaclient",
					   .limits = LIMITS_DEFAULT,
					   .mode_of = mode_of };
	int r = unpack_run(&request, u, f);
	/* No process goes on; on a busy disk one that was killed while it synced takes a moment to end. */
	int status;
	(void)alarm(120);
	while (waitpid(-1, &status, 0) > 0)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(errno, ECHILD);
	(void)alarm(0);
	if (r == 0)
		r = unpack_links(u, &request, "", f);
	request.program = NULL;
	return r;
}

static void good(struct text *out)
{
	MADE_ADD(out, .name = "d/", .type = '5', .mode = 0700);
	MADE_ADD(out, .name = "d/a.so", .content = "abc", .mode = 0600);
	MADE_ADD(out, .name = "d/l", .type = '2', .target = "a.so");
	MADE_ADD(out, .name = "d/h", .type = '1', .target = "d/a.so");
	MADE_ADD(out, .name = "deep/er/b", .content = "b", .mode = 0777);
	made_end(out);
}

static void what_was_judged_is_written_with_owner_and_mode_of_the_policy(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	struct stat status;
	TEXT_AUTO bytes = { 0 };
	char hex[HEX_SIZE(SHA256_SIZE)], target[8] = "";

	good(&bytes);
	MUST(unpack(place, &bytes, true, &u, &f));
	unit_holds(place->dir, "tree/d/a.so", "abc");
	unit_holds(place->dir, "tree/d/h", "abc");
	unit_holds(place->dir, "tree/deep/er/b", "b");
	assert_int_equal(readlinkat(place->dir, "tree/d/l", target, sizeof(target)), 4);
	assert_int_equal(fstatat(place->dir, "tree/d/a.so", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
	assert_int_equal(status.st_uid, 0);
	assert_int_equal(status.st_nlink, 1);
	assert_int_equal(fstatat(place->dir, "tree/deep/er/b", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(fstatat(place->dir, "tree/d", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0755);

	assert_int_equal(u.files, 2);
	assert_int_equal(u.bytes, 4);
	assert_string_equal(text_string(&u.format), "tar");
	const struct unpack_entry *e = unpack_find(&u, "d/a.so");
	assert_non_null(e);
	hex_encode(e->sha256, SHA256_SIZE, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	e = unpack_find(&u, "d/h");
	assert_non_null(e);
	assert_string_equal(e->target, "d/a.so");
	assert_int_equal(e->size, 3);
	assert_null(unpack_find(&u, "d/x"));
	unpack_done(&u);
}

static void looking_writes_nothing_and_tells_the_same(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO bytes = { 0 };

	good(&bytes);
	MUST(unpack(place, &bytes, false, &u, &f));
	assert_int_equal(u.files, 2);
	assert_non_null(unpack_find(&u, "d/l"));
	assert_false(unit_there(place->dir, "tree/d"));
	unpack_done(&u);
}

static void a_refusal_bears_the_names_of_archive_and_member(void **state)
{
	struct unpack u = { 0 };
	struct fault f;
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO damaged = { 0 };

	MADE_ADD(&bytes, .name = "fine", .content = "abc");
	MADE_ADD(&bytes, .name = "../evil", .content = "abc");
	made_end(&bytes);
	MUST_FAIL(unpack(*state, &bytes, true, &u, &f), FAULT_REFUSED, "made.tar: member '../evil': '..' in the name");
	assert_null(u.entries);
	MADE_ADD(&damaged, .name = "fine", .content = "abc");
	MUST_FAIL(unpack(*state, &damaged, false, &u, &f), FAULT_REFUSED, "made.tar: damaged: it ends too early");
}

static void the_inner_archive_lies_where_it_lay_and_wins(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO inner = { 0 };
	TEXT_AUTO bytes = { 0 };

	MADE_ADD(&inner, .name = "./bin/vtl", .content = "inner");
	MADE_ADD(&inner, .name = "README", .content = "inner");
	MADE_ADD(&inner, .name = "how-to.tar", .content = "a text");
	MADE_ADD(&inner, .name = "bin/twice", .type = '1', .target = "./bin/vtl");
	MADE_ADD(&inner, .name = "bin/link", .type = '2', .target = "../README");
	made_end(&inner);
	MADE_ADD(&bytes, .name = "top/bin/vtl", .content = "outer program");
	MADE_ADD(&bytes, .name = "top/cvclient-min.tar", .content = inner.bytes, .length = inner.length);
	MADE_ADD(&bytes, .name = "top/README", .content = "outer");
	made_end(&bytes);
	MUST(unpack(place, &bytes, true, &u, &f));
	unit_holds(place->dir, "tree/top/bin/vtl", "inner");
	unit_holds(place->dir, "tree/top/README", "inner");
	unit_holds(place->dir, "tree/top/how-to.tar", "a text");
	unit_holds(place->dir, "tree/top/bin/twice", "inner");
	unit_holds(place->dir, "tree/top/bin/link", "inner");
	assert_false(unit_there(place->dir, "tree/top/cvclient-min.tar"));
	assert_string_equal(text_string(&u.format), "tar; tar");
	assert_string_equal(text_string(&u.covered), "top/bin/vtl\ntop/README\n");
	assert_int_equal(u.files, 3);
	assert_int_equal(u.bytes, 16);
	unpack_done(&u);
}

#define APPLE_DOUBLE "\0\5\26\7\0\2\0\0Mac OS X        "

static void side_files_are_left_out_and_told(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO inner = { 0 };
	TEXT_AUTO bytes = { 0 };

	MADE_ADD(&inner, .name = "x", .content = "x");
	MADE_ADD(&bytes, .name = "__MACOSX/._x", .content = APPLE_DOUBLE, .length = 24);
	made_end(&inner);
	MADE_ADD(&bytes, .name = "__MACOSX/cvclient-min.tar", .content = inner.bytes, .length = inner.length);
	MADE_ADD(&bytes, .name = "d/._x", .content = APPLE_DOUBLE, .length = 24);
	MADE_ADD(&bytes, .name = "d/._text", .content = "a text that is called so");
	MADE_ADD(&bytes, .name = "d/.DS_Store", .content = "x");
	MADE_ADD(&bytes, .name = "d/x", .content = "x");
	made_end(&bytes);
	MUST(unpack(place, &bytes, true, &u, &f));
	assert_string_equal(text_string(&u.left_out), "__MACOSX/._x\n__MACOSX/cvclient-min.tar\nd/._x\nd/.DS_Store\n");
	assert_int_equal(u.files, 2);
	unit_holds(place->dir, "tree/d/._text", "a text that is called so");
	assert_false(unit_there(place->dir, "tree/__MACOSX"));
	assert_false(unit_there(place->dir, "tree/d/._x"));
	unpack_done(&u);
}

static void a_file_that_comes_twice_has_the_same_content(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO bytes = { 0 };

	MADE_ADD(&bytes, .name = "d/x", .content = "abc");
	MADE_ADD(&bytes, .name = "d/", .type = '5');
	MADE_ADD(&bytes, .name = "d/x", .content = "abc");
	const size_t length = bytes.length;
	made_end(&bytes);
	MUST(unpack(place, &bytes, true, &u, &f));
	assert_int_equal(u.files, 1);
	unit_holds(place->dir, "tree/d/x", "abc");
	unpack_done(&u);
	text_cut(&bytes, length);
	MADE_ADD(&bytes, .name = "d/x", .content = "abd");
	made_end(&bytes);
	MUST_FAIL(unpack(place, &bytes, false, &u, &f), FAULT_REFUSED,
		  "made.tar: member 'd/x': the name occurs twice, with different content");
}

static void a_bomb_is_refused(void **state)
{
	struct unpack u = { 0 };
	struct fault f;
	TEXT_AUTO packed = { 0 };

	made_by("cd /tmp && head -c 100000000 /dev/zero >okv-luna-unit-zeros && tar -czf - okv-luna-unit-zeros; rm "
		"okv-luna-unit-zeros",
		"", 0, &packed);
	MUST_FAIL(unpack(*state, &packed, false, &u, &f), FAULT_REFUSED,
		  "a decompression bomb: more than 100 times as large");
}

/* A program that says what the dynamic linker says of a library. */
static void a_missing_library_is_named_with_its_package(void **state)
{
	const struct unit_place *place = *state;
	static char path[128];
	struct unpack u = { 0 };
	struct fault f;
	TEXT_AUTO bytes = { 0 };
	static const struct {
		const char *said;
		enum fault_kind kind;
		const char *words;
	} ends[] = {
		{ "libarchive.so.13: cannot open shared object file: No such file or directory", FAULT_ABSENT,
		  "without libarchive.so.13; install the package 'libarchive'" },
		{ "libz.so.1: cannot open shared object file: No such file or directory", FAULT_ABSENT,
		  "without libz.so.1; install the package 'zlib'" },
		{ "libz.so.1: failed to map segment from shared object", FAULT_SYSTEM, "cannot start: " },
	};

	good(&bytes);
	(void)snprintf(path, sizeof(path), "%s/program", place->path);
	request.program = path;
	unit_write(place->dir, "program", "#!/bin/sh\nexit 1\n", 0755);
	MUST_FAIL(unpack(place, &bytes, false, &u, &f), FAULT_SYSTEM, "the process that reads the archive failed");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char script[512];
		(void)snprintf(script, sizeof(script),
			       "#!/bin/sh\necho \"$0: error while loading shared libraries: %s\" >&2\nexit 127\n",
			       ends[i].said);
		unit_write(place->dir, "program", script, 0755);
		request.program = path;
		MUST_FAIL(unpack(place, &bytes, false, &u, &f), ends[i].kind, ends[i].words);
	}
	/* Who has taken a reading process over may say that the archive is refused, and that in plain letters. */
	unit_write(place->dir, "program",
		   "#!/bin/sh\n{ printf "
		   "'\\1\\0\\0\\0\\3\\0\\0\\0tar\\1\\0\\1\\0\\10\\10\\0\\0\\6\\0\\0\\0\\0\\0\\0\\0a\\33[2Jb'; "
		   "head -c 2042 /dev/zero; } >&3\n",
		   0755);
	request.program = path;
	MUST_FAIL(unpack(place, &bytes, false, &u, &f), FAULT_SYSTEM, "a\\x1b[2Jb");
	request.program = "/nowhere/okv-luna-unarchive";
	MUST_FAIL(unpack(place, &bytes, false, &u, &f), FAULT_ABSENT, "reinstall the package okv-luna-hooks");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(what_was_judged_is_written_with_owner_and_mode_of_the_policy),
		UNIT_IN_PLACE(looking_writes_nothing_and_tells_the_same),
		UNIT_IN_PLACE(a_refusal_bears_the_names_of_archive_and_member),
		UNIT_IN_PLACE(the_inner_archive_lies_where_it_lay_and_wins),
		UNIT_IN_PLACE(side_files_are_left_out_and_told),
		UNIT_IN_PLACE(a_file_that_comes_twice_has_the_same_content),
		UNIT_IN_PLACE(a_bomb_is_refused),
		UNIT_IN_PLACE(a_missing_library_is_named_with_its_package),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
