/* fs/sha256: vectors of FIPS 180-4 and of NIST's example files. */
#include "unit.h"

#include <dlfcn.h>
#include <limits.h>
#include <sys/wait.h>

#include "base/hex.h"
#include "fs/read.h"
#include "fs/sha256.h"

static const struct {
	const char *message;
	unsigned times;
	const char *digest;
} vectors[] = {
	{ "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopq"
	  "rstu",
	  1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
	{ "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

static void the_digests_are_those_of_fips_180_4(void **state)
{
	SHA256_AUTO d = SHA256_INIT;
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		unsigned char digest[SHA256_SIZE];
		char hex[SHA256_HEX_SIZE];
		/* The object is used again and again. */
		MUST(fs_sha256_start(&d, &f));
		for (unsigned n = 0; n < vectors[i].times; n++)
			MUST(fs_sha256_add(&d, vectors[i].message, strlen(vectors[i].message), &f));
		MUST(fs_sha256_finish(&d, digest, &f));
		hex_encode(digest, SHA256_SIZE, hex);
		assert_string_equal(hex, vectors[i].digest);
	}
}

static void how_the_bytes_are_cut_makes_no_difference(void **state)
{
	enum { SIZE = 300000 };
	char *bytes = malloc(SIZE);
	unsigned char whole[SHA256_SIZE], pieces[SHA256_SIZE];
	SHA256_AUTO d = SHA256_INIT;
	struct fault f = { 0 };
	uint32_t seed = 7;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)unit_random(&seed);
	MUST(fs_sha256_start(&d, &f));
	MUST(fs_sha256_add(&d, bytes, SIZE, &f));
	MUST(fs_sha256_finish(&d, whole, &f));
	MUST(fs_sha256_start(&d, &f));
	for (size_t at = 0; at < SIZE;) {
		size_t step = unit_random(&seed) % 5000;
		if (step > SIZE - at)
			step = SIZE - at;
		MUST(fs_sha256_add(&d, bytes + at, step, &f));
		at += step;
	}
	MUST(fs_sha256_finish(&d, pieces, &f));
	assert_memory_equal(whole, pieces, SHA256_SIZE);
	free(bytes);
}

static void a_descriptor_is_read_from_where_it_stands(void **state)
{
	const struct unit_place *place = *state;
	unsigned char digest[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];
	struct fault f = { 0 };

	unit_write(place->dir, "x", "skip:abc", 0600);
	FS_AUTO int fd = openat(place->dir, "x", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
	MUST(fs_sha256_descriptor(fd, "x", digest, &f));
	hex_encode(digest, SHA256_SIZE, hex);
	assert_string_equal(hex, vectors[1].digest);
	MUST_FAIL(fs_sha256_descriptor(place->dir, "x", digest, &f), FAULT_SYSTEM, "cannot read 'x'");
}

/* Below a root of its own; `soname` is the name that libcrypto has there, NULL: it is not there. */
static int first_use(const char *root, const char *library, const char *soname)
{
	SHA256_AUTO d = SHA256_INIT;
	struct fault f = { 0 };
	char path[PATH_MAX];

	if (soname != NULL) {
		(void)snprintf(path, sizeof(path), "%s/usr/lib64/%s", root, soname);
		FS_AUTO int from = open(library, O_RDONLY | O_CLOEXEC);
		FS_AUTO int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fs_copy(from, to, soname, &f) < 0)
			return 2;
	}
	if (chroot(root) < 0)
		return 3;
	const int r = fs_sha256_start(&d, &f);
	return soname != NULL ? r : r < 0 && f.kind == FAULT_ABSENT ? 0 : 4;
}

/* Before any other, since what was found once is kept. */
static void any_soname_will_do_and_without_a_libcrypto_it_is_absent(void **state)
{
	const struct unit_place *place = *state;
	static const char *const sonames[] = { NULL, "libcrypto.so.10", "libcrypto.so.99" };
	int status;
	Dl_info info;

	void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		library = dlopen("libcrypto.so.1.1", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL || dladdr(dlsym(library, "EVP_sha256"), &info) == 0)
		skip();
	unit_dir(place->dir, "usr", 0755);
	unit_dir(place->dir, "usr/lib64", 0755);
	for (size_t i = 0; i < sizeof(sonames) / sizeof(sonames[0]); i++) {
		const pid_t pid = fork();
		if (pid == 0)
			_exit(first_use(place->path, info.dli_fname, sonames[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		char path[64];
		(void)snprintf(path, sizeof(path), "usr/lib64/%s", sonames[i] != NULL ? sonames[i] : "none");
		assert_int_equal(unlinkat(place->dir, path, 0), sonames[i] != NULL ? 0 : -1);
	}
}

static void an_object_never_started_may_be_ended_and_ended_again(void **state)
{
	struct fs_sha256 d = SHA256_INIT;
	struct fault f = { 0 };

	(void)state;
	fs_sha256_done(&d);
	MUST(fs_sha256_start(&d, &f));
	fs_sha256_done(&d);
	fs_sha256_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(any_soname_will_do_and_without_a_libcrypto_it_is_absent),
		cmocka_unit_test(the_digests_are_those_of_fips_180_4),
		cmocka_unit_test(how_the_bytes_are_cut_makes_no_difference),
		UNIT_IN_PLACE(a_descriptor_is_read_from_where_it_stands),
		cmocka_unit_test(an_object_never_started_may_be_ended_and_ended_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
