/* fs/sha256: the same digest from every provider; vectors of FIPS 180-4 and of NIST's example files. */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/if_alg.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/hex.h"
#include "base/text.h"
#include "fs/sha256.h"

/*
 * Some kernels, and containers that filter system calls, have no AF_ALG.  There its part is played here, after
 * crypto/userspace-if of the kernel's documentation: bind names the algorithm, accept gives a descriptor, send with
 * MSG_MORE adds, send without it adds and ends the message, read gives the digest.  These definitions come before those
 * of the C library; where the kernel has AF_ALG they hand everything to it.
 */
enum { STANDIN_MAX = 4 };
static bool kernel_refuses;
static struct standin {
	int fd;
	bool bound, ended;
	struct text message;
} standins[STANDIN_MAX];

static bool standin_wanted(void)
{
	static int wanted = -1;

	if (wanted < 0) {
		const long fd = syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		wanted = fd < 0;
		if (fd >= 0)
			(void)close((int)fd);
	}
	return wanted == 1;
}

static struct standin *standin_of(int fd)
{
	for (size_t i = 0; i < STANDIN_MAX; i++)
		if (standins[i].fd == fd && fd > 0)
			return &standins[i];
	return NULL;
}

static int standin_open(void)
{
	const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < STANDIN_MAX; i++) {
		if (standins[i].fd != 0)
			continue;
		standins[i] = (struct standin){ .fd = fd, .message = { 0 } };
		return fd;
	}
	return -1;
}

int close(int fd)
{
	struct standin *standin = standin_of(fd);

	if (standin != NULL) {
		text_done(&standin->message);
		standin->fd = 0;
	}
	return (int)syscall(SYS_close, fd);
}

int socket(int domain, int type, int protocol)
{
	if (domain == AF_ALG && kernel_refuses) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	if (domain == AF_ALG && standin_wanted()) {
		assert_int_equal(type, SOCK_SEQPACKET | SOCK_CLOEXEC);
		return standin_open();
	}
	return (int)syscall(SYS_socket, domain, type, protocol);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct standin *standin = standin_of(fd);
	struct sockaddr_alg alg;

	if (standin == NULL)
		return (int)syscall(SYS_bind, fd, address, length);
	assert_int_equal(length, sizeof(alg));
	memcpy(&alg, address, sizeof(alg));
	assert_string_equal((const char *)alg.salg_type, "hash");
	assert_string_equal((const char *)alg.salg_name, "sha256");
	standin->bound = true;
	return 0;
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
	struct standin *standin = standin_of(fd);

	if (standin == NULL)
		return (int)syscall(SYS_accept4, fd, address, length, flags);
	assert_true(standin->bound);
	return standin_open();
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	struct standin *standin = standin_of(fd);

	if (standin == NULL)
		return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
	if (standin->ended)
		text_cut(&standin->message, 0);
	/* The kernel may take less than it is offered. */
	const size_t taken = length > 1000 ? length - 7 : length;
	text_add(&standin->message, bytes, taken);
	standin->ended = (flags & MSG_MORE) == 0;
	return (ssize_t)taken;
}

ssize_t read(int fd, void *bytes, size_t length)
{
	struct standin *standin = standin_of(fd);

	if (standin == NULL)
		return syscall(SYS_read, fd, bytes, length);
	assert_true(standin->ended);
	assert_true(length >= SHA256_SIZE);
	void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		library = dlopen("libcrypto.so.1.1", RTLD_NOW | RTLD_LOCAL);
	assert_non_null(library);
	unsigned char *(*sha256)(const unsigned char *, size_t, unsigned char *);
	void *symbol = dlsym(library, "SHA256");
	assert_non_null(symbol);
	memcpy(&sha256, &symbol, sizeof(sha256));
	(void)sha256((const unsigned char *)text_string(&standin->message), standin->message.length, bytes);
	return SHA256_SIZE;
}

/* --- the tests ------------------------------------------------------------------------------------------------- */

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

