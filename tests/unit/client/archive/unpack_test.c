#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/hex.h"
#include "client/archive/sandbox.h"
#include "client/archive/unpack.h"
#include "old_kernel.h"
#include "unit.h"

#include "made.h"

enum { WORKER = 65533 };

/* --- the sandbox -------------------------------------------------------------------------------------------------- */

/* Runs `act` in the sandbox: the child says by its status whether all was as it should be. */
static void in_sandbox(const struct unit_place *place, enum sandbox_trade trade, bool (*act)(int kept))
{
	const struct sandbox sandbox = {
		.uid = WORKER, .gid = WORKER, .tree = place->dir, .file_bytes = 100000, .trade = trade
	};
	int ends[2], status;

	assert_int_equal(fchown(place->dir, WORKER, WORKER), 0);
	assert_int_equal(pipe(ends), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		struct fault f = { 0 };
		const int keep[] = { ends[1], -1 };
		_exit(sandbox_enter(&sandbox, keep, &f) < 0 ? 2 : act(ends[1]) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool owns_nothing(int kept)
{
	(void)kept;
	/* Nothing is asked of the kernel that the filter forbids: what was given up shows in what fails. */
	return setuid(0) < 0 && openat(AT_FDCWD, "/etc/passwd", O_RDONLY) < 0 && getenv("PATH") == NULL;
}

static bool starts_nothing(int kept)
{
	(void)kept;
	const pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 && execl("/bin/true", "true", NULL) < 0 && socket(AF_INET, SOCK_STREAM, 0) < 0 &&
	       kill(1, 0) < 0 && errno == EPERM;
}

static bool opens_nothing(int kept)
{
	(void)kept;
	return openat(AT_FDCWD, "file", O_WRONLY | O_CREAT, 0600) < 0 && errno == EPERM &&
	       mkdirat(AT_FDCWD, "d", 0700) < 0;
}

static bool writes_only_so_much(int kept)
{
	char block[4096] = { 0 };
	int written = 0;
	const int fd = openat(AT_FDCWD, "/file", O_WRONLY | O_CREAT | O_EXCL, 0600);

	(void)kept;
	(void)signal(SIGXFSZ, SIG_IGN);
	while (fd >= 0 && written < 1000000) {
		const ssize_t part = write(fd, block, sizeof(block));
		if (part < 0)
			break;
		written += (int)part;
	}
	return fd >= 0 && written == 100000 && symlinkat("x", AT_FDCWD, "/l") < 0 &&
	       linkat(AT_FDCWD, "/file", AT_FDCWD, "/h", 0) < 0;
}

static bool keeps_only_what_it_was_given(int kept)
{
	for (int fd = 3; fd < 2000; fd++)
		if (fd != kept && close(fd) == 0)
			return false;
	return write(kept, "x", 1) == 1;
}

static void an_unpacking_process_owns_nothing_and_sees_nothing(void **state)
{
	in_sandbox(*state, SANDBOX_DECODE, owns_nothing);
	in_sandbox(*state, SANDBOX_PLACE, owns_nothing);
}

static void it_starts_no_processes_and_opens_no_sockets(void **state)
{
	in_sandbox(*state, SANDBOX_DECODE, starts_nothing);
	in_sandbox(*state, SANDBOX_PLACE, starts_nothing);
}

static void a_decoder_opens_nothing(void **state)
{
	in_sandbox(*state, SANDBOX_DECODE, opens_nothing);
}

static void a_placer_makes_plain_files_of_limited_size_and_no_links(void **state)
{
	(void)signal(SIGXFSZ, SIG_IGN);
	in_sandbox(*state, SANDBOX_PLACE, writes_only_so_much);
	(void)signal(SIGXFSZ, SIG_DFL);
}

static void every_other_descriptor_is_closed(void **state)
{
	const struct rlimit limit = { .rlim_cur = 2048, .rlim_max = 2048 };
	int status;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(dup2(0, 1500), 1500);
	in_sandbox(*state, SANDBOX_PLACE, keeps_only_what_it_was_given);
	const pid_t pid = fork();
	if (pid == 0) {
		if (!old_kernel_begin())
			_exit(1);
		in_sandbox(*state, SANDBOX_PLACE, keeps_only_what_it_was_given);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(1500);
}

/* --- the keeper --------------------------------------------------------------------------------------------------- */

static mode_t mode_of(const char *path)
{
	return text_ends(path, ".so") ? 0755 : 0644;
}

static int unpack(const struct unit_place *place, const struct text *bytes, bool judge_only, struct unpack *u,
		  struct fault *f)
{
	static const char *const names[] = { "made.tar" };
	FS_AUTO int tree = -1;
	FS_AUTO int fd = -1;

	(void)mkdirat(place->dir, "tree", 0700);
	tree = openat(place->dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fchown(tree, WORKER, WORKER), 0);
	fd = openat(place->dir, "made.tar", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, bytes->bytes, bytes->length), (ssize_t)bytes->length);
	const struct unpack_request request = { .archives = &fd,
						.names = names,
						.archive_count = 1,
						.tree = tree,
						.judge_only = judge_only,
						.uid = WORKER,
						.gid = WORKER,
						.limits = LIMITS_DEFAULT,
						.mode_of = mode_of };
	const int r = unpack_run(&request, u, f);
	/* No process outlives the call. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
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

static void what_was_announced_was_placed_and_links_are_left_to_the_caller(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	struct stat status;
	TEXT_AUTO bytes = { 0 };
	char hex[SHA256_HEX_SIZE];

	good(&bytes);
	MUST(unpack(place, &bytes, false, &u, &f));
	unit_holds(place->dir, "tree/d/a.so", "abc");
	unit_holds(place->dir, "tree/deep/er/b", "b");
	assert_false(unit_there(place->dir, "tree/d/l"));
	assert_false(unit_there(place->dir, "tree/d/h"));
	/* Owner and mode are ours, not the archive's. */
	assert_int_equal(fstatat(place->dir, "tree/d/a.so", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
	assert_int_equal(status.st_uid, WORKER);
	assert_int_equal(fstatat(place->dir, "tree/deep/er/b", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0644);

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
	assert_null(unpack_find(&u, "d/x"));
	unpack_done(&u);
}

static void judging_places_nothing_and_tells_the_same(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO bytes = { 0 };

	good(&bytes);
	MUST(unpack(place, &bytes, true, &u, &f));
	assert_int_equal(u.files, 2);
	assert_non_null(unpack_find(&u, "d/l"));
	assert_false(unit_there(place->dir, "tree/d"));
	unpack_done(&u);
}

static void the_first_fault_is_told_with_the_members_name(void **state)
{
	struct unpack u = { 0 };
	struct fault f;
	TEXT_AUTO bytes = { 0 };

	MADE_ADD(&bytes, .name = "fine", .content = "abc");
	MADE_ADD(&bytes, .name = "../evil", .content = "abc");
	made_end(&bytes);
	MUST_FAIL(unpack(*state, &bytes, false, &u, &f), FAULT_REFUSED, "made.tar: member '../evil': '..' in the name");
	assert_null(u.entries);
}

static void an_archive_inside_is_read_as_a_stream_and_lies_where_it_lay(void **state)
{
	const struct unit_place *place = *state;
	struct unpack u = { 0 };
	struct fault f = { 0 };
	TEXT_AUTO inner = { 0 };
	TEXT_AUTO packed = { 0 };
	TEXT_AUTO bytes = { 0 };

	MADE_ADD(&inner, .name = "./bin/vtl", .content = "program");
	made_end(&inner);
	made_gzip(&packed, inner.bytes, inner.length);
	MADE_ADD(&bytes, .name = "top/client.tar.gz", .content = packed.bytes, .length = packed.length);
	made_end(&bytes);
	MUST(unpack(place, &bytes, false, &u, &f));
	unit_holds(place->dir, "tree/top/bin/vtl", "program");
	assert_false(unit_there(place->dir, "tree/top/client.tar.gz"));
	assert_string_equal(text_string(&u.format), "tar; tar.gz");
	unpack_done(&u);
}

static void archives_inside_of_archives_end_somewhere(void **state)
{
	struct unpack u = { 0 };
	struct fault f;
	TEXT_AUTO bytes = { 0 };

	MADE_ADD(&bytes, .name = "f", .content = "x");
	made_end(&bytes);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = { "three.tar", "two.tar", "one.tar" };
		TEXT_AUTO outer = { 0 };
		MADE_ADD(&outer, .name = names[i], .content = bytes.bytes, .length = bytes.length);
		made_end(&outer);
		text_cut(&bytes, 0);
		text_add(&bytes, outer.bytes, outer.length);
	}
	MUST_FAIL(unpack(*state, &bytes, false, &u, &f), FAULT_REFUSED,
		  "archives inside of archives, more than 2 deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(an_unpacking_process_owns_nothing_and_sees_nothing),
		UNIT_IN_PLACE(it_starts_no_processes_and_opens_no_sockets),
		UNIT_IN_PLACE(a_decoder_opens_nothing),
		UNIT_IN_PLACE(a_placer_makes_plain_files_of_limited_size_and_no_links),
		UNIT_IN_PLACE(every_other_descriptor_is_closed),
		UNIT_IN_PLACE(what_was_announced_was_placed_and_links_are_left_to_the_caller),
		UNIT_IN_PLACE(judging_places_nothing_and_tells_the_same),
		UNIT_IN_PLACE(the_first_fault_is_told_with_the_members_name),
		UNIT_IN_PLACE(an_archive_inside_is_read_as_a_stream_and_lies_where_it_lay),
		UNIT_IN_PLACE(archives_inside_of_archives_end_somewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
