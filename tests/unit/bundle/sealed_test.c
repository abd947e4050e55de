/* bundle/sealed: content that does not match its header, and what is left of a secret. */
#include "okv_tree.h"

#include "bundle/sealed.c"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "fs/read.h"
#include "proc/interrupt.h"

struct made {
	int plain, sealed; /* files */
	struct bundle_sealed about;
	struct bundle_secret *secret;
};

/* A bundle of `size` bytes, ready to be sealed. */
static struct made *made_begin(const struct unit_place *place, size_t size)
{
	struct made *m = calloc(1, sizeof(*m));
	struct fault f = { 0 };
	char *bytes = calloc(1, size + 1);

	assert_true(m != NULL && bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('a' + i % 23);
	m->plain = openat(place->dir, "plain", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	m->sealed = openat(place->dir, "sealed", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(m->plain >= 0 && m->sealed >= 0);
	MUST(fs_write(m->plain, "plain", bytes, size, &f));
	assert_int_equal(lseek(m->plain, 0, SEEK_SET), 0);
	free(bytes);
	strcpy(m->about.header.origin, "okv1");
	m->about.header.created = 1700000000;
	m->about.header.iterations = BUNDLE_ITERATIONS_LEAST;
	MUST(secret_new(NULL, &m->secret, &f));
	tree_passphrase(m->secret);
	return m;
}

static void made_end(struct made *m)
{
	bundle_secret_free(&m->secret);
	fs_close(&m->plain);
	fs_close(&m->sealed);
	free(m);
}

static int seal(struct made *m, struct fault *f)
{
	const struct bundle_stream stream = {
		.in = m->plain, .in_name = "plain", .out = m->sealed, .out_name = "sealed", .secret = m->secret
	};

	return bundle_sealed_make(&m->about, &stream, f);
}

static int open_as(struct made *m, struct bundle_sealed *about, int out, struct fault *f)
{
	const struct bundle_stream stream = {
		.in = m->sealed, .in_name = "sealed", .out = out, .out_name = "out", .secret = m->secret
	};

	return bundle_sealed_open(about, &stream, f);
}

/* Opens the sealed file with the same passphrase. */
static int reopen(struct made *m, int out, struct fault *f)
{
	struct bundle_sealed about;

	tree_passphrase(m->secret);
	return bundle_sealed_look(m->sealed, "sealed", &about, f) < 0 ? -1 : open_as(m, &about, out, f);
}

static void what_is_sealed_is_opened_about_the_ends_of_blocks(void **state)
{
	static const size_t sizes[] = { BUNDLE_BLOCK_SIZE - 1, BUNDLE_BLOCK_SIZE, 6 * BUNDLE_BLOCK_SIZE + 1 };
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct made *m = made_begin(place, sizes[i]);
		FS_AUTO int out = openat(place->dir, "out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		char *was = malloc(sizes[i]), *is = malloc(sizes[i] + 1);
		MUST(seal(m, &f));
		MUST(reopen(m, out, &f));
		assert_true(was != NULL && is != NULL);
		assert_int_equal(pread(m->plain, was, sizes[i], 0), sizes[i]);
		assert_int_equal(pread(out, is, sizes[i] + 1, 0), sizes[i]);
		assert_memory_equal(was, is, sizes[i]);
		free(was);
		free(is);
		made_end(m);
	}
}

static void passphrase_and_key_are_wiped_whatever_comes_of_it(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct made *m = made_begin(place, 1000);

	MUST(seal(m, &f));
	assert_true(tree_all_zero(m->secret, sizeof(*m->secret)));
	MUST(reopen(m, -1, &f));
	assert_true(tree_all_zero(m->secret, sizeof(*m->secret)));
	/* Refused: the last byte of the tag. */
	unsigned char byte;
	const off_t end = lseek(m->sealed, 0, SEEK_END) - 1;
	assert_int_equal(pread(m->sealed, &byte, 1, end), 1);
	byte ^= 1;
	assert_int_equal(pwrite(m->sealed, &byte, 1, end), 1);
	MUST_FAIL(reopen(m, -1, &f), FAULT_REFUSED, "is not accepted");
	assert_true(tree_all_zero(m->secret, sizeof(*m->secret)));
	made_end(m);
}

static int being_sealed;
static volatile sig_atomic_t was_changed;

/* The first pass is over when the offset is at the end; then the key is derived. */
static void change_after_the_first_pass(int number)
{
	(void)number;
	if (!was_changed && lseek(being_sealed, 0, SEEK_CUR) == 5000)
		was_changed = pwrite(being_sealed, "X", 1, 4000) == 1;
}

/*
 * In this process and by its own time: deriving the key takes tens of ticks of that, whatever else the machine has to
 * do.
 */
static int seal_and_change(struct made *m, struct fault *f)
{
	const struct itimerval often = { .it_interval = { .tv_usec = 1000 }, .it_value = { .tv_usec = 1000 } };
	const struct itimerval never = { .it_value = { .tv_usec = 0 } };
	const struct sigaction action = { .sa_handler = change_after_the_first_pass, .sa_flags = SA_RESTART };

	being_sealed = m->plain;
	assert_int_equal(sigaction(SIGPROF, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_PROF, &often, NULL), 0);
	const int r = seal(m, f);
	assert_int_equal(setitimer(ITIMER_PROF, &never, NULL), 0);
	return r;
}

static void a_bundle_that_changes_while_it_is_sealed_is_incomplete(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct made *m = made_begin(place, 5000);

	MUST_FAIL(seal_and_change(m, &f), FAULT_INCOMPLETE, "was changed while it was sealed");
	assert_true(was_changed);
	made_end(m);
}

static void a_file_that_changes_its_length_while_it_is_read_is_refused(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct made *m = made_begin(place, 5000);
	struct bundle_sealed about;

	MUST(seal(m, &f));
	const off_t size = lseek(m->sealed, 0, SEEK_END);
	for (int longer = 0; longer < 2; longer++) {
		assert_int_equal(ftruncate(m->sealed, size), 0);
		tree_passphrase(m->secret);
		MUST(bundle_sealed_look(m->sealed, "sealed", &about, &f));
		assert_int_equal(ftruncate(m->sealed, longer ? size + 1 : size - 1), 0);
		MUST_FAIL(open_as(m, &about, -1, &f), FAULT_REFUSED, longer ? "became longer" : "became shorter");
	}
	/* bundle_sealed_look, which derives nothing, reports the same. */
	MUST_FAIL(bundle_sealed_look(m->sealed, "sealed", &about, &f), FAULT_REFUSED, "1 bytes after its end");
	assert_int_equal(ftruncate(m->sealed, size - 7), 0);
	MUST_FAIL(bundle_sealed_look(m->sealed, "sealed", &about, &f), FAULT_REFUSED, "7 of its bytes are missing");
	made_end(m);
}

/* In a child, because the signal ends it. */
static void a_pending_interrupt_ends_both_with_incomplete(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };
	struct made *m = made_begin(place, 5000);
	int status;

	MUST(seal(m, &f));
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		proc_interrupt_watch();
		(void)raise(SIGTERM);
		(void)lseek(m->plain, 0, SEEK_SET);
		const bool sealing = seal(m, &f) < 0 && f.kind == FAULT_INCOMPLETE;
		f = (struct fault){ 0 };
		const bool opening = reopen(m, -1, &f) < 0 && f.kind == FAULT_INCOMPLETE;
		_exit(sealing && opening ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	made_end(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(what_is_sealed_is_opened_about_the_ends_of_blocks),
		UNIT_IN_PLACE(passphrase_and_key_are_wiped_whatever_comes_of_it),
		UNIT_IN_PLACE(a_bundle_that_changes_while_it_is_sealed_is_incomplete),
		UNIT_IN_PLACE(a_file_that_changes_its_length_while_it_is_read_is_refused),
		UNIT_IN_PLACE(a_pending_interrupt_ends_both_with_incomplete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