static const char *const providers[] = { "libcrypto", "kernel" };

/* Allows one of the two only. */
static void use(size_t provider)
{
	fs_sha256_forbid(providers[1 - provider]);
}

static int allow(void **state)
{
	(void)state;
	fs_sha256_forbid(NULL);
	return 0;
}

static void both_providers_give_the_digests_of_fips_180_4(void **state)
{
	struct fault f = { 0 };

	(void)state;
	for (size_t provider = 0; provider < 2; provider++) {
		use(provider);
		SHA256_AUTO d = SHA256_INIT;
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
}

static void how_the_bytes_are_cut_makes_no_difference(void **state)
{
	enum { SIZE = 300000 };
	char *bytes = malloc(SIZE);
	unsigned char whole[2][SHA256_SIZE], pieces[SHA256_SIZE];
	struct fault f = { 0 };
	uint32_t seed = 7;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)unit_random(&seed);
	for (size_t provider = 0; provider < 2; provider++) {
		use(provider);
		SHA256_AUTO d = SHA256_INIT;
		MUST(fs_sha256_start(&d, &f));
		MUST(fs_sha256_add(&d, bytes, SIZE, &f));
		MUST(fs_sha256_finish(&d, whole[provider], &f));
		MUST(fs_sha256_start(&d, &f));
		for (size_t at = 0; at < SIZE;) {
			size_t step = unit_random(&seed) % 5000;
			if (step > SIZE - at)
				step = SIZE - at;
			MUST(fs_sha256_add(&d, bytes + at, step, &f));
			at += step;
		}
		MUST(fs_sha256_finish(&d, pieces, &f));
		assert_memory_equal(whole[provider], pieces, SHA256_SIZE);
	}
	assert_memory_equal(whole[0], whole[1], SHA256_SIZE);
	free(bytes);
}

static void a_descriptor_is_read_from_where_it_stands(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	unit_write(place->dir, "x", "skip:abc", 0600);
	for (size_t provider = 0; provider < 2; provider++) {
		unsigned char digest[SHA256_SIZE];
		char hex[SHA256_HEX_SIZE];
		FS_AUTO int fd = openat(place->dir, "x", O_RDONLY | O_CLOEXEC);
		use(provider);
		assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
		MUST(fs_sha256_descriptor(fd, "x", digest, &f));
		hex_encode(digest, SHA256_SIZE, hex);
		assert_string_equal(hex, vectors[1].digest);
	}
	unsigned char digest[SHA256_SIZE];
	fs_sha256_forbid(NULL);
	MUST_FAIL(fs_sha256_descriptor(place->dir, "x", digest, &f), FAULT_SYSTEM, "cannot read 'x'");
}

static void with_neither_provider_it_is_absent(void **state)
{
	SHA256_AUTO d = SHA256_INIT;
	struct fault f = { 0 };

	(void)state;
	fs_sha256_forbid("libcrypto");
	kernel_refuses = true;
	MUST_FAIL(fs_sha256_start(&d, &f), FAULT_ABSENT, "no SHA-256 here");
	kernel_refuses = false;
}

static void an_object_never_started_may_be_ended_and_ended_again(void **state)
{
	struct fs_sha256 d = SHA256_INIT;
	struct fault f = { 0 };

	(void)state;
	fs_sha256_done(&d);
	fs_sha256_forbid(NULL);
	MUST(fs_sha256_start(&d, &f));
	fs_sha256_done(&d);
	fs_sha256_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_providers_give_the_digests_of_fips_180_4, NULL, allow),
		cmocka_unit_test_setup_teardown(how_the_bytes_are_cut_makes_no_difference, NULL, allow),
		UNIT_IN_PLACE(a_descriptor_is_read_from_where_it_stands),
		cmocka_unit_test_setup_teardown(with_neither_provider_it_is_absent, NULL, allow),
		cmocka_unit_test_setup_teardown(an_object_never_started_may_be_ended_and_ended_again, NULL, allow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
